"""Where it happens: an embedded Kafka, topics of its own, and workers as child processes.

Belongs here: starting, asking, disturbing and ending them. Never: when (schedule.py), under what load (load.py), what must be true
afterwards (checker.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from bench.torture.child import COMPACTION_LAG_MS
from streams import topics as topic_table
from streams.kafka import LAUNCHER, EmbeddedKafka
from streams.settings import read_settings
from streams.topics import ensure_topics, names

ROOT = Path(__file__).parents[2]
RULES = Path(__file__).parent / "rules" / "torture.yaml"
PARTITIONS = 4
SETTLE_SECONDS = 90.0
STOP_SECONDS = 10.0
DRAIN_SECONDS = 240.0
CLEANER = {"log.cleaner.backoff.ms": "1000", "group.min.session.timeout.ms": "1000"}
COMPACT_NOW = {"min.cleanable.dirty.ratio": "0.01", "segment.ms": "3000", "segment.bytes": str(2**20)}


class Stuck(Exception):
    """Something did not come to its end in time."""


class Worker:
    """One `risk worker` process; its output goes to ``log``."""

    def __init__(self, environment: Mapping[str, str], log: Path, broken: str | None) -> None:
        self.log = log
        self.wanted = True  # nobody has killed or stopped it yet
        launcher = [sys.executable, "-S", "-E", "-c", LAUNCHER, str(os.getpid())]
        command = [*launcher, sys.executable, "-m", "bench.torture.child", *([broken] if broken else [])]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, start_new_session=True
            )
        self._page = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def partitions(self) -> list[int]:
        """Those that it is deciding now."""
        if not self._page:
            found = re.search(r"metrics at (http://[0-9.:]+)/metrics", self.log.read_text(encoding="utf-8", errors="replace"))
            self._page = found.group(1) if found else ""
        told = _get(f"{self._page}/health") if self._page else None
        return list(told["partitions"]) if told and told["ready"] else []

    def stopped(self) -> bool:
        """Whether it is paused by SIGSTOP."""
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        self.wanted = False
        self.process.kill()
        self.process.wait()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM; the exit code. Raises Stuck where it does not end in time."""
        self.wanted = False
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Stuck(f"{self.log.name} did not end within {seconds:.0f} s of SIGTERM") from None


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())
    except OSError:
        return None


class Arena:
    """Kafka and workers of one run, in ``folder``. ``broken``: the safeguard that its workers lack."""

    def __init__(self, folder: Path, broken: str | None = None, kafka: EmbeddedKafka | None = None, **variables: str) -> None:
        self.folder = folder
        self.broken = broken
        self.own_kafka = kafka is None
        self.kafka = kafka or EmbeddedKafka(folder / "kafka", properties=CLEANER)
        self.workers: list[Worker] = []
        self.by_themselves: list[str] = []  # workers that ended and nobody had told them to
        self._given = {"RISK_SESSION_MS": "3000", "RISK_TOPIC_PREFIX": f"t{folder.name[-8:]}.", **variables}
        self._started = 0

    def __enter__(self) -> Self:
        rules = self.folder / "rules"
        rules.mkdir(parents=True, exist_ok=True)
        shutil.copy(RULES, rules)
        shutil.copy(ROOT / "rules" / "events.yaml", rules)
        if self.own_kafka:
            self.kafka.start()
        self.variables = {
            "RISK_BROKERS": self.kafka.bootstrap,
            "RISK_ID": self._given["RISK_TOPIC_PREFIX"] + "risk",
            "RISK_RULES": str(rules),
            "RISK_PARTITIONS": str(PARTITIONS),
            "RISK_METRICS_PORT": "0",
            **self._given,
        }
        self.settings = read_settings(self.variables)
        self.topics = names(self.settings)
        lag, topic_table.COMPACTION_LAG_MS = topic_table.COMPACTION_LAG_MS, COMPACTION_LAG_MS
        try:
            asyncio.run(ensure_topics(self.settings))
        finally:
            topic_table.COMPACTION_LAG_MS = lag
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.workers:
            if not worker.ended:
                worker.kill()
        if self.own_kafka:
            self.kafka.stop()

    # ------------------------------------------------------------------ workers

    def start_worker(self, **variables: str) -> Worker:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("RISK_")}
        environment |= {"PYTHONPATH": str(ROOT)} | self.variables | variables
        self._started += 1
        environment["RISK_STATE"] = str(self.folder / f"state-{self._started}")
        worker = Worker(environment, self.folder / f"worker-{self._started}.log", self.broken)
        self.workers.append(worker)
        return worker

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.wanted and not worker.ended]

    def replace_ended(self) -> None:
        """What a supervisor does: whoever ended by itself is started again."""
        for worker in self.workers:
            if worker.wanted and worker.ended:
                worker.wanted = False
                self.by_themselves.append(f"{worker.log.name}: exit {worker.process.returncode}")
                self.start_worker()

    def settled(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until every partition is decided by one worker, and every worker has some. Raises Stuck."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.replace_ended()
            held = [worker.partitions() for worker in self.alive]
            if all(held) and sorted(number for each in held for number in each) == list(range(PARTITIONS)):
                return
            time.sleep(0.15)
        raise Stuck(f"after {seconds:.0f} s the workers decide {held} of {PARTITIONS} partitions")

    # ------------------------------------------------------------------ topics

    def drained(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until everything that came in is committed. Raises Stuck."""
        until = time.monotonic() + seconds
        while behind := asyncio.run(self.behind()):
            self.replace_ended()
            if time.monotonic() > until:
                told = ", ".join(f"{tp.topic}/{tp.partition} by {lag}" for tp, lag in behind.items())
                raise Stuck(f"after {seconds:.0f} s the workers are still behind: {told}")
            time.sleep(0.3)

    async def behind(self) -> dict[TopicPartition, int]:
        """How many records of each partition are not committed yet."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, group_id=self.settings.id, enable_auto_commit=False)
        await consumer.start()
        try:
            roles = ("payments", "activity", "labels", "touches")
            tps = [TopicPartition(self.topics[role], number) for role in roles for number in range(PARTITIONS)]
            ends = await consumer.end_offsets(tps)
            lags = {tp: end - (await consumer.committed(tp) or 0) for tp, end in ends.items()}
            return {tp: lag for tp, lag in lags.items() if lag > 0}
        finally:
            await consumer.stop()

    def compact(self) -> None:
        """Make the broker compact the changelog from now on as soon as it may."""
        asyncio.run(self._compact())

    async def _compact(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            changelog = next(topic for topic in topic_table.TOPICS if topic.role == "profiles")
            wanted = changelog.configuration() | COMPACT_NOW | {"min.compaction.lag.ms": str(COMPACTION_LAG_MS)}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.topics["profiles"], wanted)])
        finally:
            await admin.close()

    def compacted(self) -> int:
        """How many partitions of the changelog the broker has compacted by now."""
        told = self.kafka.data / "logs" / "cleaner-offset-checkpoint"
        lines = told.read_text(encoding="ascii").splitlines()[2:] if told.exists() else []
        return sum(1 for line in lines if line.startswith(self.topics["profiles"] + " ") and int(line.split()[2]) > 0)
