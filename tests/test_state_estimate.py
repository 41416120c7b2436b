"""What `risk check` says a payment leaves in memory, against what profiles say of themselves."""

from __future__ import annotations

from risk.engine import InProcess
from risk.language import load
from risk.profiles.columns import PROFILE_BYTES, SERIES_BYTES
from risk.tools.state import left_by_a_payment, told

RULES = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, payee.id: id payee}
  login: {fields: {occurred_at: time, payer.id: id user}}
features:
  n:    {count: payment, per: payer.id, over: 1h}
  sum:  {sum: amount, of: payment, per: payer.id, over: 1d}
  top:  {max: amount, of: payment, per: payee.id, over: 1d}
  used: {sum: amount, of: payment, per: payer.id, over: lifetime, counts: passed}
  seen: {count: login, per: payer.id, over: 1d}
"""


def test_the_estimate_is_what_profiles_say_of_their_rows() -> None:
    ruleset = load([("r.yaml", RULES)])
    left = left_by_a_payment(ruleset)
    assert left is not None and (left.event, left.rows, left.profiles) == ("payment", 3, 2)
    machine = InProcess(ruleset)
    values = {"payment_id": "p", "occurred_at": 0, "amount": 1, "payer.id": "u", "payee.id": "s"}
    machine.feed(machine.engine.schema.build("payment", values))
    fixed = 2 * PROFILE_BYTES + 3 * SERIES_BYTES
    assert left.bytes == sum(profile.bytes_estimate() for profile in machine.profiles.values()) - fixed
    assert told(left).startswith("state: a payment leaves at most 3 rows in 2 profiles, about ")


def test_labels_are_told_too() -> None:
    label = """
  label:
    fields: {payment_id: id payment, occurred_at: {type: time, from: known_at}, known_at: time, verdict: fraud | legitimate | unsure,
             kind: review | claim, version: int}
features:
  frauds: {count: label, per: payee.id, over: 90d, where: verdict == "fraud"}
"""
    left = left_by_a_payment(load([("r.yaml", RULES.replace("features:\n", label.lstrip("\n"), 1))]))
    assert left is not None and (left.event, left.rows) == ("payment", 3)


def test_rules_without_payments_leave_nothing() -> None:
    assert left_by_a_payment(load([("e.yaml", "events: {login: {fields: {occurred_at: time}}}")])) is None
