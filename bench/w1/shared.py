"""What sharing the work costs, and whether it keeps its order: a backlog of four partitions, drained by one worker and then by two.

Both drain the same payments; what they decide is held against the engine in process over the merged order. They stand still while the
backlog is written, so that both begin at one moment.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.w1.drain import STALL_SECONDS, STEADY_FROM
from bench.w1.machine import cpu_seconds
from bench.w1.stream import DRAIN, messages
from bench.w1.task import RULES, VALUES
from bench.w1.topics import Reader, drop, is_marker, load
from bench.w1.worker import START_SECONDS, BenchProblem, Worker
from risk.engine import InProcess
from risk.events import Event
from risk.language import RuleSet
from risk.language import load as load_rules
from risk.learning import fixed_version

PARTITIONS = 4
SHARED_PAYMENTS = 40_000
BACKLOG_SECONDS = 0.6
"""After so long what was written counts as a backlog."""

Told = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Share:
    """One drain. CPU of all workers together a payment, from the first fifth on; what differs from the engine in process."""

    workers: int
    payments: int
    cpu_us: float
    payments_per_second: float
    values: int
    values_differ: int
    decisions_differ: int
    remote_share: float
    given_up: int


def run_shared(brokers: str, folder: Path, count: int) -> tuple[Share, Share]:
    """One worker, then two."""
    return _drain(brokers, folder, count, 1), _drain(brokers, folder, count, 2)


def _drain(brokers: str, folder: Path, count: int, workers: int) -> Share:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(Worker(brokers, f"order{workers}", folder, PARTITIONS))
        group = [first, *(stack.enter_context(Worker(brokers, "", folder, PARTITIONS, first)) for _ in range(workers - 1))]
        for worker in group:
            worker.start()
        _settled(group)
        for worker in group:
            worker.pause()
        expected = load(brokers, first.topics["payments"], messages(DRAIN, count), PARTITIONS)
        time.sleep(BACKLOG_SECONDS)
        samples = _drained(brokers, group, expected)
        touches = {where: _total(group, "risk_touches_total", f'where="{where}"') for where in ("local", "remote")}
        given_up = _total(group, "risk_order_given_up_total")
        for worker in group:
            worker.stop()
        found, wanted = dict(_receipts(brokers, first.topics)), _in_process(brokers, first.topics["payments"])
        drop(brokers, first.topics.values())
    if found.keys() != wanted.keys():
        raise BenchProblem(f"{len(wanted.keys() ^ found.keys())} payments have no decision, or one that nobody asked for")
    if any(found[each] != wanted[each] and found[each][1] == wanted[each][1] for each in wanted):
        raise BenchProblem("of the same values something else was decided")
    values = [sum(a != b for a, b in zip(found[each][1], wanted[each][1], strict=True)) for each in wanted]
    steady = next(sample for sample in samples if sample[1] >= STEADY_FROM * expected or sample is samples[-2])
    last, scale = samples[-1], count / expected
    return Share(
        workers=workers,
        payments=count,
        cpu_us=(last[2] - steady[2]) / ((last[1] - steady[1]) * scale) * 1e6,
        payments_per_second=(last[1] - steady[1]) * scale / (last[0] - steady[0]),
        values=len(wanted) * len(VALUES),
        values_differ=sum(values),
        decisions_differ=sum(1 for number in values if number),
        remote_share=touches["remote"] / max(1.0, sum(touches.values())),
        given_up=int(given_up),
    )


def _total(group: list[Worker], name: str, labels: str = "") -> float:
    return sum(worker.counter(name, labels) for worker in group)


def _settled(group: list[Worker]) -> None:
    """Each owns its part, and all of them are ready."""
    until = time.monotonic() + START_SECONDS
    while any(worker.counter("risk_partitions") != PARTITIONS / len(group) or not worker.counter("risk_ready") for worker in group):
        for worker in group:
            worker.check()
        if time.monotonic() > until:
            raise group[0].problem(f"the workers do not share the partitions after {START_SECONDS:.0f} s")
        time.sleep(0.2)


def _drained(brokers: str, group: list[Worker], expected: int) -> list[tuple[float, int, float]]:
    """Let them go on; (wall, decisions, CPU seconds of all) until all decisions are there."""
    readers = [Reader(brokers, group[0].topics["decisions"], partition=number) for number in range(PARTITIONS)]
    markers = sum(reader.end() for reader in readers)
    samples = [(time.perf_counter(), 0, sum(cpu_seconds(worker.pid) for worker in group))]
    for worker in group:
        worker.resume()
    moved = time.monotonic()
    try:
        while samples[-1][1] < expected:
            time.sleep(0.2)
            done = sum(reader.end() for reader in readers) - markers
            for worker in group:
                worker.check()
            if done != samples[-1][1]:
                moved = time.monotonic()
            if time.monotonic() - moved > STALL_SECONDS:
                raise group[0].problem(f"no decision came for {STALL_SECONDS:.0f} s, {done} of {expected} are there")
            samples.append((time.perf_counter(), done, sum(cpu_seconds(worker.pid) for worker in group)))
        return samples
    finally:
        for reader in readers:
            reader.close()


def _receipts(brokers: str, topics: Mapping[str, str]) -> Iterator[tuple[str, Told]]:
    for partition in range(PARTITIONS):
        reader = Reader(brokers, topics["receipts"], partition=partition)
        for message in reader.records():
            receipt = orjson.loads(message.value() or b"")
            yield receipt["payment_id"], (receipt["action"], tuple(receipt["values"][name] for name in VALUES))
        reader.close()


def _in_process(brokers: str, topic: str) -> dict[str, Told]:
    """What the engine says of the same records in their merged order."""
    ruleset = load_rules([RULES])
    assert ruleset.model is not None
    engine = InProcess(ruleset, fixed_version(ruleset.model))
    found: dict[str, Told] = {}
    placed = [_placed(brokers, topic, partition, ruleset) for partition in range(PARTITIONS)]
    for *_, event in heapq.merge(*placed, key=lambda each: each[:3]):
        if event.payment_id not in found:
            outcome = engine.feed(event)
            assert outcome is not None
            values = dict(zip(outcome.names, outcome.values, strict=True))
            found[event.payment_id] = (outcome.action, tuple(values[name] for name in VALUES))
    return found


def _placed(brokers: str, topic: str, partition: int, ruleset: RuleSet) -> list[tuple[int, int, int, Event]]:
    """The events of one partition with order time, partition and offset."""
    reader, highest, placed = Reader(brokers, topic, partition=partition), 0, []
    for message in reader.records():
        if not is_marker(message):
            event, appended = ruleset.schema.decode(message.value() or b""), message.timestamp()[1]
            highest = max(highest, min(event.occurred_at, appended))
            placed.append((highest, partition, message.offset() or 0, event))
    reader.close()
    return placed
