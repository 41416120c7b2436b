"""Overrides act: for one entity or one segment, until a date, on the decision and on its receipt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from risk.decisions import Outcome
from risk.engine import Engine, InProcess
from risk.language import RuleSet, examine, load

DAY_MS = 86_400_000
NOW_MS = 1_793_491_200_000  # 2026-11-01
EVENTS = """
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: money CNY
      payer.id: id user
      payee.id: optional id payee
      payee.mcc: optional text
      items: int
"""
RULES = """
policy: {settings: {uplift: 2}}
segments:
  digital: payee.mcc in ["5815", "5816"]
  busy: paid_1d >= 3
  games: payee.mcc == "5816"
features:
  paid_1d: {count: payment, per: payee.id, over: 1d}
rules:
  big:
    title: A large payment
    owner: payments-risk
    event: payment
    mode: live
    params: {limit: CNY 100.00, share: 1.1, few: 2, odd: "*odd*"}
    when: |
      amount * $share > $limit
      and items <= $few
    then: block
    reasons: [BIG]
    message: "{few} {odd}"
    tests:
      - {it: fires, events: [{amount: CNY 500.00, items: 1, payer.id: u, payee.id: p}], expect: fires}
      - {it: is silent, events: [{amount: CNY 1.00, items: 1, payer.id: u, payee.id: p}], expect: silent}
  quiet:
    title: Watches
    owner: payments-risk
    event: payment
    mode: shadow
    params: {enough: 5}
    when: items >= $enough
    then: review
    reasons: [MANY]
    tests:
      - {it: fires, events: [{amount: CNY 1.00, items: 5, payer.id: u, payee.id: p}], expect: fires}
      - {it: is silent, events: [{amount: CNY 1.00, items: 1, payer.id: u, payee.id: p}], expect: silent}
