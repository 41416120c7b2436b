"""`derive:`: fields computed from others are read like any other, and are in no message."""

from __future__ import annotations

from typing import Any

import pytest

from risk.decisions import Outcome
from risk.declared import FieldType
from risk.engine import InProcess
from risk.events import BadEvent, content_hash
from risk.language import examine, load

EVENTS = """
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: {type: money CNY, source: attested}
      fee: {type: money CNY, source: typed}
      payer.id: id user
      ip: {type: optional text, source: device}
      device.flags: optional texts
      opened_at: optional time
    derive:
      ip24: prefix(ip, 24)
      total: amount + fee
      share: fee / amount
      net.name: lower(ip24)
      night: hour(occurred_at, "Asia/Shanghai") < 6
      rooted: '"rooted" in device.flags'
      age: occurred_at - opened_at
      day: weekday(occurred_at, "Asia/Shanghai")
    example: {amount: CNY 1.00, fee: CNY 0.10, payer.id: usr_1, ip: 203.0.113.7}
  login:
    like: payment
"""
RULES = """
lists:
  bad_nets: {of: text, values: [203.0.113.0/24]}
features:
  users_of_net: {distinct: payer.id, of: payment, per: ip24, over: 1h, where: not night}
  nets_of_user: {distinct: ip24, of: payment, per: payer.id, over: 1h}
model:
  name: m
  learner: fixed
  inputs: [{read: share, as: number, weight: 1.0}, {read: night, as: number, weight: 1.0}]
rules:
  nets:
    title: A bad network, or one with many users
    owner: payments-risk
    event: payment
    mode: shadow
    when: ip24 in @bad_nets or users_of_net > 1 or nets_of_user > 1 or total > CNY 9.99
    then: review
    reasons: [NETS]
"""


def machine() -> InProcess:
    return InProcess(load([("e.yaml", EVENTS), ("r.yaml", RULES)]))


def pay(made: InProcess, number: int = 1, **fields: Any) -> tuple[Any, Outcome]:
    values = {"payment_id": f"pay_{number}", "occurred_at": 1_793_491_200_000, "amount": 100, "fee": 10, "payer.id": "usr_1"}
    event = made.engine.schema.build("payment", values | {name.replace("_", ".", 1): value for name, value in fields.items()})
    outcome = made.feed(event)
    assert outcome is not None
    return event, outcome


def test_derived_fields_have_types_and_can_be_missing() -> None:
    fields = load([("e.yaml", EVENTS)]).schema.types["payment"].fields
    derived = {name: (each.type.kind, each.optional) for name, each in fields.items() if each.derived is not None}
    assert derived == {
        "ip24": ("text", True), "total": ("money", False), "share": ("number", True), "net.name": ("text", True),
        "night": ("bool", True), "rooted": ("bool", True), "age": ("duration", True), "day": ("enum", True),
    }  # fmt: skip
    assert fields["total"].type == FieldType("money", currency="CNY")
    assert fields["ip24"].derived == "prefix(ip, 24)"


def test_they_are_computed_from_the_event() -> None:
    event, _ = pay(machine(), ip="203.0.113.7", device_flags=("rooted",))
    assert (event.ip24, event.net_name, event.total, event.share) == ("203.0.113.0/24", "203.0.113.0/24", 110, 0.1)
    assert (event.night, event.rooted, event.age, event.day) == (False, True, None, "sun")
    event, _ = pay(machine(), ip="no address")
    assert (event.ip24, event.net_name, event.rooted) == (None, None, None)


def test_rules_features_and_the_model_read_them() -> None:
    made = machine()
    _, outcome = pay(made, 1, ip="203.0.113.7")
    assert outcome.fired_names == ["nets"]
    _, outcome = pay(made, 2, ip="198.51.100.1", payer_id="usr_2")
    assert outcome.fired == []
    _, outcome = pay(made, 3, ip="198.51.100.2", payer_id="usr_3")
    assert dict(zip(outcome.names, outcome.values, strict=True)) == {"users_of_net": 1, "nets_of_user": 0}
    _, outcome = pay(made, 4, ip="198.51.100.3", payer_id="usr_2")
    assert outcome.fired_names == ["nets"]
    assert outcome.inputs == [0.1, 0.0]


