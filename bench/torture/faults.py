"""Carrying out one fault after another on an arena, and writing down when each happened.

Belongs here: what each kind of fault means for workers and broker. Never: which comes when (schedule.py).
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from random import Random

from bench.torture.arena import Arena, Stuck, Worker
from bench.torture.load import Load
from bench.torture.schedule import Fault

WORKERS_MIN, WORKERS_MAX = 2, 3
ARM_SECONDS = 2.0
COMPACT_SECONDS = 60.0


@dataclass
class Done:
    """What was done. ``kills``: (pid, ms since 1970) of every kill -9 of a worker."""

    kills: list[tuple[int, int]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    stopped_sending: int = 0
    """Stale owners that stood still between their last check and the send."""
    compacted: int = 0


class Faults:
    """Applies faults; ``random`` draws whom they hit."""

    def __init__(self, arena: Arena, load: Load, random: Random) -> None:
        self.arena, self.load, self.random = arena, load, random
        self.done = Done()

    def apply(self, fault: Fault) -> None:
        """One fault from beginning to end. Raises Stuck where workers or broker do not come back."""
        if fault.settled:
            self.arena.settled()
        else:
            self.arena.replace_ended()
        if fault.burst:
            self.load.burst(fault.burst)
        time.sleep(fault.after_seconds)
        getattr(self, f"_{fault.kind}")(fault)
        self.done.counts[fault.kind] = self.done.counts.get(fault.kind, 0) + 1

    def _some(self, count: int = 1) -> list[Worker]:
        alive = self.arena.alive
        return self.random.sample(alive, min(count, len(alive)))

    def _kill(self, fault: Fault) -> None:
        for worker in self._some(fault.victims):
            self.done.kills.append((worker.pid, int(time.time() * 1000)))
            worker.kill()
            self.arena.start_worker()

    def _stale(self, fault: Fault) -> None:
        """A worker stops just before it sends its decisions, others take over, and then it wakes up."""
        for worker in self._some():
            worker.send(signal.SIGUSR1)
            until = time.monotonic() + ARM_SECONDS
            while not worker.ended and not worker.stopped() and time.monotonic() < until:
                time.sleep(0.01)
            if worker.ended:
                continue
            self.done.stopped_sending += worker.stopped()
            worker.send(signal.SIGSTOP)
            worker.wanted = False  # not one of those that must decide meanwhile
            try:
                self.arena.settled()
                time.sleep(fault.seconds)
            finally:
                worker.wanted = True
                worker.send(signal.SIGCONT)

    def _pause(self, fault: Fault) -> None:
        for worker in self._some():
            worker.send(signal.SIGSTOP)
            time.sleep(fault.seconds)
            worker.send(signal.SIGCONT)

    def _broker(self, fault: Fault) -> None:
        if self.random.random() < 0.5:
            self.arena.kafka.stop()
        else:
            self.arena.kafka.kill()
        time.sleep(fault.seconds)
        self.arena.kafka.start()

    def _leave(self, fault: Fault) -> None:
        for worker in self._some():
            code = worker.stop()
            if code != 0:
                raise Stuck(f"{worker.log.name} ended with {code} when it was told to stop")
        time.sleep(fault.seconds)
        if len(self.arena.alive) < WORKERS_MIN:
            self.arena.start_worker()

    def _join(self, _: Fault) -> None:
        if len(self.arena.alive) < WORKERS_MAX:
            self.arena.start_worker()
        else:
            self._some()[0].stop()

    def _compact(self, _: Fault) -> None:
        """From the first of these on the broker compacts all the time; wait until it has."""
        self.arena.compact()
        until = time.monotonic() + COMPACT_SECONDS
        while not self.arena.compacted() and time.monotonic() < until:
            time.sleep(0.5)
        self.done.compacted = self.arena.compacted()
