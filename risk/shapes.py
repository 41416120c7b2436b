"""The two shapes of an event type: the producer's JSON as a tree of places and nested structs, and the flat event.

Rule 1: what msgspec can check while it reads (lengths, ranges, allowed words, zones) is said in the types here.
Rule 2: facts that make no schema are refused here (SchemaError), before any message comes.
Never here: values, generated code, which event type a message is.
"""

from __future__ import annotations

import datetime
import keyword
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from risk import refusals
from risk.declared import EventType, Field
from risk.money import AMOUNT_MAX_MINOR, DECIMALS
from risk.refusals import BadEvent, Slot

Derivations = Mapping[str, Callable[[Any], Any]]
"""By attribute, the functions of an event that compute its derived fields."""
NOTHING_DERIVED: Final[Derivations] = MappingProxyType({})
TAG: Final = "event"
"""The JSON key that says which event type a message is."""


class SchemaError(ValueError):
    """The declared facts do not make a schema: two fields in one place, no way to know a currency, an unusable name."""

    def __init__(self, event: str, field: str | None, message: str) -> None:
        self.event, self.field, self.message = event, field, message
        super().__init__(f"event {event}{f', field {field}' if field else ''}: {message}")


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field=TAG):
    """A decoded event, flat: an attribute for each field, None where an optional one is absent. Units as in declared.py."""

    event_type: ClassVar[str]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # fields come from the schema: no type checker knows them


def attr_of(name: str) -> str:
    """The attribute of a field: ``attr_of("payer.id") == "payer_id"``; a word of Python gets an underscore after it."""
    attr = name.replace(".", "_")
    return f"{attr}_" if keyword.iskeyword(attr) or attr in (TAG, "event_type") else attr


class Derived:
    """An attribute that is computed when it is first read, and kept: a derived field of an event."""

    def __init__(self, attr: str, make: Callable[[Any], Any]) -> None:
        self.attr, self.make = attr, make

    def __get__(self, event: Any, owner: Any = None) -> Any:
        if event is None:
            return self
        made = event.__dict__[self.attr] = self.make(event)
        return made


class Leaf:
    """A place in the JSON that holds a value, and what it is read for (one value may feed several fields)."""

    def __init__(self, slot: Slot, wire: Any) -> None:
        self.slots = [slot]
        self.wire = wire
        self.required = not slot.field.optional


class Node:
    """An object in the JSON; at the top the message itself. ``ignored`` keys are known, skipped and not counted."""

    def __init__(self) -> None:
        self.children: dict[str, Node | Leaf] = {}
        self.ignored: set[str] = set()

    @property
    def required(self) -> bool:
        return any(child.required for child in self.children.values())

    def first(self) -> Slot:
        """The field to name when the whole object is missing: the first required one, else the first."""
        slots = [child.first() if isinstance(child, Node) else child.slots[0] for child in self.children.values()]
        return next((slot for slot in slots if not slot.field.optional), slots[0])


def wire_type(slot: Slot) -> Any:
    """The msgspec type that a place in the JSON is read as."""
    field, kind = slot.field, slot.field.type.kind
    if slot.is_currency:
        return str
    if kind == "enum":
        return Literal[field.type.values]
    if kind == "time":
        if field.unit is None:
            return Annotated[datetime.datetime, Meta(tz=True)]
        low, high = refusals.time_limits(field)
        if field.unit == "s":
            return Annotated[float, Meta(ge=low / 1000, le=high / 1000)]
        return Annotated[int, Meta(ge=low, le=high)]
    if kind == "duration":
        if field.unit == "s":
            return Annotated[float, Meta(ge=0, le=refusals.TIME_MAX_MS / 1000)]
        return Annotated[int, Meta(ge=0, le=refusals.TIME_MAX_MS)]
    return _WIRE[kind]


