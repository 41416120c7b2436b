"""What an event is: the schema made types, and the way from a producer's bytes to a flat, checked event.

Rule 1: bytes become an event or raise BadEvent, never anything else.
Rule 2: a decoded event is in our units (declared.py), holds no card number, and is checked for good: nobody checks again.
Never here: what an event means, reading of rule files (the facts are given), clocks (``received_ms`` is an argument).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from risk.cards import DIGITS_MIN, holds_card, message_may_hold
from risk.declared import EventType
from risk.decoding import Wire
from risk.given import given
from risk.money import Money
from risk.refusals import MESSAGE_MAX_BYTES, REASONS, BadEvent, card_refusal, choices, shown
from risk.shapes import NOTHING_DERIVED, TAG, Derivations, Event, Leaf, Node, SchemaError, attr_of, explain

__all__ = ["MESSAGE_MAX_BYTES", "REASONS", "BadEvent", "Event", "Money", "Schema", "SchemaError", "attr_of", "content_hash"]

_PLACE_MAX_CHARS: Final = 60


def content_hash(event: Event) -> int:
    """64 bits of what the event says, the same in every process; the JSON's order and extra fields do not count.

    An optional field that a newer schema adds changes nothing for an event without it.
    """
    return int.from_bytes(blake2b(msgspec.msgpack.encode(event), digest_size=8).digest(), "big")


class Schema:
    """All event types: decodes bytes, builds events from values, writes events as a producer would.

    ``extra_fields`` counts the unknown fields of all decoded events, ``extra_messages`` the events that had any.
    """

    def __init__(self, event_types: Mapping[str, EventType], derived: Mapping[str, Derivations] | None = None) -> None:
        """``derived``: by event type, what computes its derived fields. Raises SchemaError."""
        self.types: Mapping[str, EventType] = dict(event_types)
        self.extra_fields = 0
        self.extra_messages = 0
        defaults = [name for name, event in self.types.items() if event.default]
        if len(defaults) > 1:
            raise SchemaError(defaults[1], None, f"`{defaults[0]}` is already the default event type")
        self.default = defaults[0] if defaults else None
        # The key `event` is a field like any other only where there is one type, and it reads it.
        self._one_type_untagged = len(self.types) == len(defaults) == 1 and any(
            field.path[:1] == (TAG,) for field in self.types[defaults[0]].sent
        )
        computed, tagged = derived or {}, not self._one_type_untagged
        self._wires = {name: Wire(event, tagged, computed.get(name, NOTHING_DERIVED)) for name, event in self.types.items()}
        self._lenient = {name: msgspec.json.Decoder(wire.lenient) for name, wire in self._wires.items()}
        self._strict: Any = None
        if self._wires:
            kinds: Any = None
            for wire in self._wires.values():
                kinds = wire.strict if kinds is None else kinds | wire.strict
            self._strict = msgspec.json.Decoder(kinds).decode
        # A union of structs does not take a message without its tag, so such a message goes to the default's own decoder.
        mixed = self.default is not None and len(self.types) > 1
        self._strict_default: Any = msgspec.json.Decoder(self._wires[defaults[0]].strict).decode if mixed else None

    def struct(self, name: str) -> type[Event]:
        """The class of an event type. KeyError if the schema has none of this name."""
        return self._wires[name].struct

    def decode(self, raw: bytes, received_ms: int | None = None) -> Event:
        """The event in a message. ``received_ms``: the broker's time, for refusing events of the future. Raises BadEvent."""
        if not raw:  # also a record of Kafka without a value
            raise BadEvent("bad_json", "message: expected JSON, got nothing")
        if len(raw) > MESSAGE_MAX_BYTES:
            raise BadEvent("too_large", f"message: expected at most {MESSAGE_MAX_BYTES} bytes, got {len(raw)}")
        if not raw.isascii():
            _check_utf8(raw)
        decode = self._strict
        if self._strict_default is not None and b'"event"' not in raw:
            decode = self._strict_default
        try:
            event: Event = decode(raw).flat(received_ms)
        except Exception:  # noqa: BLE001  whatever it was, the careful way finds it again and says it in our words
            return self._decode_carefully(raw, received_ms)
        return event

    def _decode_carefully(self, raw: bytes, received_ms: int | None) -> Event:
        """Decode a message that has extra fields, or say what is wrong with it."""
        tree = _json(raw)
        if message_may_hold(raw):
            self._refuse_cards(tree)
        name = self._name_of(tree)
        wire = self._wires[name]
        try:
            found: Any = self._lenient[name].decode(raw)
        except Exception as error:
            raise explain(wire.tree, tree, str(error)) from error
        event: Event = found.flat(received_ms)
        extra = _count_extra(wire.tree, tree)
        self.extra_fields += extra
        self.extra_messages += extra > 0
        return event

    def _name_of(self, tree: Any) -> str:
        """The event type of a message. Raises BadEvent."""
        if not isinstance(tree, dict):
            raise BadEvent("wrong_type", f"message: expected an object, got {shown(tree)}")
        if self.default is not None and (TAG not in tree or self._one_type_untagged):
            return self.default
        name = tree.get(TAG)
        if name is None:
            raise BadEvent("missing_field", f"{TAG}: missing, expected one of {choices(self.types)}")
        if not isinstance(name, str) or name not in self.types:
            raise BadEvent("unknown_event", f"{TAG}: expected one of {choices(self.types)}, got {shown(name)}")
        return name

    def _refuse_cards(self, tree: Any) -> None:
        """Raise BadEvent if a text of the message holds a card number, in whatever field; ignored fields are not read."""
        node: Node | None = None
        if isinstance(tree, dict):
            name = self.default if self._one_type_untagged else tree.get(TAG, self.default)
            node = self._wires[name].tree if isinstance(name, str) and name in self._wires else None
        rest: list[tuple[Any, Node | Leaf | None, str]] = [(tree, node, "")]
        while rest:
            value, place, path = rest.pop()
            if isinstance(value, str):
                if holds_card(value):
                    where = place.slots[0].field.name if isinstance(place, Leaf) else _named(path)
                    raise card_refusal(where)
            elif isinstance(value, list):
                rest.extend((item, place, path) for item in value)
            elif isinstance(value, dict):
                children = place.children if isinstance(place, Node) else {}
                ignored = place.ignored if isinstance(place, Node) else ()
                for key, item in value.items():
                    if key not in ignored:
                        rest.append((item, children.get(key), f"{path}.{key}"))
                        if len(key) >= DIGITS_MIN and key not in children:
                            rest.append((key, None, ""))

    def build(self, name: str, values: Mapping[str, Any]) -> Event:
        """An event from values in our units, by field name: ``build("login", {"payer.id": "usr_1", "occurred_at": 0, "ok": True})``.

        Money is ``Money("CNY", 500)``, or only 500 where the schema fixes the currency. Nothing is filled in, and all is
        checked as if it had come as a message. Raises BadEvent; KeyError if the schema has no such event type.
        """
        event = self.types[name]
        for key in values:
            if key not in event.fields or event.fields[key].derived is not None:
                raise BadEvent("bad_value", f"{key}: event type {name} has no such field")
        attrs: dict[str, Any] = {}
        for field in event.sent:
            attrs.update(given(field, values.get(field.name)))
        wanted = self.struct(name)(**attrs)
        try:
            raw = self.to_json(wanted)
        except UnicodeEncodeError as error:
            raise BadEvent("bad_utf8", f"message: expected text that UTF-8 can say ({error.reason})") from error
        made = self.decode(raw)
        if made != wanted:  # two fields that read one place of the JSON were given different values
            wrong = next(attr for attr, value in attrs.items() if getattr(made, attr) != value)
            raise BadEvent("bad_value", f"{wrong}: expected the same value as the field that shares its place in the JSON")
        return made

    def to_json(self, event: Event) -> bytes:
        """The event as a producer of this schema writes it, always with its type in `event`: the inverse of ``decode``."""
        return msgspec.json.encode(self._wires[event.event_type].nest(event))


