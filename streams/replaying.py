"""Receipts executed again, straight from the topics: what workers wrote, under the rule sets, models and lists that they had.

Belongs here: which receipts count, and where what they name is found. Never: what is compared in a receipt (`risk.tools.replaying`).

Rule 1: a receipt counts when a decision that counts names it by its hash. One that none names is an orphan: its worker ended, or lost the
partition, before the decision was out.
Rule 2: a decision that counts and whose receipt is nowhere, or says something else, is a difference.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka.structs import ConsumerRecord

from risk.gateway import DecisionReader
from risk.language import RuleFileError, RuleSet, load
from risk.learning import Version, VersionError
from risk.tools.messages import Numbered
from risk.tools.replaying import DIFFERS, OTHER_LIST, OTHER_RULESET, NoReceipt, Replay, Replayed, Summary
from streams.lists import entries_of, read_lists
from streams.reader import Reader
from streams.settings import Settings
from streams.topics import names

SAID_TWICE = ("payment_id", "action", "score", "reasons", "obligations", "degraded", "late", "decided_at")
"""Parts that a decision and its receipt both have, and that must be the same in both."""

AHEAD_MS = 60_000
"""A receipt is written before its decision, hardly ever so long before."""

Tell = Callable[[int, int], None]
"""How many receipts were read, of how many."""


@dataclass(slots=True)
class FromTopics:
    """What a replay of the topics found. ``summary``: of the receipts that decisions name; ``lost``: payments whose receipt is nowhere."""

    summary: Summary = field(default_factory=Summary)
    decisions: int = 0
    void: int = 0
    orphans: int = 0
    lost: list[str] = field(default_factory=list)
    rulesets: Counter[str] = field(default_factory=Counter)

    @property
    def differs(self) -> bool:
        return bool(self.summary.differ or self.lost)


class _Books:
    """What receipts name: rule sets, versions of the model, and changes of lists, all as they stand on their topics."""

    def __init__(self, sources: dict[str, dict[str, str]], versions: list[Version], lists: dict[bytes, dict[str, Any]]) -> None:
        self._sources = sources
        self._versions = versions
        self._lists = lists
        self._machines: dict[str, Replay | None] = {}

    def machine(self, ruleset_hash: str) -> Replay | None:
        """Ready to execute receipts of a rule set; None where it is nowhere, or this release cannot load it any more."""
        if ruleset_hash not in self._machines:
            self._machines[ruleset_hash] = self._made(ruleset_hash)
        return self._machines[ruleset_hash]

    def _made(self, ruleset_hash: str) -> Replay | None:
        sources = self._sources.get(ruleset_hash)
        if sources is None:
            return None
        try:
            ruleset: RuleSet = load([(path, text) for path, text in sources.items()])
        except RuleFileError:
            return None
        model = ruleset.model
        fitting = [version for version in self._versions if model is not None and version.fits(model)]
        return Replay(ruleset, fitting, entries_of(self._lists, ruleset.lists))


async def _books(reader: Reader, topics: dict[str, str]) -> _Books:
    sources: dict[str, dict[str, str]] = {}
    async for records in reader.read(topics["rulesets"], 0):
        for record in records:
            if record.value:
                said = orjson.loads(record.value)
                sources[said["hash"]] = said["sources"]
    versions: list[Version] = []
    async for records in reader.read(topics["models"], 0):
        versions += [version for record in records if (version := _version(record.value)) is not None]
    return _Books(sources, versions, await read_lists(reader, topics["lists"]))


def _version(raw: bytes | None) -> Version | None:
    try:
        return Version.from_bytes(raw or b"")
    except VersionError:
        return None  # an act by which somebody chose among them


async def replay_topics(settings: Settings, newest: int, keep: int, tell: Tell) -> FromTopics:
    """Execute the receipts of the newest decisions (0: of all that are there) again; the first ``keep`` that differ are kept.

    ``newest`` counts records of a partition. Raises what Kafka raises.
    """
    found, topics, done, total = FromTopics(), names(settings), 0, 0
    async with Reader(settings.brokers) as reader:
        books = await _books(reader, topics)
        for partition in range(settings.partitions):
            named = await _named(reader, topics["decisions"], partition, newest, found)
            if not named.values:
                continue
            first, last = await reader.range(topics["receipts"], partition)
            start = await reader.offset_at(topics["receipts"], partition, named.since_ms - AHEAD_MS) if newest else first
            total += last - (start if start is not None else last)
            async for records in reader.read(topics["receipts"], partition, start if start is not None else last, last):
                for record in records:
                    _take(record, named, books, found, keep)
                done += len(records)
                tell(done, total)
            found.lost += [str(orjson.loads(raw)["payment_id"]) for raw in named.values.values()]
    return found


@dataclass(slots=True)
class _Named:
    """Decisions of a partition that count, by the hash of their receipt; ``since_ms``: when the first record looked at was written."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    since_ms: int = 0


async def _named(reader: Reader, topic: str, partition: int, newest: int, found: FromTopics) -> _Named:
    counting, named = DecisionReader(), _Named()
    first, last = await reader.range(topic, partition)
    async for records in reader.read(topic, partition, max(first, last - newest) if newest else first, last):
        named.since_ms = named.since_ms or records[0].timestamp
        for record in records:
            decision = counting.feed(record.partition, record.offset, record.value, record.headers)
            if decision is not None:
                named.values[bytes.fromhex(decision.receipt.removeprefix("sha256:"))] = bytes(record.value)
    found.decisions += counting.decisions
    found.void += counting.void
    return named


def _take(record: ConsumerRecord, named: _Named, books: _Books, found: FromTopics, keep: int) -> None:
    decision = named.values.pop(hashlib.sha256(record.value or b"").digest(), None)
    if decision is None:
        found.orphans += record.timestamp >= named.since_ms  # an older one belongs to a decision that was not looked at
        return
    receipt = orjson.loads(record.value)
    found.rulesets[str(receipt.get("ruleset"))] += 1
    found.summary.add(_one(record, receipt, orjson.loads(decision), books), receipt, keep)


def _one(record: ConsumerRecord, receipt: dict[str, Any], decision: dict[str, Any], books: _Books) -> Replayed:
    payment_id = str(decision["payment_id"])
    machine = books.machine(str(receipt.get("ruleset")))
    if machine is None:
        return Replayed(record.offset, payment_id, OTHER_RULESET)
    try:
        replayed = machine.one(Numbered(record.offset, receipt))
    except NoReceipt as problem:
        return Replayed(record.offset, payment_id, DIFFERS, (("receipt", str(problem), ""),))
    parts = (part for part in SAID_TWICE if receipt.get(part) != decision.get(part))
    apart = tuple((f"decision.{part}", str(receipt.get(part)), str(decision.get(part))) for part in parts)
    if apart and replayed.verdict not in (OTHER_RULESET, OTHER_LIST):
        return Replayed(record.offset, payment_id, DIFFERS, (*apart, *replayed.differences), replayed.scored)
    return replayed
