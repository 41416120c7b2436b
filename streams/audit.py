"""Counting answers by reading topics: was every payment answered, once, and with its evidence?

Rule: this shares no code with the worker. It reads the public contract (docs/messages.md) as a gateway does, with the reader that gateways
use, so that a mistake of the worker is not repeated here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from risk.gateway import Decision, DecisionReader
from streams.security import kafka_at


class Answer(NamedTuple):
    """A decision that counts. ``source``: topic/partition/offset of its payment; ``at_ms``: when its worker sent it; ``worker``: which."""

    payment_id: str
    action: str
    source: str
    receipt: str
    at_ms: int
    worker: str


@dataclass
class Audit:
    """What the topics say. ``lost``, ``double`` and ``strangers`` hold payment ids (or sources, where no id can be read).

    ``double``: more than one decision, or a decision and a dead letter for one record. ``unproven``: the decision names a receipt that is
    not there. ``misplaced``: answered at another record than the payment's first that can be read. ``owners``: by partition, when (ms)
    which worker took it over.
    """

    payments: int = 0
    repeats: int = 0
    decided: int = 0
    dead_letters: int = 0
    void: int = 0
    undecodable: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    answers: list[Answer] = field(default_factory=list)
    owners: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)


async def read_all(brokers: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """Every record of a topic up to its end now, partition by partition."""
    consumer = AIOKafkaConsumer(**kafka_at(brokers), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or await _partitions(consumer, topic))]
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            while await consumer.position(partition) < ends[partition]:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records:
                        if record.offset < ends[partition]:
                            yield record
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client._wait_on_metadata(topic)
    return set(consumer.partitions_for_topic(topic) or ())


async def audit(brokers: str, payments: str, decisions: str, dead_letters: str, receipts: str | None = None) -> Audit:
    """Compare what came in with what went out; with ``receipts``, whether each decision has the one it names."""
    result = Audit()
    expected: dict[str, list[str]] = {}
    async for record in read_all(brokers, payments):
        source = f"{payments}/{record.partition}/{record.offset}"
        expected.setdefault(_payment_id(record.value) or f"@{record.partition}/{record.offset}", []).append(source)
    result.payments = len(expected)
    for sources in expected.values():
        result.repeats += len(sources) - 1
    letters = {dict(record.headers)["src"].decode() async for record in read_all(brokers, dead_letters)}
    result.dead_letters = len(letters)
    reader = DecisionReader()
    async for record in read_all(brokers, decisions):
        markers = reader.markers
        for answer in reader.read([record]):
            result.answers.append(_answer(record, answer))
        if reader.markers > markers:
            result.owners.setdefault(record.partition, []).append((record.timestamp, _worker_of(record)))
    result.void, result.undecodable = reader.void, reader.undecodable
    count = Counter(answer.payment_id for answer in result.answers)
    result.actions = Counter(answer.action for answer in result.answers)
    result.decided = len(count)
    result.double = [payment for payment, times in count.items() if times > 1]
    result.double += [answer.payment_id for answer in result.answers if answer.source in letters]
    result.strangers = [payment for payment in count if payment not in expected]
    # a record that could not be read is no payment: the first that is no dead letter is the one to be answered
    first = {payment: next((each for each in sources if each not in letters), "") for payment, sources in expected.items()}
    result.lost = [payment for payment, source in first.items() if source and payment not in count]
    result.misplaced = [answer.payment_id for answer in result.answers if first.get(answer.payment_id) != answer.source]
    if receipts is not None:
        there = {"sha256:" + hashlib.sha256(record.value).hexdigest() async for record in read_all(brokers, receipts)}
        result.unproven = [answer.payment_id for answer in result.answers if answer.receipt not in there]
    return result


def _answer(record: ConsumerRecord, decision: Decision) -> Answer:
    source = dict(record.headers)["src"].decode()
    return Answer(decision.payment_id, decision.action, source, decision.receipt, record.timestamp, _worker_of(record))


def _worker_of(record: ConsumerRecord) -> str:
    return str(dict(record.headers)["epoch"].decode().partition("/")[2])


def _payment_id(value: bytes | None) -> str | None:
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    payment = found.get("payment_id") if isinstance(found, dict) else None
    return payment if isinstance(payment, str) else None
