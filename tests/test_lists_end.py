"""Entries of lists end in the event's own time: in rules, in features' conditions, in explanations and in versions."""

from __future__ import annotations

from typing import Any

from risk.engine import InProcess
from risk.language import RuleSet, load

EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, payee.id: optional id payee}
"""
RULES = """
lists:
  bad:
    of: id payee
    values:
      - shop_0
      - {value: shop_1, until: 2026-11-02, why: x}
      - {value: shop_2, until: "2026-11-02T00:00:00+08:00"}
  sums: {of: money CNY, values: [{value: CNY 1.00, until: 2026-11-02}]}
features:
  bad_1d: {count: payment, per: payer.id, over: 7d, where: payee.id in @bad}
rules:
  listed:
    {title: x, owner: o, event: payment, mode: shadow, when: payee.id in @bad or bad_1d > 8, then: block, reasons: [A]}
  unlisted:
    {title: x, owner: o, event: payment, mode: shadow, when: payee.id not in @bad and amount not in @sums, then: block, reasons: [A]}
"""
NOVEMBER_MS = 1_793_491_200_000
DAY_MS = 86_400_000


def ruleset(rules: str = RULES) -> RuleSet:
    return load([("e.yaml", EVENTS), ("r.yaml", rules)])


def paid(machine: InProcess, number: int, at_ms: int, payee: str | None, amount: int = 1) -> Any:
    values = {"payment_id": f"p{number}", "occurred_at": at_ms, "amount": amount, "payer.id": "u"}
    event = machine.engine.schema.build("payment", values | ({"payee.id": payee} if payee else {}))
    outcome = machine.feed(event)
    assert outcome is not None
    return event, outcome


def test_an_entry_holds_until_its_end_and_no_longer() -> None:
    machine = InProcess(ruleset())
    for payee, end_ms in (("shop_1", NOVEMBER_MS + DAY_MS), ("shop_2", NOVEMBER_MS + 16 * 3_600_000)):
        assert paid(machine, 1, end_ms - 1, payee)[1].fired_names == ["listed"]
        assert paid(machine, 2, end_ms, payee)[1].fired_names == ["unlisted"]
    assert paid(machine, 3, NOVEMBER_MS + 999 * DAY_MS, "shop_0")[1].fired_names == ["listed"]
    assert paid(machine, 4, NOVEMBER_MS - 999 * DAY_MS, "shop_1")[1].fired_names == ["listed"]


def test_money_ends_too() -> None:
    machine = InProcess(ruleset())
    assert paid(machine, 1, NOVEMBER_MS, "other", 100)[1].fired_names == []
    assert paid(machine, 2, NOVEMBER_MS + DAY_MS, "other", 100)[1].fired_names == ["unlisted"]


def test_what_is_unknown_is_neither_in_nor_out() -> None:
    _, outcome = paid(InProcess(ruleset()), 1, NOVEMBER_MS, None)
    assert [outcome.rules[i].name for i in outcome.unknown_rules] == ["listed", "unlisted"]


def test_a_feature_counts_by_the_time_of_the_counted_event() -> None:
    machine = InProcess(ruleset())
    paid(machine, 1, NOVEMBER_MS, "shop_1")
    paid(machine, 2, NOVEMBER_MS + DAY_MS, "shop_1")
    _, outcome = paid(machine, 3, NOVEMBER_MS + 2 * DAY_MS, "other")
    assert outcome.values == [1]


def test_the_terms_say_what_was_so_at_the_time() -> None:
    machine = InProcess(ruleset())
    judge = machine.engine.plans["payment"].judge
    assert judge is not None
    for at_ms, wanted in ((NOVEMBER_MS, True), (NOVEMBER_MS + DAY_MS, False)):
        event, outcome = paid(machine, at_ms, at_ms, "shop_1")
        assert judge.terms(0, event, outcome.values, None)[0].result is wanted
        assert judge.one(0, event, outcome.values, None) is wanted


def test_an_end_is_part_of_the_version_of_a_list_and_of_its_rules() -> None:
    one, other = ruleset(), ruleset(RULES.replace("until: 2026-11-02, why", "until: 2026-11-03, why"))
    assert one.lists["bad"].version != other.lists["bad"].version
    assert one.lists["sums"].version == other.lists["sums"].version
    assert one.rules["listed"].version != other.rules["listed"].version
