"""Events built from values, written, hashed; and facts that make a schema or do not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from risk.declared import Field, FieldType
from risk.events import BadEvent, Event, Money, Schema, SchemaError, content_hash
from tests.test_events import AT, FLAT, PAYMENT, SCHEMA, VISA, a_field, an_event, changed, flat_schema


def values_of(schema: Schema, event: Event) -> dict[str, Any]:
    """The values of build() that make this event."""
    values: dict[str, Any] = {}
    for field in schema.types[event.event_type].fields.values():
        value = getattr(event, field.attr)
        if value is not None and field.type.kind == "money" and field.type.currency is None:
            value = Money(getattr(event, f"{field.attr}_currency"), value)
        values[field.name] = value
    return values


def test_an_event_is_written_as_its_producer_writes_it_and_built_from_its_values() -> None:
    event = SCHEMA.decode(json.dumps(PAYMENT).encode())
    wanted = json.loads(json.dumps(PAYMENT))
    del wanted["retry_of"]
    wanted["payer"]["opened_at"] = "2025-10-20T00:00:00.000Z"
    assert json.loads(SCHEMA.to_json(event)) == wanted
    assert SCHEMA.decode(SCHEMA.to_json(event)) == event
    assert SCHEMA.build("payment", values_of(SCHEMA, event)) == event
    flat = flat_schema()
    assert json.loads(flat.to_json(flat.decode(json.dumps(FLAT).encode()))) == {"event": "payment", **FLAT}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("payment_id", ..., "missing_field"),
        ("payment_id", "", "bad_value"),
        ("payment_id", b"x", "wrong_type"),
        ("payment_id", "\ud800", "bad_utf8"),
        ("payment_id", VISA, "card_number"),
        ("occurred_at", "2026-11-24T09:00:00Z", "wrong_type"),
        ("occurred_at", True, "wrong_type"),
        ("occurred_at", -1, "bad_time"),
        ("amount", 5, "missing_field"),
        ("amount", Money("CNY", -1), "bad_amount"),
        ("amount", Money("ABC", 1), "bad_currency"),
        ("amount", "CNY 5.00", "wrong_type"),
        ("limit", Money("EUR", 1), "bad_currency"),
        ("ratio", float("nan"), "bad_value"),
        ("ratio", "1", "wrong_type"),
        ("order.items", 2**64, "bad_value"),
        ("device.flags", [1], "wrong_type"),
        ("payer.natural", 1, "wrong_type"),
        ("payer.age_band", "old", "bad_value"),
        ("no.such", 1, "bad_value"),
    ],
)
def test_build_fills_nothing_in_and_checks_everything(name: str, value: Any, reason: str) -> None:
    values = {"payment_id": "p", "occurred_at": AT, "amount": Money("CNY", 500), "payer.id": "u", "payee.id": "m"}
    assert SCHEMA.build("payment", {**values, "limit": 7, "ratio": 1}).limit == 7  # type: ignore[attr-defined]
    if value is ...:
        del values[name]
    else:
        values[name] = value
    with pytest.raises(BadEvent) as caught:
        SCHEMA.build("payment", values)
    assert caught.value.reason == reason


def test_a_content_hash_ignores_order_and_extra_fields_and_nothing_else() -> None:
    raw = json.dumps(PAYMENT).encode()
    same = json.dumps({"new": 1, **dict(reversed(PAYMENT.items()))}).encode()
    assert content_hash(SCHEMA.decode(raw)) == content_hash(SCHEMA.decode(same))
    assert 0 <= content_hash(SCHEMA.decode(raw)) < 2**64
    others = [changed("amount.value", 19901), changed("retry_of", "x"), changed("card", ...), changed("amount.currency", "EUR")]
    assert len({content_hash(SCHEMA.decode(other)) for other in [raw, *others]}) == 5


def test_a_content_hash_is_the_same_in_another_process() -> None:
    code = "from tests.test_events_build import *; print(content_hash(SCHEMA.decode(json.dumps(PAYMENT).encode())))"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(there) == content_hash(SCHEMA.decode(json.dumps(PAYMENT).encode()))


def test_an_optional_field_that_is_added_later_leaves_the_hashes_of_old_events() -> None:
    fields = [a_field("occurred_at", "time"), a_field("payer.id", "id user")]
    old, new = Schema({"login": an_event("login", *fields)}), Schema({"login": an_event("login", a_field("ip", "optional text"), *fields)})
    raw = b'{"event": "login", "occurred_at": "2026-11-24T09:00:00Z", "payer": {"id": "u"}}'
    assert content_hash(old.decode(raw)) == content_hash(new.decode(raw))


def test_an_event_is_read_back_from_its_own_json() -> None:
    event = SCHEMA.decode(json.dumps(PAYMENT).encode())
    assert msgspec.json.decode(msgspec.json.encode(event), type=SCHEMA.struct("payment")) == event


def test_fields_may_share_a_place_in_the_json() -> None:
    schema = Schema(
        {
            "pay": an_event(
                "pay",
                a_field("occurred_at", "time", "at", unit="ms"),
                a_field("amount", "money", "cents", currency_path=("currency",)),
                a_field("fee", "optional money", "fee_cents", currency_path=("currency",)),
                a_field("currency", "text"),
                a_field("payer.id", "id user", "who"),
                a_field("owner.id", "optional id user", "who"),
                default=True,
            )
        }
    )
    raw = b'{"at": 1, "cents": 5, "currency": "EUR", "who": "u"}'
    event: Any = schema.decode(raw)
    assert (event.amount, event.amount_currency, event.fee, event.fee_currency, event.currency) == (5, "EUR", None, None, "EUR")
    assert event.payer_id == event.owner_id == "u"
    assert schema.decode(schema.to_json(event)) == event
    values = values_of(schema, event)
    assert schema.build("pay", values) == event
    with pytest.raises(BadEvent, match="shares its place"):
        schema.build("pay", {**values, "owner.id": "v"})


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ([a_field("a.b", "text"), a_field("a_b", "text")], "also that of field `a.b`"),
        ([a_field("a", "money", "a"), a_field("b", "text")], "nothing says its currency"),
        ([a_field("a", "text"), a_field("b", "text", "a.b")], "inside a value of field `a`"),
        ([a_field("b", "text", "a.b"), a_field("a", "text")], "is an object that holds field `b`"),
        ([a_field("a", "text"), a_field("b", "int", "a")], "another type"),
        ([a_field("a", "money XYZ")], "ISO 4217"),
        ([a_field("a", "text", "event")], "the key `event`"),
        ([a_field("a-b", "text")], "cannot be an attribute"),
        ([Field("a", "a", FieldType("enum"), ("a",))], "needs its values"),
    ],
)
def test_facts_that_make_no_schema_are_refused(fields: list[Field], word: str) -> None:
    with pytest.raises(SchemaError, match=word) as caught:
        Schema({"x": an_event("x", *fields)})
    assert caught.value.event == "x"


def test_names_that_are_words_of_python_are_still_fields() -> None:
    schema = Schema({"x": an_event("x", a_field("from", "text"), a_field("class.of", "text"), a_field("a.event", "text", "e"))})
    event: Any = schema.decode(b'{"event": "x", "from": "a", "class": {"of": "b"}, "e": "c"}')
    assert (event.from_, event.class_of, event.a_event) == ("a", "b", "c")


def test_the_only_type_may_read_the_key_event_itself() -> None:
    schema = Schema({"x": an_event("x", a_field("occurred_at", "time", "at", unit="s"), a_field("what", "text", "event"), default=True)})
    event: Any = schema.decode(b'{"at": 1, "event": "click", "more": 1}')
    assert (event.event_type, event.what, event.occurred_at, schema.extra_fields) == ("x", "click", 1000, 1)
    assert json.loads(schema.to_json(event)) == {"at": 1, "event": "click"}
