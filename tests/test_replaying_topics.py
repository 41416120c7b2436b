"""Receipts from the topics: which count, what they are held against, and what is told of those that cannot be executed again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from risk.engine import InProcess
from risk.language import load
from streams.replaying import FromTopics, _Books, _Named, _take

FILES = [
    (
        "r.yaml",
        """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user}
rules:
  large: {title: x, owner: o, event: payment, mode: shadow, when: amount > CNY 5.00, then: review, reasons: [LARGE]}
""",
    )
]
RULE_SET = load(FILES)
BOOKS = _Books({RULE_SET.hash: dict(FILES), "broken": {"r.yaml": "rules: 5"}}, [], {})


@dataclass
class Record:
    value: bytes
    offset: int = 7
    timestamp: int = 1_000


def written(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A receipt and its decision."""
    machine = InProcess(RULE_SET)
    event = {"event": "payment", "payment_id": "p", "occurred_at": "2026-11-24T09:00:00.000Z", "payer": {"id": "u"}}
    raw = orjson.dumps({**event, "amount": {"currency": "CNY", "value": 700}})
    outcome = machine.feed(RULE_SET.schema.decode(raw))
    assert outcome is not None
    writer = machine.engine.writer
    receipt = writer.receipt("p", raw, outcome, ("payments", 0, 0), 0, 0, late=False, model_version=None)
    decision = orjson.loads(writer.decision("p", outcome, receipt, 0, late=False))
    return orjson.loads(receipt) | changes, decision


def taken(receipt: dict[str, Any], decision: dict[str, Any] | None, timestamp: int = 1_000) -> FromTopics:
    raw, found = orjson.dumps(receipt), FromTopics()
    named = _Named({} if decision is None else {hashlib.sha256(raw).digest(): orjson.dumps(decision)}, since_ms=500)
    _take(Record(raw, timestamp=timestamp), named, BOOKS, found, 5)  # type: ignore[arg-type]
    assert not named.values
    return found


def test_a_receipt_that_a_decision_names_is_executed_again() -> None:
    found = taken(*written())
    assert (found.summary.replayed, found.differs, found.orphans) == (1, False, 0)


def test_a_receipt_that_says_what_the_engine_does_not_is_a_difference() -> None:
    receipt, decision = written(score=3)
    (differing,) = taken(receipt, decision | {"score": 3}).summary.differing
    assert [part for part, _, _ in differing.differences] == ["score"]


def test_a_decision_that_says_something_else_than_its_receipt_is_a_difference() -> None:
    receipt, decision = written()
    found = taken(receipt, decision | {"action": "block", "reasons": ["X"]})
    assert found.differs
    assert [part for part, _, _ in found.summary.differing[0].differences] == ["decision.action", "decision.reasons"]


def test_what_no_decision_names_is_an_orphan_unless_its_decision_was_not_looked_at() -> None:
    receipt, _ = written()
    assert (taken(receipt, None).orphans, taken(receipt, None, timestamp=499).orphans) == (1, 0)
    assert not taken(receipt, None).differs


def test_what_is_not_at_hand_is_told_and_is_no_difference() -> None:
    for other in ("sha256:unknown", "broken"):
        receipt, decision = written(ruleset=other)
        found = taken(receipt, decision)
        assert (dict(found.summary.other_rulesets), found.differs) == ({other: 1}, False)


def test_what_is_no_receipt_differs() -> None:
    found = taken({"ruleset": RULE_SET.hash}, written()[1])
    assert found.differs and "no receipt" in found.summary.differing[0].differences[0][1]
