"""Following the topic of models: which version is in force, for every worker, outside the group.

Belongs here: reading the topic, telling whoever scores. Never: what a record means (`risk.learning.registry`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from risk.declared import ModelDecl
from risk.learning.registry import Registry
from risk.learning.version import Version
from streams.metrics import Metrics
from streams.reader import Reader
from streams.security import kafka_at

log = logging.getLogger(__name__)


class Models:
    """``use`` is called with each version that comes into force; ``fail`` ends a worker that can no longer follow."""

    def __init__(
        self,
        brokers: str,
        topic: str,
        model: ModelDecl | None,
        metrics: Metrics,
        use: Callable[[Version], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._consumer = AIOKafkaConsumer(
            **kafka_at(brokers), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=500
        )
        self._brokers = brokers
        self._tp = TopicPartition(topic, 0)
        self.registry = Registry(model)
        self._metrics = metrics
        self._use = use
        self._fail = fail
        self._task: asyncio.Task[None] | None = None
        self._in_force: str | None = None

    async def start(self) -> None:
        """Read to the end, so that the first decision is scored by the version in force; then follow."""
        await self._consumer.start()
        self._consumer.assign([self._tp])
        await self._consumer.seek_to_beginning(self._tp)
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        while await self._consumer.position(self._tp) < end:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                self._take(records)
                await asyncio.sleep(0)
        await self._put_in_force()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._consumer.stop()

    async def _follow(self) -> None:
        try:
            while True:
                for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                    self._take(records)
                await self._put_in_force()
        except Exception as error:  # noqa: BLE001 - whatever it is: a worker must not go on with a model that stands still
            self._fail(error)

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            reason = self.registry.take(record.key, record.value, record.timestamp)
            if reason is not None:
                self._metrics.add("risk_model_records_refused_total", reason)
                if reason != "other_model":  # of an earlier rule set, mostly
                    log.warning("record %d of %s has no effect: %s", record.offset, self._tp.topic, reason)

    async def _put_in_force(self) -> None:
        missing = self.registry.missing
        if missing is not None:
            await self._look_for(missing)
        listed = self.registry.champion
        if listed is not None:
            if listed.version.hash != self._in_force:
                self._in_force = listed.version.hash
                self._use(listed.version)
            self._metrics.set("risk_model_age_seconds", max(0.0, time.time() - listed.at_ms / 1000))
        self._metrics.set("risk_model_pinned", float(self.registry.pinned is not None))

    async def _look_for(self, name: str) -> None:
        """A version was promoted that is older than those remembered."""
        async with Reader(self._brokers) as reader:
            async for records in reader.read(self._tp.topic, 0):
                for record in records:
                    if record.key == name.encode():
                        self.registry.take(record.key, record.value, record.timestamp)
        if self.registry.missing == name:
            log.warning("the promoted version %s is nowhere on %s: the newest one decides", name[:19], self._tp.topic)
