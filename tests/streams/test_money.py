"""Tests with money in them, on the real path: a day limit of 5,000.00 yuan a person, asked by payments in flight at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from risk.decisions import rfc3339
from tests.streams.harness import Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

PERSONS = 20
"""Each story is told so often, by different persons at the same time."""
DAY_MS = 86_400_000
NOON_MS = 4 * 3_600_000  # in Shanghai, where the day of the limit is reckoned
LIMIT = "LIMIT_DAY_TWO_FACTOR"
Story = list[list[dict[str, Any]]]


def noon() -> int:
    """Yesterday's noon in Shanghai: no test runs into midnight."""
    return now_ms() // DAY_MS * DAY_MS - DAY_MS + NOON_MS


def pays(person: str, name: str, yuan: str, at: int, account: int = 1, stepup: bool = True) -> dict[str, Any]:
    """A payment from the balance with two factors but no certificate, by one of the person's accounts."""
    return {
        "event": "payment",
        "payment_id": f"{person}_{name}",
        "occurred_at": rfc3339(at),
        "amount": {"currency": "CNY", "value": round(float(yuan) * 100)},
        "payer": {
            "id": f"usr_{person}_{account}",
            "person": person,
            "natural": True,
            "age_band": "adult",
            "account": f"acc_{person}_{account}",
            "account_class": "III",
            "opened_at": rfc3339(at - 400 * DAY_MS),
        },
        "payee": {
            "id": f"shop_{person}",
            "type": "merchant",
            "account": f"acc_shop_{person}",
            "opened_at": rfc3339(at - 500 * DAY_MS),
            "trading_since": rfc3339(at - 490 * DAY_MS),
        },
        "same_name": False,
        "funding": "balance",
        "auth_level": "B",
        "stepup_available": stepup,
        "channel": "app",
        "code": "none",
        "remote": True,
        "device": {"id": f"dev_{person}", "first_seen_at": rfc3339(at - 300 * DAY_MS)},
    }


def result(paid: dict[str, Any], outcome: str, at: int) -> dict[str, Any]:
    """What became of a payment."""
    body = {name: paid[name] for name in ("payment_id", "amount", "payer", "payee", "device")}
    return body | {"event": "payment_result", "occurred_at": rfc3339(at), "outcome": outcome}


def two_at_once(p: str, t: int) -> Story:
    return [[pays(p, "a", "3000", t, account=1), pays(p, "b", "3000", t, account=2)], [pays(p, "c", "2000.00", t + 60_000)]]


def blocked_then_exact(p: str, t: int) -> Story:
    return [[pays(p, "a", "6000", t, stepup=False)], [pays(p, "b", "5000.00", t + 60_000)], [pays(p, "c", "0.01", t + 120_000)]]


def second_stamped_earlier(p: str, t: int) -> Story:
    return [[pays(p, "a", "3000", t), pays(p, "b", "3000", t - 1_000)]]


def declined_gives_back(p: str, t: int) -> Story:
    first = pays(p, "a", "5000", t)
    return [[first], [result(first, "declined", t + 1_000)], [pays(p, "b", "5000", t + 60_000)]]


def refunded_gives_nothing_back(p: str, t: int) -> Story:
    first = pays(p, "a", "5000", t)
    return [[first], [result(first, "refunded", t + 1_000)], [pays(p, "b", "0.01", t + 60_000)]]


def let_go_takes_again(p: str, t: int) -> Story:
    first, second = pays(p, "a", "3000", t), pays(p, "b", "2500", t + 1_000)
    return [[first], [second], [result(second, "approved", t + 2_000)], [pays(p, "c", "0.01", t + 60_000)]]


STORIES = [two_at_once, blocked_then_exact, second_stamped_earlier, declined_gives_back, refunded_gives_nothing_back, let_go_takes_again]