def _named(path: str) -> str:
    """The place of a value that belongs to no field; its keys are the producer's, so they are cut and may hide too."""
    place = path[1:]
    if not place or not place.isprintable() or holds_card(place):
        return "message"
    return place if len(place) <= _PLACE_MAX_CHARS else place[: _PLACE_MAX_CHARS - 3] + "..."


def _check_utf8(raw: bytes) -> None:
    """Raise BadEvent if the bytes are not UTF-8, anywhere: decoders do not look into what they skip."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise BadEvent("bad_utf8", f"message: expected UTF-8, byte {error.start} is not") from error


def _json(raw: bytes) -> Any:
    """The message as plain values. Raises BadEvent."""
    try:
        return msgspec.json.decode(raw)
    except RecursionError as error:
        raise BadEvent("bad_json", "message: expected JSON, got a nesting that is too deep") from error
    except msgspec.ValidationError:  # a number that no float holds: read it as infinite, so that its field can be named
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise BadEvent("bad_json", "message: expected JSON, got a number that is too long") from error
    except ValueError as error:
        raise BadEvent("bad_json", f"message: expected JSON; {error}") from error


def _count_extra(node: Node, tree: dict[str, Any]) -> int:
    """How many keys of the message, at all depths that have fields, belong to no field."""
    extra = 0
    for key, value in tree.items():
        child = node.children.get(key)
        if child is None:
            extra += key not in node.ignored
        elif isinstance(child, Node) and isinstance(value, dict):
            extra += _count_extra(child, value)
    return extra
