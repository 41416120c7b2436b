"""A worker whose offsets stand still while what waits grows is ended; one that is idle, taking over, or without Kafka is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams import watchdog as module
from streams.metrics import Metrics
from streams.source import Source
from streams.watchdog import StandsStill, Watchdog

PAYMENTS = TP("payments", 2)
LIMIT_SECONDS = 120.0


class Watched:
    """A worker with one partition, a clock, and what Kafka says where it ends (None: nothing)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source = Source(PAYMENTS, 0, 100)
        self.end: int | None = 100
        self.now = 1000.0
        self.worker: Any = SimpleNamespace(
            settings=SimpleNamespace(stuck_ms=LIMIT_SECONDS * 1000), metrics=Metrics(), sources={PAYMENTS: self.source}, ready=True
        )
        self.watchdog = Watchdog(self.worker)
        monkeypatch.setattr(self.watchdog, "_ends", self._ends)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))

    async def _ends(self) -> dict[TP, int] | None:
        return None if self.end is None else {PAYMENTS: self.end}

    async def after(self, seconds: float, end: int | None) -> None:
        self.now += seconds
        self.end = end
        await self.watchdog.look()

    @property
    def told(self) -> float:
        return self.worker.metrics.value("risk_standing_still_seconds")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


async def test_it_ends_when_more_and_more_waits_and_nothing_is_committed(watched: Watched) -> None:
    await watched.after(0, 101)
    await watched.after(LIMIT_SECONDS - 1, 5_000)
    assert watched.told == LIMIT_SECONDS - 1
    with pytest.raises(StandsStill, match="payments/2 has stood at offset 100 for 121 s while 6000 came in"):
        await watched.after(2, 6_000)


async def test_every_commit_starts_the_time_anew(watched: Watched) -> None:
    await watched.after(0, 200)
    await watched.after(LIMIT_SECONDS - 1, 300)
    watched.source.committed = 150
    await watched.after(2, 400)
    assert watched.told == 0
    await watched.after(LIMIT_SECONDS - 1, 500)


async def test_an_idle_worker_and_its_first_new_record_are_no_fault(watched: Watched) -> None:
    await watched.after(0, 100)
    await watched.after(100 * LIMIT_SECONDS, 100)
    await watched.after(1, 101)
    assert watched.told == 0


async def test_what_waits_and_does_not_grow_is_no_fault(watched: Watched) -> None:
    """A transaction's marker takes an offset that nobody will ever read."""
    await watched.after(0, 101)
    await watched.after(10 * LIMIT_SECONDS, 101)


async def test_while_kafka_is_away_the_time_stands_still(watched: Watched) -> None:
    await watched.after(0, 200)
    await watched.after(LIMIT_SECONDS, None)
    await watched.after(1, 300)
    await watched.after(LIMIT_SECONDS - 1, 400)


async def test_taking_over_takes_as_long_as_it_takes(watched: Watched) -> None:
    await watched.after(0, 200)
    watched.worker.ready = False
    await watched.after(10 * LIMIT_SECONDS, 300)
    watched.worker.ready = True
    await watched.after(1, 400)
    assert watched.told == 0


def test_a_loop_that_does_not_turn_is_ended_from_a_thread(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append, raising=False)
    watched.watchdog._watch_loop(ended.append)
    assert ended == [1]
    assert LIMIT_SECONDS <= len(slept) <= LIMIT_SECONDS + 2
