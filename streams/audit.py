"""Counting answers by reading topics: was every payment answered, and once?

Rule: this shares no code with the worker. It reads the public contract (docs/messages.md) as a gateway does, with the reader that gateways
use, so that a mistake of the worker is not repeated here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from risk.gateway import DecisionReader


@dataclass
class Audit:
    """What the topics say. ``lost`` and ``double`` hold payment ids (or sources, where no id can be read)."""

    payments: int = 0
    repeats: int = 0
    decided: int = 0
    dead_letters: int = 0
    void: int = 0
    undecodable: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


async def read_all(brokers: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """Every record of a topic up to its end now, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False, auto_offset_reset="earliest")
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


async def audit(brokers: str, payments: str, decisions: str, dead_letters: str) -> Audit:
    """Compare what came in with what went out."""
    result = Audit()
    expected: dict[str, list[str]] = {}
    async for record in read_all(brokers, payments):
        expected.setdefault(_payment_id(record.value) or f"@{record.partition}/{record.offset}", []).append(
            f"{payments}/{record.partition}/{record.offset}"
        )
    result.payments = len(expected)
    for sources in expected.values():
        result.repeats += len(sources) - 1
    letters = {dict(record.headers)["src"].decode() async for record in read_all(brokers, dead_letters)}
    result.dead_letters = len(letters)
    reader = DecisionReader()
    count: Counter[str] = Counter()
    async for record in read_all(brokers, decisions):
        for answer in reader.read([record]):
            count[answer.payment_id] += 1
            result.actions[answer.action] += 1
    result.void, result.undecodable = reader.void, reader.undecodable
    result.decided = len(count)
    result.double = [payment for payment, times in count.items() if times > 1]
    result.strangers = [payment for payment in count if payment not in expected]
    result.lost = [payment for payment, sources in expected.items() if payment not in count and not letters.intersection(sources)]
    return result


def _payment_id(value: bytes | None) -> str | None:
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    payment = found.get("payment_id") if isinstance(found, dict) else None
    return payment if isinstance(payment, str) else None
