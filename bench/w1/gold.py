"""First of all, are the answers right? The gold stream through a worker, every answer against the reference."""

from __future__ import annotations

from pathlib import Path

from bench.w1.adapter import read_answers
from bench.w1.compare import Differences, differences
from bench.w1.drain import drained
from bench.w1.reference import answers
from bench.w1.stream import GOLD, messages
from bench.w1.task import read_task
from bench.w1.topics import drop, load
from bench.w1.worker import Worker

GOLD_PAYMENTS = 20_000


def run_gold(brokers: str, folder: Path, count: int = GOLD_PAYMENTS) -> Differences:
    """``count``: so many of the first payments of the gold stream."""
    payments = [payment for payment, _ in zip(messages(GOLD, GOLD_PAYMENTS), range(count), strict=False)]
    with Worker(brokers, "gold", folder) as worker:
        expected_count = load(brokers, worker.topics["payments"], payments)
        worker.start()
        expected = dict(answers((payment.value for payment in payments), read_task()))
        drained(brokers, worker, expected_count)
        worker.stop()
        found = read_answers(brokers, worker.topics)
        drop(brokers, worker.topics.values())
    return differences(expected, found.answers, found.repeated)
