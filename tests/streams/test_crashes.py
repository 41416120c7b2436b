"""A worker is killed with kill -9 while it decides: every payment still gets one answer, and everything is counted once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.streams.accounts import (
    Accounts,
    all_are_answered,
    answers_of,
    every_payment_answered_once,
    good_payments,
    nothing_counted_twice_or_missed,
    receipt_hash,
    recorded_in,
)
from tests.streams.harness import RULES, Stage, WorkerProcess, fact
from tests.streams.traffic import Pour, Traffic, spurt

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


async def killed_in_a_spurt(stage: Stage, traffic: Traffic, payments: int, worker: WorkerProcess, decided: int) -> None:
    """So many payments at once; kill -9 as soon as so many decisions more are on the topic."""
    before = (await stage.until("a count", lambda counts: True))["decisions"]
    await spurt(stage, traffic, payments)
    await stage.until("decisions of the spurt", lambda counts: counts["decisions"] >= before + decided, pause=0.002)
    worker.kill()


async def all_in_order(stage: Stage) -> Accounts:
    """Wait until the last payment is answered; then the accounts must balance."""
    await all_are_answered(stage)
    accounts = await every_payment_answered_once(stage)
    await nothing_counted_twice_or_missed(stage, accounts)
    return accounts


async def test_a_killed_worker_loses_nothing_and_decides_nothing_twice(broker: str, tmp_path: Path) -> None:
    async with Stage(broker, tmp_path, RULES / "probes") as stage:
        worker = await stage.worker().ready()
        traffic = Traffic(1)
        async with Pour(stage, traffic, rate=400) as pour:
            await asyncio.sleep(2)
            await killed_in_a_spurt(stage, traffic, 6_000, worker, decided=300)
            undecided = len((await good_payments(stage))[0]) - len(answers_of(await stage.read("decisions")).by_source)
            restarted = stage.worker()
            await asyncio.sleep(2)
        assert pour.rate >= 300
        assert undecided >= 100
        await restarted.ready()
        accounts = await all_in_order(stage)
        again = (await restarted.metrics())["risk_redeliveries_total"]
    fact(f"kill -9 at {pour.rate:.0f} payments/s with {undecided} undecided: {accounts.line()}; {again:.0f} redelivered rows known")


async def test_what_was_decided_is_not_taken_for_recorded(broker: str, tmp_path: Path) -> None:
    """The changelog lags ten seconds behind; the worker is killed when decisions are on the topic and their rows are not."""
    slow = {"RISK_FLUSH_MS": "10000", "RISK_IN_FLIGHT": "40000"}
    async with Stage(broker, tmp_path, RULES / "probes", **slow) as stage:
        worker = await stage.worker().ready()
        traffic = Traffic(2)
        await spurt(stage, traffic, 1)
        await stage.until("the first flush", lambda counts: counts["profiles"] > stage.partitions)
        async with Pour(stage, traffic, rate=400):
            await asyncio.sleep(1)
            await killed_in_a_spurt(stage, traffic, 3_000, worker, decided=600)
            decided = set(answers_of(await stage.read("decisions")).by_source)
            only_decided = len(decided - recorded_in(await stage.read("profiles")))
            await asyncio.sleep(1)
        assert only_decided >= 500
        restarted = await stage.worker(RISK_FLUSH_MS="50").ready()
        accounts = await all_in_order(stage)
        assert restarted.process.poll() is None
    fact(f"kill -9 with {only_decided} payments decided and not in the changelog: {accounts.line()}")


async def test_what_was_recorded_is_not_taken_for_decided(broker: str, tmp_path: Path) -> None:
    """Profiles of a paused worker do not answer, so payments wait whose other rows are in the changelog already; then all are killed."""
    patient = {"RISK_DEADLINE_MS": "60000", "RISK_DRAIN_WAIT_MS": "60000"}
    async with Stage(broker, tmp_path, RULES / "probes", **patient) as stage:
        workers = [stage.worker(), stage.worker()]
        for worker in workers:
            await worker.ready(partitions=2)
        traffic = Traffic(3)
        async with Pour(stage, traffic, rate=300):
            await asyncio.sleep(1)
            workers[1].pause()
            await asyncio.sleep(1.5)
            for worker in workers:
                worker.kill()
        decided = set(answers_of(await stage.read("decisions")).by_source)
        only_recorded = len(recorded_in(await stage.read("profiles")) - decided)
        assert only_recorded >= 100
        await stage.worker().ready(partitions=4)
        accounts = await all_in_order(stage)
    fact(f"two workers killed with {only_recorded} payments in the changelog and not decided: {accounts.line()}")


@pytest.mark.parametrize("flush_ms", ["50", "10000"], ids=["in the changelog", "nowhere but in risk.touches"])
async def test_a_refusal_that_never_got_out_leaves_no_quota_free(broker: str, tmp_path: Path, flush_ms: str) -> None:
    """Payments are refused for want of values and give their quota back; before that is told, all end, and then they pass."""
    variables = {"RISK_FLUSH_MS": flush_ms, "RISK_IN_FLIGHT": "8000", "RISK_DEADLINE_MS": "2500"}
    async with Stage(broker, tmp_path, RULES / "probes", **variables) as stage:
        workers = [stage.worker(), stage.worker()]
        for worker in workers:
            await worker.ready(partitions=2)
        traffic = Traffic(9)
        await spurt(stage, traffic, 20)
        await stage.until("the first flush", lambda counts: counts["profiles"] > stage.partitions)
        await all_are_answered(stage)
        workers[1].pause()
        await spurt(stage, traffic, 600)
        await asyncio.sleep(1)  # whoever needs no value of the paused worker is answered
        await stage.refuse_writes("decisions")
        assert await asyncio.to_thread(workers[0].process.wait, 30) == 1, "a worker that cannot write its decisions ends"
        workers[1].kill()
        told = {answer["receipt"] for answer in answers_of(await stage.read("decisions")).by_source.values()}
        untold = [json.loads(record.value) for record in await stage.read("receipts") if receipt_hash(record) not in told]
        refusals = sum(1 for body in untold if body["degraded"] and body["action"] != "approve")
        await stage.refuse_writes("decisions", refuse=False)
        await stage.worker(RISK_FLUSH_MS="50").ready(partitions=4)
        accounts = await all_in_order(stage)
    assert refusals >= 10
    fact(f"two workers ended with {refusals} refusals that never got out: {accounts.line()}")


async def test_one_of_two_workers_is_killed(broker: str, tmp_path: Path) -> None:
    # a long deadline: on a busy machine the probes too must have their answers from both
    async with Stage(broker, tmp_path, RULES / "probes", RISK_DEADLINE_MS="3000") as stage:
        first, second = stage.worker(), stage.worker()
        await first.ready(partitions=2)
        await second.ready(partitions=2)
        traffic = Traffic(4)
        async with Pour(stage, traffic, rate=400) as pour:
            await asyncio.sleep(2)
            asked = [await first.metrics(), await second.metrics()]
            await killed_in_a_spurt(stage, traffic, 2_000, first, decided=200)
            await second.ready(partitions=4)
        local, remote = (sum(each[f'risk_touches_total{{where="{where}"}}'] for each in asked) for where in ("local", "remote"))
        assert remote / (local + remote) >= 0.3
        third = stage.worker()
        await third.ready(partitions=2)  # so that the probes too are asked over Kafka
        await second.ready(partitions=2)
        accounts = await all_in_order(stage)
    share = f"{remote:.0f} of {local + remote:.0f} touches remote ({remote / (local + remote):.0%})"
    fact(f"one of two workers killed at {pour.rate:.0f} payments/s, {share}: {accounts.line()}")
