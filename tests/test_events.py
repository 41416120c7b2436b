"""Messages become events or are refused for a reason that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from risk.declared import EventType, Field, FieldType
from risk.events import REASONS, BadEvent, Event, Schema, attr_of

SHAPE = {
    "payment_id": "id payment",
    "occurred_at": "time",
    "retry_of": "optional id payment",
    "amount": "money",
    "payer.id": "id user",
    "payer.natural": "optional bool",
    "payer.age_band": "optional adult | minor",
    "payer.opened_at": "optional time",
    "payee.id": "id user",
    "payee.mcc": "optional text",
    "card.id": "optional id card",
    "card.country": "optional country",
    "device.id": "optional id device",
    "device.flags": "optional texts",
    "order.items": "optional int",
    "order.discount": "optional money",
    "limit": "optional money CNY",
    "ratio": "optional number",
    "content.dwell_ms": "optional duration",
}
PAYMENT: dict[str, Any] = {
    "event": "payment",
    "payment_id": "pay_7f3a",
    "occurred_at": "2026-11-24T09:00:00.123Z",
    "retry_of": None,
    "amount": {"currency": "CNY", "value": 19900},
    "payer": {"id": "usr_1", "natural": True, "age_band": "adult", "opened_at": "2025-10-20T08:00:00+08:00"},
    "payee": {"id": "shop_9", "mcc": "5691"},
    "card": {"id": "card_ab12", "country": "CN"},
    "device": {"id": "dev_5", "flags": ["rooted", "emulator"]},
    "order": {"items": 2, "discount": {"currency": "CNY", "value": 0}},
    "limit": {"currency": "CNY", "value": 800000},
    "ratio": 0.25,
    "content": {"dwell_ms": 48000},
}
AT = 1_795_510_800_123
VISA = "4111111111111111"


def a_type(text: str) -> FieldType:
    kind, _, rest = text.partition(" ")
    if rest.startswith("|"):
        return FieldType("enum", values=tuple(text.split(" | ")))
    return FieldType(kind, entity=rest if kind == "id" else None, currency=rest or None if kind == "money" else None)  # type: ignore[arg-type]


def a_field(name: str, text: str, path: str | None = None, **more: Any) -> Field:
    kind = a_type(text.removeprefix("optional "))
    where = tuple((path or name).split("."))
    if kind.kind == "money" and path is None:
        where, more = (*where, "value"), {"currency_path": (*where, "currency"), **more}
    return Field(name, attr_of(name), kind, where, optional=text.startswith("optional "), **more)


def an_event(name: str, *fields: Field, **more: Any) -> EventType:
    return EventType(name, {field.name: field for field in fields}, decide=True, **more)


def the_schema() -> Schema:
    return Schema(
        {
            "payment": an_event("payment", *(a_field(name, text) for name, text in SHAPE.items())),
            "login": an_event("login", a_field("occurred_at", "time"), a_field("payer.id", "id user"), a_field("ok", "bool")),
        }
    )


def flat_schema(**more: Any) -> Schema:
    """A producer without `event`, with flat names, plain minor units and epoch times."""
    return Schema(
        {
            "payment": an_event(
                "payment",
                a_field("payment_id", "id payment"),
                a_field("occurred_at", "time", "occurred_at_ms", unit="ms"),
                a_field("amount", "money EUR", "amount_minor"),
                a_field("payer.id", "id user", "customer_id"),
                a_field("since", "optional duration", "age_s", unit="s"),
                a_field("seen_at", "optional time", "seen_s", unit="s"),
                default=True,
                ignore=("filler", "trace"),
            ),
            **more,
        }
    )


FLAT: dict[str, Any] = {"payment_id": "p1", "occurred_at_ms": AT, "amount_minor": 3224, "customer_id": "cust_1"}
SCHEMA = the_schema()


def changed(path: str, value: Any, message: dict[str, Any] = PAYMENT) -> bytes:
    """The message with one value replaced; ... removes it."""
    copy = json.loads(json.dumps(message))
    *outer, last = path.split(".")
    place = copy
    for key in outer:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(copy, ensure_ascii=False).encode()


def refused(raw: bytes, schema: Schema = SCHEMA, received_ms: int | None = None) -> BadEvent:
    with pytest.raises(BadEvent) as caught:
        schema.decode(raw, received_ms)
    assert caught.value.reason in REASONS
    return caught.value


def test_a_message_becomes_a_flat_event_in_our_units() -> None:
    event: Any = SCHEMA.decode(json.dumps(PAYMENT).encode(), AT)
    assert (event.payment_id, event.occurred_at, event.retry_of) == ("pay_7f3a", AT, None)
    assert (event.amount, event.amount_currency) == (19900, "CNY")
    assert (event.payer_id, event.payer_natural, event.payer_age_band, event.payer_opened_at) == ("usr_1", True, "adult", 1_760_918_400_000)
    assert (event.device_flags, event.order_items, event.order_discount, event.limit) == (("rooted", "emulator"), 2, 0, 800_000)
    assert (event.ratio, event.content_dwell_ms, event.card_country) == (0.25, 48_000, "CN")


def test_absent_and_null_parts_are_none() -> None:
    message = {key: PAYMENT[key] for key in ("event", "payment_id", "occurred_at", "amount")}
    message |= {"payer": {"id": "u", "age_band": None}, "payee": {"id": "m"}, "card": None, "order": {"discount": None}, "device": {}}
    event: Any = SCHEMA.decode(json.dumps(message).encode())
    assert event.card_id is event.card_country is event.order_discount is event.order_discount_currency is event.device_flags is None
    assert event.payer_age_band is event.content_dwell_ms is event.limit is None


def test_an_event_is_of_the_class_of_its_type() -> None:
    event = SCHEMA.decode(json.dumps(PAYMENT).encode())
    assert type(event) is SCHEMA.struct("payment") and isinstance(event, Event) and event.event_type == "payment"


def test_an_event_cannot_be_changed() -> None:
    event: Any = SCHEMA.decode(json.dumps(PAYMENT).encode())
    with pytest.raises(AttributeError):
        event.amount = 1


@pytest.mark.parametrize(
    ("path", "value", "reason", "detail"),
    [
        ("event", ..., "missing_field", "event: missing, expected one of payment, login"),
        ("event", None, "missing_field", "event: missing, expected one of payment, login"),
        ("event", "refund", "unknown_event", 'event: expected one of payment, login, got "refund"'),
        ("event", 7, "unknown_event", "event: expected one of payment, login, got 7"),
        ("payment_id", ..., "missing_field", "payment_id: missing, expected an id, a text of 1 to 256 characters"),
        ("payment_id", None, "missing_field", "payment_id: missing, expected an id, a text of 1 to 256 characters"),
        ("payment_id", 12, "wrong_type", "payment_id: expected an id, a text of 1 to 256 characters, got 12"),
        ("payment_id", "", "bad_value", 'payment_id: expected an id, a text of 1 to 256 characters, got ""'),
        ("payer", ..., "missing_field", "payer.id: missing, expected an id, a text of 1 to 256 characters"),
        ("payer", None, "missing_field", "payer.id: missing, expected an id, a text of 1 to 256 characters"),
        ("payer", [], "wrong_type", "payer: expected an object, got a list of 0"),
        ("payer", "usr_1", "wrong_type", 'payer: expected an object, got "usr_1"'),
        ("payer.id", ..., "missing_field", "payer.id: missing, expected an id, a text of 1 to 256 characters"),
        ("payer.natural", "yes", "wrong_type", 'payer.natural: expected true or false, got "yes"'),
        ("payer.age_band", "old", "bad_value", 'payer.age_band: expected one of adult, minor, got "old"'),
        ("payer.age_band", 3, "wrong_type", "payer.age_band: expected one of adult, minor, got 3"),
        ("amount", ..., "missing_field", "amount: missing, expected a whole number of minor units from 0 to 1000000000000000"),
        ("amount", 5, "wrong_type", "amount: expected an object, got 5"),
        ("amount.value", ..., "missing_field", "amount: missing, expected a whole number of minor units from 0 to 1000000000000000"),
        ("amount.value", "1", "wrong_type", 'amount: expected a whole number of minor units from 0 to 1000000000000000, got "1"'),
        ("amount.value", 5.5, "wrong_type", "amount: expected a whole number of minor units from 0 to 1000000000000000, got 5.5"),
        ("amount.value", True, "wrong_type", "amount: expected a whole number of minor units from 0 to 1000000000000000, got true"),
        ("amount.value", -1, "bad_amount", "amount: expected a whole number of minor units from 0 to 1000000000000000, got -1"),
        ("amount.value", 10**15 + 1, "bad_amount", None),
        ("amount.value", 10**30, "bad_amount", None),
        ("amount.currency", ..., "missing_field", "amount: the currency is missing, expected a currency code of ISO 4217"),
        ("amount.currency", "XYZ", "bad_currency", 'amount: expected a currency code of ISO 4217, got "XYZ"'),
        ("amount.currency", "cny", "bad_currency", 'amount: expected a currency code of ISO 4217, got "cny"'),
        ("amount.currency", 156, "wrong_type", "amount: expected a currency code of ISO 4217, got 156"),
        ("limit.currency", "EUR", "bad_currency", 'limit: expected the currency CNY, got "EUR"'),
        ("limit.currency", ..., "missing_field", "limit: the currency is missing, expected the currency CNY"),
        ("order.discount.currency", None, "missing_field", "order.discount: the currency is missing, expected a currency code of ISO 4217"),
        ("order.items", 1.5, "wrong_type", "order.items: expected a whole number of 64 bits, got 1.5"),
        ("order.items", 2**63, "bad_value", "order.items: expected a whole number of 64 bits, got 9223372036854775808"),
        ("ratio", "a", "wrong_type", 'ratio: expected a number, got "a"'),
        ("card.country", "cn", "bad_value", 'card.country: expected a country as two capital letters, got "cn"'),
        ("card.country", "CHN", "bad_value", 'card.country: expected a country as two capital letters, got "CHN"'),
        ("device.flags", "rooted", "wrong_type", 'device.flags: expected a list of at most 64 texts, got "rooted"'),
        ("device.flags", ["a", 2], "wrong_type", "device.flags[1]: expected a list of at most 64 texts, got 2"),
        ("device.flags", ["a"] * 65, "bad_value", "device.flags: expected a list of at most 64 texts, got a list of 65"),
        ("device.flags", ["a", "b" * 4097], "text_too_long", None),
        ("payee.mcc", "5" * 4097, "text_too_long", None),
        ("content.dwell_ms", -1, "bad_value", "content.dwell_ms: expected a duration as a number of milliseconds, 0 or more, got -1"),
        ("occurred_at", AT, "wrong_type", None),
        ("occurred_at", "2026-11-24T09:00:00", "bad_time", None),
        ("occurred_at", "yesterday", "bad_time", None),
        ("occurred_at", "1969-12-31T23:59:59.999Z", "bad_time", None),
        ("occurred_at", "9999-06-01T00:00:00Z", "bad_time", None),
        ("payer.opened_at", "0001-01-01T00:00:00+23:00", "bad_time", None),
    ],
)
def test_a_bad_value_is_refused_with_a_reason_that_names_the_field(path: str, value: Any, reason: str, detail: str | None) -> None:
    bad = refused(changed(path, value))
    assert bad.reason == reason
    assert bad.detail.startswith(path.removesuffix(".value").removesuffix(".currency").split(".")[0])
    if detail is not None:
        assert bad.detail == detail


def test_the_first_and_the_last_of_every_limit_are_accepted() -> None:
    for path, value in {
        "payment_id": "x" * 256,
        "payee.mcc": "x" * 4096,
        "amount.value": 10**15,
        "order.items": -(2**63),
        "device.flags": [""] * 64,
        "payer.opened_at": "0001-01-01T00:00:00Z",
        "occurred_at": "1970-01-01T00:00:00Z",
        "ratio": 7,
    }.items():
        SCHEMA.decode(changed(path, value))


def test_a_number_that_no_float_holds_is_refused_under_the_name_of_its_field() -> None:
    bad = refused(json.dumps(PAYMENT).replace("0.25", "1e999").encode())
    assert (bad.reason, bad.detail) == ("bad_value", "ratio: expected a number, got a number out of range")
    assert SCHEMA.decode(json.dumps(PAYMENT).replace("{", '{"new": 1e999, ', 1).encode()) == SCHEMA.decode(json.dumps(PAYMENT).encode())


def test_an_id_of_ten_thousand_characters_is_cut_in_the_detail() -> None:
    bad = refused(changed("payer.id", "x" * 10_000))
    assert bad.reason == "id_too_long" and bad.detail.startswith("payer.id: ") and len(bad.detail) < 200


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"hello", "bad_json"),
        (b"[1, 2]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'{"event": "payment"', "bad_json"),
        (json.dumps(PAYMENT).encode() + b"x", "bad_json"),
        (json.dumps(PAYMENT).encode()[:-30], "bad_json"),
        (b'{"event": "payment", "payment_id": "\xff"}', "bad_utf8"),
        (b'{"event": "payment", "extra": "\xff"}', "bad_utf8"),
        (b"\x00\xff\xfe", "bad_utf8"),
        (b"[" * 60_000, "bad_json"),
        (b'{"a":' * 10_000, "bad_json"),
        (b'{"event": "login", "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "bad_json"),
        (b'{"event": "login", "occurred_at": 1e999}', "wrong_type"),
        (b'{"event": "login", "x": ' + b"9" * 5000 + b', "y": 1e999}', "bad_json"),
        (b'{"event": "login", "x": "' + b"x" * 1_000_000 + b'"}', "too_large"),
        (b'{"event": "login", "ok": NaN}', "bad_json"),
    ],
)
def test_bytes_that_are_no_message_are_refused(raw: bytes, reason: str) -> None:
    assert refused(raw).reason == reason


def test_an_event_of_the_future_is_refused_by_the_time_it_was_received() -> None:
    day = 86_400_000
    raw = json.dumps(PAYMENT).encode()
    SCHEMA.decode(raw, AT - day)
    bad = refused(raw, received_ms=AT - day - 1)
    assert bad.reason == "future_time" and "2026-11-24T09:00:00.123Z" in bad.detail and bad.detail.startswith("occurred_at: ")
    SCHEMA.decode(raw, AT + 1000 * day)


def test_unknown_fields_are_ignored_and_counted() -> None:
    schema = the_schema()
    plain = schema.decode(json.dumps(PAYMENT).encode())
    assert (schema.extra_fields, schema.extra_messages) == (0, 0)
    more = {**PAYMENT, "new": {"a": 1, "b": 2}, "payer": {**PAYMENT["payer"], "nick": "x", "more": None}}
    assert schema.decode(json.dumps(more).encode()) == plain
    assert (schema.extra_fields, schema.extra_messages) == (3, 1)
    schema.decode(changed("zz", 1))
    assert (schema.extra_fields, schema.extra_messages) == (4, 2)


def test_a_refused_message_counts_no_unknown_fields() -> None:
    schema = the_schema()
    bad = refused(changed("amount.value", -1, {**PAYMENT, "new": 1}), schema)
    assert bad.reason == "bad_amount" and schema.extra_fields == 0


def test_ignored_names_are_neither_read_nor_counted() -> None:
    schema = flat_schema()
    schema.decode(json.dumps({**FLAT, "filler": {"x": [1]}, "trace": VISA}).encode())
    assert schema.extra_fields == 0


def test_a_flat_producer_without_a_type_key_is_of_the_default_type() -> None:
    login = an_event("login", a_field("occurred_at", "time"), a_field("payer.id", "id user"))
    for schema in (flat_schema(), flat_schema(login=login)):
        event: Any = schema.decode(json.dumps({**FLAT, "age_s": 1.5, "seen_s": AT / 1000}).encode())
        assert (event.event_type, event.occurred_at, event.amount, event.payer_id) == ("payment", AT, 3224, "cust_1")
        assert (event.since, event.seen_at) == (1500, AT)
        assert schema.decode(json.dumps({"event": "payment", **FLAT}).encode()) == schema.decode(json.dumps(FLAT).encode())
        assert refused(json.dumps({"event": "x", **FLAT}).encode(), schema).reason == "unknown_event"
        assert schema.extra_fields == 0
    other: Any = schema.decode(b'{"event": "login", "occurred_at": "2026-11-24T09:00:00Z", "payer": {"id": "u"}}')
    assert other.event_type == "login"
    assert schema.decode(b'{"\\u0065vent": "login", "occurred_at": "2026-11-24T09:00:00Z", "payer": {"id": "u"}}') == other


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("occurred_at_ms", "2026-11-24T09:00:00Z", "wrong_type"),
        ("occurred_at_ms", 1.5, "wrong_type"),
        ("occurred_at_ms", -1, "bad_time"),
        ("occurred_at_ms", 10**17, "bad_time"),
        ("seen_s", 1e15, "bad_time"),
        ("age_s", -0.5, "bad_value"),
        ("amount_minor", -5, "bad_amount"),
        ("customer_id", None, "missing_field"),
    ],
)
def test_a_flat_producers_bad_values_are_refused_under_the_names_of_rules(path: str, value: Any, reason: str) -> None:
    names = {"occurred_at_ms": "occurred_at", "seen_s": "seen_at", "age_s": "since", "amount_minor": "amount", "customer_id": "payer.id"}
    bad = refused(changed(path, value, FLAT), flat_schema())
    assert (bad.reason, bad.detail.split(":")[0]) == (reason, names[path])


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("payment_id", VISA, "payment_id"),
        ("payment_id", "pay_" + VISA, "payment_id"),
        ("payee.mcc", "card 4111-1111-1111-1111 thanks", "payee.mcc"),
        ("device.flags", ["a", "5555 5555 5555 4444"], "device.flags"),
        ("new", {"deep": [{"number": VISA}]}, "new.deep.number"),
        ("card.number", VISA, "card.number"),
        (VISA, 1, "message"),
        ("payee.mcc", "卡 ４１１１１１１１１１１１１１１１", "payee.mcc"),
    ],
)
def test_a_card_number_in_any_text_is_refused_and_never_shown(path: str, value: Any, name: str) -> None:
    for message in (changed(path, value), changed("amount.value", -1, json.loads(changed(path, value)))):
        bad = refused(message)
        assert bad.reason == "card_number" and bad.detail == f"{name}: expected no card number, got a value that is not shown"
        escaped = json.dumps(json.loads(message)).replace("4111", "\\u0034111").encode()
        assert refused(escaped).reason == "card_number"


def test_a_card_number_is_not_shown_when_the_message_is_refused_for_another_reason() -> None:
    for path in ("amount.value", "payer.id", "card.country", "event", "card", "device.flags"):
        assert "4111" not in refused(changed(path, int(VISA))).detail


def test_a_clock_in_milliseconds_is_no_card_number() -> None:
    schema = flat_schema()
    for at in range(AT, AT + 2000):
        schema.decode(json.dumps({**FLAT, "occurred_at_ms": at}).encode())


def test_every_reason_has_a_meaning() -> None:
    assert all(meaning.endswith(".") for meaning in REASONS.values())
