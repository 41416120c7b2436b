"""What payments turned out to be, read by later ones: once each, at the time it became known, after `kill -9` and on two workers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from risk.decisions import rfc3339
from risk.engine import Engine
from risk.language import load
from streams.labelling import LABELLING, UNCLAIMED_MS, Labelling
from tests.streams.harness import RULES, Stage, now_ms

RULE_SET = RULES / "labelled"
ENGINE = Engine(load([RULE_SET]))
DAY_MS = 86_400_000
FEN = 1_000


def payment(pid: str, payee: str, at_ms: int | None = None) -> tuple[str, str, bytes]:
    body = {
        "event": "payment", "payment_id": pid, "occurred_at": rfc3339(now_ms() if at_ms is None else at_ms),
        "amount": {"currency": "CNY", "value": FEN}, "payer": {"id": f"usr_{pid}"}, "payee": {"id": payee},
    }  # fmt: skip
    return "payments", f"usr_{pid}", json.dumps(body).encode()


def label(pid: str, verdict: str = "fraud", version: int = 1, at_ms: int | None = None) -> tuple[str, str, bytes]:
    known = rfc3339(now_ms() if at_ms is None else at_ms)
    body = {"event": "label", "payment_id": pid, "verdict": verdict, "kind": "claim", "version": version, "known_at": known}
    return "labels", f"usr_{pid}", json.dumps(body).encode()


# ---------------------------------------------------------------------------------------------------- one partition


def labelling(epoch: int = 1, payments_max: int = 100) -> Labelling:
    assert ENGINE.joining is not None
    return Labelling(ENGINE.joining, epoch, 10 * DAY_MS, payments_max)


def event(record: tuple[str, str, bytes]) -> Any:
    return ENGINE.schema.decode(record[2])


def counted(events: Any) -> list[tuple[str, int, int]]:
    return [(each.verdict, each.version, each.counts) for each in events]


def recovered(held: Labelling, log: dict[bytes, bytes], epoch: int = 2) -> Labelling:
    """The next owner, from the changelog."""
    for key, value in held.take_changes():
        assert key[:1] == LABELLING
        log.pop(key, None) if value is None else log.update({key: value})
    after = labelling(epoch)
    after.restore(log)
    return after


def test_a_verdict_enters_once_and_a_newer_one_takes_it_back() -> None:
    held, log = labelling(), dict[bytes, bytes]()
    assert held.payment(event(payment("a", "s")), "approve", 0, 1) == ()
    for again in (held, recovered(held, log)):
        assert counted(again.label(event(label("a")), 9, 5)) == [("fraud", 1, 1)]
        assert counted(again.label(event(label("a")), 9, 5)) == [("fraud", 1, 1)], "delivered again, it makes the same rows"
        assert counted(again.label(event(label("a")), 9, 6)) == [], "sent again, it makes none"
        assert counted(again.label(event(label("a", "legitimate")), 9, 7)) == [], "the first of two that contradict each other stands"
        both = [("fraud", 1, -1), ("legitimate", 2, 1)]
        assert counted(again.label(event(label("a", "legitimate", 2)), 9, 8)) == both
        assert counted(again.label(event(label("a", "fraud", 1)), 9, 9)) == [], "an older version comes too late"
        last = recovered(again, dict(log))
        assert counted(last.label(event(label("a", "legitimate", 2)), 9, 8)) == both, "also for the next owner"


def test_a_label_that_comes_before_its_payment_waits_for_it_also_through_a_takeover() -> None:
    held, log = labelling(), dict[bytes, bytes]()
    assert held.label(event(label("a")), 9, 5) == ()
    after = recovered(held, log)
    assert counted(after.payment(event(payment("a", "s")), "approve", 0, 1)) == [("fraud", 1, 1)]
    last = recovered(after, log, 3)
    assert counted(last.payment(event(payment("a", "s")), "approve", 0, 1)) == [("fraud", 1, 1)], "the payment is delivered again"
    assert last.waiting == {}


def test_what_waits_is_bounded_in_number_and_in_time() -> None:
    held, now, log = labelling(payments_max=3), now_ms(), dict[bytes, bytes]()
    for number in range(5):
        held.payment(event(payment(f"p{number}", "s", now)), "approve", 0, number)
    held.label(event(label("x", at_ms=now)), 9, 1)
    assert (list(held.held), held.counts["payments_dropped"]) == (["p2", "p3", "p4"], 2)
    recovered(held, log)
    held.forget(now + UNCLAIMED_MS)
    assert (len(held.held), len(held.waiting), held.counts["unknown"]) == (3, 0, 1)
    held.forget(now + 10 * DAY_MS)
    held.payment(event(payment("late", "s", now + 20 * DAY_MS)), "approve", 0, 99)
    assert list(recovered(held, log).held) == ["late"] and len(log) == 1, "old records of the changelog are taken away"


# ---------------------------------------------------------------------------------------------------- in the stream


async def value_of(stage: Stage, pid: str, payee: str) -> tuple[int, int, int]:
    """What a payment reads of its payee: frauds, verdicts, money lost."""
    await stage.put_all([payment(pid, payee)])
    for _ in range(300):
        for body in await stage.json("receipts"):
            if body["payment_id"] == pid:
                values = body["values"]
                assert not body["degraded"]
                return values["payee_frauds"], values["payee_labels"], values["payee_lost"]
        await asyncio.sleep(0.1)
    raise AssertionError(f"no receipt of {pid}")


async def until_read(stage: Stage, probe: str, expected: tuple[int, int, int]) -> None:
    """Ask with one payment after another until the labels that were sent are all in."""
    found = None
    for number in range(60):
        found = await value_of(stage, f"{probe}_{number}", "shop")
        if found == expected:
            return
        assert found[1] <= expected[1], "a verdict counted twice"
        await asyncio.sleep(0.3)
    raise AssertionError(f"{probe}: {found}, expected {expected}")


@pytest.mark.timeout(120)
async def test_verdicts_count_once_after_kill_9_and_on_two_workers(broker: str, tmp_path: Path) -> None:
    async with Stage(broker, tmp_path, RULE_SET, partitions=2) as stage:
        first = await stage.worker().ready()
        await stage.put_all(payment(f"p{number}", "shop") for number in range(60))
        await stage.until("decisions", lambda counts: counts["receipts"] >= 60)
        await stage.put_all([label("p0"), label("early"), *(label(f"p{number}") for number in range(30)), label("nobody")])
        await stage.put_all([label("p3", "legitimate"), label("p1", "legitimate", 2), label("p0")])
        first.kill()
        await stage.worker().ready()
        await until_read(stage, "one", (29, 30, 29 * FEN))
        await stage.put_all([payment("early", "shop"), label("p1"), label("p2", "unsure", 3)])
        await until_read(stage, "two", (29, 31, 29 * FEN))
        await stage.worker().ready()
        await stage.workers[1].ready(partitions=1)
        await stage.put_all([label(f"p{number}") for number in range(20, 50)])
        await until_read(stage, "three", (49, 51, 49 * FEN))
