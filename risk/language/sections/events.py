"""The `events` section: event types, their fields, how a producer's JSON maps to them, and an example of each."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from risk.decided import DECISION
from risk.declared import EventType, Field, FieldType, Provenance
from risk.language.condition import Fault
from risk.language.problems import did_you_mean
from risk.language.sections.derive import NOT_SENT, read_derived
from risk.language.sections.keys import RESERVED, Keys, as_block, check_name, shape
from risk.language.source import Block, Items, Node, Problems, Scalar
from risk.language.values import value_of
from risk.money import DECIMALS

FIELDS_MAX = 400
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,5}\Z")
SIMPLE = ("text", "texts", "int", "number", "bool", "time", "duration", "country", "money")
KINDS = (*SIMPLE, "id", "enum")
"""All kinds of types; `a | b | c` is an enum."""
EVENT_KEYS = ("decide", "default", "like", "ignore", "fields", "example", "derive", "about")
FIELD_KEYS = ("type", "from", "currency", "minor", "unit", "source", "rotates", "about")


@dataclass(frozen=True, slots=True)
class TypeText:
    """What `optional id card` says."""

    type: FieldType
    optional: bool


def read_events(entries: list[tuple[Scalar, Node]], problems: Problems) -> dict[str, EventType]:
    types: dict[str, EventType] = {}
    written = {key.text: value for key, value in entries}
    for key, node in entries:
        if key.text == DECISION:
            told = f"`{DECISION}` is what we answer: features count it, and no producer sends it"
            problems.error("E008", key, told, "give the event another name")
        elif check_name(key, "event type", problems):
            event = _event(key, node, written, problems)
            if event:
                types[key.text] = event
    return types


def _event(key: Scalar, node: Node, written: Mapping[str, Node], problems: Problems) -> EventType | None:
    block = as_block(node, f"event `{key.text}`", problems)
    if block is None:
        return None
    keys = Keys(block, f"event `{key.text}`", EVENT_KEYS, problems)
    fields = _fields(keys, written, problems)
    if "fields" not in keys and "like" not in keys:
        keys.require("fields", at=key)
    decide = keys.flag("decide")
    needed = {"occurred_at": "time", "payment_id": "id payment"} if decide else {"occurred_at": "time"}
    _needed(key, fields, needed, keys, problems)
    fields.update(_derived(keys, fields, written, problems))
    _clashes(fields, problems)
    ignore = tuple(item.text for item in keys.scalars("ignore"))
    example = _example(keys, fields, problems)
    return EventType(key.text, fields, decide, keys.flag("default"), ignore, example, key.place)


def _needed(key: Scalar, fields: Mapping[str, Field], needed: Mapping[str, str], keys: Keys, problems: Problems) -> None:
    """The fields that the engine itself reads."""
    for name, kind in needed.items():
        field = fields.get(name)
        if field is not None:
            if (field.optional or field.type.kind not in (kind.split()[0], "text")) and field.place:
                problems.at_place("E221", field.place, len(name), f"`{name}` of event `{key.text}` must always be there, of type `{kind}`")
        elif name not in _names_written(keys):
            problems.error("E221", key, f"event `{key.text}` has no field `{name}`", f"add `{name}: {kind}` to its fields")


def _names_written(keys: Keys) -> set[str]:
    """The fields that are there but wrong; nothing more is said about them."""
    node = keys.node("fields")
    return set(node.entries) if isinstance(node, Block) else set()


def _fields(keys: Keys, written: Mapping[str, Node], problems: Problems) -> dict[str, Field]:
    """The event's own fields, after those of the event that it is `like`."""
    fields: dict[str, Field] = {}
    like = keys.scalar("like")
    if like:
        other = written.get(like.text)
        if not isinstance(other, Block):
            problems.error("E226", like, f"unknown event `{like.text}`", did_you_mean(like.text, written))
        elif "like" in other.entries:
            problems.error("E009", like, f"`{like.text}` is itself like another event", "name that one here")
        else:
            fields.update(_own_fields(other.get("fields"), Problems()))  # its problems are told where it is read itself
    fields.update(_own_fields(keys.node("fields"), problems))
    return fields


def _derived(keys: Keys, fields: Mapping[str, Field], written: Mapping[str, Node], problems: Problems) -> dict[str, Field]:
    """The fields of `derive:`, after those of the event that this one is `like`. Each may read those above it."""
    like = keys.scalar("like")
    other = written.get(like.text) if like is not None else None
    node = other.get("derive") if isinstance(other, Block) else None
    found: dict[str, Field] = {}
    for key, value in node if isinstance(node, Block) else ():
        if _named(key, quiet := Problems()):
            field = read_derived(key.text, attr_of(key.text), key, value, {**fields, **found}, quiet)
            if field is not None:
                found[key.text] = field
    for key, value in keys.mapping("derive") or ():
        if _named(key, problems):
            field = read_derived(key.text, attr_of(key.text), key, value, {**fields, **found}, problems)
            if field is not None:
                found[key.text] = field
    return found