_WIRE: Final[dict[str, Any]] = {
    "id": Annotated[str, Meta(min_length=1, max_length=refusals.ID_MAX_CHARS)],
    "text": Annotated[str, Meta(max_length=refusals.TEXT_MAX_CHARS)],
    "texts": Annotated[tuple[Annotated[str, Meta(max_length=refusals.TEXT_MAX_CHARS)], ...], Meta(max_length=refusals.TEXTS_MAX)],
    "int": Annotated[int, Meta(ge=refusals.INT_MIN, le=refusals.INT_MAX)],
    "number": float,
    "bool": bool,
    "country": Annotated[str, Meta(max_length=2)],
    "money": Annotated[int, Meta(ge=0, le=AMOUNT_MAX_MINOR)],
}
_FLAT: Final[dict[str, type]] = {"int": int, "time": int, "duration": int, "money": int, "number": float, "bool": bool}


def tree_of(event: EventType, tagged: bool) -> Node:
    """The producer's JSON of an event type, from the paths of its fields. Raises SchemaError."""
    root = Node()
    for field in event.sent:
        if field.type.kind == "enum" and not field.type.values:
            raise SchemaError(event.name, field.name, "an enumeration needs its values")
        _plant(event, root, field.path, Slot(field))
        if field.type.kind == "money":
            if field.currency_path is not None:
                _plant(event, root, field.currency_path, Slot(field, is_currency=True))
            elif field.type.currency is None:
                raise SchemaError(event.name, field.name, "nothing says its currency: write `money CNY`, or map the currency")
            if field.type.currency is not None and field.type.currency not in DECIMALS:
                raise SchemaError(event.name, field.name, f"{field.type.currency} is not a currency of ISO 4217")
    for name in event.ignore:
        _ignore(event, root, name)
    if tagged and TAG in root.children:
        child = root.children[TAG]
        reader = child.first() if isinstance(child, Node) else child.slots[0]
        told = f"the key `{TAG}` says which event type a message is; no field can be read from it"
        raise SchemaError(event.name, reader.field.name, told)
    if tagged:
        root.ignored.add(TAG)
    return root


def _plant(event: EventType, root: Node, path: tuple[str, ...], slot: Slot) -> None:
    """Put one value's place into the tree."""
    if not path:
        raise SchemaError(event.name, slot.field.name, "it has no place in the JSON")
    node = root
    for key in path[:-1]:
        child = node.children.setdefault(key, Node())
        if isinstance(child, Leaf):
            raise SchemaError(event.name, slot.field.name, f"`{'.'.join(path)}` lies inside a value of field `{child.slots[0].field.name}`")
        node = child
    found, wire = node.children.get(path[-1]), wire_type(slot)
    if found is None:
        node.children[path[-1]] = Leaf(slot, wire)
        return
    if isinstance(found, Node):
        raise SchemaError(event.name, slot.field.name, f"`{'.'.join(path)}` is an object that holds field `{found.first().field.name}`")
    if slot.is_currency and found.wire == _WIRE["text"]:
        wire = found.wire
    elif wire == _WIRE["text"] and all(other.is_currency for other in found.slots):
        found.wire = wire
    if wire != found.wire:
        raise SchemaError(event.name, slot.field.name, f"`{'.'.join(path)}` is read as another type by field `{found.slots[0].field.name}`")
    found.slots.append(slot)
    found.required = found.required or not slot.field.optional


def _ignore(event: EventType, root: Node, name: str) -> None:
    """Mark a key, dots between the keys of nested objects, as known and skipped."""
    node, keys = root, name.split(".")
    for key in keys[:-1]:
        child = node.children.get(key)
        if not isinstance(child, Node):
            raise SchemaError(event.name, None, f"ignore: `{name}` lies in no object that has fields; ignore the whole of it")
        node = child
    if keys[-1] in node.children:
        raise SchemaError(event.name, None, f"ignore: `{name}` is read by a field")
    node.ignored.add(keys[-1])


