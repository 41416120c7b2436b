"""How fast, and at what cost: a full topic, a worker started on it, and clocks read until the last decision is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.w1.adapter import read_actions
from bench.w1.floor import Floor
from bench.w1.machine import Watch, other_cores, rss_mb
from bench.w1.stream import DRAIN, messages
from bench.w1.topics import Reader, drop, is_marker, load
from bench.w1.worker import Worker

DRAIN_PAYMENTS = 300_000
STEADY_FROM = 0.2
SAMPLE_SECONDS = 0.2
STALL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Drained:
    """Per payment means per payment that came in, repeats too. ``differ``: decisions other than those of the engine in process."""

    payments: int
    decisions: int
    differ: int | None
    payments_per_second: float
    cpu_us: float
    life_cpu_us: float
    core_share: float
    rss_mb: int
    broker_cpu_us: float
    changelog_bytes: float
    receipt_bytes: float
    other_cores: float
    pulse_us: float


def run_drain(brokers: str, broker_pid: int | None, folder: Path, count: int, floor: Floor | None) -> Drained:
    """``floor``: what the engine in process made of the same payments, to compare with."""
    with Worker(brokers, "drain", folder) as worker:
        expected = load(brokers, worker.topics["payments"], messages(DRAIN, count))
        time.sleep(1.0)  # the broker still works on what it was given
        worker.start()
        watch = Watch(worker.pid, broker_pid)
        drained(brokers, worker, expected, watch)
        peak = rss_mb(worker.pid)
        changelog, receipts = worker.counter("risk_changelog_bytes_total"), worker.counter("risk_receipt_bytes_total")
        worker.stop()
        actions, repeated = read_actions(brokers, worker.topics["decisions"])
        drop(brokers, worker.topics.values())
    differ = None
    if floor is not None:
        differ = repeated + sum(actions.get(payment_id) != found for payment_id, found in floor.actions.items())
        differ += len(actions.keys() - floor.actions.keys())
    first, last = watch.samples[0], watch.samples[-1]
    steady = next(sample for sample in watch.samples if sample.done >= STEADY_FROM * expected or sample is watch.samples[-2])
    scale = count / expected
    in_steady = (last.done - steady.done) * scale
    return Drained(
        payments=count,
        decisions=last.done,
        differ=differ,
        payments_per_second=in_steady / (last.wall - steady.wall),
        cpu_us=(last.worker - steady.worker) / in_steady * 1e6,
        life_cpu_us=last.worker / count * 1e6,
        core_share=(last.worker - steady.worker) / (last.wall - steady.wall),
        rss_mb=peak,
        broker_cpu_us=(last.broker - steady.broker) / in_steady * 1e6,
        changelog_bytes=changelog / count,
        receipt_bytes=receipts / expected,
        other_cores=other_cores(first, last),
        pulse_us=watch.pulse,
    )


def drained(brokers: str, worker: Worker, expected: int, watch: Watch | None = None) -> None:
    """Wait until so many decisions are in the topic, reading the clocks meanwhile. Raises BenchProblem when they stop coming."""
    watch = watch or Watch(worker.pid, None)
    watch.sample()
    reader = Reader(brokers, worker.topics["decisions"])
    markers, moved, last = 0, time.monotonic(), -1
    try:
        while True:
            worker.check()
            end = reader.end()
            if end and not markers:
                markers = _markers(reader)
            sample = watch.sample(max(0, end - markers))
            if sample.done != last:
                moved, last = time.monotonic(), sample.done
            if sample.done >= expected:
                return
            if time.monotonic() - moved > STALL_SECONDS:
                raise worker.problem(f"the worker gave no decision for {STALL_SECONDS:.0f} s, {sample.done} of {expected} are there")
            if len(watch.samples) % 8 == 0:
                watch.beat()
            time.sleep(SAMPLE_SECONDS)
    finally:
        reader.close()


def _markers(reader: Reader) -> int:
    """How many records at the beginning are no decisions."""
    count = 0
    while (message := reader.poll(1.0)) is not None and is_marker(message):
        count += 1
    return count
