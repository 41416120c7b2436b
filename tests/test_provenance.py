"""What a condition rests on, and that nobody is let off by what he may choose himself.

The messages are pinned in `tests/cases/check/provenance.txt`; here is which rules they meet, and which they leave alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from risk.language import examine

RULES = Path(__file__).parent.parent / "rules"

SCHEMA = """
events:
  payment:
    decide: true
    fields:
      payment_id:    {type: id payment, source: attested, rotates: true}
      occurred_at:   {type: time, source: attested}
      amount:        {type: money CNY, source: attested}
      payer.id:      {type: id user, source: attested}
      payee.id:      {type: id payee, source: attested}
      own_device:    {type: optional bool, source: attested}
      device.id:     {type: optional id device, source: device}
      screen_shared: {type: optional bool, source: device}
      address.id:    {type: optional id address, source: typed}
      plain:         {type: optional text}
lists:
  devices:   {of: id device, values: [dev_1]}
  addresses: {of: id address, values: [adr_1]}
  payees:    {of: id payee, values: [shop_1]}
macros:
  at_till: device.id is known and device.id in @devices
  at_till_of_ours: at_till and payee.id in @payees
features:
  device_age:   {since_first: payment, per: device.id, over: lifetime}
  pair_age:     {since_first: payment, per: [payer.id, device.id], over: lifetime}
  user_age:     {since_first: payment, per: payer.id, over: lifetime}
  user_devices: {distinct: device.id, of: payment, per: payer.id, over: 30d}
  shared_30d:   {count: payment, per: payer.id, over: 30d, where: screen_shared}
  spent_30d:    {sum: amount, of: payment, per: payer.id, over: 30d}
