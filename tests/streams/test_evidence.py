"""What lies on the topics after a run is enough for somebody else: who decided, under which rules, on what, and that nothing leaks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from risk.declared import NEVER
from risk.engine import Engine
from risk.language import load
from risk.world import World
from tests.streams.harness import SHIPPED, Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

PAYMENTS = 800
PUBLIC = {"payment_id", "action", "score", "reasons", "obligations", "degraded", "late", "decided_at", "receipt", "schema"}


@dataclass
class Run:
    """All records of a run by the role of their topic."""

    records: dict[str, list[ConsumerRecord]]
    topics: dict[str, str]

    def bodies(self, role: str) -> list[tuple[ConsumerRecord, dict[str, Any]]]:
        return [(record, json.loads(record.value)) for record in self.records[role] if record.value]

    def receipts(self) -> dict[str, dict[str, Any]]:
        return {body["payment_id"]: body for _, body in self.bodies("receipts")}


async def play(broker: str, folder: Path) -> Run:
    """The shipped rules, a few hundred payments of the world, one of them by a person on a freeze list."""
    async with Stage(broker, folder, partitions=2) as stage:
        messages = [(each.topic, each.key, each.value) for each in World(5, now_ms() - 600_000, payments=PAYMENTS)]
        paid = json.loads(next(value for role, _, value in messages if role == "payments"))
        frozen = paid | {"payment_id": "pay_frozen", "payer": paid["payer"] | {"person": "prs_frozen_1"}}
        worker = await stage.worker().ready()
        await stage.put_all([*messages, ("payments", paid["payer"]["id"], json.dumps(frozen).encode())])
        await stage.answered(PAYMENTS + 1)
        assert await worker.stop() == 0
        roles = ("payments", "decisions", "receipts", "rulesets", "dead_letters")
        return Run({role: await stage.read(role) for role in roles}, stage.topics)


@pytest.fixture(scope="module")
def run(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return asyncio.run(play(broker, tmp_path_factory.mktemp("evidence")))


def test_the_rule_set_is_published_under_its_hash_before_the_first_decision(run: Run) -> None:
    named = {body["ruleset"] for body in run.receipts().values()}
    published = {record.key.decode(): record for record in run.records["rulesets"]}
    assert named == set(published), "receipts name the rule set that was published, and no other"
    [(name, record)] = published.items()
    body = json.loads(record.value)
    again = load(list(body["sources"].items()))
    assert again.hash == name == body["hash"] == load([SHIPPED]).hash
    assert record.timestamp <= min(each.timestamp for each in run.records["decisions"] if each.value)


def test_each_decision_rests_on_the_receipt_it_names(run: Run) -> None:
    receipts = {"sha256:" + hashlib.sha256(record.value).hexdigest(): record for record in run.records["receipts"]}
    for record, decision in run.bodies("decisions"):
        receipt = receipts[decision["receipt"]]
        assert (receipt.partition, receipt.key) == (record.partition, record.key)
        body = json.loads(receipt.value)
        same = ("payment_id", "action", "score", "reasons", "obligations", "degraded", "late", "decided_at")
        assert [decision[name] for name in same] == [body[name] for name in same]
        assert receipt.timestamp <= record.timestamp


def test_decisions_lie_where_their_payment_lies_and_say_where_it_came_from(run: Run) -> None:
    payments = {(record.partition, record.offset): record for record in run.records["payments"]}
    for record, decision in run.bodies("decisions"):
        headers = dict(record.headers)
        topic, partition, offset = headers["src"].decode().split("/")
        payment = payments[int(partition), int(offset)]
        assert (topic, payment.partition, payment.key) == (run.topics["payments"], record.partition, record.key)
        assert json.loads(payment.value)["payment_id"] == decision["payment_id"]
        number, instance = headers["epoch"].decode().split("/", 1)
        assert number == "1" and instance
        assert set(decision) == PUBLIC


def test_each_partition_begins_with_the_marker_of_its_owner(run: Run) -> None:
    for partition in (0, 1):
        mine = [record for record in run.records["decisions"] if record.partition == partition]
        markers = [record for record in mine if "marker" in dict(record.headers)]
        assert [record.offset for record in markers] == [mine[0].offset]
        assert not markers[0].value
        epochs = {dict(record.headers)["epoch"] for record in mine}
        assert len(epochs) == 1, "one owner wrote it all"


def test_confidential_reasons_are_on_the_receipt_and_never_in_a_decision(run: Run) -> None:
    confidential = {reason for rule in load([SHIPPED]).rules.values() if rule.confidential for reason in rule.reasons}
    public = {reason for rule in load([SHIPPED]).rules.values() if not rule.confidential for reason in rule.reasons}
    told = {body["payment_id"]: body for _, body in run.bodies("decisions")}
    assert told["pay_frozen"]["action"] == "block"
    assert "RISK_CHECK" in told["pay_frozen"]["reasons"]
    on_receipts = {
        reason for body in run.receipts().values() for rule in body["rules"] if rule["confidential"] for reason in rule["reasons"]
    }
    assert "JOINT_PUNISHMENT" in on_receipts
    for record in run.records["decisions"]:
        for reason in confidential - public:
            assert reason.encode() not in (record.value or b"")


def test_a_receipt_is_enough_to_reach_the_same_decision(run: Run) -> None:
    """The rule set from its topic and the receipt, nothing else."""
    body = json.loads(run.records["rulesets"][0].value)
    engine = Engine(load(list(body["sources"].items())))
    payments = {json.loads(record.value)["payment_id"]: json.loads(record.value) for record in run.records["payments"]}
    for payment_id, receipt in run.receipts().items():
        assert receipt["event"] == payments[payment_id]
        event = engine.schema.decode(orjson.dumps(receipt["event"]))
        plan = engine.plans[event.event_type]
        read = receipt["values"]
        assert list(read) == list(plan.names)
        values = [NEVER if read[name] is None and name not in receipt["unknown"] else read[name] for name in plan.names]
        ruling = engine.decide(plan, event, values, given_score=receipt["model"]["score"]).ruling
        assert [ruling.action, ruling.score, ruling.reasons] == [receipt["action"], receipt["score"], receipt["reasons"]]
    refused = sum(1 for each in run.receipts().values() if each["action"] != "approve")
    fact(f"evidence: {len(run.receipts())} receipts decided again from the topics alone, the same; {refused} not approved")
    assert refused >= 5
