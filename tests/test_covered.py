"""`covered_since`, `accept_from`, opening balances: windows that are not full yet, and who may decide by them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from risk.cases import run
from risk.decisions import Outcome
from risk.engine import InProcess
from risk.language import examine, load
from risk.seeding import SeedReader, enter
from risk.tools.messages import Numbered
from risk.tools.replaying import Replay

DAY_MS = 86_400_000
START_MS = 1_793_491_200_000  # 2026-11-01T00:00Z, a day after `covered_since`
EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user}
    example: {amount: CNY 1.00, payer.id: u}
"""
RULES = """
policy: {covered_since: 2026-10-31}
features:
  week:  {sum: amount, of: payment, per: payer.id, over: 7d, where: amount != CNY 0.07}
  hour:  {sum: amount, of: payment, per: payer.id, over: 1h, where: amount != CNY 0.07}
  ever:  {sum: amount, of: payment, per: payer.id, over: lifetime, counts: passed, where: amount >= CNY 0.00}
  daily: {sum: amount, of: payment, per: payer.id, over: calendar year in Asia/Shanghai, counts: passed, where: amount > CNY 0.00}
rules:
  waits: {title: Waits, KEYS, when: week > CNY 10.00 and hour >= CNY 0.00, then: review, reasons: [W], tests: TESTS}
  takes: {title: Takes, KEYS, when: week > CNY 10.00, then: challenge, reasons: [T],
          accept_from: 2026-11-03, message: "{payer.id} spent {week} of {$cap} in a week", params: {cap: CNY 10.00}, tests: TESTS}
  limit: {title: Limit, KEYS, when: ever + amount > CNY 100.00 or daily + amount > CNY 100.00, then: block, final: true, reasons: [L],
          tests: TESTS}
"""
TESTS = "[{it: fires, events: [{amount: CNY 50.00}, {amount: CNY 60.00}], expect: fires}, {it: silent, events: [{}], expect: silent}]"
RULES = RULES.replace("TESTS", TESTS).replace("KEYS", "owner: risk, event: payment, mode: live, on_missing: fire")
FILES = [("e.yaml", EVENTS), ("r.yaml", RULES)]
RULE_SET = load(FILES)


class Till:
    def __init__(self, machine: InProcess | None = None) -> None:
        self.machine = machine or InProcess(RULE_SET)
        self.count = 0

    def pay(self, day: float, amount: int = 100, payer: str = "u") -> Outcome:
        self.count += 1
        at_ms = START_MS + int(day * DAY_MS)
        values = {"payment_id": f"p{self.count}", "occurred_at": at_ms, "amount": amount, "payer.id": payer}
        outcome = self.machine.feed(self.machine.engine.schema.build("payment", values))
        assert outcome is not None
        return outcome

    def receipt(self, outcome: Outcome) -> dict[str, Any]:
        event = {"event": "payment", "payment_id": "p", "occurred_at": "2026-11-09T00:00:00.000Z", "payer": {"id": "u"}}
        raw = json.dumps({**event, "amount": {"currency": "CNY", "value": 100}}).encode()
        made = self.machine.engine.writer.receipt("p", raw, outcome, ("payments", 0, 0), 0, 0, late=False, model_version=None)
        receipt: dict[str, Any] = json.loads(made)
        return receipt


def told(outcome: Outcome) -> dict[str, Any]:
    return dict(zip(outcome.names, outcome.values, strict=True))


def test_a_window_that_reaches_back_before_covered_since_is_cold() -> None:
    till = Till()
    first = till.pay(0)
    assert (told(first)["week"], told(first)["hour"], told(first)["ever"]) == (None, 0, None)
    assert first.unknown["week"] == "cold" and first.action == "block"
    later = till.pay(6.9)
    assert (told(later)["week"], later.unknown.keys()) == (100, {"ever", "daily"})


def test_from_accept_from_on_a_rule_takes_the_window_as_it_is_and_others_still_wait() -> None:
    till = Till()
    till.pay(0)
    before, after = till.pay(1), till.pay(2)
    name = "week accepted from 2026-11-03T00:00:00.000Z"
    assert (told(before)[name], told(after)[name], told(after)["week"]) == (None, 200, None)
    names = [rule.name for rule in before.rules]
    assert [names[i] for i in before.ruling.acting] == ["waits", "takes", "limit"]
    assert [names[i] for i in after.ruling.acting] == ["waits", "limit"]
    assert [after.rules[i].name for i in till.pay(2.1, 2000).ruling.acting] == ["waits", "limit"]
    assert {after.rules[i].name for i in till.pay(2.2).ruling.acting} == {"waits", "takes", "limit"}


def test_an_opening_balance_covers_its_key_and_no_other() -> None:
    till = Till()
    lines = ["feature,key,period,amount", "ever,u,lifetime,CNY 99.00", "daily,u,2026,CNY 1.00"]
    seeds, problems = SeedReader(till.machine.engine, START_MS).read(lines)
    assert not problems
    enter(seeds, till.machine)
    held = till.pay(1, 50)
    assert (told(held)["ever"], told(held)["daily"]) == (9900, 100)
    other = till.pay(1, 50, "v")
    assert (told(other)["ever"], told(other)["daily"]) == (None, None)
    assert "limit" in [other.rules[i].name for i in other.ruling.acting]
    assert "limit" not in [held.rules[i].name for i in held.ruling.acting]


def test_the_receipt_tells_messages_and_rules_that_act_because_they_cannot_be_decided() -> None:
    till = Till()
    till.pay(0, 2000)
    outcome = till.pay(8, 100)
    till.pay(8.01, 1100)
    outcome = till.pay(8.02, 100)
    receipt = till.receipt(outcome)
    rules = {each["rule"]: each for each in receipt["rules"]}
    assert rules["takes"]["message"] == "u spent CNY 12.00 of CNY 10.00 in a week"
    assert "message" not in rules["waits"] and "unknown" not in rules["waits"]
    assert (rules["limit"]["unknown"], rules["limit"]["action"]) == (True, "block")
    assert Replay(RULE_SET).one(Numbered(1, receipt)).verdict == "same"
    decision = till.machine.engine.writer.decision("p", outcome, b"", 0, late=False)
    assert b"spent" not in decision


def test_tests_of_rule_files_see_full_windows() -> None:
    assert {result.case.it: result.passed for result in run(RULE_SET, "limit")} == {"fires": True, "silent": True}


def test_a_final_rule_over_a_cold_window_asks_for_help() -> None:
    found = [problem for problem in examine(FILES, date(2026, 11, 24)).problems if problem.code == "W315"]
    assert len(found) == 1 and "`limit` reads `daily`" in found[0].message
    accepted = [("e.yaml", EVENTS), ("r.yaml", RULES.replace("final: true", "final: true, accept_from: 2026-11-01"))]
    assert not [problem for problem in examine(accepted, date(2026, 11, 24)).problems if problem.code == "W315"]
