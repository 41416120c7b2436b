"""Whatever the bytes, they become an event or a BadEvent; whatever the event, it survives being written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.cards import holds_card
from risk.declared import Field
from risk.events import REASONS, BadEvent, Event, Money, Schema, content_hash
from risk.money import DECIMALS
from tests.test_events import FLAT, PAYMENT, flat_schema, the_schema

SCHEMA, FLAT_SCHEMA, MANGLED = the_schema(), flat_schema(), the_schema()
CLOCK = st.integers(0, 253_370_764_799_999)
TIME = st.integers(-62_135_596_800_000, 253_402_300_799_999)
WORD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(lambda text: not holds_card(text))
MONEY = st.builds(Money, st.sampled_from(sorted(DECIMALS)), st.integers(0, 10**15))
KEY = st.sampled_from(["id", "value", "currency", "event", "x"])
KNOWN = st.sampled_from(["4111111111111111", "payment", "CNY"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | KNOWN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4),
    max_leaves=8,
)


def value_of(field: Field) -> st.SearchStrategy[Any]:
    kind = field.type.kind
    if kind == "time":
        return CLOCK if field.name == "occurred_at" else TIME
    if kind == "money":
        return st.integers(0, 10**15) if field.type.currency else MONEY
    if kind == "enum":
        return st.sampled_from(field.type.values)
    words: dict[str, st.SearchStrategy[Any]] = {
        "id": WORD,
        "text": WORD,
        "texts": st.lists(WORD, max_size=5).map(tuple),
        "bool": st.booleans(),
        "int": st.integers(-(2**63), 2**63 - 1),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "country": st.sampled_from(["CN", "DE", "ZZ"]),
        "duration": st.integers(0, 10**13),
    }
    return words[kind]


def events_of(schema: Schema, name: str) -> st.SearchStrategy[Event]:
    fields = schema.types[name].fields.values()
    required = {field.name: value_of(field) for field in fields if not field.optional}
    optional = {field.name: value_of(field) for field in fields if field.optional}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: schema.build(name, values))


@given(st.one_of(events_of(SCHEMA, "payment"), events_of(SCHEMA, "login")))
def test_what_is_written_is_decoded_to_the_same_event(event: Event) -> None:
    again = SCHEMA.decode(SCHEMA.to_json(event))
    assert again == event and content_hash(again) == content_hash(event) and SCHEMA.extra_fields == 0


@given(events_of(FLAT_SCHEMA, "payment"))
def test_what_a_flat_producer_writes_is_decoded_to_the_same_event(event: Event) -> None:
    assert FLAT_SCHEMA.decode(FLAT_SCHEMA.to_json(event)) == event


def decodes_or_refuses(raw: bytes) -> None:
    for schema in (MANGLED, FLAT_SCHEMA):
        try:
            event = schema.decode(raw, 1_795_510_800_123)
        except BadEvent as bad:
            assert bad.reason in REASONS and bad.detail and len(bad.detail) <= 300 and not holds_card(bad.detail)
        else:
            assert schema.decode(schema.to_json(event)) == event


@given(st.binary(max_size=200))
def test_random_bytes_decode_or_are_refused(raw: bytes) -> None:
    decodes_or_refuses(raw)


@given(JSON)
def test_random_json_decodes_or_is_refused(tree: Any) -> None:
    decodes_or_refuses(json.dumps(tree).encode())


def mutate(tree: Any, path: list[int], value: Any) -> Any:
    """The tree with the place that ``path`` walks to (by index, modulo) replaced."""
    if not isinstance(tree, dict) or not tree or not path:
        return value
    key = sorted(tree)[path[0] % len(tree)]
    return {**tree, key: mutate(tree[key], path[1:], value)}


@settings(max_examples=400)
@given(st.sampled_from([PAYMENT, FLAT]), st.lists(st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=3), JSON), max_size=2))
def test_a_message_with_a_value_replaced_decodes_or_is_refused(message: Any, changes: list[tuple[list[int], Any]]) -> None:
    for path, value in changes:
        message = mutate(message, path, value)
    decodes_or_refuses(json.dumps(message).encode())


@settings(max_examples=400)
@given(st.sampled_from([PAYMENT, FLAT]), st.integers(0, 700), st.integers(0, 6), st.binary(max_size=6))
def test_a_message_with_bytes_replaced_decodes_or_is_refused(message: Any, start: int, cut: int, put: bytes) -> None:
    raw = json.dumps(message).encode()
    decodes_or_refuses(raw[:start] + put + raw[start + cut :])


@given(st.sampled_from(["payment_id", "payer.id", "payee.mcc", "device.flags", "x"]), WORD, WORD)
def test_a_card_number_in_any_text_never_gets_in(path: str, before: str, after: str) -> None:
    text = f"{before[:20]} 4111111111111111 {after[:20]}"
    copy = json.loads(json.dumps(PAYMENT))
    outer, _, last = path.rpartition(".")
    (copy[outer] if outer else copy)[last] = [text] if last == "flags" else text
    for ascii_only in (True, False):
        try:
            SCHEMA.decode(json.dumps(copy, ensure_ascii=ascii_only).encode())
        except BadEvent as bad:
            assert bad.reason == "card_number"
        else:
            raise AssertionError(text)