"""


def codes(condition: str, trust: bool = False, overrides: str = "", params: str = "{}") -> list[str]:
    """The codes of provenance that a rule of this condition meets."""
    acts = "trust: true" if trust else "then: block"
    rule = f"rules:\n  r:\n    title: A\n    owner: o\n    event: payment\n    mode: shadow\n    params: {params}\n    {acts}\n"
    written = rule + "    when: |\n" + "".join(f"      {line}\n" for line in condition.splitlines())
    loaded = examine([("schema.yaml", SCHEMA), ("rule.yaml", written + overrides)])
    errors = [problem.code for problem in loaded.problems if problem.severity == "error"]
    assert not [code for code in errors if not code.startswith("E45")], loaded.problems
    return errors


@pytest.mark.parametrize(
    "condition",
    [
        "device.id in @devices",
        "at_till",
        "address.id in @addresses and at_till",
        "payee.id in @payees or at_till",
        "screen_shared == false",
        "not screen_shared",
        "device_age > 90d",
        "user_devices <= 1",
        "shared_30d == 0",
        "not (payee.id not in @payees and device.id not in @devices)",
        "amount < CNY 5.00 or (own_device is known and at_till)",
        "at_least(1, payee.id in @payees, at_till)",
        "at_least(2, payee.id in @payees, at_till, address.id in @addresses)",
    ],
)
def test_an_allowance_on_what_the_customer_chooses_is_refused(condition: str) -> None:
    assert codes(condition, trust=True) == ["E450"]


@pytest.mark.parametrize(
    "condition",
    [
        "payee.id in @payees",
        "payee.id in @payees and at_till",
        "at_till_of_ours",
        "pair_age > 90d",
        "user_age > 90d and device.id in @devices",
        "spent_30d > CNY 500.00",
        "not (payee.id not in @payees or device.id not in @devices)",
        'plain == "x"',
        "model.score < 1%",
        "at_least(2, payee.id in @payees, amount < CNY 5.00, at_till)",
        "own_device and screen_shared == false",
    ],
)
def test_an_allowance_with_something_vouched_for_passes(condition: str) -> None:
    assert codes(condition, trust=True) == []


@pytest.mark.parametrize(
    "condition",
    [
        "amount > CNY 5.00 and device.id not in @devices",
        "amount > CNY 5.00 and not at_till",
        "amount > CNY 5.00 and not (device.id in @devices)",
        'amount > CNY 5.00 and address.id != "adr_1"',
        "amount > CNY 5.00 and not screen_shared",
        "amount > CNY 5.00 and not (device_age > 90d)",
        "amount > CNY 5.00 and (device.id not in @devices or address.id not in @addresses)",
        "(amount > CNY 5.00 and device.id not in @devices)\nor (amount > CNY 900.00 and user_age < 5d)",
        "not (amount < CNY 5.00 or device.id in @devices)",
    ],
)
def test_an_exemption_by_what_the_customer_chooses_is_refused(condition: str) -> None:
    assert codes(condition) == ["E451"]


@pytest.mark.parametrize(
    "condition",
    [
        "amount > CNY 5.00 and payee.id not in @payees",
        "amount > CNY 5.00 and not at_till_of_ours",
        "amount > CNY 5.00 and not (device.id in @devices and user_age > 90d)",
        "amount > CNY 5.00 and (device.id not in @devices or amount > CNY 900.00)",
        "amount > CNY 5.00 and not (pair_age > 90d)",
        "device.id in @devices",
        "amount > CNY 5.00 and screen_shared",
        "amount > CNY 5.00 and device_age < 5m",
        "device.id is missing and amount > CNY 5.00",
        "not (device.id not in @devices) and amount > CNY 5.00",
    ],
)
def test_what_a_rule_looks_for_and_what_is_vouched_for_is_no_exemption_to_refuse(condition: str) -> None:
    assert codes(condition) == []


def test_a_rule_that_clears_others_may_look_for_devices_beside_something_vouched_for() -> None:
    assert codes("payee.id in @payees and device.id not in @devices", trust=True) == []


OVERRIDE = "overrides:\n  - {{rule: r, for: {whom}, {what}, until: 2099-01-15}}\n"
WATCHED = ("amount >= $low and amount <= $high", "{low: CNY 5.00, high: CNY 50.00}")


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        ("set: {low: CNY 6.00}", True),
        ("set: {low: CNY 4.00}", False),
        ("set: {high: CNY 60.00}", False),
        ("set: {high: CNY 40.00}", True),
        ("set: {low: CNY 4.00, high: CNY 40.00}", True),
        ("mode: disabled", True),
    ],
)
def test_only_an_override_that_softens_needs_something_vouched_for(what: str, refused: bool) -> None:
    condition, params = WATCHED
    by_device = codes(condition, overrides=OVERRIDE.format(whom="device.id dev_1", what=what), params=params)
    assert by_device == (["E452"] if refused else [])
    assert codes(condition, overrides=OVERRIDE.format(whom="payee.id shop_1", what=what), params=params) == []


def test_a_trust_rule_is_softened_by_what_lets_it_clear_more() -> None:
    condition, params = "user_age > 9d and amount <= $high", "{high: CNY 50.00}"
    for amount, refused in (("CNY 60.00", True), ("CNY 40.00", False)):
        override = OVERRIDE.format(whom="address.id adr_1", what=f"set: {{high: {amount}}}")
        assert codes(condition, trust=True, overrides=override, params=params) == (["E452"] if refused else [])


@pytest.mark.parametrize(
    ("condition", "value", "refused"),
    [
        ("not (amount < $p)", "CNY 60.00", True),
        ("not (amount < $p)", "CNY 40.00", False),
        ("amount not between CNY 1.00 and $p", "CNY 60.00", True),
        ("amount between $p and CNY 900.00", "CNY 40.00", False),
        ("CNY 900.00 - $p <= amount", "CNY 40.00", True),  # it cannot be told, so it counts as soft
        ("amount > $p * 2 and amount < $p * 9", "CNY 60.00", True),
        ("amount == $p", "CNY 40.00", True),
    ],
)
def test_the_way_a_threshold_works_is_read_from_the_condition(condition: str, value: str, refused: bool) -> None:
    override = OVERRIDE.format(whom="device.id dev_1", what=f"set: {{p: {value}}}")
    assert codes(condition, overrides=override, params="{p: CNY 50.00}") == (["E452"] if refused else [])


def test_a_count_of_different_values_of_what_always_differs_is_refused() -> None:
    feature = "\nfeatures:\n  tries: {distinct: payment_id, of: payment, per: payer.id, over: 1h}\n"
    found = [problem for problem in examine([("a.yaml", SCHEMA), ("b.yaml", feature)]).problems if problem.severity == "error"]
    assert [(problem.code, problem.path, problem.line, problem.column) for problem in found] == [("E453", "b.yaml", 3, 21)]


def test_a_feature_leaves_nothing_out_by_what_the_customer_chooses() -> None:
    feature = "\nfeatures:\n  n: {count: payment, per: payer.id, over: 1h, where: amount > CNY 1.00 and device.id not in @devices}\n"
    found = [problem.code for problem in examine([("a.yaml", SCHEMA), ("b.yaml", feature)]).problems if problem.severity == "error"]
    assert found == ["E451"]


def test_the_shipped_rules_rest_on_what_is_vouched_for() -> None:
    assert [problem for problem in examine([RULES]).problems if problem.code.startswith("E45")] == []


def test_every_field_of_the_shipped_schema_says_where_it_comes_from() -> None:
    ruleset = examine([RULES]).ruleset
    assert ruleset is not None
    for event in ruleset.schema.types.values():
        assert [name for name, field in event.fields.items() if field.source is None] == [], event.name
