"""A stage for one story: topics of its own, worker processes on them, a producer, and readers.

Belongs here: starting, killing and asking workers, putting records on topics and reading them back as an outsider would. Never: what a
story proves (test_*.py), how it is counted by brute force (brute_force.py), and nothing of the worker's own code beside the
table of topics.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.settings import read_settings
from streams.topics import MESSAGE_BYTES_MAX, TOPICS, ensure_topics, names

RISK = [sys.executable, "-c", "from streams.cli import main; main()"]
ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "rules"
RULES = Path(__file__).parent / "rules"
READY_SECONDS = 40.0
ANSWER_SECONDS = 60.0

LOGS: list[Path] = []
"""What workers of the running test file wrote; conftest.py shows it when a test fails."""
FACTS: list[str] = []
"""Lines of counts of the running test; conftest.py puts them into its report, and prints all of them at the end."""


def fact(line: str) -> None:
    """Say what a story counted."""
    FACTS.append(line)
    print(line)


def now_ms() -> int:
    return int(time.time() * 1000)


class WorkerProcess:
    """One `risk worker` (or another command that runs on). Its output goes to a file; its metrics page tells when it is ready."""

    def __init__(self, environment: dict[str, str], log: Path, command: str = "worker", bug: str | None = None) -> None:
        self.log = log
        LOGS.append(log)
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.buggy", bug] if bug else [*RISK, command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=log.parent,
            )

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def page(self, path: str) -> str:
        """What its metrics page says; empty while it does not answer."""
        found = re.search(r"metrics at (http://[0-9.:]+)/metrics", self.text())
        return await asyncio.to_thread(_get, found.group(1) + path) if found else ""

    async def ready(self, partitions: int | None = None) -> Self:
        """Wait until it decides payments (of so many partitions)."""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the worker ended with {self.process.returncode}:\n{self.text()}"
            page = await self.page("/health")
            if page:
                health = json.loads(page)
                if health["ready"] and (partitions is None or len(health["partitions"]) == partitions):
                    return self
            await asyncio.sleep(0.05)
        raise AssertionError(f"not ready within {READY_SECONDS:.0f} s:\n{self.text()}")

    async def metrics(self) -> dict[str, float]:
        """All samples by name with labels: {'risk_decisions_total{action="approve"}': 3.0}."""
        page = await self.page("/metrics")
        rows = (line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    async def ended(self, seconds: float) -> int:
        """Wait until it ends by itself; its exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after ``pause``."""
        self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 30)


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


class Stage:
    """Topics, workers and clients of one story; `async with` puts all of it away again."""

    def __init__(self, broker: str, folder: Path, rules: Path = SHIPPED, partitions: int = 4, **variables: str) -> None:
        self.broker, self.folder, self.partitions = broker, folder, partitions
        name = f"s{uuid.uuid4().hex[:8]}"
        self.variables = {
            "RISK_BROKERS": broker,
            "RISK_TOPIC_PREFIX": f"{name}.",
            "RISK_ID": name,
            "RISK_RULES": str(rules),
            "RISK_PARTITIONS": str(partitions),
            "RISK_METRICS_PORT": "0",
            "RISK_STATE": str(folder / "state"),
            **variables,
        }
        self.settings = read_settings(self.variables)
        self.topics = names(self.settings)
        self.workers: list[WorkerProcess] = []
        self.sent: dict[str, int] = {}
        self.producer = AIOKafkaProducer(
            bootstrap_servers=broker,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=2**18,
            max_request_size=MESSAGE_BYTES_MAX,
        )

    async def __aenter__(self) -> Self:
        await ensure_topics(self.settings)
        await self.producer.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        await self.producer.stop()
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        await admin.start()
        try:
            await admin.delete_topics(list(self.topics.values()))
        finally:
            await admin.close()

    async def refuse_writes(self, role: str, refuse: bool = True) -> None:
        """Make the broker refuse what is written to a topic, as too large, or take it again. Compaction and the rest stay as they are."""
        topic = next(each for each in TOPICS if each.role == role)
        wanted = topic.configuration() | ({"max.message.bytes": "1"} if refuse else {})
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        await admin.start()
        try:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.topics[role], wanted)])
        finally:
            await admin.close()

    def worker(self, command: str = "worker", bug: str | None = None, **variables: str) -> WorkerProcess:
        """Start one more worker of this story's group; ``bug``: one of buggy.py, that it has."""
        environment = {name: text for name, text in os.environ.items() if not name.startswith("RISK_")}
        environment |= {"PYTHONPATH": str(ROOT)} | self.variables | variables
        worker = WorkerProcess(environment, self.folder / f"{command}-{len(self.workers) + 1}.log", command, bug)
        self.workers.append(worker)
        return worker

    # ------------------------------------------------------------------ in

    async def put(self, role: str, key: str | None, value: bytes, partition: int | None = None) -> asyncio.Future[Any]:
        """Put one record on an input topic; the future is done when the broker has it."""
        self.sent[role] = self.sent.get(role, 0) + 1
        return await self.producer.send(self.topics[role], value, key=key.encode() if key is not None else None, partition=partition)

    async def put_all(self, records: Iterable[tuple[str, str, bytes]]) -> None:
        """Put many records (role, key, value); returns when all are there."""
        for number, (role, key, value) in enumerate(records, 1):
            await self.put(role, key, value)
            if number % 200 == 0:
                await asyncio.sleep(0)
        await self.producer.flush()

    async def put_at_once(self, records: Iterable[tuple[str, str, bytes]]) -> None:
        """Put records on the topics as few big batches: thousands are there within milliseconds."""
        split: dict[tuple[str, int], list[tuple[bytes, bytes]]] = {}
        everywhere = list(range(self.partitions))
        for role, key, value in records:
            self.sent[role] = self.sent.get(role, 0) + 1
            partition = DefaultPartitioner()(key.encode(), everywhere, everywhere)
            split.setdefault((role, partition), []).append((key.encode(), value))
        acked = []
        for (role, partition), rows in split.items():
            batch = self.producer.create_batch()
            for key, value in rows:
                if batch.append(timestamp=None, key=key, value=value) is None:
                    acked.append(await self.producer.send_batch(batch, self.topics[role], partition=partition))
                    batch = self.producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value)
            acked.append(await self.producer.send_batch(batch, self.topics[role], partition=partition))
        await asyncio.gather(*acked)

    # ------------------------------------------------------------------ out

    async def read(self, role: str) -> list[ConsumerRecord]:
        """Every record of a topic up to its end now; partition by partition in offset order."""
        topic = self.topics[role]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.broker, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        await consumer.start()
        try:
            await consumer._client._wait_on_metadata(topic)
            tps = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
            ends = await consumer.end_offsets(tps)
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            found: dict[TopicPartition, list[ConsumerRecord]] = {tp: [] for tp in tps}
            for tp in tps:
                while await consumer.position(tp) < ends[tp]:
                    for records in (await consumer.getmany(tp, timeout_ms=1000)).values():
                        found[tp] += [record for record in records if record.offset < ends[tp]]
            return [record for records in found.values() for record in records]
        finally:
            await consumer.stop()

    async def json(self, role: str) -> list[dict[str, Any]]:
        """The values of a topic as JSON, markers left out."""
        return [json.loads(record.value) for record in await self.read(role) if record.value]

    async def until(
        self, what: str, done: Callable[[dict[str, int]], bool], seconds: float = ANSWER_SECONDS, pause: float = 0.05
    ) -> dict[str, int]:
        """Wait until the lengths of topics satisfy `done`; they are told by role."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, enable_auto_commit=False)
        await consumer.start()
        roles = ("payments", "decisions", "receipts", "dead_letters", "profiles", "models", "learn")
        try:
            tps = {TopicPartition(self.topics[r], n): r for r in roles for n in range(1 if r == "models" else self.partitions)}
            until = time.monotonic() + seconds
            while True:
                counts = dict.fromkeys(roles, 0)
                for tp, end in (await consumer.end_offsets(list(tps))).items():
                    counts[tps[tp]] += end
                if done(counts):
                    return counts
                ended = [worker.process.returncode for worker in self.workers if worker.process.poll() not in (None, 0, -9)]
                assert not ended, f"a worker ended with {ended} while we waited for {what}"
                assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}; the topics hold {counts}"
                await asyncio.sleep(pause)
        finally:
            await consumer.stop()

    async def answered(self, count: int, markers: int | None = None, seconds: float = ANSWER_SECONDS) -> None:
        """Wait until so many records of payments have their answer on the topics (a decision or a dead letter).

        `markers`: how many takeover markers `decisions` holds; by default one a partition.
        """
        extra = self.partitions if markers is None else markers
        await self.until(f"{count} answers", lambda counts: counts["decisions"] - extra + counts["dead_letters"] >= count, seconds)