async def answers(broker: str, folder: Any, workers: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Tell every story for every person, step by step; the decisions by story and payment. A step begins when the last is answered."""
    at = noon()
    people = {f"{told.__name__}_{n}": told(f"{told.__name__}_{n}", at) for told in STORIES for n in range(PERSONS)}
    async with Stage(broker, folder, partitions=4) as stage:
        running = [stage.worker() for _ in range(workers)]
        for worker in running:
            await worker.ready(partitions=4 // workers)
        sent = results = 0
        for step in range(max(len(story) for story in people.values())):
            bodies = [body for story in people.values() if step < len(story) for body in story[step]]
            await stage.put_at_once((_role(body), body["payer"]["id"], json.dumps(body).encode()) for body in bodies)
            sent += sum(1 for body in bodies if body["event"] == "payment")
            results += sum(1 for body in bodies if body["event"] == "payment_result")
            markers = sum(1 for record in await stage.read("decisions") if not record.value)
            await stage.answered(sent, markers)
            while await _read_by(running, stage.topics["activity"]) < results:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5 if workers > 1 else 0.1)  # releases travel over Kafka
        found = {body["payment_id"]: body for body in await stage.json("decisions")}
        assert len(found) == sent
    return found


def _role(body: dict[str, Any]) -> str:
    return "payments" if body["event"] == "payment" else "activity"


async def _read_by(workers: Iterable[Any], topic: str) -> float:
    return sum([(await worker.metrics()).get(f'risk_events_total{{topic="{topic}"}}', 0.0) for worker in workers])


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def decided(request: pytest.FixtureRequest, broker: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    found = asyncio.run(answers(broker, tmp_path_factory.mktemp("money"), request.param))
    refused = sum(1 for body in found.values() if body["action"] != "approve")
    fact(
        f"money, {request.param} worker(s): {len(found)} payments of {len(STORIES)} stories by {PERSONS} persons each, "
        f"{refused} over the limit"
    )
    return found


def passed(decided: Any, story: Any, name: str) -> list[bool]:
    """Whether this payment of the story passed, by person; one that did not pass met the limit."""
    found = []
    for n in range(PERSONS):
        body = decided[f"{story.__name__}_{n}_{name}"]
        assert (body["action"] == "approve") == (LIMIT not in body["reasons"]), body
        found.append(body["action"] == "approve")
    return found


def test_of_two_times_3000_at_once_exactly_one_passes(decided: Any) -> None:
    both = zip(passed(decided, two_at_once, "a"), passed(decided, two_at_once, "b"), strict=True)
    assert [a + b for a, b in both] == [1] * PERSONS
    assert all(passed(decided, two_at_once, "c")), "the one that was refused takes nothing: 2,000.00 fit exactly"


def test_after_a_blocked_6000_exactly_5000_pass(decided: Any) -> None:
    assert not any(passed(decided, blocked_then_exact, "a"))
    assert {decided[f"blocked_then_exact_{n}_a"]["action"] for n in range(PERSONS)} == {"block"}
    assert all(passed(decided, blocked_then_exact, "b"))
    assert not any(passed(decided, blocked_then_exact, "c")), "and not a fen more"


def test_the_second_of_two_does_not_pass_by_being_stamped_earlier(decided: Any) -> None:
    assert all(passed(decided, second_stamped_earlier, "a"))
    assert not any(passed(decided, second_stamped_earlier, "b"))


def test_a_payment_that_the_bank_declined_gives_its_part_back(decided: Any) -> None:
    assert all(passed(decided, declined_gives_back, "a"))
    assert all(passed(decided, declined_gives_back, "b"))


def test_a_refund_gives_nothing_back(decided: Any) -> None:
    assert all(passed(decided, refunded_gives_nothing_back, "a"))
    assert not any(passed(decided, refunded_gives_nothing_back, "b"))


def test_a_refused_payment_that_was_let_go_takes_its_part_again(decided: Any) -> None:
    assert all(passed(decided, let_go_takes_again, "a"))
    assert not any(passed(decided, let_go_takes_again, "b"))
    assert not any(passed(decided, let_go_takes_again, "c")), "5,500.00 went by then"
