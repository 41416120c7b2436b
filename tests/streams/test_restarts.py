"""Workers are restarted one after the other under load, and a group comes back whose offsets are gone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.streams.accounts import all_are_answered, every_payment_answered_once, nothing_counted_twice_or_missed
from tests.streams.harness import RULES, Stage, fact
from tests.streams.traffic import Pour, Traffic, spurt

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

STOP_SECONDS_MAX = 10.0


async def test_a_rolling_restart_of_three_workers_loses_nothing_and_degrades_nothing(broker: str, tmp_path: Path) -> None:
    async with Stage(broker, tmp_path, RULES / "probes") as stage:
        workers = [stage.worker() for _ in range(3)]
        for worker in workers:
            await worker.ready()
        traffic = Traffic(11)
        took = []
        async with Pour(stage, traffic, rate=200) as pour:
            await asyncio.sleep(1)
            for old in workers:
                began = time.monotonic()
                assert await old.stop() == 0
                took.append(time.monotonic() - began)
                await stage.worker().ready()
                await asyncio.sleep(0.5)
        await all_are_answered(stage)
        accounts = await every_payment_answered_once(stage)
        await nothing_counted_twice_or_missed(stage, accounts)
    fact(f"three workers restarted at {pour.rate:.0f} payments/s, each stopped within {max(took):.1f} s: {accounts.line()}")
    assert max(took) < STOP_SECONDS_MAX
    assert accounts.degraded == 0


async def test_a_group_without_offsets_decides_nothing_again_and_counts_nothing_twice(broker: str, tmp_path: Path) -> None:
    """Offsets expire after a week without a worker, or somebody deletes the group: everything that the inputs hold is read again."""
    async with Stage(broker, tmp_path, RULES / "probes") as stage:
        worker = await stage.worker(RISK_IN_FLIGHT="200").ready()  # less than what was decided: the end of `decisions` does not tell all
        traffic = Traffic(12)
        await spurt(stage, traffic, 3_000)
        await all_are_answered(stage)
        assert await worker.stop() == 0
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        await admin.start()
        try:
            await admin.delete_consumer_groups([stage.settings.id])
        finally:
            await admin.close()
        worker = await stage.worker(RISK_IN_FLIGHT="200").ready()
        await spurt(stage, traffic, 200)
        await all_are_answered(stage)
        accounts = await every_payment_answered_once(stage)
        again = (await worker.metrics())["risk_redeliveries_total"]
        await nothing_counted_twice_or_missed(stage, accounts)
        letters = await stage.read("dead_letters")
        assert await worker.stop() == 0
    assert again >= 3_000
    assert len({dict(record.headers)["src"] for record in letters}) == len(letters)
    fact(f"the group's offsets deleted, {again:.0f} payments known again: {accounts.line()}")