"""


def ruleset(overrides: str, rules: str = RULES) -> RuleSet:
    return load([("events.yaml", EVENTS), ("rules.yaml", rules), ("z.yaml", "overrides:\n" + overrides if overrides else "")])


class Shop:
    """Payments one by one through the whole engine."""

    def __init__(self, overrides: str, rules: str = RULES) -> None:
        self.ruleset = ruleset(overrides, rules)
        self.machine = InProcess(self.ruleset)
        self.count = 0

    def pay(self, amount: int = 10_000, at_ms: int = NOW_MS, items: int = 1, **fields: Any) -> Outcome:
        self.count += 1
        values = {"payment_id": f"pay_{self.count}", "occurred_at": at_ms, "amount": amount, "payer.id": "usr_1", "items": items}
        values |= {name.replace("_", ".", 1): value for name, value in fields.items()}
        self.event = self.ruleset.schema.build("payment", values)
        outcome = self.machine.feed(self.event)
        assert outcome is not None
        return outcome

    def receipt(self, outcome: Outcome) -> Any:
        writer = self.machine.engine.writer
        raw = writer.receipt("pay_1", b"{}", outcome, ("payments", 0, 0), NOW_MS, NOW_MS, late=False, model_version=None)
        return json.loads(raw)


def codes(overrides: str) -> list[str]:
    return [
        f"{p.code} {p.message}" for p in examine([("e.yaml", EVENTS), ("r.yaml", RULES), ("z.yaml", "overrides:\n" + overrides)]).problems
    ]


FOR_SHOP = "  - {rule: big, for: payee.id shop_1, set: {limit: CNY 500.00}, until: 2027-01-15, owner: shops, why: RISK-1}\n"
FOR_DIGITAL = "  - {rule: big, for: segment digital, set: {limit: CNY 50.00, few: 9}, until: 2027-01-15}\n"
FOR_GAMES = "  - {rule: big, for: segment games, set: {limit: CNY 20.00, share: 1}, until: 2027-01-15}\n"


def test_an_override_holds_for_its_entity_alone() -> None:
    shop = Shop(FOR_SHOP)
    assert shop.pay(payee_id="shop_1").action == "approve"
    assert shop.pay(payee_id="shop_2").action == "block"
    assert shop.pay().action == "block"
    assert shop.pay(60_000, payee_id="shop_1").action == "block"


def test_an_entity_beats_a_segment_and_segments_hold_in_their_order() -> None:
    for order in ((FOR_GAMES, FOR_DIGITAL, FOR_SHOP), (FOR_SHOP, FOR_DIGITAL, FOR_GAMES)):
        shop = Shop("".join(order))
        assert shop.pay(5_000, payee_mcc="5815").action == "block"
        assert shop.pay(4_500, payee_mcc="5815").action == "approve"
        assert shop.pay(4_500, payee_mcc="5816").action == "approve"  # digital is listed before games; 45.00 * 1 is no more than 50.00
        assert shop.pay(5_000, payee_mcc="5816").action == "approve"
        assert shop.pay(5_001, payee_mcc="5816").action == "block"  # the share of games holds: digital sets none
        assert shop.pay(40_000, payee_id="shop_1", payee_mcc="5816").action == "approve"


def test_each_parameter_comes_from_the_strongest_that_sets_it() -> None:
    shop = Shop(FOR_DIGITAL + FOR_SHOP)
    assert shop.pay(60_000, items=9, payee_id="shop_1", payee_mcc="5815").action == "block"
    assert shop.pay(60_000, items=9, payee_id="shop_1").action == "approve"


def test_an_override_ends_in_the_events_own_time() -> None:
    shop = Shop("  - {rule: big, for: payee.id shop_1, set: {limit: CNY 500.00}, until: 2026-11-03}\n")
    assert shop.pay(at_ms=NOW_MS + 2 * DAY_MS - 1, payee_id="shop_1").action == "approve"
    assert shop.pay(at_ms=NOW_MS + 2 * DAY_MS, payee_id="shop_1").action == "block"


def test_of_two_for_the_same_entity_the_first_holds_until_it_ends() -> None:
    shop = Shop(
        "  - {rule: big, for: payee.id shop_1, set: {limit: CNY 500.00}, until: 2026-11-02}\n"
        "  - {rule: big, for: payee.id shop_1, set: {limit: CNY 200.00}, until: 2026-11-03}\n"
    )
    assert shop.pay(30_000, payee_id="shop_1").action == "approve"
    assert shop.pay(30_000, at_ms=NOW_MS + DAY_MS, payee_id="shop_1").action == "block"
    assert shop.pay(10_000, at_ms=NOW_MS + DAY_MS, payee_id="shop_1").action == "approve"
    assert shop.pay(10_000, at_ms=NOW_MS + 2 * DAY_MS, payee_id="shop_1").action == "block"


def test_a_segment_may_read_features_and_nobody_unknown_is_in_it() -> None:
    shop = Shop("  - {rule: big, for: segment busy, set: {limit: CNY 500.00}, until: 2027-01-15}\n")
    assert [shop.pay(payee_id="shop_1").action for _ in range(5)] == ["block"] * 3 + ["approve"] * 2
    assert shop.pay().action == "block"


def test_money_times_an_overridden_share_rounds_as_exactly_as_any() -> None:
    shop = Shop("  - {rule: big, for: payee.id shop_1, set: {share: 1.15, limit: CNY 0.11}, until: 2027-01-15}\n")
    assert shop.pay(10, payee_id="shop_1").action == "block"  # 11.5 fen round to 12
    assert shop.pay(9, payee_id="shop_1").action == "approve"  # 10.35


def test_mode_shadow_lets_the_rule_only_watch() -> None:
    shop = Shop("  - {rule: big, for: payee.id shop_1, mode: shadow, until: 2027-01-15}\n")
    outcome = shop.pay(payee_id="shop_1")
    assert (outcome.action, outcome.ruling.would_be, outcome.ruling.reasons) == (
        "approve",
        [0],
        [],
    )
    assert shop.receipt(outcome)["would_be"][0]["mode"] == "shadow"
    assert shop.pay(payee_id="shop_2").action == "block"


def test_mode_disabled_stops_the_rule_and_mode_live_starts_one_in_shadow() -> None:
    shop = Shop(
        "  - {rule: big, for: payee.id shop_1, mode: disabled, until: 2027-01-15}\n"
        "  - {rule: quiet, for: segment digital, mode: live, until: 2027-01-15}\n"
    )
    outcome = shop.pay(payee_id="shop_1")
    assert (outcome.action, outcome.fired, outcome.ruling.would_be) == ("approve", [], [])
    assert shop.pay(1, items=5).action == "approve"
    assert shop.pay(1, items=5, payee_mcc="5815").action == "review"


def test_the_receipt_shows_what_was_in_force_and_why() -> None:
    shop = Shop(FOR_SHOP + FOR_DIGITAL)
    rule = shop.receipt(shop.pay(60_000, items=3, payee_id="shop_1", payee_mcc="5815"))["rules"][0]
    assert rule["params"] == {"limit": 50_000, "share": 1.1, "few": 9, "odd": "*odd*"}
    assert rule["overrides"] == [
        {"for": "payee.id shop_1", "set": {"limit": 50_000}, "mode": None, "until": "2027-01-15", "owner": "shops", "why": "RISK-1"},
        {"for": "segment digital", "set": {"limit": 5_000, "few": 9}, "mode": None, "until": "2027-01-15", "owner": None, "why": None},
    ]
    plain = shop.receipt(shop.pay(60_000))["rules"][0]
    assert plain["params"]["limit"] == 10_000
    assert "overrides" not in plain


def test_terms_and_single_answers_use_what_is_in_force() -> None:
    shop = Shop(FOR_SHOP)
    judge = shop.machine.engine.plans["payment"].judge
    assert judge is not None
    shop.pay(payee_id="shop_1")
    assert judge.one(0, shop.event, [0], None) is False
    assert judge.terms(0, shop.event, [0], None)[0].text == "amount * 1.1 > CNY 500.00"


def test_every_way_to_use_a_parameter_can_be_overridden() -> None:
    rules = RULES.replace(
        "amount * $share > $limit\n      and items <= $few",
        "at_least($few, amount > $limit, items in [$few, 7], like(payee.id, $odd),"
        " amount / $share >= CNY 0.01, amount between CNY 0.00 and $limit)",
    )
    shop = Shop('  - {rule: big, for: payer.id usr_2, set: {few: 4, odd: "shop*", share: 3, limit: CNY 1.00}, until: 2027-01-15}\n', rules)
    assert shop.pay(100, items=4, payer_id="usr_2", payee_id="shop_1").action == "block"
    assert shop.pay(100, items=3, payer_id="usr_2", payee_id="shop_1").action == "approve"
    assert shop.pay(100, items=4, payer_id="usr_2", payee_id="store").action == "approve"
    assert shop.pay(100, items=4, payer_id="usr_2").action == "approve"
    assert shop.pay(1, items=4, payer_id="usr_2", payee_id="shop_1").action == "approve"
    assert shop.pay(1, items=4, payer_id="usr_3", payee_id="shop_1").action == "block"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("{rule: big, for: amount CNY 5.00, set: {few: 1}, until: 2027-01-15}", "E412 `amount` is money in CNY"),
        ("{rule: big, for: payee.id a, mode: draft, until: 2027-01-15}", "E402 mode is live, shadow or disabled"),
        ("{rule: big, for: payee.id a, set: {few: 1}}", "E410 an override needs `until:`"),
    ],
)
def test_what_cannot_act_is_told(override: str, told: str) -> None:
    assert any(each.startswith(told) for each in codes(f"  - {override}\n")), codes(f"  - {override}\n")


def test_a_rule_that_does_not_run_cannot_be_turned_on_for_some() -> None:
    rules = RULES.replace("mode: shadow", "mode: draft")
    found = examine(
        [("e.yaml", EVENTS), ("r.yaml", rules), ("z.yaml", "overrides: [{rule: quiet, for: payee.id a, mode: live, until: 2027-01-15}]")]
    )
    assert [p.code for p in found.problems if p.severity == "error"] == ["E413"]


def test_a_rule_that_is_live_for_some_needs_its_tests() -> None:
    rules = RULES[: RULES.rindex("    tests:")]
    found = examine(
        [("e.yaml", EVENTS), ("r.yaml", rules), ("z.yaml", "overrides: [{rule: quiet, for: payee.id a, mode: live, until: 2027-01-15}]")]
    )
    assert [p.code for p in found.problems if p.severity == "error"] == ["E406"]


def test_hundreds_of_overrides_of_one_rule_cost_a_look_up() -> None:
    many = "".join(f"  - {{rule: big, for: payee.id shop_{n}, set: {{limit: CNY {n}.00}}, until: 2027-01-15}}\n" for n in range(1, 500))
    engine = Engine(ruleset(many))
    judge = engine.plans["payment"].judge
    assert judge is not None
    assert len(judge.source) < 2_000
