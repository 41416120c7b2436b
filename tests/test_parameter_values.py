"""What a parameter's value says is checked like what a condition says itself: contradictions, texts, counts, overrides."""

from __future__ import annotations

import pytest

from risk.language import examine

EVENTS = """
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: money CNY
      items: int
      age: duration
      method: card | wallet | bnpl
      country: country
      payee.id: id payee
"""

NEVER_FIRES = "so this rule can never fire"
NO_METHOD = "'walet' is not a value of `method`; it is one of 'card', 'wallet', 'bnpl'"


def told(params: str, when: str, more: str = "") -> list[str]:
    rule = f"rules:\n  r: {{title: x, owner: o, event: payment, mode: draft, params: {{{params}}}, then: block, when: '{when}'}}\n"
    found = examine([("e.yaml", EVENTS), ("r.yaml", rule + more)])
    return [f"{p.line}:{p.column} {p.code} {p.message}" for p in found.problems if p.severity == "error"]


@pytest.mark.parametrize(
    ("params", "when", "message"),
    [
        ("low: 6, high: 3", "items > $low and items < $high", f"E210 `items` can never be both > and < these limits, {NEVER_FIRES}"),
        ("low: 6", "items > $low and items < 3", f"E210 `items` can never be both > and < these limits, {NEVER_FIRES}"),
        ("low: 6", "6 < items and items <= $low", f"E210 `items` can never be both > and <= these limits, {NEVER_FIRES}"),
        ("low: CNY 2.00, high: CNY 1.00", "amount between $low and $high", "E210 nothing is between $low and $high"),
        ("young: 1h, old: 2h", "age < $young and age > $old", f"E210 `age` can never be both > and < these limits, {NEVER_FIRES}"),
        ("a: card, b: wallet", "method == $a and method == $b", f"E210 `method` can never be both 'card' and 'wallet', {NEVER_FIRES}"),
        ("kind: walet", "method == $kind", f"E207 parameter `$kind`: {NO_METHOD}"),
        ("kind: walet", "method in [$kind]", f"E207 parameter `$kind`: {NO_METHOD}"),
        ("land: cn", "country != $land", "E207 parameter `$land`: 'cn' is not a country"),
        ("n: 3", "at_least($n, items > 1, items > 2)", "E211 `at_least(3, ...)` has only 2 conditions, so it can never be true"),
        ("n: 0", "at_least($n, items > 1, items > 2)", "E211 `at_least(0, ...)` is always true"),
        ("n: 0", "items / $n > 1", "E218 this divides by zero"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_told_where_it_is_used(params: str, when: str, message: str) -> None:
    found = told(params, when)
    assert len(found) == 1
    assert found[0].split(" ", 1)[1].replace('"', "'") == message


@pytest.mark.parametrize(
    ("params", "when"),
    [
        ("low: 3, high: 6", "items > $low and items < $high"),
        ("kind: wallet, land: CN", "method == $kind and country == $land"),
        ("shop: shop_1", "payee.id == $shop"),
        ("n: 2", "at_least($n, items > 1, items > 2)"),
    ],
)
def test_a_value_that_makes_sense_says_nothing(params: str, when: str) -> None:
    assert told(params, when) == []


def test_settings_of_the_policy_have_values_too() -> None:
    assert told("high: 3", "items > $floor and items < $high", "policy: {settings: {floor: 5}}\n")[0].split(" ")[1] == "E210"


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("{high: 2}", f"E210 with these values, `items` can never be both > and < these limits, {NEVER_FIRES}"),
        ("{kind: walet}", f"E207 with these values, parameter `$kind`: {NO_METHOD}"),
    ],
)  # fmt: skip
def test_an_override_is_checked_with_its_own_values(sets: str, message: str) -> None:
    override = f"overrides:\n  - {{rule: r, for: payee.id a, set: {sets}, until: 2027-01-01}}\n"
    found = told("low: 3, high: 6, kind: card", "items > $low and items < $high and method == $kind", override)
    assert [each.split(" ", 1) for each in found] == [["4:32", message]]
