"""`of: decision`: what we answered to earlier payments, read by later ones."""

from __future__ import annotations

from typing import Any

import pytest

from risk.decisions import Outcome
from risk.engine import InProcess, decision_tid, payment_tid
from risk.language import examine, load

EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, ip: optional text, note: optional text}
    derive: {ip24: "prefix(ip, 24)"}
  transfer:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, ip: optional text}
    derive: {ip24: "prefix(ip, 24)"}
"""
RULES = """
features:
  blocked_1h: {count: decision, per: payer.id, over: 1h, where: action == "block"}
  blocked_sum: {sum: amount, of: decision, per: payer.id, over: 1h, where: action != "approve"}
  blocked_net: {count: decision, per: ip24, over: 1h, where: action == "block"}
  last_answer: {last: action, of: decision, per: payer.id}
rules:
  large:
    title: Too large
    owner: payments-risk
    event: [payment, transfer]
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
    when: blocked_1h >= 2 or blocked_net >= 3 or (last_answer == "block" and blocked_sum > CNY 999.00)
    then: review
    reasons: [AGAIN]
    tests:
      - {it: fires, given: {blocked_1h: 2}, events: [{amount: CNY 1.00, payer.id: u}], expect: fires}
      - {it: is silent, events: [{amount: CNY 1.00, payer.id: u}], expect: silent}
"""
NOW_MS = 1_793_491_200_000


class Till:
    def __init__(self) -> None:
        self.machine = InProcess(load([("e.yaml", EVENTS), ("r.yaml", RULES)]))
        self.count = 0

    def pay(self, amount: int, minute: float = 0, payer: str = "u", event: str = "payment", **more: Any) -> Outcome:
        self.count += 1
        at_ms = NOW_MS + int(minute * 60_000)
        values = {"payment_id": f"p{self.count}", "occurred_at": at_ms, "amount": amount, "payer.id": payer, **more}
        outcome = self.machine.feed(self.machine.engine.schema.build(event, values))
        assert outcome is not None
        return outcome


def values(outcome: Outcome) -> dict[str, Any]:
    return dict(zip(outcome.names, outcome.values, strict=True))


def test_a_later_payment_reads_what_was_answered_to_earlier_ones() -> None:
    till = Till()
    assert [till.pay(20_000, minute).action for minute in (0, 1)] == ["block", "block"]
    outcome = till.pay(100, 2)
    assert (outcome.action, values(outcome)["blocked_1h"], values(outcome)["last_answer"]) == ("review", 2, "block")
    outcome = till.pay(100, 3)
    assert (values(outcome)["blocked_sum"], values(outcome)["last_answer"]) == (40_100, "review")


def test_a_decision_does_not_see_itself_and_leaves_the_window_in_event_time() -> None:
    till = Till()
    assert values(till.pay(20_000))["blocked_1h"] == 0
    assert values(till.pay(20_000, 59.99))["blocked_1h"] == 1
    assert values(till.pay(100, 60))["blocked_1h"] == 1
    assert values(till.pay(100, 120))["blocked_1h"] == 0


def test_all_decided_events_are_counted_and_derived_fields_select() -> None:
    till = Till()
    for number in range(3):
        till.pay(20_000, payer=f"u{number}", event="transfer", ip=f"1.2.3.{number}")
    outcome = till.pay(100, payer="other", ip="1.2.3.99")
    assert (outcome.action, values(outcome)["blocked_net"]) == ("review", 3)


def test_the_rows_of_a_decision_are_not_those_of_its_payment() -> None:
    assert decision_tid("p1") != payment_tid("p1")


def test_a_rule_set_that_counts_no_decisions_does_nothing_for_them() -> None:
    assert InProcess(load([("e.yaml", EVENTS)])).engine.decisions is None


@pytest.mark.parametrize(
    ("feature", "code"),
    [
        ('{count: decision, per: payer.id, over: 1h, where: action == "blok"}', "E207"),
        ("{count: decision, per: note, over: 1h}", "E303"),
        ("{count: decision, per: payer.id, over: 1h, counts: passed}", "E313"),
        ("{count: decisions, per: payer.id, over: 1h}", "E226"),
    ],
)
def test_mistakes_about_decisions_are_told(feature: str, code: str) -> None:
    assert code in [p.code for p in examine([("e.yaml", EVENTS), ("f.yaml", f"features: {{f: {feature}}}")]).problems]


def test_no_event_and_no_rule_is_named_decision() -> None:
    events = EVENTS + "  decision: {fields: {occurred_at: time}}\n"
    assert [p.code for p in examine([("e.yaml", events)]).problems] == ["E008"]
    rule = RULES.replace("event: payment\n", "event: decision\n")
    assert "E226" in [p.code for p in examine([("e.yaml", EVENTS), ("r.yaml", rule)]).problems]
    with_action = RULES.replace("when: amount > CNY 100.00", 'when: amount > CNY 100.00 and action == "block"')
    assert "E202" in [p.code for p in examine([("e.yaml", EVENTS), ("r.yaml", with_action)]).problems]
