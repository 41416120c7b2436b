"""One story: from a seed come the settings, the traffic, the faults and every delay; at its end the accounts must balance.

Belongs here: what happens when. Never: how it is done (process.py) and what must be true (accounts.py).
"""

from __future__ import annotations

import asyncio
import dataclasses
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import streams.reader
from risk.engine import Engine
from risk.language import RuleSet, load
from streams.fence import Replaced
from streams.settings import Settings
from streams.topics import names
from streams.watchdog import Watchdog
from tests.simulation import accounts
from tests.simulation.broker import Broker, Group, Record
from tests.simulation.clients import Fetcher, Net, current
from tests.simulation.loop import Loop
from tests.simulation.process import Process
from tests.simulation.traffic import Sent, Traffic, probes

RULES = Path(__file__).parents[1] / "streams" / "rules" / "probes"
START = 1_700_000_000.0
TURNS_MAX = 400_000
ANSWER_SECONDS = 60.0
COMPACTION_LAG_MS = 5_000
FAULTS = ("kill", "pause", "leave", "join", "compact")


@dataclass
class Told:
    """What came of a story: ``wrong`` is empty where everything holds."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    payments: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    takeovers: int = 0
    void: int = 0
    degraded: int = 0
    replaced: int = 0
    turns: int = 0
    digest: int = 0
    """Of all that lies on the topics: the same seed must give the same."""


class Story:
    """One seed. ``engine`` may serve many stories: it keeps nothing of them."""

    def __init__(self, seed: int, engine: Engine) -> None:
        random = self.random = Random(seed)
        self.engine = engine
        self.partitions = random.choice([1, 2, 2, 3, 4])
        self.settings = self._settings()
        self.topics = names(self.settings)
        self.loop = Loop(random, START, random.choice([0.02, 0.05]))
        self.broker = Broker(random, self.now_ms)
        self.net = Net(self.loop, self.broker, random, random.choice([0.002, 0.01, 0.03]))
        self.net.slow = {self.topics[role]: random.choice([5.0, 20.0]) for role in self.topics if random.random() < 0.15}
        self.group = Group(self.broker, self.partitions, self.settings.session_ms / 1000, patience=2.0)
        self.traffic = Traffic(random)
        self.processes: dict[str, Process] = {}
        self.told = Told(seed)
        self._names = 0
        self._wanted = random.choice([1, 1, 2, 2, 3])

    def _settings(self) -> Settings:
        random = self.random
        return dataclasses.replace(
            Settings(),
            partitions=self.partitions,
            in_flight=random.choice([16, 40, 400]),
            deadline_ms=random.choice([50, 300, 2_000]),
            drain_wait_ms=random.choice([300, 10_000]),
            order_wait_ms=random.choice([0, 0, 100]),
            flush_ms=random.choice([10, 100, 700]),
            commit_ms=random.choice([20, 200, 800]),
            session_ms=random.choice([200, 500]),
        )

    def now_ms(self) -> int:
        return int(self.loop.now * 1000)

    # ------------------------------------------------------------------ telling

    def tell(self) -> Told:
        current.append(self.net)
        told = self.told
        try:
            with _clock_of(self.loop):
                self.loop.run_to_end(self._tell(), TURNS_MAX)
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed has found something
            told.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            current.pop()
        told.wrong += self.loop.failures
        told.turns = self.loop.turns
        reader, answers = accounts.answers(self._all("decisions"))
        told.void, told.takeovers = reader.void, reader.markers
        told.degraded = sum(decision.degraded for _, decision in answers)
        told.digest = zlib.crc32(repr([(place, log.records) for place, log in sorted(self.broker.logs.items())]).encode())
        return told

    async def _tell(self) -> None:
        self._pass_time()
        for _ in range(self._wanted):
            self._start_one()
        await self._play()
        self.net.calm_down()
        self.loop.tick = 0.1
        if not await self._settled():
            return
        self._clear_the_stage()
        self._start_one()
        for sent in probes(self.now_ms()):
            self._put(sent)
        if await self._settled():
            records = (self._all(role) for role in ("payments", "activity", "decisions", "receipts"))
            self.told.wrong += accounts.wrong_profiles(*records)

    def _pass_time(self) -> None:
        """The broker's own beat."""
        self.group.pass_time(self.loop.now)
        self.loop.outside(0.05, self._pass_time)

    async def _play(self) -> None:
        """Traffic and faults, for a second or two."""
        random = self.random
        messages, faults = random.randint(15, 60), random.randint(0, 5)
        seconds = random.choice([0.3, 0.8, 2.0])
        at = sorted(
            [(random.random() * seconds, "message") for _ in range(messages)]
            + [(random.random() * seconds, random.choice(FAULTS)) for _ in range(faults)]
        )
        begin = self.loop.now
        for when, what in at:
            if begin + when > self.loop.now:
                await asyncio.sleep(begin + when - self.loop.now)
            if what == "message":
                self._put(self.traffic.next(self.now_ms()))
            else:
                self._fault(what)

    def _put(self, sent: Sent) -> None:
        self.broker.append((self.topics[sent.role], zlib.crc32(sent.key.encode()) % self.partitions), sent.key.encode(), sent.value)

    # ------------------------------------------------------------------ faults

    def _start_one(self) -> None:
        self._names += 1
        process = Process(f"w{self._names}", self.net, self.group, self.settings, self.engine, self._ended)
        self.processes[process.name] = process
        process.start()

    def _ended(self, name: str, error: BaseException | None) -> None:
        """A process ended by itself; its supervisor starts another where that was not asked for."""
        del self.processes[name]
        if isinstance(error, Replaced):
            self.told.replaced += 1
        elif error is not None:
            self.told.wrong.append(f"{name} failed: {error!r}")
        self.loop.outside(self.random.random() * 0.5, self._supervise)

    def _supervise(self) -> None:
        if len(self.processes) < self._wanted:
            self._start_one()

    def _fault(self, kind: str) -> None:
        random, faults = self.random, self.told.faults
        faults[kind] = faults.get(kind, 0) + 1
        if kind == "compact":
            self.broker.compact(self.topics["profiles"], self.partitions, COMPACTION_LAG_MS)
        elif kind == "join":
            self._start_one()
        elif self.processes:
            process = random.choice(list(self.processes.values()))
            if kind == "leave":
                process.stop()
            elif kind == "kill":
                process.kill()
                self._ended(process.name, None)
            else:
                self.loop.pause(process.name)
                self.loop.outside(random.choice([0.1, 0.8, 1.5]) * random.random(), self.loop.resume, process.name)

    def _clear_the_stage(self) -> None:
        """All end at once; whoever comes next has only what lies on the topics."""
        self._wanted = 1
        for process in list(self.processes.values()):
            process.kill()
            del self.processes[process.name]

    # ------------------------------------------------------------------ the end

    async def _settled(self) -> bool:
        """Wait until everything is answered and nothing more comes; then the answers must be right."""
        until = self.loop.now + ANSWER_SECONDS
        wrong, seen = True, -1
        while wrong and self.loop.now < until:
            await asyncio.sleep(0.2)
            if seen != (seen := self._length()):
                wrong = bool(self._wrong_answers())
        await asyncio.sleep(self.random.choice([0.0, 0.2, 1.5]))
        self.told.payments = len(accounts.accepted(self._all("payments")).bodies)
        self.told.wrong += self._wrong_answers()
        return not self.told.wrong

    def _wrong_answers(self) -> list[str]:
        return accounts.wrong_answers(*(self._all(role) for role in ("payments", "decisions", "receipts", "dead_letters")))

    def _length(self) -> int:
        return sum(self.broker.log((self.topics[role], p)).end for role in ("decisions", "dead_letters") for p in range(self.partitions))

    def _all(self, role: str) -> list[Record]:
        return self.broker.all(self.topics[role], self.partitions)


@contextmanager
def _clock_of(loop: Loop) -> Iterator[None]:
    """The product's modules read the story's clock."""
    import sys
    import time

    def now() -> float:
        return loop.now

    clock: Any = SimpleNamespace(time=now, monotonic=now, perf_counter=now, process_time=now, time_ns=lambda: int(loop.now * 1e9))
    modules: list[ModuleType] = [m for name, m in sys.modules.items() if name.startswith("streams.") and getattr(m, "time", None) is time]
    consumer, watch = streams.reader.AIOKafkaConsumer, Watchdog.watch
    streams.reader.AIOKafkaConsumer = Fetcher
    Watchdog.watch = _never  # type: ignore[method-assign]  # it looks from a thread, by the clock on the wall
    for module in modules:
        module.time = clock  # type: ignore[attr-defined]
    try:
        yield
    finally:
        streams.reader.AIOKafkaConsumer, Watchdog.watch = consumer, watch  # type: ignore[method-assign]
        for module in modules:
            module.time = time  # type: ignore[attr-defined]


async def _never(_: object) -> None: ...


def rules() -> RuleSet:
    """The rule set whose features show everything that was ever counted."""
    return load([RULES])
