"""Batches to Kafka: records go out as whole batches, and whoever sent them is told when all are safe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

Headers = list[tuple[str, bytes]]
NO_HEADERS: Headers = []
Record = tuple["bytes | None", "bytes | None", Headers]


class Outbox:
    """Writes records of one partition in order, as few batches as they fit in."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """Returns when the broker has acknowledged every record; raises what the broker refused."""
        producer = self._producer
        futures = []
        batch = producer.create_batch()
        count, now_ms = 0, int(time.time() * 1000)  # once a send: the builder would ask the clock for each record
        for key, value, headers in records:
            if batch.append(timestamp=now_ms, key=key, value=value, headers=headers) is None:
                futures.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=now_ms, key=key, value=value, headers=headers)
                count = 0
            count += 1
        if count:
            futures.append(await producer.send_batch(batch, topic, partition=partition))
        if futures:
            await asyncio.gather(*futures)
