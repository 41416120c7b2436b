"""Choosing a version of the model: what the topics say of it, the evidence, and the act that is written down.

Belongs here: reading risk.models and the learn log for `risk model`, writing acts. Never: a worker's work, tables for the terminal.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from risk.decisions import rfc3339
from risk.declared import ModelDecl
from risk.learning.inputs import ModelError
from risk.learning.log import BadRecord
from risk.learning.order import Ordered
from risk.learning.registry import ACT_KEY, Act, Listed, Registry
from risk.learning.side_by_side import MATURITIES_DAYS, Contest, SideBySide, verdict_of
from streams.outbox import NO_HEADERS, Outbox
from streams.reader import Reader
from streams.security import kafka_at
from streams.settings import Settings
from streams.teach import LEARN_PARTITION
from streams.topics import ensure_topics, names


class NoSuchVersion(ValueError):
    """A name that no version has, or more than one."""


@dataclass(frozen=True, slots=True)
class Topics:
    """What risk.models and the learn log held when they were read."""

    settings: Settings
    registry: Registry
    learned: list[tuple[bytes, int]]

    @classmethod
    async def read(cls, settings: Settings, model: ModelDecl) -> Topics:
        """Both topics, whole. Raises NoKafka and TopicProblem."""
        await ensure_topics(settings)
        topics, registry, learned = names(settings), Registry(model, kept=None), []
        async with Reader(settings.brokers) as reader:
            async for records in reader.read(topics["models"], 0):
                for record in records:
                    registry.take(record.key, record.value, record.timestamp)
            async for records in reader.read(topics["learn"], LEARN_PARTITION):
                learned += [(record.value, record.timestamp) for record in records if record.value]
        return cls(settings, registry, learned)

    def one(self, name: str) -> Listed:
        """The version of this name. Raises NoSuchVersion."""
        found = self.registry.named(name)
        if len(found) != 1:
            said = "there is no version" if not self.registry.versions else "no version" if not found else f"{len(found)} versions"
            raise NoSuchVersion(f"{said} {name!r}: `risk model list` shows those of this rule set's model")
        return found[0]

    async def write(self, act: Act) -> None:
        """Put an act on the record."""
        producer = AIOKafkaProducer(**kafka_at(self.settings.brokers), acks="all", enable_idempotence=True)
        await producer.start()
        try:
            key = ACT_KEY + f"{act.at}/{secrets.token_hex(4)}".encode()
            await Outbox(producer).send(names(self.settings)["models"], 0, [(key, act.to_bytes(), NO_HEADERS)])
        finally:
            await producer.stop()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two versions on the same payments. ``decided``: payments decided that both could score, labelled or not."""

    first: str
    second: str
    decided: int
    found: dict[str, Any]
    by_maturity: dict[str, dict[str, Any]]

    @property
    def verdict(self) -> str:
        return verdict_of(self.found)

    @property
    def speaks_for(self) -> bool:
        """Whether the first version may take the second's place: enough frauds, and not shown to be worse."""
        return self.verdict in ("better", "no difference shown")

    def line(self) -> str:
        return (
            f"{self.first[:19]} against {self.second[:19]}: {self.verdict} in average precision; {self.found['frauds']:,} frauds among "
            f"{self.found['payments']:,} judged of {self.decided:,} payments decided"
        )

    def data(self) -> dict[str, Any]:
        told = {"first": self.first, "second": self.second, "decided": self.decided, "verdict": self.verdict}
        return {**told, **self.found, "by_maturity": self.by_maturity}


def compare(topics: Topics, model: ModelDecl, first: Listed, second: Listed, days: int = 0) -> Evidence:
    """Both versions on the payments decided after both were published."""
    beside = SideBySide(model, (first.version, second.version), max(first.at_ms, second.at_ms))
    for raw, appended_ms in topics.learned:
        try:
            beside.take(raw, appended_ms)
        except BadRecord:
            continue  # the learner has counted it
    found = beside.evidence(at_least_days=days)
    ages = {f"{age}d": beside.evidence(at_least_days=age, presumed=False) for age in MATURITIES_DAYS}
    return Evidence(first.version.hash, second.version.hash, beside.decided, found, ages)


def contest(topics: Topics, model: ModelDecl, first: str, second: str, days: int = 0) -> Evidence:
    """Two learners over the whole log, each having scored a payment before it learned of it. Raises NoSuchVersion."""
    try:
        ordered = Ordered(Contest(model, first, second))
    except ModelError as error:
        raise NoSuchVersion(str(error)) from error
    for raw, _ in topics.learned:
        try:
            for _ in ordered.take(raw):
                pass
        except BadRecord:
            continue  # the learner has counted it
    both = ordered.learner
    ages = {f"{age}d": both.evidence_of_both(at_least_days=age, presumed=False) for age in MATURITIES_DAYS}
    return Evidence(first, second, both.ledger.counts["offers"], both.evidence_of_both(at_least_days=days), ages)


def decide_act(topics: Topics, model: ModelDecl, do: str, name: str | None, by: str, why: str, days: int) -> tuple[Act, Evidence | None]:
    """The act to be written, and for a promotion the evidence that goes with it. Raises NoSuchVersion."""
    registry, at = topics.registry, rfc3339(int(time.time() * 1000))
    before = registry.champion.version.hash if registry.champion is not None else None
    if do == "rollback":
        return Act("rollback", model.name, registry.before, by, at, why, before), None
    if name == "newest":
        return Act("promote", model.name, None, by, at, why, before), None
    chosen = topics.one(name or "")
    if registry.champion is None or registry.champion.version == chosen.version:
        return Act("promote", model.name, chosen.version.hash, by, at, why, before), None
    evidence = compare(topics, model, chosen, registry.champion, days)
    return Act("promote", model.name, chosen.version.hash, by, at, why, before, evidence.data()), evidence
