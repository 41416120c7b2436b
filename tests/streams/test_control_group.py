"""The control group in the stream: the day's money holds on two workers and after `kill -9`; what was let through is learned so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from risk.control import draw, shanghai_day
from risk.decisions import rfc3339
from risk.language import load
from risk.learning import Offer
from risk.learning.log import entries_of
from risk.tools.messages import messages
from risk.tools.replaying import Replay
from tests.streams.harness import RULES, Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

RULE_SET = RULES / "control"
SECRET = b"0123456789abcdef0123456789abcdef"
CAP_FEN = 60_000


def payment(number: int, at_ms: int) -> tuple[str, str, bytes]:
    body = {
        "event": "payment", "payment_id": f"p{number}", "occurred_at": rfc3339(at_ms),
        "amount": {"currency": "CNY", "value": 6_000}, "payer": {"id": f"u{number}"}, "payee": {"id": "shop"},
    }  # fmt: skip
    return "payments", f"u{number}", json.dumps(body).encode()


async def receipts(stage: Stage, count: int) -> list[dict[str, Any]]:
    await stage.until("receipts", lambda counts: counts["receipts"] >= count)
    await stage.until("decisions", lambda counts: counts["decisions"] >= count)
    return list({body["payment_id"]: body for body in await stage.json("receipts")}.values())


async def test_the_days_money_holds_on_two_workers_and_after_kill_9(broker: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    at_ms = now_ms()
    at_ms -= 3_600_000 if shanghai_day(at_ms) != shanghai_day(at_ms - 60_000) else 0
    async with Stage(broker, tmp_path, RULE_SET, partitions=2, RISK_CONTROL_SECRET_FILE=str(secret)) as stage:
        workers = [stage.worker(), stage.worker()]
        for worker in workers:
            await worker.ready(partitions=1)
        await stage.put_all(payment(number, at_ms) for number in range(20))
        few = await receipts(stage, 20)
        for worker in workers:
            worker.kill()
        await stage.put_all(payment(number, at_ms) for number in range(20, 120))
        await stage.worker().ready()
        every = await receipts(stage, 120)
        let_through = [body for body in every if body["control"]["let_through"]]
        taught = {
            entry.payment_id: entry
            for record in await stage.read("learn")
            for entry in entries_of(record.value)[1]
            if isinstance(entry, Offer)
        }
        label = {"event": "label", "payment_id": let_through[0]["payment_id"], "verdict": "fraud", "kind": "claim", "version": 1}
        value = json.dumps(label | {"known_at": rfc3339(now_ms())}).encode()
        await stage.put_all([("labels", let_through[0]["event"]["payer"]["id"], value)])
        await stage.until("a version learned from it", lambda counts: counts["models"] >= 1)
        metrics = await stage.workers[-1].metrics()
    assert 0 < len([body for body in few if body["control"]["let_through"]]) < 20
    assert sum(body["event"]["amount"]["value"] for body in let_through) == CAP_FEN, "all of it was spent, and not a fen more"
    assert {body["source"]["partition"] for body in let_through} == {int(draw(SECRET, f"day\x1f{shanghai_day(at_ms)}") * 2)}
    assert all(body["action"] == "approve" and body["control"]["propensity"] == 0.5 for body in let_through)
    assert all(body["action"] == "review" for body in every if not body["control"]["let_through"])
    assert any(body["control"]["propensity"] == 0 for body in every), "spent"
    for body in every:
        offer = taught[body["payment_id"]]
        assert (offer.let_through, offer.propensity) == ((True, 0.5) if body["control"]["let_through"] else (False, 1.0))
    assert metrics["risk_control_spent"] == CAP_FEN
    lines = (json.dumps(body).encode() for body in every)
    again = Replay(load([RULE_SET])).run(messages(lines), 3)
    assert (again.replayed, again.differ) == (120, 0), again.differing
    fact(f"control group: {len(let_through)} of {len(every)} payments let through, {CAP_FEN // 100} yuan of a cap of {CAP_FEN // 100}")
