"""What every worker reads whole: rule sets and versions of the model, compacted topics of one partition, outside the group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from risk.language import RuleSet
from risk.learning import Version, VersionError
from risk.profiles import coverage_keys
from streams.outbox import NO_HEADERS, Outbox
from streams.reader import Reader

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """A rule set that workers ran: its hash, what its profiles keep, and the broker's time of its publication."""

    hash: str
    keeps: frozenset[str]
    at_ms: int


def kept_by(ruleset: RuleSet) -> frozenset[str]:
    """What the profiles of this rule set keep, by the names of their series and columns."""
    return frozenset(key for feature in ruleset.features.values() for key in coverage_keys(feature))


def covered_since(history: Sequence[Published], keeps: Iterable[str], now_ms: int) -> dict[str, int]:
    """Since when each series or column was kept without a gap: 0 (always) is left out.

    ``history`` in order of publication. What the first rule set of an installation kept is covered from the beginning; what a later
    one added, from its publication on; what none kept, from now on.
    """
    since: dict[str, int] = {}
    for key in keeps:
        begun: Published | None = None
        for published in reversed(history):
            if key not in published.keeps:
                break
            begun = published
        if begun is None:
            since[key] = now_ms if history else 0
        elif begun is not history[0]:
            since[key] = begun.at_ms
    return {key: at for key, at in since.items() if at}


async def read_rulesets(brokers: str, topic: str) -> list[Published]:
    """Every rule set that was published, oldest first."""
    found: dict[str, Published] = {}
    async with Reader(brokers) as reader:
        async for records in reader.read(topic, 0):
            for record in records:
                if record.value:
                    value = orjson.loads(record.value)
                    found.pop(value["hash"], None)  # published again after another one: it counts from then
                    found[value["hash"]] = Published(value["hash"], frozenset(value["keeps"]), record.timestamp)
    return list(found.values())


async def publish_ruleset(outbox: Outbox, topic: str, ruleset: RuleSet, history: Sequence[Published]) -> None:
    """Put the rule set where a receipt's hash can find it, unless it is the newest there.

    Returns when it is safe: no decision may name a rule set that is nowhere.
    """
    if not history or history[-1].hash != ruleset.hash:
        value = orjson.dumps({"hash": ruleset.hash, "keeps": sorted(kept_by(ruleset)), "sources": dict(ruleset.sources)})
        await outbox.send(topic, 0, [(ruleset.hash.encode(), value, NO_HEADERS)])


async def publish_version(outbox: Outbox, topic: str, version: Version) -> None:
    """Put a version of the model where a receipt's hash, and every worker, can find it."""
    await outbox.send(topic, 0, [(version.hash.encode(), version.to_bytes(), NO_HEADERS)])


class Models:
    """Follows the versions of the model; ``use`` is called with each new one; ``fail`` ends a worker that can no longer follow."""

    def __init__(self, brokers: str, topic: str, use: Callable[[Version], None], fail: Callable[[BaseException], None]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=500
        )
        self._tp = TopicPartition(topic, 0)
        self._use = use
        self._fail = fail
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
        try:
            while True:
                for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                    self._offer(records[-1].value)
        except Exception as error:  # noqa: BLE001 - whatever it is: a worker must not go on with a model that stands still
            self._fail(error)

    def _offer(self, raw: bytes) -> None:
        try:
            self._use(Version.from_bytes(raw))
        except VersionError as error:
            log.warning("a version of the model cannot be used: %s", error)
