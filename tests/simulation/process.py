"""A process that runs one worker: the real one, its agents, the loop that reads for them, and its place in the group.

Belongs here: what Faust and the transport do around the worker (streams/transport.py, streams/app.py), as little of it as there must be.
Never: what the worker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from faust.types import TP

from risk.engine import Engine
from streams import app
from streams.outbox import Outbox
from streams.settings import Settings
from streams.topics import names
from streams.transport import Batch
from streams.wire import INPUT_TOPICS
from streams.worker import Worker
from tests.simulation.broker import Group
from tests.simulation.clients import Consumer, Net, Producer
from tests.simulation.loop import Loop

OF_THE_GROUP = (*INPUT_TOPICS, "touches", "values", "learn")
POLL_SECONDS = 0.02


class Nothing:
    """What a worker began for itself: nothing, here."""

    async def stop(self) -> None: ...


class Process:
    """One worker in its process. ``ended`` is told how it ended: None for a clean stop, else the error."""

    def __init__(
        self, name: str, net: Net, group: Group, settings: Settings, engine: Engine, ended: Callable[[str, BaseException | None], None]
    ) -> None:
        self.name = name
        self.net, self.group = net, group
        self.loop: Loop = net.loop
        self.settings = settings
        self.topics = names(settings)
        self.ended = ended
        self.worker = Worker(settings, engine, self.topics, name, self._begin, self._fail)
        self.consumer = Consumer(net, group, name)
        self.stopping = False
        self._queues: dict[str, asyncio.Queue[Batch]] = {}
        self._flowing = False
        self._rejoin = True
        self._news = asyncio.Event()

    def start(self) -> None:
        self.loop.start(self.name, self._run())

    def kill(self) -> None:
        """kill -9."""
        self.loop.kill(self.name)

    # ------------------------------------------------------------------ what the app does

    async def _begin(self) -> Nothing:
        worker: Any = self.worker
        worker.connect(self.consumer, *(Outbox(Producer(self.net), worker.heartbeat) for _ in range(2)))  # type: ignore[arg-type]
        return Nothing()

    def _fail(self, error: BaseException) -> None:
        if self.loop.alive(self.name):
            self.kill()
            self.ended(self.name, error)

    async def _agent(self, body: app.Body, roles: tuple[str, ...]) -> None:
        queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._queues |= {self.topics[role]: queue for role in roles}

        async def batches() -> AsyncIterator[Batch]:
            while True:
                yield await queue.get()

        try:
            await body(self.worker, batches())
        except Exception as error:  # noqa: BLE001 - as the app does
            self._fail(error)

    async def _run(self) -> None:
        agents = {app.route: INPUT_TOPICS, app.observe: ("touches",), app.decide: ("values",), app.learn: ("learn",)}
        tasks = [asyncio.create_task(self._agent(body, roles)) for body, roles in agents.items()]
        tasks += [asyncio.create_task(self._read()), asyncio.create_task(self._beat())]
        await self._belong()
        await self.worker.close()
        for task in tasks:
            task.cancel()
        self.group.leave(self.name, self.loop.now)
        self.kill()
        self.ended(self.name, None)

    # ------------------------------------------------------------------ what the transport does

    async def _read(self) -> None:
        while True:
            if not self._flowing:
                await asyncio.sleep(POLL_SECONDS)
                continue
            tps, most = self.worker.open()
            if not tps:
                await asyncio.sleep(POLL_SECONDS)
                continue
            generation = self.consumer.generation
            fetched = await self.consumer.fetch(tps, most)
            if generation != self.consumer.generation or not self._flowing:
                for tp, records in fetched.items():
                    if (tp.topic, tp.partition) in self.consumer.kafka.positions:
                        self.consumer.kafka.positions[(tp.topic, tp.partition)] = records[0].offset
                continue
            for tp, records in fetched.items():
                self.worker.delivered(tp, records[-1].offset + 1)
            for tp, records in fetched.items():
                self._queues[tp.topic].put_nowait(Batch(tp, records, generation))  # type: ignore[arg-type]
            if not fetched:
                await asyncio.sleep(POLL_SECONDS)

    # ------------------------------------------------------------------ the group

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.group.session / 6)
            if not await self.consumer.kafka._coordinator._do_heartbeat():
                self._rejoin = True
                self._news.set()

    async def _belong(self) -> None:
        """Hand over and take over, until it is told to stop."""
        while not self.stopping:
            if self._rejoin:
                self._flowing = False
                await self.worker.revoked({TP(topic, number) for topic in self._queues for number in range(self.settings.partitions)})
                await self._join()
            else:
                await self._news.wait()
                self._news.clear()

    def stop(self) -> None:
        """SIGTERM."""
        self.stopping = True
        self._news.set()

    async def _join(self) -> None:
        self._rejoin = False
        synced: asyncio.Future[tuple[int, set[int]]] = self.loop.create_future()

        def tell(generation: int, mine: set[int]) -> None:
            if not synced.done():
                synced.set_result((generation, mine))

        await self.net.hop()
        self.group.join(self.name, self.loop.now, tell)
        while not synced.done():
            await asyncio.wait([synced], timeout=self.group.session / 6)
            if self._rejoin or self.stopping:
                return  # thrown out while it waited, or told to go
        generation, mine = synced.result()
        self.consumer.generation = generation
        self.consumer.forget()
        await self.worker.assigned({TP(self.topics[role], number) for role in OF_THE_GROUP for number in mine}, generation)
        self._flowing = True