def test_an_event_without_the_key_has_no_profile() -> None:
    _, outcome = pay(machine(), ip="no address")
    assert outcome.unknown["users_of_net"] == "no_key"


def test_a_derived_field_is_computed_once_and_only_when_read() -> None:
    ruleset = load([("e.yaml", EVENTS)])
    event = ruleset.schema.build("payment", {"payment_id": "p", "occurred_at": 1, "amount": 1, "fee": 0, "payer.id": "u", "ip": "1.2.3.4"})
    assert "ip24" not in event.__dict__
    assert event.ip24 == "1.2.3.0/24"
    assert event.__dict__["ip24"] is event.ip24


def test_they_are_in_no_message_and_change_no_identity() -> None:
    plain = load([("e.yaml", EVENTS[: EVENTS.index("    derive:")] + EVENTS[EVENTS.index("    example:") :])])
    derived = load([("e.yaml", EVENTS)])
    values = {"payment_id": "p", "occurred_at": 1, "amount": 1, "fee": 0, "payer.id": "u", "ip": "1.2.3.4"}
    one, other = plain.schema.build("payment", values), derived.schema.build("payment", values)
    assert other.ip24 == "1.2.3.0/24"
    assert derived.schema.to_json(other) == plain.schema.to_json(one)
    assert content_hash(other) == content_hash(one)
    with pytest.raises(BadEvent):
        derived.schema.build("payment", {**values, "ip24": "1.2.3.0/24"})
    decoded = derived.schema.decode(derived.schema.to_json(other)[:-1] + b',"ip24":"x"}')
    assert (decoded.ip24, derived.schema.extra_fields) == ("1.2.3.0/24", 1)


def test_an_event_like_another_has_its_derived_fields_too() -> None:
    assert load([("e.yaml", EVENTS)]).schema.types["login"].fields["ip24"].derived == "prefix(ip, 24)"


def test_what_is_derived_is_worth_no_more_than_the_weakest_that_it_reads() -> None:
    fields = load([("e.yaml", EVENTS)]).schema.types["payment"].fields
    assert {name: fields[name].source for name in ("ip24", "total", "night", "net.name")} == {
        "ip24": "device", "total": "typed", "night": None, "net.name": "device",
    }  # fmt: skip


def test_a_rules_version_follows_what_its_fields_are_derived_from() -> None:
    def version(events: str) -> str:
        return load([("e.yaml", events), ("r.yaml", RULES)]).rules["nets"].version

    assert version(EVENTS) != version(EVENTS.replace("prefix(ip, 24)", "prefix(ip, 16)"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ip24: prefix(ipp, 24)", "E202 unknown name `ipp`"),
        ("ip24: prefix(ip)", "E209 `prefix` takes 2 values, not 1"),
        ("ip: prefix(ip, 24)", "E229 `ip` is a field that is sent, so it cannot be derived"),
        ("ip24: [prefix, ip]", "E005 `ip24` is one expression, not a list"),
        ("flags: device.flags", "E229 `flags` would hold several texts; a derived field is one value"),
        ("limit: amount > $limit", "E203 unknown parameter `$limit`"),
        ("late: soon\n      soon: ip is missing", "E202 unknown name `soon`"),
        ("ip24: prefix(ip, 24", "E104 this `(` is never closed"),
        ("is.new: ip is missing", "E008 `is.new` holds a word of the condition language"),
        ("payer_id: lower(ip)", "E223 `payer_id` and `payer.id` differ only in `.` and `_`"),
    ],
)
def test_what_cannot_be_derived_is_told(line: str, told: str) -> None:
    events = EVENTS[: EVENTS.index("    derive:")] + f"    derive:\n      {line}\n" + EVENTS[EVENTS.index("    example:") :]
    found = [f"{p.code} {p.message}" for p in examine([("e.yaml", events)]).problems if p.severity == "error"]
    assert any(each.startswith(told) for each in found), found


def test_tests_and_examples_do_not_set_them() -> None:
    test = "    tests: [{it: x, events: [{ip24: a}], expect: fires}]\n"
    assert [p.code for p in examine([("e.yaml", EVENTS), ("r.yaml", RULES + test)]).problems] == ["E420"]
    events = EVENTS.replace("example: {", "example: {ip24: a, ")
    assert {p.code for p in examine([("e.yaml", events)]).problems} == {"E224"}
