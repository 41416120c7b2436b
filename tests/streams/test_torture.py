"""The short form of the torture suite (bench/torture): a few faults of each kind under load, a fixed seed, a Kafka of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.torture.run import Outcome, run
from bench.torture.schedule import Fault, schedule
from tests.streams.harness import fact

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

SEED = 7
FAULTS = [
    # so many that some are on their way through the worker whenever it dies
    Fault("kill", settled=True, burst=1_500, after_seconds=0.15, seconds=0.0, victims=1),
    Fault("kill", settled=True, burst=1_500, after_seconds=0.1, seconds=0.0, victims=1),
    Fault("stale", settled=True, burst=200, after_seconds=0.05, seconds=0.5, victims=1),
    Fault("broker", settled=False, burst=100, after_seconds=0.05, seconds=1.0, victims=1),
]


def told(outcome: Outcome) -> str:
    found = outcome.verdict
    return f"{outcome.line()}; {found.probes} probes, {found.audit.void} void, ended by themselves: {outcome.by_themselves or 'none'}"


def test_nothing_is_lost_or_counted_twice_whatever_happens_to_workers_and_broker(tmp_path: Path) -> None:
    outcome = run(tmp_path / "whole", SEED, kills=0, faults=FAULTS, workers=2)
    fact(told(outcome))
    assert outcome.stuck is None
    assert outcome.verdict.findings() == []
    assert outcome.done.counts == {"kill": 2, "stale": 1, "broker": 1}
    assert outcome.verdict.kills_that_count >= 1
    assert outcome.verdict.probes > 500 and outcome.verdict.receipts > 1_000


def test_a_seed_names_a_schedule() -> None:
    assert schedule(7, 50) == schedule(7, 50) != schedule(8, 50)
    kinds = [fault.kind for fault in schedule(7, 50)]
    assert kinds.count("kill") == 50
    assert {"stale", "pause", "broker", "leave", "join", "compact"} <= set(kinds)
