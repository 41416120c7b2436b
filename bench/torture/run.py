"""One run: load, faults, the last takeover, probes, the verdict.

Belongs here: the order of these, and the numbers they start from. Never: the words for the terminal (__main__.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.torture.arena import Arena, Stuck
from bench.torture.brute_force import expected
from bench.torture.checker import Verdict, all_answers, check, send_probes, taken_in
from bench.torture.faults import Done, Faults
from bench.torture.load import Load
from bench.torture.schedule import Fault, schedule
from streams.kafka import EmbeddedKafka

RATE = 220.0
CUSTOMERS = 1_500
PATIENT = {"RISK_DEADLINE_MS": "60000", "RISK_DRAIN_WAIT_MS": "60000"}
"""Probes must read everything: they wait for it."""

Tell = Callable[[str, int, int], None]
"""Told what happens now, and how many of how many faults are done."""


@dataclass
class Outcome:
    """What a run came to. ``stuck``: what did not come to its end, if something did not."""

    seed: int
    done: Done = field(default_factory=Done)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0
    sent: int = 0
    rate: float = 0.0
    by_themselves: list[str] = field(default_factory=list)
    stuck: str | None = None

    @property
    def faults(self) -> int:
        """All faults; of the kills only those that found a payment undecided."""
        others = sum(count for kind, count in self.done.counts.items() if kind != "kill")
        return others + self.verdict.kills_that_count

    @property
    def clean(self) -> bool:
        return self.stuck is None and self.verdict.clean

    def line(self) -> str:
        """The last line of a run."""
        found = self.verdict
        return (
            f"torture: {found.audit.payments} payments, {self.faults} faults, {len(found.lost)} lost, {len(found.double)} double, "
            f"{len(found.different)} different"
        )


def run(
    folder: Path,
    seed: int,
    kills: int,
    tell: Tell = lambda *_: None,
    broken: str | None = None,
    kafka: EmbeddedKafka | None = None,
    faults: list[Fault] | None = None,
    workers: int = 3,
    **variables: str,
) -> Outcome:
    """Play the schedule of a seed (or the faults given), with these settings of the workers. What goes wrong is in the outcome."""
    outcome = Outcome(seed)
    planned = schedule(seed, kills) if faults is None else faults
    began = time.monotonic()
    with Arena(folder, broken, kafka, **variables) as arena:
        load = Load(arena.kafka.bootstrap, arena.topics, seed, RATE, CUSTOMERS)
        playing = Faults(arena, load, Random(f"torture/faults/{seed}"))
        outcome.done = playing.done
        try:
            for _ in range(workers):
                arena.start_worker()
            arena.settled()
            load.start()
            _play(playing, planned, tell)
            outcome.rate = load.payments / (time.monotonic() - load.began)
            load.stop()
            outcome.verdict = _judge(arena, playing.done, lambda what: tell(what, len(planned), len(planned)))
        except Stuck as stuck:
            outcome.stuck = str(stuck)
        outcome.sent = load.sent
        outcome.by_themselves = arena.by_themselves
    outcome.seconds = time.monotonic() - began
    return outcome


def _play(playing: Faults, planned: list[Fault], tell: Tell) -> None:
    for number, fault in enumerate(planned):
        tell(fault.kind, number, len(planned))
        try:
            playing.apply(fault)
        except Stuck as stuck:
            raise Stuck(f"fault {number + 1} of {len(planned)}, {fault}: {stuck}") from None


def _judge(arena: Arena, done: Done, say: Callable[[str], None]) -> Verdict:
    """Everything is committed; all workers die; two new ones know only what is on the topics, and answer the probes."""
    say("waiting for the last answers")
    arena.drained()
    taken = asyncio.run(taken_in(arena))
    actions = {answer.payment_id: answer.action for answer in asyncio.run(all_answers(arena)).answers}
    wanted = expected(taken.payments, taken.activity, actions)
    for worker in arena.alive:
        worker.kill()
    say("probing")
    for _ in range(2):
        arena.start_worker(**PATIENT)
    arena.settled()
    asyncio.run(send_probes(arena, wanted, int(time.time() * 1000)))
    arena.drained()
    for worker in arena.alive:
        if (code := worker.stop()) != 0:
            raise Stuck(f"{worker.log.name} ended with {code} when it was told to stop")
    say("reading the topics")
    return asyncio.run(check(arena, wanted, taken, done.kills))
