"""One worker under measurement: its topics, its process, its end. The bench feeds and reads it through Kafka and knows no more."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.w1.task import RULES
from streams.settings import read_settings
from streams.topics import ensure_topics, names

START_SECONDS = 60.0
STOP_SECONDS = 20.0
COMMAND = (sys.executable, "-c", "from streams.cli import main; main()", "worker", "--quiet")


class BenchProblem(Exception):
    """The run cannot go on; the text is for the person at the terminal."""


class Worker:
    """`risk worker` on topics of its own, or in the group of the worker ``beside``. Topics are made at once, the process at ``start``."""

    def __init__(self, brokers: str, part: str, folder: Path, partitions: int = 1, beside: Worker | None = None) -> None:
        run: str = f"w1-{part}-{os.getpid()}-{int(time.time())}" if beside is None else beside.run
        self.run: str = run
        self._port = _free_port()
        self._log = folder / f"{run}-{self._port}.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "RISK_BROKERS": brokers,
            "RISK_RULES": str(RULES),
            "RISK_ID": run,
            "RISK_TOPIC_PREFIX": f"{run}.",
            "RISK_PARTITIONS": str(partitions),
            "RISK_METRICS_PORT": str(self._port),
            "RISK_STATE": str(folder / run),
        }
        self._environment.pop("RISK_PAYMENTS", None)
        settings = read_settings(self._environment)
        self.topics: Mapping[str, str] = names(settings)
        if beside is None:
            asyncio.run(ensure_topics(settings))

    def start(self) -> Self:
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(COMMAND, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    @property
    def pid(self) -> int:
        assert self._child is not None, "the worker was not started"
        return self._child.pid

    def pause(self) -> None:
        """Stand still, SIGSTOP, until ``resume``."""
        assert self._child is not None, "the worker was not started"
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._child is not None, "the worker was not started"
        self._child.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raises BenchProblem when the process has ended by itself."""
        if self._child is not None and self._child.poll() is not None:
            raise self.problem(f"the worker ended with status {self._child.returncode}")

    def problem(self, what: str) -> BenchProblem:
        """An error that ends with the last words of the worker."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        return BenchProblem("\n".join([f"{what}; it said last:", *lines] if lines else [f"{what}; it said nothing"]))

    def counter(self, name: str, labels: str = "") -> float:
        """The sum of a counter over its labels, or of those with ``labels``, from the worker's own /metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, TimeoutError):
            return 0.0
        labelled = rf"\{{.*{re.escape(labels)}.*\}}" if labels else r"(?:\{.*\})?"
        return sum(float(found) for found in re.findall(rf"^{name}{labelled} (\S+)$", text, re.MULTILINE))

    def stop(self) -> None:
        """End it in order. Raises BenchProblem when it does not end so."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            status = self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise self.problem(f"the worker did not stop within {STOP_SECONDS:.0f} s") from None
        finally:
            self._child = None
        if status != 0:
            raise self.problem(f"the worker stopped with status {status}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
