"""Batches to Kafka: records go out as whole batches, and whoever sent them is told when all are safe."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from streams.heartbeat import Heartbeat

log = logging.getLogger(__name__)
Headers = list[tuple[str, bytes]]
NO_HEADERS: Headers = []
Record = tuple["bytes | None", "bytes | None", Headers]


class Place(NamedTuple):
    """Where a batch landed: the offset of its first record (-1: unknown), and that after its last."""

    first: int
    end: int


class Outbox:
    """Writes records of one partition in order, as few batches as they fit in; with a ``heartbeat`` only while the group knows us."""

    def __init__(self, producer: AIOKafkaProducer, heartbeat: Heartbeat | None = None) -> None:
        self._producer = producer
        self._heartbeat = heartbeat

    async def send(self, topic: str, partition: int, records: Iterable[Record]) -> list[Place]:
        """Returns when the broker has acknowledged every record, with where they landed; raises what the broker refused."""
        producer = self._producer
        futures, counts = [], []
        batch = producer.create_batch()
        count, now_ms = 0, int(time.time() * 1000)  # once a send: the builder would ask the clock for each record
        for key, value, headers in records:
            if batch.append(timestamp=now_ms, key=key, value=value, headers=headers) is None:
                futures.append(await self._send_batch(batch, topic, partition))
                counts.append(count)
                batch = producer.create_batch()
                batch.append(timestamp=now_ms, key=key, value=value, headers=headers)
                count = 0
            count += 1
        if count:
            futures.append(await self._send_batch(batch, topic, partition))
            counts.append(count)
        return [Place(told.offset, told.offset + count) for told, count in zip(await asyncio.gather(*futures), counts, strict=True)]

    async def _send_batch(self, batch: Any, topic: str, partition: int) -> asyncio.Future[Any]:
        while True:
            if self._heartbeat is not None and not self._heartbeat.fresh:
                await self._heartbeat.wait()
            try:
                return cast("asyncio.Future[Any]", await self._producer.send_batch(batch, topic, partition=partition))
            except KafkaTimeoutError:  # there was no room for it, so it was not taken: with Kafka away we wait as long as it takes
                log.warning("no room to send to %s/%d yet: is Kafka away?", topic, partition)