def flat_struct(event: EventType, derived: Derivations = NOTHING_DERIVED) -> type[Event]:
    """The flat event of an event type: required attributes first (a struct's defaults come last).

    ``derived``: by attribute, what computes the derived fields. They are no part of the struct: neither written nor compared.
    """
    required: list[Any] = []
    optional: list[Any] = []
    owner: dict[str, str] = {}
    for field in event.sent:
        attrs = [(field.attr, _flat_type(field))]
        if has_currency(field):
            attrs.append((f"{field.attr}_currency", str))
        for attr, kind in attrs:
            if not attr.isidentifier() or keyword.iskeyword(attr) or attr.startswith("__") or attr in (TAG, "event_type"):
                raise SchemaError(event.name, field.name, f"`{attr}` cannot be an attribute; choose another name")
            if attr in owner:
                raise SchemaError(event.name, field.name, f"its attribute `{attr}` is also that of field `{owner[attr]}`")
            owner[attr] = field.name
            optional.append((attr, kind | None, None)) if field.optional else required.append((attr, kind))
    made: Any = msgspec.defstruct(
        "".join(word.title() for word in event.name.split("_")),
        required + optional,
        bases=(Event,),
        namespace={
            "event_type": event.name,
            "__doc__": f"Event type {event.name}.",
            **{attr: Derived(attr, make) for attr, make in derived.items()},
        },
        dict=bool(derived),
        frozen=True,
        gc=bool(derived),  # what has a dictionary must be seen by the collector
        omit_defaults=True,
        tag_field=TAG,
        tag=event.name,
    )
    return made  # type: ignore[no-any-return]


def has_currency(field: Field) -> bool:
    """Whether the event carries the field's currency beside its amount."""
    return field.type.kind == "money" and field.type.currency is None


def _flat_type(field: Field) -> Any:
    return tuple[str, ...] if field.type.kind == "texts" else _FLAT.get(field.type.kind, str)


def wire_struct(node: Node, name: str, strict: bool, tag: str | None, flat: Callable[..., Event] | None) -> type[msgspec.Struct]:
    """The struct of an object in the JSON. Attributes are f0, f1 … in the order of ``node.children``: keys may be any text."""
    fields: list[Any] = []
    for place, (key, child) in enumerate(node.children.items()):
        kind = wire_struct(child, f"{name}.{key}", strict, None, None) if isinstance(child, Node) else child.wire
        if child.required:
            fields.append((f"f{place}", kind, msgspec.field(name=key)))
        else:
            fields.append((f"f{place}", kind | None, msgspec.field(name=key, default=None)))
    if strict:
        for place, key in enumerate(sorted(node.ignored - {TAG if tag else None})):
            fields.append((f"x{place}", msgspec.Raw | msgspec.UnsetType, msgspec.field(name=key, default=msgspec.UNSET)))
    options: dict[str, Any] = {} if tag is None else {"tag_field": TAG, "tag": tag}
    namespace = {} if flat is None else {"flat": flat}
    return msgspec.defstruct(
        name, fields, namespace=namespace, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=strict, **options
    )


def explain(root: Node, tree: Any, text: str) -> BadEvent:
    """The refusal behind an error of msgspec, such as ``Expected `int`, got `str` - at `$.amount.value` ``.

    The text only tells where: what is wrong there is found in ``tree``, the message as plain values.
    """
    what, _, path = text.partition(" - at ")
    path = path.strip("`").removeprefix("$")
    place: Node | Leaf = root
    value, name = tree, ""
    while path and isinstance(place, Node):
        key = next((key for key in place.children if path.startswith(f".{key}") and path[len(key) + 1 :][:1] in ("", ".", "[")), None)
        if key is None:
            break
        place, value, name = place.children[key], value.get(key) if isinstance(value, dict) else None, f"{name}.{key}"
        path = path[len(key) + 1 :]
    missing = _MISSING.match(what)
    if missing and isinstance(place, Node) and missing[1] in place.children:
        place, value = place.children[missing[1]], None
    if isinstance(place, Leaf):
        if path.startswith("[") and isinstance(value, list) and path[1:-1].isdigit() and int(path[1:-1]) < len(value):
            item = value[int(path[1:-1])]
            if item is not None:
                return refusals.refusal(place.slots[0], item, path)
        return refusals.refusal(place.slots[0], value)
    if value is None:
        return refusals.refusal(place.first(), None)
    return BadEvent("wrong_type", f"{name[1:] or 'message'}: expected an object, got {refusals.shown(value)}")


_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
