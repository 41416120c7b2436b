"""Every topic, in one table, and the one place that creates and checks them.

Belongs here: names, partitions, clean-up and what a topic is for. Never: producing or consuming.

Rules of the table: all topics with partitions "all" have one and the same count, for what is in partition p of one belongs to
partition p of the others. What producers send is stamped by the broker (LogAppendTime): event time on a topic with time
retention would let the broker delete what is not yet read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from streams.security import Brokers, kafka_at
from streams.settings import Settings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MESSAGE_BYTES_MAX = 4 * 2**20
"""Of every topic: a message of 1 MB is far too big for us, but it must arrive to become a dead letter."""
COMPACTION_LAG_MS = 10 * 60_000
"""A stale owner may write over a good record; until it is voided the good one must not be compacted away."""
ANSWER_SECONDS = 5.0  # with the start of a process on a busy machine, less than the ten seconds that are promised
REPLICAS_MAX = 3


class TopicProblem(Exception):
    """Topics that exist and do not fit: `problems` has a line for each of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NoKafka(Exception):
    """Nothing at `brokers` answers as a Kafka. The text is for the person at the terminal."""

    def __init__(self, brokers: str, cause: str) -> None:
        super().__init__(
            f"no Kafka answers at {brokers}: {cause}. Is it running, and is RISK_BROKERS right? `risk kafka` starts one on this machine."
            if not isinstance(brokers, Brokers)
            else f"no Kafka answers at {brokers}: {cause}. Is it running, and are RISK_SASL_* and RISK_TLS_* what it asks for?"
        )


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `name` may name settings in braces; `retention_ms` None keeps records for ever."""

    role: str
    name: str
    meaning: str
    retention_ms: int | None
    partitions: Literal["all", 1] = "all"
    cleanup: Literal["delete", "compact"] = "delete"
    stamped_by: Literal["broker", "producer"] = "producer"
    worker: Literal["read", "write", "read, write"] = "read, write"
    """What a worker must be allowed to do with it, and no more."""

    def full_name(self, settings: Settings) -> str:
        """Its name in Kafka."""
        return settings.topic_prefix + self.name.format(id=settings.id, payments=settings.payments)

    def count(self, settings: Settings) -> int:
        """How many partitions it must have."""
        return settings.partitions if self.partitions == "all" else 1

    def configuration(self) -> dict[str, str]:
        """What it is created with."""
        chosen = {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
            "message.timestamp.type": "LogAppendTime" if self.stamped_by == "broker" else "CreateTime",
            "max.message.bytes": str(MESSAGE_BYTES_MAX),
        }
        if self.cleanup == "compact":
            chosen["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
            chosen["min.cleanable.dirty.ratio"] = "0.3"
            chosen["segment.bytes"] = str(64 * 2**20)  # only closed segments are compacted: recovery reads less with small ones
        return chosen


TOPICS: tuple[Topic, ...] = (
    Topic("payments", "{payments}", "Payments that want a decision.", 7 * DAY_MS, stamped_by="broker", worker="read"),
    Topic("activity", "activity", "What customers do besides: results, log-ins, visits.", 7 * DAY_MS, stamped_by="broker", worker="read"),
    Topic("labels", "labels", "What was learned later: fraud or legitimate.", 30 * DAY_MS, stamped_by="broker", worker="read"),
    Topic("decisions", "decisions", "The answer to each payment; what the gateway may see.", 30 * DAY_MS),
    Topic("receipts", "risk.receipts", "The evidence behind each decision.", 90 * DAY_MS, worker="write"),
    Topic("dead_letters", "risk.dead-letters", "What could not be read, with the reason.", 30 * DAY_MS),
    Topic("touches", "risk.touches", "Private: touches on their way to the profile's owner; a log.", 7 * DAY_MS),
    Topic("values", "risk.values", "Private: profiles' answers on their way to the payment.", DAY_MS),
    Topic("learn", "risk.learn", "Private: the learn log: what decisions read, and labels, for the one learner.", 400 * DAY_MS),
    Topic("profiles", "{id}.profiles", "Private: the changelog from which profiles are recovered.", None, cleanup="compact"),
    Topic("rulesets", "risk.rulesets", "Rule sets by hash.", None, partitions=1, cleanup="compact"),
    Topic("models", "risk.models", "Model versions by hash, and the acts that chose among them.", None, partitions=1, cleanup="compact"),
    Topic("lists", "risk.lists", "Entries of lists that change while workers run.", None, partitions=1, cleanup="compact", worker="read"),
)


@dataclass(frozen=True, slots=True)
class TopicState:
    """What was found or done for one topic."""

    topic: Topic
    name: str
    partitions: int
    created: bool


def names(settings: Settings) -> dict[str, str]:
    """Role -> name in Kafka: `names(settings)["dead_letters"]`."""
    return {topic.role: topic.full_name(settings) for topic in TOPICS}


async def ensure_topics(settings: Settings) -> list[TopicState]:
    """Create what is missing, check what exists, in the order of the table.

    Raises NoKafka within 10 seconds when none answers, TopicProblem when an existing topic does not fit (exit 2).
    Safe to call from several workers at once.
    """
    admin = AIOKafkaAdminClient(**kafka_at(settings.brokers), request_timeout_ms=int(ANSWER_SECONDS * 1000))
    try:
        try:
            await asyncio.wait_for(admin.start(), ANSWER_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            raise NoKafka(settings.brokers, "cannot connect" if isinstance(error, KafkaConnectionError) else "no answer in time") from error
        existing = set(await admin.list_topics())
        present = [topic for topic in TOPICS if topic.full_name(settings) in existing]
        await _check(admin, settings, present, created=set())  # before anything is made that would not fit what is there
        created = await _create_missing(admin, settings, [topic for topic in TOPICS if topic not in present])
        return await _check(admin, settings, list(TOPICS), created)
    finally:
        await admin.close()


async def _create_missing(admin: AIOKafkaAdminClient, settings: Settings, missing: list[Topic]) -> set[str]:
    """The names that were created by us, and not by another worker at the same moment."""
    if not missing:
        return set()
    replicas = min(REPLICAS_MAX, len((await admin.describe_cluster())["brokers"]))
    new = [NewTopic(topic.full_name(settings), topic.count(settings), replicas, topic_configs=topic.configuration()) for topic in missing]
    response = await admin.create_topics(new)
    created = set()
    problems = []
    for name, code, *more in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.add(name)
        elif error is not TopicAlreadyExistsError:
            why = more[0] if more and more[0] else error.__name__
            if error is TopicAuthorizationFailedError:
                why = "it is not there, or hidden from this user; docs/operations.md lists the rights that a worker needs"
            problems.append(f"topic {name} cannot be created: {why}")
    if problems:
        raise TopicProblem(problems)
    return created


async def _check(admin: AIOKafkaAdminClient, settings: Settings, present: list[Topic], created: set[str]) -> list[TopicState]:
    if not present:
        return []
    wanted = [topic.full_name(settings) for topic in present]
    counts = await _partition_counts(admin, wanted)
    configurations = await _configurations(admin, wanted)
    states = [TopicState(topic, name, counts[name], name in created) for topic, name in zip(present, wanted, strict=True)]
    problems = wrong_counts(settings, states)
    for state in states:
        problems += wrong_configuration(state, configurations.get(state.name, {}))
    if problems:
        raise TopicProblem(problems)
    return states


def wrong_counts(settings: Settings, states: list[TopicState]) -> list[str]:
    """Topics without the partitions they must have, a line for each count found."""
    found: dict[tuple[int, int], list[str]] = {}
    for state in states:
        wanted = state.topic.count(settings)
        if state.partitions != wanted:
            found.setdefault((state.partitions, wanted), []).append(state.name)
    return [
        f"expected {wanted} partitions, found {partitions} in {', '.join(each)}: all shared topics need RISK_PARTITIONS of them "
        "(one for rule sets, models and lists). Set it to what exists, or use other topics with RISK_TOPIC_PREFIX."
        for (partitions, wanted), each in sorted(found.items())
    ]


def wrong_configuration(state: TopicState, found: Mapping[str, str]) -> list[str]:
    """What of an existing topic's configuration would break a promise, a line each; what the broker did not tell is skipped."""
    topic = state.topic
    expected = topic.configuration()
    at_least = {"max.message.bytes": topic.stamped_by == "producer"}
    at_least["min.compaction.lag.ms"] = topic.cleanup == "compact"
    at_least["retention.ms"] = topic.role == "touches"  # an acked touch counts as safe
    problems = []
    for key, wanted in expected.items():
        value = found.get(key, wanted)
        if key in {"cleanup.policy", "message.timestamp.type"} and value != wanted:
            problems.append(f"topic {state.name} has {key}={value}, expected {wanted}: change it with kafka-configs")
        if at_least.get(key) and 0 <= int(value) < int(wanted):
            problems.append(f"topic {state.name} has {key}={value}, expected at least {wanted}: change it with kafka-configs")
    return problems


async def _partition_counts(admin: AIOKafkaAdminClient, wanted: list[str]) -> dict[str, int]:
    """Asked again for a moment: a topic just created is not known everywhere at once."""
    for _ in range(50):
        described: list[dict[str, Any]] = await admin.describe_topics(wanted)
        counts = {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}
        if len(counts) == len(wanted):
            return counts
        await asyncio.sleep(0.1)
    raise TopicProblem([f"topic {name} was created and cannot be found" for name in wanted if name not in counts])


async def _configurations(admin: AIOKafkaAdminClient, wanted: list[str]) -> dict[str, dict[str, str]]:
    """Topic -> its settings in force; empty where the broker does not let us ask."""
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]):
        for code, _message, _kind, name, entries in response.resources:
            if code == 0:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found