def _own_fields(node: Node | None, problems: Problems) -> dict[str, Field]:
    block = as_block(node, "`fields`", problems) if node is not None else None
    fields: dict[str, Field] = {}
    for key, value in block or ():
        field = _field(key, value, problems)
        if field:
            fields[key.text] = field
    if len(fields) > FIELDS_MAX and block is not None:
        problems.error("E002", block, f"an event has at most {FIELDS_MAX} fields, this one {len(fields)}")
    return fields


def _named(key: Scalar, problems: Problems) -> bool:
    """Whether a field may have this name."""
    if not FIELD_NAME.match(key.text) or keyword.iskeyword(attr_of(key.text)):
        problems.error(
            "E008",
            key,
            f"`{key.text}` cannot be the name of a field",
            "a name is words of letters, digits and `_`, joined by dots: `card.country`",
        )
        return False
    if set(key.text.split(".")) & RESERVED:
        problems.error(
            "E008",
            key,
            f"`{key.text}` holds a word of the condition language, so it cannot name a field",
            "give it another name, and say `from:` for the producer's",
        )
        return False
    return True


def _field(key: Scalar, node: Node, problems: Problems) -> Field | None:
    if not _named(key, problems):
        return None
    if isinstance(node, Items):
        problems.error("E005", node, f"the type of `{key.text}` is one line, not a list")
        return None
    if isinstance(node, Scalar):
        written = read_type(node, problems)
        return _placed(key, written, tuple(key.text.split("."))) if written else None
    return _long_field(key, node, problems)


def _long_field(key: Scalar, block: Block, problems: Problems) -> Field | None:
    keys = Keys(block, f"field `{key.text}`", FIELD_KEYS, problems)
    type_text = keys.scalar("type")
    written = read_type(type_text, problems) if type_text else None
    if written is None:
        if "type" not in keys:
            keys.require("type", at=key)
        return None
    field = _placed(
        key, written, _path(keys, "from") or tuple(key.text.split(".")), _path(keys, "currency"), keys.flag("minor"), "from" in keys
    )
    if field.type.kind == "money":
        if "minor" in keys and field.type.currency is None and "currency" not in keys:
            problems.error(
                "E222",
                key,
                f"`{key.text}` says nowhere which currency it is in",
                "write `type: money CNY`, or `currency:` and the path of the producer's currency field",
            )
    elif "minor" in keys or "currency" in keys:
        extra = "minor" if "minor" in keys else "currency"
        problems.error("E222", block.key(extra), f"`{extra}` is for money; `{key.text}` is {field.type.kind}")
    unit = keys.word("unit", ("ms", "s"), "ms") if "unit" in keys else None
    if unit and field.type.kind not in ("time", "duration"):
        problems.error("E222", block.key("unit"), f"`unit` is for times and durations; `{key.text}` is {field.type.kind}")
    source = keys.word("source", get_args(Provenance), "attested") if "source" in keys else None
    return replace(
        field,
        unit=cast('Literal["ms", "s"] | None', unit),
        source=cast("Provenance | None", source),
        rotates=keys.flag("rotates"),
    )


def _path(keys: Keys, key: str) -> tuple[str, ...] | None:
    """A path in the producer's JSON: `a.b`, or a list of keys where a key itself holds a dot."""
    node = keys.node(key)
    if node is None:
        return None
    if isinstance(node, Scalar):
        return tuple(node.text.split("."))
    return tuple(item.text for item in keys.scalars(key))


def _placed(
    key: Scalar, written: TypeText, path: tuple[str, ...], currency: tuple[str, ...] | None = None, minor: bool = False, moved: bool = False
) -> Field:
    """The field with its paths. Money reads {"currency", "value"} at its path; plain minor units where `minor` or `currency` says so."""
    currency_path = currency
    if written.type.kind == "money" and currency is None and not minor:
        path, currency_path = (*path, "value"), (*path, "currency")
    return Field(key.text, attr_of(key.text), written.type, path, written.optional, None, None, currency_path, key.place)


def attr_of(name: str) -> str:
    """The attribute of the decoded event, as in `risk.events`."""
    return name.replace(".", "_")


