"""What every worker reads whole: rule sets and versions of the model, compacted topics of one partition, outside the group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from risk.language import RuleSet
from risk.learning import Version, VersionError
from streams.outbox import NO_HEADERS, Outbox

log = logging.getLogger(__name__)


async def publish_ruleset(outbox: Outbox, topic: str, ruleset: RuleSet) -> None:
    """Put the rule set where a receipt's hash can find it. Returns when it is safe: no decision may name a rule set that is nowhere."""
    value = orjson.dumps({"hash": ruleset.hash, "sources": dict(ruleset.sources)})
    await outbox.send(topic, 0, [(ruleset.hash.encode(), value, NO_HEADERS)])


async def publish_version(outbox: Outbox, topic: str, version: Version) -> None:
    """Put a version of the model where a receipt's hash, and every worker, can find it."""
    await outbox.send(topic, 0, [(version.hash.encode(), version.to_bytes(), NO_HEADERS)])


class Models:
    """Follows the versions of the model; ``use`` is called with each that fits, in the order in which they were published."""

    def __init__(self, brokers: str, topic: str, use: Callable[[Version], None]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=500
        )
        self._tp = TopicPartition(topic, 0)
        self._use = use
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read to the end, so that the first decision is scored by the newest version; then follow."""
        await self._consumer.start()
        self._consumer.assign([self._tp])
        await self._consumer.seek_to_beginning(self._tp)
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        newest: bytes | None = None
        while await self._consumer.position(self._tp) < end:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                newest = records[-1].value
        if newest is not None:
            self._offer(newest)
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                self._offer(records[-1].value)

    def _offer(self, raw: bytes) -> None:
        try:
            self._use(Version.from_bytes(raw))
        except VersionError as error:
            log.warning("a version of the model cannot be used: %s", error)
