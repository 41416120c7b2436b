"""What every worker reads whole: rule sets, a compacted topic of one partition, outside the group; and publishing versions of the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from risk.language import RuleSet
from risk.learning import Version
from risk.profiles import coverage_keys
from streams.outbox import NO_HEADERS, Outbox
from streams.reader import Reader


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
