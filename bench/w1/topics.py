"""The bench's own way to Kafka: librdkafka, so that feeding and reading cost less than what is measured."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.w1.stream import Message as Payment
from bench.w1.worker import BenchProblem

QUEUE_MESSAGES = 100_000
READ_SECONDS = 20.0
QUIET = 2
"""librdkafka's level of logging: what is critical. Anything else shows in what we are told."""


def load(brokers: str, topic: str, payments: Iterable[Payment], partitions: int = 1) -> int:
    """Write payments into a topic, as fast as it goes, keyed by their card; returns how many different ones they were."""
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 20, "queue.buffering.max.messages": 2 * QUEUE_MESSAGES, "log_level": QUIET}
    )
    ids: set[str] = set()
    for number, payment in enumerate(payments):
        producer.produce(topic, payment.value, payment.key, partition=zlib.crc32(payment.key) % partitions if partitions > 1 else 0)
        ids.add(payment.payment_id)
        if number % 1000 == 0:
            producer.poll(0)
            while len(producer) > QUEUE_MESSAGES:
                producer.poll(0.05)
    if producer.flush(60):
        raise BenchProblem(f"the broker does not take what is written to {topic}")
    return len(ids)


class Reader:
    """Reads one partition from its beginning, outside any consumer group."""

    def __init__(self, brokers: str, topic: str, wait_ms: int = 500, partition: int = 0) -> None:
        self._place = TopicPartition(topic, partition, OFFSET_BEGINNING)
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": f"bench-{topic}",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": wait_ms,
                "auto.offset.reset": "earliest",
                "log_level": QUIET,
            }
        )
        self._consumer.assign([self._place])

    def end(self) -> int:
        """The offset after the last record."""
        return int(self._consumer.get_watermark_offsets(self._place, timeout=10, cached=False)[1])

    def poll(self, seconds: float) -> Message | None:
        """The next record, or None."""
        return _checked(self._consumer.poll(seconds))

    def records(self) -> Iterator[Message]:
        """What the topic holds now, from the beginning."""
        end = self.end()
        if end == 0:
            return
        at, moved = 0, time.monotonic()
        while at < end:
            batch = self._consumer.consume(5000, 0.1)
            if time.monotonic() - moved > READ_SECONDS:
                raise BenchProblem(f"{self._place.topic} cannot be read beyond {at} of {end}")
            for message in batch:
                moved = time.monotonic()
                yield _good(message)
                at = (message.offset() or 0) + 1

    def close(self) -> None:
        self._consumer.close()


def _good(message: Message) -> Message:
    error = message.error()
    if error is not None:
        raise KafkaException(error)
    return message


def _checked(message: Message | None) -> Message | None:
    return None if message is None else _good(message)


def header(message: Message, name: str) -> bytes | None:
    found: dict[Any, Any] = dict(message.headers() or ())
    value = found.get(name)
    return value if isinstance(value, bytes) else None


def is_marker(message: Message) -> bool:
    """What a worker writes when it takes over: no decision."""
    return header(message, "marker") is not None


def drop(brokers: str, topics: Iterable[str]) -> None:
    """Delete topics, as far as they can be."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": QUIET})
    for future in admin.delete_topics(list(topics), operation_timeout=10).values():
        future.exception()
