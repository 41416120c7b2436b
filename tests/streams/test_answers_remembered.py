"""Features over decisions, on the real path: what was answered to a payer counts at his next payments, wherever his profile lives."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from risk.decisions import rfc3339
from tests.streams.harness import Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

PAYERS = 20
RULES = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user}
features:
  blocked_1h: {count: decision, per: payer.id, over: 1h, where: action == "block"}
rules:
  large:
    title: Too large
    owner: payments-risk
    event: payment
    mode: live
    when: amount > CNY 100.00
    then: block
    reasons: [LARGE]
    tests:
      - {it: fires, events: [{amount: CNY 101.00, payer.id: u}], expect: fires}
      - {it: is silent, events: [{amount: CNY 1.00, payer.id: u}], expect: silent}
  tries_again:
    title: Was refused twice within the hour
    owner: payments-risk
    event: payment
    mode: live
    when: blocked_1h >= 2
    then: review
    reasons: [AGAIN]
    tests:
      - {it: fires, given: {blocked_1h: 2}, events: [{amount: CNY 1.00, payer.id: u}], expect: fires}
      - {it: is silent, events: [{amount: CNY 1.00, payer.id: u}], expect: silent}
"""


def pays(payer: int, name: str, fen: int, at: int) -> tuple[str, str, bytes]:
    body: dict[str, Any] = {"event": "payment", "payment_id": f"p{payer}_{name}", "occurred_at": rfc3339(at)}
    body |= {"amount": {"currency": "CNY", "value": fen}, "payer": {"id": f"usr_{payer}"}}
    return "payments", f"usr_{payer}", json.dumps(body).encode()


@pytest.mark.parametrize("workers", [1, 2])
async def test_two_refusals_are_remembered_and_once_only_after_a_kill(broker: str, tmp_path: Path, workers: int) -> None:
    (rules := tmp_path / "rules").mkdir()
    (rules / "rules.yaml").write_text(RULES, encoding="utf-8")
    at = now_ms() - 60_000
    async with Stage(broker, tmp_path, rules, partitions=4, RISK_FLUSH_MS="10000") as stage:
        running = [stage.worker() for _ in range(workers)]
        for worker in running:
            await worker.ready(partitions=4 // workers)
        await stage.put_at_once(pays(n, "a", 10_100, at) for n in range(PAYERS))
        await _answered(stage, PAYERS)
        running[-1].kill()  # its decisions are out, the profiles that count them are in no changelog
        worker = stage.worker()
        await worker.ready(partitions=4 // workers)
        await stage.put_at_once(pays(n, "b", 100, at + 1_000) for n in range(PAYERS))
        await _answered(stage, 2 * PAYERS)
        await stage.put_at_once(pays(n, "c", 10_100, at + 2_000) for n in range(PAYERS))
        await _answered(stage, 3 * PAYERS)
        await stage.put_at_once(pays(n, "d", 100, at + 3_000) for n in range(PAYERS))
        await _answered(stage, 4 * PAYERS)
        found = {body["payment_id"]: body for body in await stage.json("receipts")}
    counted = {name: {found[f"p{n}_{name}"]["values"]["blocked_1h"] for n in range(PAYERS)} for name in "abcd"}
    fact(f"decisions remembered, {workers} worker(s), one killed: refusals counted before each payment {counted}")
    assert counted == {"a": {0}, "b": {1}, "c": {1}, "d": {2}}
    assert {found[f"p{n}_d"]["action"] for n in range(PAYERS)} == {"review"}


async def _answered(stage: Stage, payments: int) -> None:
    for _ in range(600):
        if len({body["payment_id"] for body in await stage.json("decisions")}) == payments:
            await asyncio.sleep(0.5)  # touches travel over Kafka
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{payments} payments were not all decided")
