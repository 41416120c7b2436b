"""A backlog is decided as the engine in one process decides it over the merged order of all partitions: by one worker, and by two."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from risk.decisions import Outcome, rfc3339
from risk.engine import InProcess
from risk.events import Event
from risk.language import RuleSet, load
from risk.world import World
from tests.streams.harness import SHIPPED, Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

PAYMENTS = 5_000
HOUR_MS = 3_600_000
INPUTS = ("payments", "activity")
VALUES_SHARE_MAX, DECISIONS_SHARE_MAX = 0.001, 0.01
"""What two workers may have otherwise than one engine."""


def placed(ruleset: RuleSet, records: Iterable[ConsumerRecord]) -> Iterator[tuple[int, str, int, int, Event]]:
    """The events of one partition with their place in the merged order: order time, topic, partition, offset.

    Order time, by definition: the highest event time so far in that partition, capped at the broker's append time.
    """
    highest = 0
    for record in records:
        event = ruleset.schema.decode(record.value, record.timestamp)
        highest = max(highest, min(event.occurred_at, record.timestamp))
        yield highest, record.topic, record.partition, record.offset, event


def in_merged_order(ruleset: RuleSet, records: list[ConsumerRecord]) -> list[Event]:
    """Next is always the head with the smallest (order time, topic, partition, offset)."""
    partitions: dict[tuple[str, int], list[ConsumerRecord]] = {}
    for record in records:
        partitions.setdefault((record.topic, record.partition), []).append(record)
    heads = [placed(ruleset, each) for each in partitions.values()]
    return [place[4] for place in heapq.merge(*heads, key=lambda place: place[:4])]


def one_after_the_other(ruleset: RuleSet, records: list[ConsumerRecord]) -> list[Event]:
    """A wrong order, to see that the order matters: partition by partition."""
    return [ruleset.schema.decode(record.value, record.timestamp) for record in records]


def decided_in_process(ruleset: RuleSet, events: list[Event]) -> dict[str, dict[str, Any]]:
    engine = InProcess(ruleset)
    found = {}
    for event in events:
        outcome = engine.feed(event)
        if outcome is not None:
            found[event.payment_id] = told(outcome)
    return found


def told(outcome: Outcome) -> dict[str, Any]:
    """An outcome in the words of a receipt."""
    ruling = outcome.ruling
    said = {
        "action": ruling.action,
        "score": ruling.score,
        "reasons": ruling.reasons,
        "rules": [outcome.rules[i].name for i in ruling.acting],
        "would_be": [outcome.rules[i].name for i in ruling.would_be],
        "overridden_by": ruling.overridden_by,
        "obligations": ruling.obligations,
        "reports": ruling.reports,
        "values": dict(zip(outcome.names, outcome.values, strict=True)),
        "unknown": dict(outcome.unknown),
        "model_score": outcome.model_score,
    }
    return json.loads(orjson.dumps(said))  # type: ignore[no-any-return]


def read_from(receipt: dict[str, Any]) -> dict[str, Any]:
    """The same words, from a receipt."""
    same = ("action", "score", "reasons", "overridden_by", "obligations", "reports", "values", "unknown")
    names = {key: [rule["rule"] for rule in receipt[key]] for key in ("rules", "would_be")}
    return {name: receipt[name] for name in same} | names | {"model_score": receipt["model"]["score"]}


def clocks_that_run_ahead(start_ms: int) -> list[tuple[str, bytes]]:
    """Payments of one person and device, stamped hours ahead of the broker, in an order that only the cap puts right."""
    found = []
    for number, ahead in enumerate((10, 1, 2)):
        payer = {"id": f"usr_ahead_{number}", "person": "prs_ahead", "account": f"acc_ahead_{number}", "opened_at": rfc3339(start_ms)}
        body = {
            "event": "payment",
            "payment_id": f"ahead_{number}",
            "occurred_at": rfc3339(now_ms() + ahead * HOUR_MS),
            "amount": {"currency": "CNY", "value": 200_000},
            "payer": payer,
            "payee": {"id": "shop_ahead", "account": "acc_shop_ahead"},
            "funding": "balance",
            "auth_level": "B",
            "device": {"id": "dev_ahead"},
            "card": {"id": f"card_ahead_{number}"},
        }
        found.append((payer["id"], json.dumps(body).encode()))
    return found


@dataclass
class Told:
    """Both sides, by payment id, and what a wrong order would have given."""

    stream: dict[str, dict[str, Any]]
    engine: dict[str, dict[str, Any]]
    unmerged: dict[str, dict[str, Any]]
    decisions: dict[str, dict[str, Any]]
    markers: int


async def tell(broker: str, folder: Any) -> Told:
    """Everything is in the topics before the one worker starts."""
    ruleset = load([SHIPPED])
    async with Stage(broker, folder, partitions=4) as stage:
        start_ms = now_ms() - HOUR_MS
        world = World(17, start_ms, payments=PAYMENTS)
        await stage.put_all((each.topic, each.key, each.value) for each in world if each.topic in INPUTS)
        for key, value in clocks_that_run_ahead(start_ms):
            await stage.producer.flush()
            await asyncio.sleep(0.01)  # an append time of its own
            await stage.put("payments", key, value)
        await stage.producer.flush()
        await stage.worker().ready()
        await stage.answered(PAYMENTS + 3)
        receipts = {body["payment_id"]: read_from(body) for body in await stage.json("receipts")}
        decisions = {body["payment_id"]: body for body in await stage.json("decisions")}
        records = [record for role in INPUTS for record in await stage.read(role)]
        markers = sum(1 for record in await stage.read("decisions") if not record.value)
    engine = decided_in_process(ruleset, in_merged_order(ruleset, records))
    unmerged = decided_in_process(ruleset, one_after_the_other(ruleset, records))
    return Told(receipts, engine, unmerged, decisions, markers)


async def tell_two(broker: str, folder: Any) -> Told:
    """Two workers share the partitions, stand still while everything is put on the topics, and go on at one moment."""
    ruleset = load([SHIPPED])
    async with Stage(broker, folder, partitions=4, RISK_SESSION_MS="20000") as stage:
        workers = [stage.worker(), stage.worker()]
        for worker in workers:
            await worker.ready(partitions=2)
        for worker in workers:
            worker.pause()
        world = World(17, now_ms() - HOUR_MS, payments=PAYMENTS)
        await stage.put_at_once((each.topic, each.key, each.value) for each in world if each.topic in INPUTS)
        await asyncio.sleep(2 * stage.settings.deadline_ms / 1000)  # by then all of it is a backlog
        markers = sum(1 for record in await stage.read("decisions") if not record.value)
        for worker in workers:
            worker.resume()
        await stage.answered(PAYMENTS, markers)
        pages = [await worker.metrics() for worker in workers]
        receipts = {body["payment_id"]: read_from(body) for body in await stage.json("receipts")}
        decisions = {body["payment_id"]: body for body in await stage.json("decisions")}
        records = [record for role in INPUTS for record in await stage.read(role)]
    remote = sum(page['risk_touches_total{where="remote"}'] for page in pages)
    gave_up = sum(page["risk_order_given_up_total"] for page in pages)
    fact(f"equality of two: {remote:.0f} touches went over Kafka, {gave_up:.0f} were not waited for")
    engine = decided_in_process(ruleset, in_merged_order(ruleset, records))
    return Told(receipts, engine, {}, decisions, markers)


@pytest.fixture(scope="module")
def both(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return asyncio.run(tell(broker, tmp_path_factory.mktemp("equality")))


def test_a_drained_backlog_is_decided_as_in_process(both: Told) -> None:
    assert len(both.stream) == len(both.engine) == PAYMENTS + 3
    differ = {payment: (both.stream.get(payment), engine) for payment, engine in both.engine.items() if both.stream.get(payment) != engine}
    actions = Counter(each["action"] for each in both.stream.values())
    rules = {rule for each in both.stream.values() for rule in each["rules"]}
    values = sum(len(each["values"]) for each in both.stream.values())
    unmerged = sum(1 for payment, engine in both.engine.items() if both.unmerged[payment] != engine)
    fact(
        f"equality: {len(differ)} of {len(both.stream)} differ in {values} values, {len(rules)} rules fired, {dict(actions)}; "
        f"without merging {unmerged} would differ"
    )
    assert not differ, f"{len(differ)} differ, the first: {_difference(*next(iter(differ.values())))}"


def test_the_comparison_can_fail(both: Told) -> None:
    """Rules fired, actions differ, and another order of the partitions gives other values."""
    assert len({each["action"] for each in both.stream.values()}) >= 3
    assert len({rule for each in both.stream.values() for rule in each["rules"]}) >= 6
    assert any(both.unmerged[payment] != engine for payment, engine in both.engine.items())


def test_decisions_say_what_their_receipts_say(both: Told) -> None:
    for payment, decision in both.decisions.items():
        receipt = both.stream[payment]
        assert [decision[name] for name in ("action", "score", "reasons")] == [receipt[name] for name in ("action", "score", "reasons")]
        assert not decision["degraded"]


def _difference(stream: dict[str, Any] | None, engine: dict[str, Any]) -> str:
    if stream is None:
        return "not decided"
    parts = {name: (stream[name], engine[name]) for name in engine if name != "values" and stream[name] != engine[name]}
    values = {name: (stream["values"][name], value) for name, value in engine["values"].items() if stream["values"][name] != value}
    return f"stream and engine: {parts} {values}"


def test_two_workers_decide_a_backlog_as_one_engine(broker: str, tmp_path: Any) -> None:
    """But for what decisions feed back, which nobody waits for, and the moments that the workers cannot know of each other."""
    told = asyncio.run(tell_two(broker, tmp_path))
    assert len(told.stream) == len(told.engine) == PAYMENTS
    assert not any(decision["degraded"] for decision in told.decisions.values())
    values = others = saw_others = decided_otherwise = 0
    for payment, engine in told.engine.items():
        stream = told.stream[payment]
        different = sum(stream["values"][name] != value for name, value in engine["values"].items())
        values, others, saw_others = values + len(engine["values"]), others + different, saw_others + bool(different)
        decided_otherwise += stream != engine
    share = f"{others} of {values} values differ in {saw_others} of {PAYMENTS} decisions"
    fact(f"equality of two: {share}, {decided_otherwise} decisions differ in anything")
    assert others <= VALUES_SHARE_MAX * values
    assert decided_otherwise <= DECISIONS_SHARE_MAX * PAYMENTS
