"""Put a stream of messages on Kafka at a pace: what `risk simulate` and `risk feed` share.

Belongs here: the producer, the pacing, the progress bar. Never: what the messages say (risk.world, streams.recorded), and
nothing that the worker uses: this is the gateway's side.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streams.security import kafka_at
from streams.settings import Settings
from streams.topics import MESSAGE_BYTES_MAX, NoKafka, ensure_topics, names

ANSWER_SECONDS = 8.0
FLUSH_SECONDS = 30.0
AHEAD_SECONDS_MIN = 0.002  # shorter waits cost more than they are worth
SENDS_A_TURN = 64  # then the event loop gets a turn, and progress is told
UNACKED_MAX = 20_000


class Message(Protocol):
    """What is published: `due_ms` orders and paces, `topic` is the role (payments, activity, labels), `key` the payer's id."""

    @property
    def due_ms(self) -> int: ...
    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> bytes: ...


class NotPublished(Exception):
    """The broker refused a message or went away: what was acknowledged so far is in the text."""


@dataclass(slots=True)
class Published:
    """How much was sent, by topic role, and in how many seconds; `behind_ms` is how far the sender now lags its pace."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    behind_ms: float = 0.0
    interrupted: bool = False

    def line(self) -> str:
        """One line for the terminal."""
        what = ", ".join(f"{count:,} {role}" for role, count in sorted(self.counts.items(), key=lambda each: -each[1])) or "nothing"
        pace = f" ({self.counts['payments'] / self.seconds:,.0f} payments a second)" if self.seconds > 0 else ""
        return f"published {what} in {self.seconds:.1f} s{pace}"


Tell = Callable[[Published], None]


async def publish(messages: Iterable[Message], settings: Settings, *, speed: float | None = 1.0, tell: Tell | None = None) -> Published:
    """Send all messages, in order. `speed` 1.0 keeps their own distances in time, 10.0 is ten times as fast, None does not wait.

    Creates missing topics. Ctrl-C and SIGTERM end it early, with what was sent so far acknowledged. Raises NoKafka within
    10 seconds when no Kafka answers, TopicProblem when its topics do not fit, NotPublished when a message is refused.
    """
    await ensure_topics(settings)
    producer = AIOKafkaProducer(
        **kafka_at(settings.brokers),
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=64 * 2**10,
        max_request_size=MESSAGE_BYTES_MAX,
    )
    try:
        await asyncio.wait_for(producer.start(), ANSWER_SECONDS)
    except (KafkaError, OSError, TimeoutError) as error:
        await producer.stop()
        raise NoKafka(settings.brokers, "cannot connect") from error
    sender = _Sender(producer, names(settings), tell)
    try:
        with _cancelled_by_sigterm():
            await sender.run(messages, speed)
    except asyncio.CancelledError:
        # Swallowed on purpose: to stop early is how an endless stream ends.
        sender.published.interrupted = True
    finally:
        await sender.close()
    return sender.published


class _Sender:
    def __init__(self, producer: AIOKafkaProducer, topics: dict[str, str], tell: Tell | None) -> None:
        self.producer, self.topics, self.tell = producer, topics, tell
        self.published = Published()
        self.loop = asyncio.get_running_loop()
        self.started = self.loop.time()
        self.unacked = 0
        self.refused: BaseException | None = None

    async def run(self, messages: Iterable[Message], speed: float | None) -> None:
        first_ms: int | None = None
        for turn, message in enumerate(messages, start=1):
            if first_ms is None:
                first_ms = message.due_ms
                self.started = self.loop.time()
            if speed is not None:
                await self._wait_for((message.due_ms - first_ms) / 1000 / speed)
            if turn % SENDS_A_TURN == 0:
                await self._breathe()
            await self._send(message)

    async def _wait_for(self, due_seconds: float) -> None:
        ahead = due_seconds - (self.loop.time() - self.started)
        self.published.behind_ms = max(0.0, -ahead * 1000)
        if ahead > AHEAD_SECONDS_MIN:
            self._progress()
            await asyncio.sleep(ahead)

    async def _breathe(self) -> None:
        self._progress()
        await asyncio.sleep(0)
        if self.unacked > UNACKED_MAX:
            await self.producer.flush()
        if self.refused is not None:
            raise self._failure()

    async def _send(self, message: Message) -> None:
        try:
            acked = await self.producer.send(self.topics[message.topic], message.value, key=message.key.encode())
        except KafkaError as error:
            self.refused = error
            raise self._failure() from error
        self.unacked += 1
        acked.add_done_callback(self._acknowledged)
        self.published.counts[message.topic] += 1

    def _acknowledged(self, acked: asyncio.Future[object]) -> None:
        self.unacked -= 1
        if not acked.cancelled() and acked.exception() is not None:
            self.refused = acked.exception()

    def _failure(self) -> NotPublished:
        sent = sum(self.published.counts.values())
        return NotPublished(f"Kafka refused a message after {sent - self.unacked:,} were acknowledged: {self.refused!r}")

    def _progress(self) -> None:
        self.published.seconds = self.loop.time() - self.started
        if self.tell is not None:
            self.tell(self.published)

    async def close(self) -> None:
        """Wait until everything is acknowledged; raises NotPublished when something was not."""
        try:
            await asyncio.wait_for(self.producer.flush(), FLUSH_SECONDS)
        except TimeoutError as error:
            self.refused = self.refused or error
        finally:
            await self.producer.stop()
        self._progress()
        if self.refused is not None:
            raise self._failure()


@contextmanager
def _cancelled_by_sigterm() -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    try:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, or a system without signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def silence_client() -> None:
    """For the command line: the client's own log tells of retries, which are no news; what fails in the end is raised."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@contextmanager
def progress_bar(title: str, payments: int | None, console: Console) -> Iterator[Tell]:
    """A progress bar over payments at a terminal, nothing elsewhere; the value is what `publish` takes as `tell`."""
    words = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    columns = (*words, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=payments, pace="")

        def tell(published: Published) -> None:
            done = published.counts["payments"]
            pace = f"{done / published.seconds:,.0f}/s" if published.seconds > 0.5 else ""
            if published.behind_ms > 2000:
                pace += f", {published.behind_ms / 1000:.0f} s behind"
            bar.update(task, completed=done, pace=pace)

        yield tell
