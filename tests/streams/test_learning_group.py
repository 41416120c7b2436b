"""The learner of a group: labels become versions of the model, decisions name them, and a restart reaches the same version."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from typer import Typer
from typer.testing import CliRunner

from risk.decisions import rfc3339
from risk.language import load
from risk.learning import Learner, Offer, Ordered, Version, entries_of
from streams.cli import learn as learn_command
from streams.cli import model as model_command
from tests.streams.harness import RISK, RULES, Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

RULE_SET = RULES / "learning"


def payment(number: int, random: Random) -> tuple[str, str, bytes]:
    payer = f"usr_{random.randrange(40)}"
    body = {
        "event": "payment",
        "payment_id": f"pay_{number}",
        "occurred_at": rfc3339(now_ms()),
        "amount": {"currency": "CNY", "value": random.randrange(100, 100_000)},
        "payer": {"id": payer},
        "payee": {"id": "shop_1"},
        "channel": random.choice(["app", "h5", "live", "qr"]),
    }
    return "payments", payer, json.dumps(body).encode()


def label(paid: bytes, version: int = 1) -> tuple[str, str, bytes]:
    """Large payments were fraud; a later version of the label says the opposite."""
    body = json.loads(paid)
    fraud = (body["amount"]["value"] > 50_000) == (version == 1)
    said = {"event": "label", "payment_id": body["payment_id"], "verdict": "fraud" if fraud else "legitimate", "kind": "claim"}
    return "labels", body["payer"]["id"], json.dumps(said | {"version": version, "known_at": rfc3339(now_ms())}).encode()


def versions_of(log: Iterable[bytes]) -> tuple[list[str], int]:
    """Hashes of the versions that a learner publishes which is told the learn log from its beginning, and the number of its lessons."""
    model = load([RULE_SET]).model
    assert model is not None
    ordered = Ordered(Learner(model))
    made = [ordered.learner.publish() for entry in log for _ in ordered.take(entry)]
    return [version.hash for version in made if version is not None], ordered.learner.lessons


async def published(stage: Stage) -> list[str]:
    """Versions on risk.models in the order of their first publication; each lies under the hash of its bytes."""
    found: dict[str, None] = {}
    for record in await stage.read("models"):
        assert record.key.decode() == "sha256:" + hashlib.sha256(record.value).hexdigest() == Version.from_bytes(record.value).hash
        found[record.key.decode()] = None
    return list(found)


async def versions_are(stage: Stage, lessons: int) -> list[str]:
    """Wait until the learner has published all that these lessons make; what it published must be what the log says."""
    for _ in range(200):
        log = [record.value for record in await stage.read("learn") if record.value]
        (expected, learned), found = versions_of(log), await published(stage)
        if found and found == expected and learned >= lessons:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"published {found}; the learn log makes {expected}")


async def decide(stage: Stage, payments: list[tuple[str, str, bytes]]) -> list[dict[str, Any]]:
    """Receipts of these payments."""
    wanted = {json.loads(value)["payment_id"] for _, _, value in payments}
    before = await stage.until("a count", lambda counts: True)
    await stage.put_all(payments)
    await stage.until("receipts", lambda counts: counts["decisions"] >= before["decisions"] + len(payments))
    return [body for body in await stage.json("receipts") if body["payment_id"] in wanted]


async def test_a_restarted_learner_reaches_the_same_version(broker: str, tmp_path: Path) -> None:
    random = Random(8)
    async with Stage(broker, tmp_path, RULE_SET, partitions=2) as stage:
        worker = await stage.worker().ready()
        early = [payment(number, random) for number in range(400)]
        unscored = await decide(stage, early)
        await stage.put_all(label(value) for _, _, value in early[:300])
        first = await versions_are(stage, lessons=300)
        await asyncio.sleep(1.2)  # every worker follows the versions
        scored = await decide(stage, [payment(number, random) for number in range(400, 500)])
        worker.kill()
        await stage.worker().ready()
        rescored = await decide(stage, [payment(number, random) for number in range(500, 600)])
        await stage.put_all([*(label(value) for _, _, value in early[300:]), *(label(value, version=2) for _, _, value in early[:100])])
        second = await versions_are(stage, lessons=500)
        relearned = await learn_again(stage)
        chosen = await choose(stage, first[0], second[-1], random)
    assert {(body["model"]["version"], body["model"]["score"]) for body in unscored} == {(None, None)}
    assert chosen == [first[0], second[-1]], "the promoted version decides, and after the rollback the newest again"
    for receipts in (scored, rescored):
        assert {body["model"]["version"] for body in receipts} == {first[-1]}, "the newest version decides"
        assert all(0 < body["model"]["score"] < 1 for body in receipts)
    assert relearned == second[-1], "`risk learn` over the log makes the model of the stream"
    assert len(first) >= 3
    assert second[: len(first)] == first
    assert len(second) > len(first)
    apart = _means(scored)
    assert apart[True] > apart[False]
    fact(
        f"learning: {len(first)} versions before kill -9, {len(second)} after, each as the learn log makes it; mean score of large "
        f"payments {apart[True]:.2f}, of small ones {apart[False]:.2f}"
    )


async def learn_again(stage: Stage) -> str:
    """The version that `risk learn` makes of the topic."""
    app = Typer()
    app.command()(learn_command.learn)
    file = stage.folder / "learned"
    words = ["--from-topic", "--rules", str(RULE_SET), "--save", str(file)]
    done = await asyncio.to_thread(CliRunner().invoke, app, words, env=stage.variables)
    assert done.exit_code == 0, done.output
    return Version.from_bytes(file.read_bytes()).hash


async def choose(stage: Stage, version: str, newest: str, random: Random) -> list[str]:
    """Promote a version over foreign and corrupt records, and roll back; which version decided after each. On the way what is refused."""
    app = Typer()
    app.command()(model_command.model)

    async def ask(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, app, [*words], env=stage.variables)
        return done.exit_code, done.output

    for key in (version, "sha256:00", "someone"):
        await stage.producer.send_and_wait(stage.topics["models"], b"no version", key=key.encode())
    assert (await ask("promote", version))[0] == 2, "nobody decides it by default"
    assert (await ask("promote", "sha256:ffff", "--by", "test"))[0] == 2
    code, said = await ask("promote", version[7:20], "--by", "test")
    assert code == 1 and "too few in average precision" in said, said
    decided = []
    for number, words in enumerate((["promote", version, "--by", "test", "--force"], ["rollback", "--by", "test", "--why", "enough"])):
        assert (await ask(*words))[0] == 0
        await asyncio.sleep(1.2)
        (receipt,) = await decide(stage, [payment(10_000 + number, random)])
        decided.append(receipt["model"]["version"])
    told = json.loads((await ask("list", "--json"))[1])
    assert told["champion"] == newest and [(act["act"], act["by"], act["why"]) for act in told["acts"]] == [
        ("promote", "test", ""), ("rollback", "test", "enough"),
    ]  # fmt: skip
    assert told["acts"][0]["evidence"]["verdict"] == "too few" and told["refused"] == {"corrupt": 2, "foreign": 1}
    assert (await ask("rollback", "--by", "test"))[0] == 2, "there is nothing left to roll back"
    return decided


def _means(receipts: list[dict[str, Any]]) -> dict[bool, float]:
    """Mean score of payments above and below the amount that the labels called fraud."""
    split: dict[bool, list[float]] = {True: [], False: []}
    for body in receipts:
        split[body["event"]["amount"]["value"] > 50_000].append(body["model"]["score"])
    return {large: sum(scores) / len(scores) for large, scores in split.items()}


async def test_a_learner_in_a_process_of_its_own_publishes_what_the_workers_then_decide_by(broker: str, tmp_path: Path) -> None:
    random = Random(9)
    async with Stage(broker, tmp_path, RULE_SET, partitions=2, RISK_LEARN_IN="process") as stage:
        worker = stage.worker()
        first = stage.worker(command="learner")
        await worker.ready()
        early = [payment(number, random) for number in range(200)]
        await decide(stage, early)
        await stage.put_all(label(value) for _, _, value in early[:120])
        made = await versions_are(stage, lessons=120)
        assert "risk_model_quality{" not in await worker.page("/metrics")
        assert 'risk_model_quality{measure="lessons"}' in await first.page("/metrics")
        assert await first.stop() == 0
        await asyncio.sleep(1.2)
        scored = await decide(stage, [payment(number, random) for number in range(200, 260)])
        second = stage.worker(command="learner")
        await stage.put_all(label(value) for _, _, value in early[120:])
        more = await versions_are(stage, lessons=200)
    read_from = re.search(r"reads the learn log from (\d+) of", second.text())
    assert read_from is not None and int(read_from[1]) > 0, "it goes on where the first one stopped"
    assert {body["model"]["version"] for body in scored} == {made[-1]}, "without a learner the newest version goes on deciding"
    assert more[: len(made)] == made and len(more) > len(made)


def test_a_learner_beside_learning_workers_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([*RISK, "learner"], env={**os.environ, "RISK_RULES": str(RULE_SET)}, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, "RISK_LEARN_IN is `worker`" in done.stderr) == (2, True), done.stderr


async def test_what_a_kill_cut_off_from_the_learner_is_offered_again_as_the_decision_read_it(broker: str, tmp_path: Path) -> None:
    """The learn log is emptied, as if nothing had got there; the payments come again, decided, and their receipts know what was read."""
    random = Random(10)
    async with Stage(broker, tmp_path, RULE_SET, partitions=1, RISK_COMMIT_MS="60000") as stage:
        worker = await stage.worker().ready()
        await decide(stage, [payment(number, random) for number in range(80)])
        await stage.until("offers", lambda counts: counts["learn"] >= 1)
        await asyncio.sleep(0.5)
        worker.kill()
        before = offers(await stage.read("learn"))
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        await admin.start()
        await admin.delete_records({TopicPartition(stage.topics["learn"], 0): RecordsToDelete(before_offset=-1)})
        await admin.close()
        assert not await stage.read("learn")
        last = await stage.worker().ready()
        for _ in range(200):
            after = offers(await stage.read("learn"))
            if len(after) == 80:
                break
            await asyncio.sleep(0.1)
        metrics = await last.metrics()
    assert len(before) == 80 and after == before
    assert (metrics["risk_redeliveries_total"], metrics["risk_offers_lost_total"]) == (80, 0)


def offers(log: Iterable[Any]) -> dict[str, Offer]:
    return {entry.payment_id: entry for record in log for entry in entries_of(record.value)[1] if isinstance(entry, Offer)}
