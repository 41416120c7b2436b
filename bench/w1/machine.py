"""What the machine was doing meanwhile: CPU of processes, memory, and how disturbed we were. Linux's /proc, read and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import orjson

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process until now; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def rss_mb(pid: int) -> int:
    """The most memory that a process has held at once; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def _busy_seconds() -> float:
    """CPU seconds that all cores have spent on anything."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


_PULSE = [orjson.dumps({"id": f"n{i}", "numbers": [i, i / 7], "inner": {"text": "x" * (i % 20)}}) for i in range(2000)]


def pulse_us() -> float:
    """CPU microseconds of a fixed piece of Python work, the best of three: what a core is worth right now."""
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        held = {}
        for text in _PULSE:
            found = orjson.loads(text)
            held[found["id"]] = found
        best = min(best, (time.thread_time() - started) * 1e6)
    return best


class Sample(NamedTuple):
    """Where the clocks stood at one moment: wall, then CPU seconds of worker, broker, ourselves and the whole machine."""

    wall: float
    done: int
    worker: float
    broker: float
    bench: float
    machine: float


class Watch:
    """Takes samples of one run. ``broker`` is None when it is not on this machine."""

    def __init__(self, worker: int, broker: int | None) -> None:
        self._worker = worker
        self._broker = broker
        self.samples: list[Sample] = []
        self._pulses: list[float] = []

    def sample(self, done: int = 0) -> Sample:
        broker = cpu_seconds(self._broker) if self._broker else 0.0
        taken = Sample(time.perf_counter(), done, cpu_seconds(self._worker), broker, time.process_time(), _busy_seconds())
        self.samples.append(taken)
        return taken

    def beat(self) -> None:
        """Feel the pulse: about 5 ms of our own CPU."""
        self._pulses.append(pulse_us())

    @property
    def pulse(self) -> float:
        """The median pulse, 0 if none was felt."""
        return sorted(self._pulses)[len(self._pulses) // 2] if self._pulses else 0.0


def other_cores(first: Sample, last: Sample) -> float:
    """Cores that anything but worker, broker and bench used between two samples."""
    ours = last.worker + last.broker + last.bench - first.worker - first.broker - first.bench
    return max(0.0, last.machine - first.machine - ours) / (last.wall - first.wall)
