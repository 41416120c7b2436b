"""The load: payments, activity and labels as the simulated world makes them, with repeats, conflicts, late and bad messages among them.

Belongs here: what is sent and at what pace, from a thread of its own. Never: what must come of it (brute_force.py).
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from risk.decisions import rfc3339
from risk.world import World
from streams.topics import MESSAGE_BYTES_MAX

TICK_SECONDS = 0.005
REMEMBERED = 400
REPEATED, CONFLICTING, BAD, LATE, TWICE = 0.01, 0.002, 0.005, 0.01, 0.003
"""Shares of payments that come with such a message besides; of activity that comes twice, as two events."""
LATE_MS = 3_600_000
BAD_BYTES = (b"", b"not json", b"[]", b'{"event":"payment"', b"\xff\xfe\x00", b'{"event":"gift","occurred_at":"2026-01-01T00:00:00.000Z"}')
FLUSH_SECONDS = 120.0

Message = tuple[str, str, bytes]
_encode = msgspec.json.Encoder().encode


def messages(seed: int, start_ms: int, rate: float, customers: int) -> Iterator[tuple[int, Message]]:
    """An endless supply of (when it is due in ms, (topic, key, value)); its payments come at ``rate`` a second."""
    random = Random(f"torture/load/{seed}")
    last: list[tuple[str, bytes]] = []
    number = 0
    for record in World(seed, start_ms, rate=rate, customers=customers):
        message = (record.topic, record.key, record.value)
        yield record.due_ms, message
        if record.topic == "activity" and random.random() < TWICE:
            yield record.due_ms, message
        if record.topic != "payments":
            continue
        last = [*last[1 - REMEMBERED :], (record.key, record.value)]
        for extra in _besides(random, last):
            number += 1
            yield record.due_ms, extra(number)


def _besides(random: Random, last: list[tuple[str, bytes]]) -> Iterator[Any]:
    key, value = random.choice(last)
    if random.random() < REPEATED:
        yield lambda _: ("payments", key, value)
    if random.random() < CONFLICTING:
        body = json.loads(value)
        body["amount"]["value"] += 1
        yield lambda _: ("payments", key, _encode(body))
    if random.random() < BAD:
        bad = random.choice(BAD_BYTES)
        yield lambda _: (random.choice(["payments", "activity"]), key, bad)
    if random.random() < LATE:
        late = json.loads(value)
        late["occurred_at"] = rfc3339(int(time.time() * 1000) - random.randrange(LATE_MS))
        yield lambda number: ("payments", key, _encode(late | {"payment_id": f"{late['payment_id']}_late{number}"}))


class Load(threading.Thread):
    """Sends until it is stopped. ``burst`` lets so many payments out at once; ``payments`` counts what the broker has."""

    def __init__(self, bootstrap: str, topics: dict[str, str], seed: int, rate: float, customers: int) -> None:
        super().__init__(name="load", daemon=True)
        self._brokers, self._topics = bootstrap, topics
        self._made = messages(seed, int(time.time() * 1000), rate, customers)
        self._ahead = 0
        self._later: deque[tuple[int, int, Message]] = deque()  # when it is due, the number of payments made before it
        self._unacknowledged: dict[int, None] = {}
        self._ended = threading.Event()
        self.sent = self.sent_payments = self.payments = 0
        self.began = time.monotonic()
        self.error: BaseException | None = None

    def burst(self, payments: int) -> None:
        """So many payments now, what else happens when it is due; the world then waits until the clock has caught up."""
        self._ahead += payments

    def stop(self) -> None:
        """Raises what went wrong while it sent."""
        self._ended.set()
        self.join(FLUSH_SECONDS)
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        self.began = time.monotonic()
        try:
            asyncio.run(self._send())
        except Exception as error:  # noqa: BLE001 - told by `stop`, in the thread that asks
            self.error = error

    async def _send(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            acks="all",
            enable_idempotence=True,
            linger_ms=1,
            max_batch_size=2**18,
            max_request_size=MESSAGE_BYTES_MAX,
            request_timeout_ms=int(FLUSH_SECONDS * 1000),
        )
        await producer.start()
        try:
            for due_ms, message in self._made:
                if message[0] != "payments":
                    self._later.append((due_ms, self.sent_payments, message))
                    continue
                await self._turn_of(producer, due_ms)
                if self._ended.is_set():
                    break
                await self._put(producer, message)
            await producer.flush()
            for *_, message in self._later:
                await self._put(producer, message)
            await producer.flush()
        finally:
            await producer.stop()

    async def _turn_of(self, producer: AIOKafkaProducer, due_ms: int) -> None:
        while True:
            await self._put_later(producer)
            if due_ms <= time.time() * 1000 or self._ahead > 0 or self._ended.is_set():
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _put_later(self, producer: AIOKafkaProducer) -> None:
        """What is due, and whose payments before it the broker has: nobody answers a payment before it was made."""
        while self._later:
            due_ms, after, message = self._later[0]
            if due_ms > time.time() * 1000 or next(iter(self._unacknowledged), after) < after:
                return
            self._later.popleft()
            await self._put(producer, message)

    async def _put(self, producer: AIOKafkaProducer, message: Message) -> None:
        role, key, value = message
        acked = await producer.send(self._topics[role], value, key=key.encode())
        self.sent += 1
        if role == "payments":
            self._unacknowledged[self.sent_payments] = None
            acked.add_done_callback(partial(self._acknowledged, self.sent_payments))
            self.sent_payments += 1
            self._ahead = max(0, self._ahead - 1)
        if self.sent % 64 == 0:
            await asyncio.sleep(0)

    def _acknowledged(self, number: int, acked: asyncio.Future[Any]) -> None:
        self._unacknowledged.pop(number, None)
        if not acked.cancelled() and acked.exception() is None:
            self.payments += 1
        elif not acked.cancelled():
            self.error = acked.exception()
