"""A list that changes while a worker runs, and everything replayed from the topics afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.streams.harness import RISK, Stage, WorkerProcess, fact

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

RULES = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user}
    example: {amount: CNY 1.00, payer.id: usr_0}
lists:
  watched: {of: id user, source: topic, values: [usr_file]}
features:
  paid_1h: {sum: amount, of: payment, per: payer.id, over: 1h}
rules:
  listed:
    title: On the list
    owner: tests
    event: payment
    mode: live
    when: payer.id in @watched
    then: review
    reasons: [LISTED]
    message: "{payer.id} paid {paid_1h} within the hour"
    tests:
      - {it: fires, events: [{payer.id: usr_file}], expect: fires}
      - {it: is silent, events: [{}], expect: silent}
"""


async def run(stage: Stage, *arguments: str, code: int = 0) -> str:
    """Run a command of `risk` on the stage's topics; what it said."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RISK_")} | stage.variables
    command = [*RISK, *arguments]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, cwd=stage.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


async def pay(stage: Stage, name: str, payer: str) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{int(time.time() * 1000) % 1000:03d}Z"
    body = {"event": "payment", "payment_id": name, "occurred_at": at, "amount": {"currency": "CNY", "value": 100}, "payer": {"id": payer}}
    await (await stage.put("payments", payer, json.dumps(body).encode()))


async def followed(worker: WorkerProcess, stage: Stage, version: str, number: int) -> int:
    """Pay until a receipt names that version of the list; how many payments there are then."""
    for _ in range(50):
        number += 1
        await pay(stage, f"p{number}", "usr_other")
        await stage.answered(number, markers=len(stage.workers))
        if (await stage.json("receipts"))[-1]["lists"]["watched"] == version:
            return number
        await asyncio.sleep(0.1)
    raise AssertionError(f"no receipt names {version}:\n{worker.text()}")


async def story(stage: Stage) -> dict[str, Any]:
    first = await stage.worker().ready(partitions=1)
    for name, payer in (("before", "usr_1"), ("file", "usr_file")):
        await pay(stage, name, payer)
    await stage.put("lists", '["watched","4111111111111111"]', b'{"changes": []}')
    await stage.producer.flush()
    said = await run(stage, "lists", "add", "watched", "usr_1", "--why", "seen in a test", "--by", "ana", "--until", "2099-01-01")
    assert "usr_1 is on list watched from" in said
    shown = await run(stage, "lists", "show", "watched")
    assert "on  usr_1 since" in shown and "seen in a test (ana)" in shown
    version = next(word for word in shown.split() if word.startswith("sha256:"))
    number = await followed(first, stage, version, 2)
    await pay(stage, "listed", "usr_1")
    await stage.answered(number + 1, markers=1)
    await first.stop()
    second = await stage.worker().ready(partitions=1)
    await pay(stage, "anew", "usr_1")
    await stage.answered(number + 2, markers=2)
    await run(stage, "lists", "remove", "watched", "usr_1", "--why", "a mistake", "--by", "ana")
    version = next(word for word in (await run(stage, "lists", "show")).split() if word.startswith("sha256:"))
    number = await followed(second, stage, version, number + 2)
    await pay(stage, "off", "usr_1")
    await stage.answered(number + 1, markers=2)
    await second.stop()
    assert "there is" not in await run(stage, "lists", "add", "watched", "usr_9", "--by", "ana", code=2)
    return {body["payment_id"]: body for body in await stage.json("decisions")}


async def replayed(stage: Stage) -> None:
    """All is the same; an orphan is passed over; what decisions do not say, or what is gone, is found."""
    said = await run(stage, "replay", "--from-kafka")
    count = int(said.split("replayed ")[1].split(" ")[0].replace(",", ""))
    assert said.rstrip().endswith("0 differ") and " 0 receipts that none of them names" in said
    fact(f"replay from the topics: {count} receipts over three states of a list, 0 differ")
    receipt = orjson.loads((await stage.read("receipts"))[-1].value)
    decision = (await stage.read("decisions"))[-1]
    await stage.put("receipts", "usr_1", orjson.dumps({**receipt, "action": "block"}), 0)
    await stage.producer.flush()
    assert f"{count:,} decisions count, 0 are void; 1 receipts that none" in await run(stage, "replay", "--from-kafka")
    stranger = orjson.dumps({**orjson.loads(decision.value), "payment_id": "stranger", "receipt": "sha256:" + "0" * 64})
    await stage.producer.send(stage.topics["decisions"], stranger, partition=0, headers=list(decision.headers))
    await stage.producer.flush()
    found = json.loads(await run(stage, "replay", "--from-kafka", "--json", code=1))
    assert (found["lost"], found["differ"], found["orphans"]) == (["stranger"], 0, 1)


def test_a_list_changes_while_a_worker_runs_and_the_topics_replay_to_the_same(broker: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "all.yaml").write_text(RULES, encoding="utf-8")

    async def play() -> dict[str, Any]:
        async with Stage(broker, tmp_path, rules, partitions=1) as stage:
            decided = await story(stage)
            await replayed(stage)
            return decided

    decided = asyncio.run(play())
    actions = {name: decided[name]["action"] for name in ("before", "file", "listed", "anew", "off")}
    assert actions == {"before": "approve", "file": "review", "listed": "review", "anew": "review", "off": "approve"}
