"""The table of topics on a real Kafka: created once, checked ever after, wrong ones refused in words."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.settings import Settings, read_settings
from streams.topics import TOPICS, NoKafka, TopicProblem, TopicState, ensure_topics, names, wrong_configuration

RISK = [sys.executable, "-c", "from streams.cli import main; main()"]
TOPIC = {topic.role: topic for topic in TOPICS}


@pytest.fixture
def settings(broker: str) -> Settings:
    """A prefix that nobody else has."""
    return read_settings({"RISK_BROKERS": broker, "RISK_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:10]}.", "RISK_PARTITIONS": "2"})


def risk_topics(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RISK_")}
    environment |= {"COLUMNS": "120", **variables}
    return subprocess.run([*RISK, "topics"], env=environment, capture_output=True, text=True, check=False)


async def test_missing_topics_are_created_and_then_found(settings: Settings) -> None:
    first = await ensure_topics(settings)
    assert [state.created for state in first] == [True] * len(TOPICS)
    assert {state.partitions for state in first if state.topic.partitions == "all"} == {2}
    assert {state.partitions for state in first if state.topic.partitions == 1} == {1}
    second = await ensure_topics(settings)
    assert not any(state.created for state in second)


async def test_other_partition_counts_are_refused_before_anything_is_created(settings: Settings) -> None:
    payments = names(settings)["payments"]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    await admin.create_topics([NewTopic(payments, 3, 1, topic_configs=TOPIC["payments"].configuration())])
    while payments not in await admin.list_topics():  # created is not yet known: a broker learns it a moment later
        await asyncio.sleep(0.05)
    with pytest.raises(TopicProblem, match=r"expected 2 partitions, found 3 in .*payments"):
        await ensure_topics(settings)
    mine = [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
    await admin.close()
    assert mine == [payments]


async def test_payments_stamped_by_their_producer_are_refused(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    await admin.create_topics([NewTopic(names(settings)["payments"], 2, 1)])
    await admin.close()
    with pytest.raises(TopicProblem, match=r"message.timestamp.type=CreateTime, expected LogAppendTime"):
        await ensure_topics(settings)


async def test_a_message_of_a_megabyte_arrives_with_the_brokers_time(settings: Settings) -> None:
    await ensure_topics(settings)
    payments = names(settings)["payments"]
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, max_request_size=4 * 2**20)
    await producer.start()
    before_ms = time.time() * 1000
    sent = await producer.send_and_wait(payments, b"x" * 2**20, partition=0, timestamp_ms=1_000)
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.brokers)
    await consumer.start()
    consumer.assign([TopicPartition(payments, 0)])
    consumer.seek(TopicPartition(payments, 0), sent.offset)
    record = await consumer.getone()
    await consumer.stop()
    assert len(record.value) == 2**20
    assert record.timestamp >= before_ms - 1_000


async def test_nobody_at_the_address_is_said_within_ten_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(NoKafka, match=r"no Kafka answers at 127\.0\.0\.1:1"):
        await ensure_topics(read_settings({"RISK_BROKERS": "127.0.0.1:1"}))
    assert time.monotonic() - started < 10


def test_the_command_shows_every_topic(settings: Settings) -> None:
    done = risk_topics(RISK_BROKERS=settings.brokers, RISK_TOPIC_PREFIX=settings.topic_prefix)
    assert done.returncode == 0, done.stderr
    for name in names(settings).values():
        assert name in done.stdout


def test_exit_codes_say_whose_fault_it_is(settings: Settings) -> None:
    risk_topics(RISK_BROKERS=settings.brokers, RISK_TOPIC_PREFIX=settings.topic_prefix, RISK_PARTITIONS="1")
    other = risk_topics(RISK_BROKERS=settings.brokers, RISK_TOPIC_PREFIX=settings.topic_prefix, RISK_PARTITIONS="2")
    assert other.returncode == 2
    assert "expected 2 partitions, found 1" in other.stderr
    nobody = risk_topics(RISK_BROKERS="127.0.0.1:1")
    assert nobody.returncode == 3
    assert "no Kafka answers" in nobody.stderr
    wrong = risk_topics(RISK_PARTITIONS="none")
    assert wrong.returncode == 2
    for done in (other, nobody, wrong):
        assert "Traceback" not in done.stderr


def test_the_changelog_is_named_after_the_group_and_outlives_a_stale_owner() -> None:
    settings = replace(Settings(), id="shop", topic_prefix="eu.", payments="orders")
    assert names(settings)["profiles"] == "eu.shop.profiles"
    assert names(settings)["payments"] == "eu.orders"
    assert TOPIC["profiles"].configuration()["cleanup.policy"] == "compact"
    assert int(TOPIC["profiles"].configuration()["min.compaction.lag.ms"]) >= 600_000


def test_touches_are_kept_for_at_least_seven_days() -> None:
    week_ms = 7 * 86_400_000
    state = TopicState(TOPIC["touches"], "risk.touches", 4, created=False)
    assert wrong_configuration(state, {"retention.ms": str(week_ms - 1)})
    assert not wrong_configuration(state, {"retention.ms": str(week_ms)})
    assert not wrong_configuration(state, {"retention.ms": "-1"})


def test_what_producers_send_is_stamped_by_the_broker() -> None:
    assert {topic.role for topic in TOPICS if topic.stamped_by == "broker"} == {"payments", "activity", "labels"}
