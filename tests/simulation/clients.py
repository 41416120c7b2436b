"""The Kafka clients of a simulated process: what the product calls of aiokafka, with delays that are drawn.

A record is safe when the broker has it; who sent it hears later, or never. What a process had not yet put on the wire dies with it, and
what a paused one had not comes late.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from tests.simulation.broker import Broker, Group, Place, Record
from tests.simulation.loop import Loop


class Net:
    """The way between clients and broker. ``slow`` multiplies the delays of a topic."""

    def __init__(self, loop: Loop, broker: Broker, random: Random, usual: float) -> None:
        self.loop, self.broker, self.random, self.usual = loop, broker, random, usual
        self.slow: dict[str, float] = {}
        self.batch_records = random.choice([3, 20, 500])

    def calm_down(self) -> None:
        """From now on nothing is slow: what does not end now never will."""
        self.slow, self.usual = {}, min(self.usual, 0.002)

    def delay(self, topic: str = "") -> float:
        drawn = self.random.random()
        usual = self.usual * self.slow.get(topic, 1.0)
        return usual * drawn if drawn < 0.9 else usual * 100 * (drawn - 0.9)

    async def hop(self, topic: str = "") -> None:
        there: asyncio.Future[None] = self.loop.create_future()
        self.loop.outside(self.delay(topic), _there, there)
        await there


def _there(there: asyncio.Future[None]) -> None:
    if not there.done():
        there.set_result(None)


current: list[Net] = []
"""The net of the story that is told: the product makes its own clients from an address."""


class Batch:
    """What `create_batch` gives."""

    def __init__(self, most: int) -> None:
        self.records: list[tuple[bytes | None, bytes | None, Any]] = []
        self._most = most

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Any = ()) -> object:
        if len(self.records) >= self._most:
            return None
        self.records.append((key, value, headers))
        return self


class Landed(NamedTuple):
    """What an acknowledgement says."""

    offset: int


class Producer:
    """One request a partition under way, in order, never twice: what an idempotent producer promises."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._waiting: dict[Place, deque[tuple[Batch, asyncio.Future[Landed]]]] = {}
        self._context = contextvars.copy_context()

    def create_batch(self) -> Batch:
        return Batch(self._net.batch_records)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Landed]:
        place = (topic, partition)
        acked = self._net.loop.create_future()
        queue = self._waiting.setdefault(place, deque())
        queue.append((batch, acked))
        if len(queue) == 1:
            self._next(place)
        return acked

    def _next(self, place: Place) -> None:
        if self._waiting[place]:
            self._later(place, self._to_wire, place)

    def _later(self, place: Place, then: Callable[..., None], *args: object) -> None:
        """Something that the process itself does: not while it is paused, and never when it is dead."""
        self._net.loop.at(self._net.loop.now + self._net.delay(place[0]), then, args, self._context)

    def _to_wire(self, place: Place) -> None:
        batch, acked = self._waiting[place][0]
        self._net.loop.outside(self._net.delay(place[0]), self._arrived, place, batch, acked)

    def _arrived(self, place: Place, batch: Batch, acked: asyncio.Future[Landed]) -> None:
        first = self._net.broker.log(place).end
        for key, value, headers in batch.records:
            self._net.broker.append(place, key, value, tuple(headers))
        if self._net.random.random() < 0.01:
            first = -1  # acknowledged at the second try
        self._later(place, self._acked, place, acked, Landed(first))

    def _acked(self, place: Place, acked: asyncio.Future[Landed], landed: Landed) -> None:
        self._waiting[place].popleft()
        if not acked.done():
            acked.set_result(landed)
        self._next(place)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Fetcher:
    """A consumer outside any group: what `streams.reader` asks of aiokafka's."""

    def __init__(self, **_: object) -> None:
        self._net = current[-1]
        self._at: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        await self._net.hop()

    async def stop(self) -> None:
        await self._net.hop()

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self._net.hop()
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self._net.hop()
        return {tp: self._net.broker.log((tp.topic, tp.partition)).end for tp in tps}

    def assign(self, tps: list[TopicPartition]) -> None:
        self._at = dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._at[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        return self._at[tp]

    async def getmany(self, *tps: TopicPartition, timeout_ms: int = 0) -> dict[TopicPartition, list[Record]]:
        await self._net.hop()
        found = {}
        for tp in tps or tuple(self._at):
            log = self._net.broker.log((tp.topic, tp.partition))
            records = log.read(self._at[tp], self._net.random.choice([2, 1000]))
            self._at[tp] = records[-1].offset + 1 if records and records[-1] is not log.records[-1] else log.end
            if records:
                found[tp] = records
        return found


class Coordinator:
    """The member's own side of the group: it asks whether it still belongs. The product listens."""

    coordinator_id = 1

    def __init__(self, ask: Callable[[], bool], net: Net) -> None:
        self._ask, self._net = ask, net

    async def _do_heartbeat(self) -> bool:
        await self._net.hop()
        said = self._ask()
        await self._net.hop()
        return said


class Kafka:
    """The part of aiokafka's group consumer that the product reaches through its own."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.positions: dict[Place, int] = {}
        self._coordinator = coordinator

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[(tp.topic, tp.partition)] = offset


class Consumer:
    """In the place of `streams.transport.Consumer`: positions, commits, and what a fetch brings."""

    def __init__(self, net: Net, group: Group, name: str) -> None:
        self._net, self._group, self._name = net, group, name
        self.generation = -1
        self.kafka = Kafka(Coordinator(lambda: group.heartbeat(name, self.generation, net.loop.now) == "ok", net))
        self._known_end: dict[Place, int] = {}

    def highwater(self, tp: TP) -> int | None:
        return self._known_end.get((tp.topic, tp.partition))

    def caught_up(self, tp: TP) -> bool:
        place = (tp.topic, tp.partition)
        return place in self._known_end and self.kafka.positions.get(place, -1) >= self._known_end[place]

    async def committed(self, tp: TP) -> int | None:
        await self._net.hop()
        return self._net.broker.committed.get((tp.topic, tp.partition))

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        generation = self.generation
        wanted = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
        asked = self._net.loop.create_future()
        await self._net.hop()  # until here it can die with us

        def arrived() -> None:
            done = self._group.commit(self._name, generation, wanted)
            if not asked.done():
                asked.set_result(done)

        self._net.loop.outside(self._net.delay(), arrived)
        return bool(await asked)

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        raise AssertionError("the product commits through commit_offsets")

    async def fetch(self, tps: set[TP], most: int) -> dict[TP, list[Record]]:
        """What is there of these partitions, so many records at most; some of it may come with the next fetch."""
        await self._net.hop()
        found: dict[TP, list[Record]] = {}
        for tp in sorted(tps):
            place = (tp.topic, tp.partition)
            if place not in self.kafka.positions or most <= 0:
                continue
            log = self._net.broker.log(place)
            self._known_end[place] = log.end
            records = log.read(self.kafka.positions[place], self._net.random.randint(1, most))
            if records:
                found[tp] = records
                self.kafka.positions[place] = records[-1].offset + 1
                most -= len(records)
        return found

    def forget(self) -> None:
        """A new generation: positions are the worker's to set."""
        self.kafka.positions.clear()
        self._known_end.clear()
