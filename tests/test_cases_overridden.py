"""`overridden: true`: tests in rule files that show what overrides make of a rule, and mutants of overrides that such tests notice."""

from __future__ import annotations

from risk.cases import run
from risk.language import load
from risk.mutation import judged, mutants

EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, payee.id: id payee}
    example: {amount: CNY 1.00, payer.id: u, payee.id: s}
"""
RULES = """
rules:
  large:
    title: Large
    owner: risk
    event: payment
    mode: live
    params: {cap: CNY 100.00}
    when: amount > $cap
    then: review
    reasons: [LARGE]
    tests:
      - {it: fires, events: [{amount: CNY 100.01}], expect: {fires: true, action: review}}
      - {it: is silent at the limit, events: [{amount: CNY 100.00}], expect: silent}
      - {it: is not overridden of itself, events: [{amount: CNY 100.01, payee.id: shop_42}], expect: fires}
      - {it: lets the shop have more, overridden: true, events: [{amount: CNY 500.00, payee.id: shop_42}], expect: silent}
      - {it: others not, overridden: true, events: [{amount: CNY 100.01}], expect: fires}
      - {it: is in shadow for the big ones, overridden: true, events: [{amount: CNY 2000.00}], expect: {fires: true, action: approve}}
segments:
  big: amount >= CNY 1000.00
overrides:
  - {rule: large, for: payee.id shop_42, set: {cap: CNY 500.00}, until: 2026-12-01, owner: risk, why: RISK-1}
  - {rule: large, for: segment big, mode: shadow, until: 2026-12-01}
"""
A_FEN = "      - {it: a fen, overridden: true, events: [{amount: CNY 500.01, payee.id: shop_42}], expect: fires}"
NOTICED = RULES.replace("segments:", f"{A_FEN}\nsegments:")


def test_a_test_says_whether_overrides_hold_and_their_date_does_not_matter() -> None:
    results = list(run(load([("e.yaml", EVENTS), ("r.yaml", RULES)])))
    assert [(each.case.it, each.complaint) for each in results if not each.passed] == [] and len(results) == 6
    other = RULES.replace("cap: CNY 500.00", "cap: CNY 499.99")
    failed = [each for each in run(load([("e.yaml", EVENTS), ("r.yaml", other)])) if not each.passed]
    assert [each.case.it for each in failed] == ["lets the shop have more"]
    assert failed[0].terms[0][1] == "amount > CNY 499.99"


def test_a_value_of_an_override_that_no_test_holds_is_told() -> None:
    def unnoticed(rules: str) -> list[str]:
        ruleset = load([("e.yaml", EVENTS), ("r.yaml", rules)])
        told = [verdict.mutant for verdict in judged(ruleset, mutants(ruleset)) if verdict.answer == "unnoticed"]
        return [f"{each.problem.line}: {each.problem.code} {each.said}" for each in told if each.kind == "override"]

    assert unnoticed(RULES) == ["22: M106 an override of `large` sets `$cap` to CNY 500.01"]
    assert unnoticed(NOTICED) == []
