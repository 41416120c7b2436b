"""A worker with a bug: a record that crashes it twice is given up, and one that stands still ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.torture.arena import CLEANER
from risk.decisions import rfc3339
from risk.language import load
from risk.tools.messages import Numbered
from risk.tools.replaying import SAME, Replay
from streams.kafka import EmbeddedKafka
from tests.streams.accounts import answers_of
from tests.streams.harness import RULES, Stage, WorkerProcess, fact, now_ms
from tests.streams.traffic import Pour, Traffic, spurt

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

BUG = "touching raises"
SHORT = {"RISK_SESSION_MS": "1500"}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka that allows sessions of a second: a worker that crashed does not leave its group."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), properties=CLEANER) as found:
        yield found.bootstrap


def payment(payment_id: str) -> bytes:
    body = {"event": "payment", "payment_id": payment_id, "occurred_at": rfc3339(now_ms()), "amount": {"currency": "CNY", "value": 100}}
    return json.dumps(body | {"payer": {"id": "usr_1"}, "payee": {"id": "shop_1"}, "device": {"id": "dev_1"}}).encode()


async def ended(worker: WorkerProcess) -> int:
    return await asyncio.to_thread(worker.process.wait, 60)


async def test_a_payment_that_crashes_a_worker_twice_is_decided_by_on_error(kafka: str, tmp_path: Path) -> None:
    """What else may crash it, and what an activity becomes: tests/test_crashes_noted.py."""
    async with Stage(kafka, tmp_path, RULES / "probes", partitions=1, **SHORT) as stage:
        for payment_id in ("before", "crash_1", "after"):
            await stage.put("payments", "usr_1", payment(payment_id))
        assert [await ended(stage.worker(bug=BUG)), await ended(stage.worker(bug=BUG))] == [1, 1]
        worker = await stage.worker(bug=BUG).ready()
        await stage.answered(3, markers=3)
        gave_up = (await worker.metrics())[f'risk_gave_up_total{{topic="{stage.topics["payments"]}"}}']
        answers = answers_of(await stage.read("decisions")).by_payment
        assert answers == {"before": 1, "crash_1": 1, "after": 1}
        receipts = {body["payment_id"]: body for body in await stage.json("receipts")}
        assert await worker.stop() == 0
    told = receipts["crash_1"]
    assert (told["action"], told["failed"], set(told["unknown"].values())) == ("review", True, {"gave_up"})
    assert receipts["after"]["values"]["payer_count"] == 1
    assert Replay(load([RULES / "probes"])).one(Numbered(1, told)).verdict == SAME
    assert gave_up == 1
    fact("a payment that no profile can take: 2 crashes, then decided by on_error; the one after it counts without it")


async def test_a_worker_that_stands_still_ends(kafka: str, tmp_path: Path) -> None:
    async with Stage(kafka, tmp_path, RULES / "probes", partitions=1, RISK_STUCK_MS="2000", **SHORT) as stage:
        worker = await stage.worker(bug="nothing is committed").ready()
        traffic = Traffic(8)
        async with Pour(stage, traffic, rate=100):
            assert await ended(worker) == 1
        assert "StandsStill" in worker.text()
        sound = await stage.worker().ready()
        await spurt(stage, traffic, 1)
        await stage.until("answers", lambda counts: counts["decisions"] + counts["dead_letters"] >= 100)
        assert await sound.stop() == 0
