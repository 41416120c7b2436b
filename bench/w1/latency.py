"""How long one payment waits: a steady trickle, each timed from `produce()` until its decision is read from the topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from confluent_kafka import Producer

from bench.w1.machine import Watch, other_cores
from bench.w1.stream import LAT, Message, messages
from bench.w1.topics import QUIET, Reader, drop, is_marker
from bench.w1.worker import BenchProblem, Worker

RATE = 500
WARM_SECONDS = 20
MEASURED_SECONDS = 60
READY_SECONDS = 60.0
LAST_SECONDS = 10.0
STREAM_PAYMENTS = 45_000
SECONDS_MAX = 600


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; ``sent`` counts the payments that were measured, ``answered`` those whose decision came."""

    sent: int
    answered: int
    p50: float
    p90: float
    p99: float
    p999: float
    longest: float
    collector_ms: float
    cpu_us: float
    core_share: float
    other_cores: float
    pulse_us: float


class _Answers:
    """Reads `decisions` in a thread of its own and notes when each payment's first one came."""

    def __init__(self, brokers: str, topic: str) -> None:
        self.came: dict[str, float] = {}
        self._running = True
        self._reader = Reader(brokers, topic, wait_ms=100)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._running:
            message = self._reader.poll(0.2)
            now = time.perf_counter()
            if message is not None and not is_marker(message):
                self.came.setdefault(orjson.loads(message.value() or b"")["payment_id"], now)

    def wait(self, enough: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not enough() and time.monotonic() < until:
            time.sleep(0.05)
        return enough()

    def stop(self) -> None:
        self._running = False
        self._thread.join()
        self._reader.close()


class _Sender:
    """Produces one payment after the other, each at its moment, from one producer that waits for all replicas and never for company."""

    def __init__(self, brokers: str, topic: str) -> None:
        self.sent: dict[str, float] = {}
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "acks": "all", "log_level": QUIET})

    def send(self, payment: Message) -> None:
        self.sent.setdefault(payment.payment_id, time.perf_counter())
        self._producer.produce(self._topic, payment.value, payment.key, partition=0)
        self._producer.poll(0)

    def send_all(self, payments: Sequence[Message], rate: int) -> None:
        started = time.perf_counter()
        for number, payment in enumerate(payments, 1):
            due = started + number / rate
            while (left := due - time.perf_counter()) > 0:
                time.sleep(left)
            self.send(payment)

    def flush(self) -> None:
        if self._producer.flush(30):
            raise BenchProblem("the broker does not take what is produced")


def run_latency(brokers: str, broker_pid: int | None, folder: Path, warm: int, measured: int) -> Latency:
    """``warm`` and ``measured`` in seconds."""
    wanted = 1 + RATE * (warm + measured)
    payments = [payment for payment, _ in zip(messages(LAT, max(STREAM_PAYMENTS, wanted)), range(wanted), strict=False)]
    before, during = payments[1 : 1 + RATE * warm], payments[1 + RATE * warm :]
    with Worker(brokers, "lat", folder) as worker:
        answers, sender = _Answers(brokers, worker.topics["decisions"]), _Sender(brokers, worker.topics["payments"])
        worker.start()
        sender.send(payments[0])
        if not answers.wait(lambda: bool(answers.came), READY_SECONDS):
            raise worker.problem(f"the worker gave no decision within {READY_SECONDS:.0f} s of the first payment")
        sender.send_all(before, RATE)
        watch = Watch(worker.pid, broker_pid)
        first = watch.sample()
        sender.send_all(during, RATE)
        last = watch.sample()
        sender.flush()
        asked = {payment.payment_id for payment in during} - {payment.payment_id for payment in (payments[0], *before)}
        answers.wait(lambda: asked <= answers.came.keys(), LAST_SECONDS)
        answers.stop()
        watch.beat()
        pause = worker.counter("risk_collector_pause_seconds")
        worker.stop()
        drop(brokers, worker.topics.values())
    waited = sorted((answers.came[each] - sender.sent[each]) * 1e3 for each in asked if each in answers.came)
    if not waited:
        raise BenchProblem("no decision came while it was measured")
    return Latency(
        sent=len(asked),
        answered=len(waited),
        p50=quantile(waited, 0.5),
        p90=quantile(waited, 0.9),
        p99=quantile(waited, 0.99),
        p999=quantile(waited, 0.999),
        longest=waited[-1],
        collector_ms=pause * 1e3,
        cpu_us=(last.worker - first.worker) / len(during) * 1e6,
        core_share=(last.worker - first.worker) / (last.wall - first.wall),
        other_cores=other_cores(first, last),
        pulse_us=watch.pulse,
    )


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value that so large a share of them does not exceed."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
