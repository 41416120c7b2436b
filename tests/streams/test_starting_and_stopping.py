"""When a worker must not start, and how it ends: exit codes and words for the person at the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from tests.streams.accounts import all_are_answered, answers_of, every_payment_answered_once, nothing_counted_twice_or_missed
from tests.streams.harness import RISK, RULES, Stage, fact
from tests.streams.traffic import Traffic, spurt

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

NO_KAFKA_SECONDS_MAX = 10.0
READY = {"ready": True, "connected": True, "partitions": [0, 1]}


def risk(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RISK_")} | {"COLUMNS": "160"} | variables
    return subprocess.run([*RISK, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def broken(folder: Path) -> Path:
    """The probes' rule set with a misspelt field and an unknown action."""
    text = (RULES / "probes" / "rules.yaml").read_text(encoding="utf-8")
    rules = folder / "broken"
    rules.mkdir()
    text = text.replace("when: amount > CNY 900.00", "when: amuont > CNY 900.00").replace("then: block", "then: blok")
    (rules / "rules.yaml").write_text(text, encoding="utf-8")
    return rules


async def topics_of(broker: str, prefix: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        return [name for name in await admin.list_topics() if name.startswith(prefix)]
    finally:
        await admin.close()


async def test_a_rule_file_with_an_error_is_told_as_risk_check_tells_it(broker: str, tmp_path: Path) -> None:
    rules = broken(tmp_path)
    checked = risk("check", str(rules))
    prefix = f"broken{os.getpid()}."
    ended = risk("worker", RISK_BROKERS=broker, RISK_TOPIC_PREFIX=prefix, RISK_RULES=str(rules), RISK_METRICS_PORT="0")
    assert (checked.returncode, ended.returncode) == (2, 2)
    assert "amuont" in checked.stdout and "blok" in checked.stdout
    assert ended.stderr == checked.stdout, "word for word"
    assert await topics_of(broker, prefix) == []
    fact(f"a broken rule set: exit {ended.returncode}, {checked.stdout.count('error[')} errors told as `risk check` tells them")


def told_in_vain(address: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Start a worker at an address where no Kafka answers; the seconds it took, without those that any command takes to start."""
    began = time.monotonic()
    risk("worker", RISK_FLUSH_MS="soon")
    starting = time.monotonic() - began
    ended = risk("worker", RISK_BROKERS=address, RISK_RULES=str(RULES / "probes"), RISK_METRICS_PORT="0")
    return ended, time.monotonic() - began - 2 * starting


@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "somebody listens and never answers"])
def test_no_kafka_is_told_within_ten_seconds(listens: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended, took = told_in_vain(address)
    assert ended.returncode == 3
    assert took < NO_KAFKA_SECONDS_MAX
    assert f"no Kafka answers at {address}" in ended.stderr
    assert "Traceback" not in ended.stderr
    fact(f"no Kafka: exit {ended.returncode} after {took:.1f} s: {ended.stderr.strip().splitlines()[-1]}")


async def test_another_count_of_partitions_than_the_topics_have_is_refused(broker: str, tmp_path: Path) -> None:
    async with Stage(broker, tmp_path, RULES / "probes", partitions=2) as stage:
        ended = await asyncio.to_thread(risk, "worker", **(stage.variables | {"RISK_PARTITIONS": "3"}))
    assert ended.returncode == 2
    assert "expected 3 partitions, found 2" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_setting_that_cannot_be_used_is_refused(broker: str) -> None:
    ended = risk("worker", RISK_BROKERS=broker, RISK_RULES=str(RULES / "probes"), RISK_PARTITION="3", RISK_FLUSH_MS="soon")
    assert ended.returncode == 2
    assert "Did you mean RISK_PARTITIONS?" in ended.stderr and "RISK_FLUSH_MS" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_worker_that_is_told_to_stop_finishes_what_it_began(broker: str, tmp_path: Path) -> None:
    """SIGTERM in the middle of a backlog: what is decided is committed, so that the next worker has nothing to do again."""
    async with Stage(broker, tmp_path, RULES / "probes") as stage:
        worker = await stage.worker(RISK_IN_FLIGHT="200").ready()  # small bites, so that it is still busy when it is told
        await spurt(stage, Traffic(6), 6_000)
        await stage.until("some decisions", lambda counts: counts["decisions"] >= stage.partitions + 300)
        assert await worker.stop() == 0
        assert "Traceback" not in worker.text()
        decided = set(answers_of(await stage.read("decisions")).by_source)
        assert await uncommitted(stage, decided) == set()
        successor = await stage.worker().ready()
        await all_are_answered(stage)
        accounts = await every_payment_answered_once(stage)
        again = (await successor.metrics())["risk_redeliveries_total"]
        await nothing_counted_twice_or_missed(stage, accounts)
        assert await successor.stop() == 0
    assert 300 <= len(decided) < accounts.decided
    assert again == 0
    fact(f"SIGTERM after {len(decided)} of {accounts.decided} payments: exit 0, none of them uncommitted; {accounts.line()}")


async def uncommitted(stage: Stage, sources: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the sources at or above the offset that the group has committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.broker, group_id=stage.settings.id, enable_auto_commit=False)
    await consumer.start()
    try:
        numbers = range(stage.partitions)
        committed = {n: await consumer.committed(TopicPartition(stage.topics["payments"], n)) or 0 for n in numbers}
        return {(partition, offset) for partition, offset in sources if offset >= committed[partition]}
    finally:
        await consumer.stop()


async def test_health_says_when_it_is_ready(broker: str, tmp_path: Path) -> None:
    async with Stage(broker, tmp_path, RULES / "probes", partitions=2) as stage:
        worker = await stage.worker().ready()
        assert json.loads(await worker.page("/health")) | {"connected": True} == READY
        assert (await worker.metrics())["risk_partitions"] == 2
        assert await worker.stop() == 0