def read_type(scalar: Scalar, problems: Problems) -> TypeText | None:
    """`[optional] text | ... | money [CUR] | id ENTITY | a | b | c`."""
    text = scalar.text.strip()
    optional = text.startswith("optional ")
    text = text.removeprefix("optional ").strip()
    found = _type(text)
    if isinstance(found, FieldType):
        return TypeText(found, optional)
    problems.error(found[0], scalar, *found[1:])
    return None


def _type(text: str) -> FieldType | tuple[str, str, str | None]:
    if "|" in text:
        values = tuple(value.strip().strip("'\"") for value in text.split("|"))
        if not all(re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", value) for value in values):
            return "E220", f"`{text}` is not a list of values", "write single words: `approved | declined`"
        if len(set(values)) < len(values):
            return "E220", f"`{text}` has a value twice", None
        return FieldType("enum", values=values)
    head, _, rest = text.partition(" ")
    rest = rest.strip()
    if head == "id":
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", rest):
            return FieldType("id", entity=rest)
        return "E220", "an id says of what it is the id", "write `id card`, `id device`, `id user`"
    if head == "money" and rest:
        if rest in DECIMALS:
            return FieldType("money", currency=rest)
        return "E220", f"`{rest}` is not a currency", did_you_mean(rest.upper(), DECIMALS)
    if head in SIMPLE and not rest:
        return FieldType(cast("Any", head))
    hint = did_you_mean(head, (*SIMPLE, "id", "optional"))
    return (
        "E220",
        f"unknown type `{text}`",
        hint or "types are text, int, number, bool, time, duration, country, money, `money CNY`, `id card`, `a | b | c`",
    )


def _clashes(fields: Mapping[str, Field], problems: Problems) -> None:
    seen: dict[str, Field] = {}
    for field in fields.values():
        first = seen.setdefault(field.attr, field)
        if first is not field and field.place and first.place:
            message = f"`{field.name}` and `{first.name}` differ only in `.` and `_`"
            problems.at_place("E223", field.place, len(field.name), message, f"the other is at {first.place.path}:{first.place.line}")


def _example(keys: Keys, fields: Mapping[str, Field], problems: Problems) -> dict[str, Any]:
    """Python values by field name. Left out: what the test engine makes (`payment_id`, `occurred_at`) and what is missing."""
    block = keys.mapping("example")
    example: dict[str, Any] = {}
    if block is None:
        return example
    for key, node in block:
        field = fields.get(key.text)
        if field is None:
            if key.text in _names_written(keys):
                continue
            problems.error("E224", key, f"`{key.text}` is not a field of {keys.owner}", did_you_mean(key.text, fields))
        elif field.derived is not None:
            problems.error("E224", key, f"`{key.text}` is derived, so an example cannot set it", NOT_SENT)
        else:
            value = read_value(field, node, problems)
            if value is not None:
                example[key.text] = value
    absent = [
        field.name
        for field in fields.values()
        if not field.optional and field.derived is None and field.name not in (*block.entries, "payment_id", "occurred_at")
    ]
    if absent:
        problems.error(
            "E224", keys.block.key("example"), f"the example of {keys.owner} lacks `{'`, `'.join(absent)}`", "these fields are not optional"
        )
    return example


def read_value(field: Field, node: Node, problems: Problems) -> Any:
    """The value that `node` gives to `field`; None for `missing`, or where it is none, which is then told."""
    if field.type.kind == "texts":
        items = node.items if isinstance(node, Items) else (node,)
        if all(isinstance(item, Scalar) for item in items):
            return (
                None
                if node in items and isinstance(node, Scalar) and node.text == "missing"
                else tuple(item.text for item in items if isinstance(item, Scalar))
            )
    if not isinstance(node, Scalar):
        problems.error("E005", node, f"`{field.name}` is one value, not a {shape(node)}")
        return None
    if node.text == "missing":
        if not field.optional:
            problems.error("E224", node, f"`{field.name}` is never missing: an event without it is a dead letter")
        return None
    value = value_of(node.text, field.type)
    if isinstance(value, Fault):
        problems.error(value.code, node, f"`{field.name}`: {value.message}", value.hint)
        return None
    return value


def common_fields(types: Mapping[str, EventType], names: tuple[str, ...]) -> dict[str, Field]:
    """The fields that all of these events have with the same type; optional where one of them may lack it."""
    events = [types[name] for name in names if name in types]
    if not events:
        return {}
    found: dict[str, Field] = {}
    for name, field in events[0].fields.items():
        others = [event.fields.get(name) for event in events[1:]]
        if all(other is not None and other.type == field.type for other in others):
            optional = field.optional or any(other is not None and other.optional for other in others)
            found[name] = replace(field, optional=optional)
    return found


__all__ = ["TypeText", "attr_of", "common_fields", "read_events", "read_type", "read_value"]
