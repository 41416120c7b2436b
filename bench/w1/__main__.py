"""`python -m bench.w1`, which is `make bench`: all parts one after the other, a table, and one line to compare runs by."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import rules, rules_compared
from bench.w1.compare import Differences
from bench.w1.drain import DRAIN_PAYMENTS, Drained, run_drain
from bench.w1.floor import Floor, run_floor
from bench.w1.gold import GOLD_PAYMENTS, run_gold
from bench.w1.latency import MEASURED_SECONDS, RATE, SECONDS_MAX, WARM_SECONDS, Latency, run_latency
from bench.w1.shared import SHARED_PAYMENTS, Share, run_shared
from bench.w1.task import VALUES
from bench.w1.worker import BenchProblem
from streams.kafka import EmbeddedKafka, KafkaProblem, answers
from streams.kafka_jars import JarsProblem
from streams.topics import NoKafka

PARTS = ("rules", "floor", "gold", "drain", "order", "lat")


class Results(NamedTuple):
    """What was run; None for what was not."""

    rules: rules.Cost | None = None
    compared: rules_compared.Compared | None = None
    floor: Floor | None = None
    gold: Differences | None = None
    drain: Drained | None = None
    order: tuple[Share, Share] | None = None
    lat: Latency | None = None


def main() -> int:
    """Exit codes: 0 measured, 1 answers differ from the reference, 3 no Kafka or the run broke off, 130 Ctrl-C."""
    asked = _arguments()
    parts = [part for part in PARTS if getattr(asked, part)] or list(PARTS)
    try:
        with _kafka(parts) as (brokers, broker_pid), tempfile.TemporaryDirectory(prefix="riskstream-bench-") as folder:
            results = _run(parts, asked, brokers, broker_pid, Path(folder))
    except (BenchProblem, KafkaProblem, JarsProblem, NoKafka) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    print("\n".join(["", *_table(results)]))
    print(_last_line(results, asked.gold_events))
    return 1 if results.gold is not None and results.gold.total else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.w1", description="Measure workload W1. Without a part, all of them are run.")
    for part, what in (
        ("rules", "compiled rules alone, loading them, and other rule engines"),
        ("floor", "the engine in process, without Kafka"),
        ("gold", "20,000 payments against the reference"),
        ("drain", "throughput and CPU on a full topic"),
        ("order", "a backlog of four partitions, one worker and two: what differs, and the CPU"),
        ("lat", f"latency at {RATE} payments a second"),
    ):
        parser.add_argument(f"--{part}", action="store_true", help=what)
    parser.add_argument("--events", type=int, default=DRAIN_PAYMENTS, metavar="N", help="payments of drain and floor")
    parser.add_argument("--gold-events", type=int, default=GOLD_PAYMENTS, metavar="N", help="payments of gold, at most 20000")
    parser.add_argument("--order-events", type=int, default=SHARED_PAYMENTS, metavar="N", help="payments of order")
    parser.add_argument("--seconds", type=int, default=MEASURED_SECONDS, metavar="N", help="measured seconds of lat, 1 to 600")
    parser.add_argument("--warm", type=int, default=WARM_SECONDS, metavar="N", help="seconds of lat before they count, 0 to 20")
    asked = parser.parse_args()
    if asked.events < 1000 or asked.order_events < 1000 or not 1 <= asked.gold_events <= GOLD_PAYMENTS:
        parser.error("--events and --order-events are at least 1000, --gold-events 1 to 20000")
    if not 1 <= asked.seconds <= SECONDS_MAX or not 0 <= asked.warm <= WARM_SECONDS:
        parser.error("--seconds is 1 to 600, --warm 0 to 20")
    return asked


@contextlib.contextmanager
def _kafka(parts: list[str]) -> Iterator[tuple[str, int | None]]:
    """host:port of a broker and its process, if that is ours. Parts that need none get none."""
    chosen = os.environ.get("RISK_BROKERS")
    if not {"gold", "drain", "order", "lat"} & set(parts):
        yield "", None
    elif chosen:
        if not answers(chosen):
            raise BenchProblem(f"no Kafka answers at RISK_BROKERS={chosen}")
        yield chosen, None
    else:
        with tempfile.TemporaryDirectory(prefix="riskstream-kafka-") as data, EmbeddedKafka(Path(data), heap_mb=512) as kafka:
            yield kafka.bootstrap, kafka.pid


def _run(parts: list[str], asked: argparse.Namespace, brokers: str, broker_pid: int | None, folder: Path) -> Results:
    results = Results()
    if "rules" in parts:
        with _told("50 and 500 rules of six terms, alone, and until they are loaded"):
            results = results._replace(rules=rules.measure())
        with _told("the same 50 rules by other rule engines"):
            results = results._replace(compared=rules_compared.measure())
    if "floor" in parts:
        with _told(f"floor: {asked.events} payments in process, without Kafka"):
            results = results._replace(floor=run_floor(asked.events))
    if "gold" in parts:
        with _told(f"gold: {asked.gold_events} payments through a worker and through the reference"):
            results = results._replace(gold=run_gold(brokers, folder, asked.gold_events))
    if "drain" in parts:
        with _told(f"drain: {asked.events} payments from a full topic"):
            results = results._replace(drain=run_drain(brokers, broker_pid, folder, asked.events, results.floor))
    if "order" in parts:
        with _told(f"order: {asked.order_events} payments in four partitions, one worker and then two"):
            results = results._replace(order=run_shared(brokers, folder, asked.order_events))
    if "lat" in parts:
        with _told(f"lat: {RATE} payments a second, {asked.warm} s to warm up and {asked.seconds} s measured"):
            results = results._replace(lat=run_latency(brokers, broker_pid, folder, asked.warm, asked.seconds))
    return results


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    print(what, end=" ... ", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - started:.0f} s")


def _table(results: Results) -> list[str]:
    rows: list[tuple[str, str]] = []
    if results.rules is not None:
        rows += rules.rows(results.rules)
    if results.compared is not None:
        rows += rules_compared.rows(results.compared)
    if results.floor is not None:
        steps = ", ".join(f"{name} {us:.1f}" for name, us in results.floor.us.items())
        rows.append(("floor, no Kafka", f"{results.floor.total_us:.1f} us CPU a payment ({steps})"))
    if results.gold is not None:
        rows += _gold_rows(results.gold)
    if results.drain is not None:
        rows += _drain_rows(results.drain)
    if results.order is not None:
        rows += _order_rows(*results.order)
    if results.lat is not None:
        rows += _latency_rows(results.lat)
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def _gold_rows(gold: Differences) -> list[tuple[str, str]]:
    parts = f"{gold.missing} missing, {gold.other_answer} other, {gold.repeated} twice, {gold.unasked} not asked for"
    rows = [("gold", f"{gold.total} of {gold.expected} answers differ from the reference ({parts})")]
    return rows + [("  differs", each) for each in gold.first]


def _drain_rows(drain: Drained) -> list[tuple[str, str]]:
    compared = "not compared" if drain.differ is None else f"{drain.differ} differ from the engine in process"
    return [
        ("drain", f"{drain.decisions} decisions of {drain.payments} payments, {compared}"),
        ("  speed", f"{drain.payments_per_second:,.0f} payments/s from the first fifth on, with {drain.core_share:.2f} of a core"),
        ("  worker", f"{drain.cpu_us:.1f} us CPU a payment from the first fifth on"),
        ("  whole life", f"{drain.life_cpu_us:.1f} us CPU a payment with its start, {drain.rss_mb} MB at most"),
        ("  written", f"{drain.changelog_bytes:.0f} B changelog and {drain.receipt_bytes:.0f} B receipt a payment"),
        ("  broker", f"{drain.broker_cpu_us:.1f} us CPU a payment" if drain.broker_cpu_us else "not on this machine, or not ours"),
        ("  machine", f"others used {drain.other_cores:.2f} cores of {os.cpu_count()}, pulse {drain.pulse_us:.0f} us"),
    ]


def _order_rows(one: Share, two: Share) -> list[tuple[str, str]]:
    rows = [("order", f"{one.payments} payments in four partitions; two workers take {two.cpu_us / one.cpu_us:.2f} times the CPU of one")]
    for share in (one, two):
        values = f"{share.values_differ} of {share.values} values differ ({share.values_differ / share.values:.3%})"
        decisions = f"{share.decisions_differ} decisions saw them ({share.decisions_differ * len(VALUES) / share.values:.2%})"
        rows.append((f"  by {share.workers}", f"{values}, {decisions}, {share.given_up} events were not waited for"))
        speed = f"{share.cpu_us:.1f} us CPU a payment, all workers together, {share.payments_per_second:,.0f} payments/s"
        rows.append(("  ", f"{speed}, {share.remote_share:.0%} of the touches remote"))
    return rows


def _latency_rows(lat: Latency) -> list[tuple[str, str]]:
    return [
        ("latency", f"p50 {lat.p50:.1f}  p90 {lat.p90:.1f}  p99 {lat.p99:.1f}  p99.9 {lat.p999:.1f}  longest {lat.longest:.1f} ms"),
        ("  collector", f"the longest pause of the garbage collector was {lat.collector_ms:.1f} ms"),
        ("  answered", f"{lat.answered} of {lat.sent}, {lat.cpu_us:.1f} us worker CPU a payment, {lat.core_share:.2f} of a core"),
        ("  machine", f"others used {lat.other_cores:.2f} cores of {os.cpu_count()}, pulse {lat.pulse_us:.0f} us"),
    ]


def _last_line(results: Results, gold_events: int) -> str:
    """The line that scripts read; a dash for what was not run."""
    gold, drain, lat = results.gold, results.drain, results.lat
    differ = f"{gold.total} of {gold_events} differ" if gold is not None else "- differ"
    speed = f"{drain.cpu_us:.0f} us cpu, {drain.payments_per_second:.0f} payments/s" if drain is not None else "- us cpu, - payments/s"
    waits = f"p50 {lat.p50:.1f} p99 {lat.p99:.1f} p99.9 {lat.p999:.1f} ms" if lat is not None else "p50 - p99 - p99.9 - ms"
    return f"w1: {differ}, {speed}, {waits}"


if __name__ == "__main__":
    sys.exit(main())
