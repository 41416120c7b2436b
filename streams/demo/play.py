"""One run: topics, worker, stream, answers, count. The order of things, and how each way of ending it goes.

Belongs here: what happens when. Never: what it looks like (screen), and no counting of losses (`streams.audit` reads the topics).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiokafka.admin import AIOKafkaAdminClient

from risk.world import World
from risk.world.world import Record
from streams.audit import Audit, audit
from streams.demo.child import Child
from streams.demo.figures import Figures
from streams.demo.follow import follow, follow_page, take_decisions, take_receipts
from streams.demo.reasons import Teller
from streams.demo.settings import FRAUD_SHARE, LABEL_DAY_SECONDS
from streams.publish import publish
from streams.security import kafka_at
from streams.settings import Settings
from streams.topics import ensure_topics, names

STRAGGLERS_SECONDS = 15.0
WATCH_SECONDS = 0.2
POLL_SECONDS = 0.05
END_SECONDS = 2.0
END_TRIES = 5
T = TypeVar("T")


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM; leaves `play` only when that was during the count."""


class _Payment(msgspec.Struct):
    payment_id: str


@dataclass(slots=True)
class Run:
    """One run of the demo. ``alive`` raises when something that we lean on (our Kafka) is gone.

    ``say`` is told what is being waited for, ``began`` the address of the worker's pages when the stream begins.
    """

    settings: Settings
    teller: Teller
    log: Path
    rate: float
    seconds: float | None
    seed: int
    say: Callable[[str], None]
    began: Callable[[str], Coroutine[Any, Any, None]]
    alive: Callable[[], None]
    figures: Figures = field(default_factory=Figures)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _child: Child | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def play(self) -> Audit:
        """Play it to its end, then count. Raises WorkerEnded, NoKafka, TopicProblem, NotPublished, Stopped by a stop while it counts."""
        self._listen()
        try:
            with contextlib.suppress(Stopped):
                pages = await self._unless_stopped(self._prepare())
                self._tasks.append(asyncio.create_task(self.began(pages)))
                await self._unless_stopped(self._publish())
            self.figures.ended = time.monotonic()
            self._listen()  # the publisher took SIGTERM for itself
            self.stopped.clear()
            self.say("waiting for the last answers")
            with contextlib.suppress(Stopped):
                await self._unless_stopped(self._stragglers())
            self.stopped.clear()
            return await self._unless_stopped(self._count())
        finally:
            if self._child is not None:
                self._child.kill()
            await _end(self._tasks)

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stopped.set)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result. It is cancelled, and the cause raised, when somebody stops us or one of the pieces fails."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=WATCH_SECONDS if not self.stopped.is_set() else 0)
                if self.stopped.is_set() and not task.done():
                    raise Stopped("stopped before everything was counted")
                self._check()
            return task.result()
        finally:
            await _end([task])

    def _check(self) -> None:
        self.alive()
        if self._child is not None:
            self._child.check()
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _prepare(self) -> str:
        settings, topics = self.settings, names(self.settings)
        await ensure_topics(settings)
        self.say("starting the worker")
        self._child = Child(settings, self.log)
        follows = {
            topics["decisions"]: take_decisions(self.figures),
            topics["receipts"]: take_receipts(self.figures, self.teller),
        }
        self._tasks += [asyncio.create_task(follow(settings.brokers, topic, settings.partitions, take)) for topic, take in follows.items()]
        pages = await self._child.ready()
        self._tasks.append(asyncio.create_task(follow_page(pages + "/metrics", self.figures)))
        return pages

    async def _publish(self) -> None:
        world = World(self.seed, int(time.time() * 1000), rate=self.rate, fraud_share=FRAUD_SHARE, label_delay=LABEL_DAY_SECONDS / 86_400)
        records = await asyncio.to_thread(iter, world)
        published = await publish(self._on_their_way(records), self.settings)
        if published.interrupted:
            raise Stopped

    def _on_their_way(self, records: Iterable[Record]) -> Iterator[Record]:
        """The world up to our end. Whoever publishes asks for the next record when the last is on its way: that is the moment noted."""
        decode = msgspec.json.Decoder(_Payment).decode
        first_ms: int | None = None
        for record in records:
            first_ms = record.due_ms if first_ms is None else first_ms
            if self.seconds is not None and record.due_ms - first_ms >= self.seconds * 1000:
                return
            yield record
            if record.topic == "payments":
                self.figures.published(decode(record.value).payment_id, time.monotonic())

    async def _stragglers(self) -> None:
        for _ in range(round(STRAGGLERS_SECONDS / POLL_SECONDS)):
            if self.figures.decided >= self.figures.sent:
                break
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(2 * POLL_SECONDS)  # a second answer to a payment would come after the first

    async def _count(self) -> Audit:
        """The worker ends in order, and then the topics say what became of each payment."""
        if self._child is None:
            return Audit()
        self.say("comparing topics")
        child, self._child = self._child, None  # from here on it may end
        try:
            await child.stop()
        finally:
            child.kill()
        topics = names(self.settings)
        return await audit(self.settings.brokers, topics["payments"], topics["decisions"], topics["dead_letters"])


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel, and wait until they are done: again and again, for a Kafka client whose Kafka has gone waits for it a second time."""
    for _ in range(END_TRIES):
        for task in tasks:
            task.cancel()
        if not tasks or not (await asyncio.wait(tasks, timeout=END_SECONDS))[1]:
            break
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # it was told already, or has no news: asyncio need not say so again


async def delete_topics(settings: Settings) -> None:
    """Take a run's topics off a Kafka that is not ours. Only for settings of `own_settings`, whose names nobody else has."""
    admin = AIOKafkaAdminClient(**kafka_at(settings.brokers))
    await admin.start()
    try:
        await admin.delete_topics(list(names(settings).values()))
    finally:
        await admin.close()
