"""Reading a topic outside the consumer group: changelogs, the end of ``decisions``, rule sets and models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.security import kafka_at

MAX_FETCH_BYTES = 8 * 1024 * 1024
SILENCE_SECONDS = 30.0


class ReadStalled(Exception):
    """The broker did not bring what it says it has."""


class Reader:
    """One consumer without a group, used for one range after another."""

    def __init__(self, brokers: str) -> None:
        self._consumer = AIOKafkaConsumer(
            **kafka_at(brokers),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_FETCH_BYTES,
            fetch_max_wait_ms=100,
            retry_backoff_ms=10,  # a topic asked of for the first time is looked up by trying again
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        # aiokafka cancels tasks of its own and waits for them: one that had not begun yet would end us with its CancelledError.
        await asyncio.sleep(0)
        await asyncio.wait([asyncio.ensure_future(self._consumer.stop())])

    async def range(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset and the offset after the last."""
        tp = TopicPartition(topic, partition)
        first = await self._consumer.beginning_offsets([tp])
        last = await self._consumer.end_offsets([tp])
        return first[tp], last[tp]

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int | None:
        """The first offset that was written at that time or later; None where there is none."""
        tp = TopicPartition(topic, partition)
        found = (await self._consumer.offsets_for_times({tp: at_ms})).get(tp)
        return found.offset if found is not None else None

    async def read(
        self, topic: str, partition: int, start: int | None = None, end: int | None = None
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """All records of a partition from ``start`` (its first) up to ``end`` (its end at the time of the call)."""
        tp = TopicPartition(topic, partition)
        first, last = await self.range(topic, partition)
        start = first if start is None else max(first, start)
        end = last if end is None else min(last, end)
        if start >= end:
            return
        self._consumer.assign([tp])
        self._consumer.seek(tp, start)
        silent = 0.0
        while await self._consumer.position(tp) < end:
            found = await self._consumer.getmany(tp, timeout_ms=1000)
            records = [record for record in found.get(tp, []) if record.offset < end]
            silent = 0.0 if found else silent + 1.0
            if silent >= SILENCE_SECONDS:
                at = await self._consumer.position(tp)
                raise ReadStalled(f"{topic}/{partition} says it ends at {end}, but nothing came from {at} for {SILENCE_SECONDS:.0f} s")
            if records:
                yield records
