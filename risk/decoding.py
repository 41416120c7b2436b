"""One event type made into code: the two functions between the structs of its JSON and the flat event.

Rule 1: everything about an event type is found out here, once; a message then runs straight-line code only.
Rule 2: times and durations leave as whole milliseconds, money as minor units, whatever the producer writes.
Never here: which event type a message is, extra fields, card numbers.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from typing import Any, Final

import msgspec

from risk import refusals
from risk.cards import DIGITS_MIN, holds_card, may_hold
from risk.declared import EventType, Field
from risk.money import DECIMALS
from risk.refusals import BadEvent, Slot
from risk.shapes import NOTHING_DERIVED, Derivations, Event, Leaf, Node, flat_struct, has_currency, tree_of, wire_struct

EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
COUNTRIES: Final = frozenset(chr(a) + chr(b) for a in range(65, 91) for b in range(65, 91))


class Wire:
    """The compiled form of an event type.

    ``strict`` and ``lenient`` are the structs of its JSON, without and with extra fields, both with a method
    ``flat(received_ms) -> Event``; ``nest(event)`` makes a ``lenient`` struct, ready to be written.
    """

    def __init__(self, event: EventType, tagged: bool, derived: Derivations = NOTHING_DERIVED) -> None:
        self.tree = tree_of(event, tagged)
        self.struct = flat_struct(event, derived)
        flat = _compile_flat(event, self.tree, self.struct)
        tag = event.name if tagged else None
        self.strict = wire_struct(self.tree, event.name, True, tag, flat)
        self.lenient = wire_struct(self.tree, event.name, False, tag, flat)
        self.nest = _compile_nest(event, self.tree, self.lenient)


class _Source:
    """Lines of a function being written, and the constants it needs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self.variables: dict[Slot, str] = {}
        self.names = 0

    def say(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def constant(self, value: Any) -> str:
        name = self.fresh("K")
        self.constants[name] = value
        return name

    def compile(self, name: str, title: str) -> Any:
        scope = dict(self.constants)
        exec(compile("\n".join(self.lines), f"<{title}>", "exec"), scope)
        return scope[name]


def _compile_flat(event: EventType, tree: Node, struct: type[Event]) -> Callable[..., Event]:
    """Generate ``flat(wire, received_ms) -> Event``; it raises BadEvent for what msgspec cannot check."""
    source = _Source()
    source.constants.update(
        Struct=struct, EPOCH=EPOCH, COUNTRIES=COUNTRIES, CURRENCIES=frozenset(DECIMALS), refusal=refusals.refusal, late=_late
    )
    source.constants.update(may_hold=may_hold, refuse_cards=_refuse_cards, join="\n".join)
    source.say(0, "def flat(w, received_ms):")
    _say_reads(source, tree, "w", 1)
    for field in event.sent:
        if field.type.kind == "money" and field.currency_path is not None:
            _say_currency(source, field)
        if field.name in refusals.CLOCKED and field.type.kind == "time":
            value = source.variables[Slot(field)]
            there = f"{value} is not None and " if field.optional else ""
            source.say(1, f"if received_ms is not None and {there}{value} > received_ms + {refusals.FUTURE_MAX_MS}:")
            source.say(2, f"raise late({source.constant(field)}, {value}, received_ms)")
    arguments = []
    for field in sorted(event.sent, key=lambda field: field.optional):  # as flat_struct has them
        arguments.append(source.variables[Slot(field)])
        if has_currency(field):
            arguments.append(source.variables[Slot(field, is_currency=True)])
    source.say(1, f"e = Struct({', '.join(arguments)})")
    texts = tuple(field for field in event.sent if field.type.kind in ("id", "text", "texts"))
    if texts:
        lines = ", ".join(_line(field, source.variables[Slot(field)]) for field in texts)
        source.say(1, f"if may_hold(join([{lines}])):")
        source.say(2, f"refuse_cards(e, {source.constant(texts)})")
    source.say(1, "return e")
    return source.compile("flat", f"flat {event.name}")  # type: ignore[no-any-return]


def _say_reads(source: _Source, node: Node, holder: str, depth: int) -> None:
    """Lines that read an object's values into variables; an absent object leaves None in all of its."""
    for place, child in enumerate(node.children.values()):
        if isinstance(child, Leaf):
            _say_leaf(source, child, f"{holder}.f{place}", depth)
            continue
        inner = source.fresh("o")
        source.say(depth, f"{inner} = {holder}.f{place}")
        if child.required:
            _say_reads(source, child, inner, depth)
            continue
        source.say(depth, f"if {inner} is not None:")
        before = set(source.variables)
        _say_reads(source, child, inner, depth + 1)
        absent = {name: None for slot, name in source.variables.items() if slot not in before}
        source.say(depth, "else:")
        source.say(depth + 1, " = ".join(absent) + " = None")


def _say_leaf(source: _Source, leaf: Leaf, value: str, depth: int) -> None:
    """Lines that read one value and bring it into our units; fields that share the value share the variable."""
    name = source.fresh("v")
    source.say(depth, f"{name} = {value}")
    source.variables.update(dict.fromkeys(leaf.slots, name))
    slot = next((slot for slot in leaf.slots if not slot.is_currency), leaf.slots[0])
    kind, unit = slot.field.type.kind, slot.field.unit
    if slot.is_currency or kind not in ("time", "duration", "country"):
        return
    there = "" if leaf.required else f"{name} is not None and "
    if kind == "country":
        source.say(depth, f"if {there}{name} not in COUNTRIES:")
        source.say(depth + 1, f"raise refusal({source.constant(slot)}, {name})")
    elif unit == "s":
        source.say(depth, f"{name} = round({name} * 1000){'' if leaf.required else f' if {name} is not None else None'}")
    elif kind == "time" and unit is None:
        if not leaf.required:
            source.say(depth, f"if {name} is not None:")
            depth += 1
        source.say(depth, f"d = {name} - EPOCH")
        source.say(depth, "t = d.days * 86400000 + d.seconds * 1000 + d.microseconds // 1000")
        low, high = refusals.time_limits(slot.field)
        source.say(depth, f"if not {low} <= t <= {high}:")
        source.say(depth + 1, f"raise refusal({source.constant(slot)}, {name}.isoformat())")
        source.say(depth, f"{name} = t")


def _say_currency(source: _Source, field: Field) -> None:
    """Lines that check a money field's currency, which no amount may lack."""
    slot = Slot(field, is_currency=True)
    amount, currency = source.variables[Slot(field)], source.variables[slot]
    wrong = f"{currency} != {field.type.currency!r}" if field.type.currency else f"{currency} not in CURRENCIES"
    there = f"{amount} is not None and " if field.optional else ""
    source.say(1, f"if {there}{wrong}:")
    source.say(2, f"raise refusal({source.constant(slot)}, {currency})")
    if field.optional and has_currency(field):
        # A currency that other amounts share says nothing of an amount that is absent.
        own = source.variables[slot] = source.fresh("c")
        source.say(1, f"{own} = {currency} if {amount} is not None else None")


def _line(field: Field, name: str) -> str:
    """The expression for a field's part of what is searched for card numbers."""
    if field.type.kind == "texts":
        return f"join({name} or ())"
    return f"{name} or ''" if field.optional else name


def _refuse_cards(event: Event, fields: tuple[Field, ...]) -> None:
    """Raise BadEvent if one of the event's texts holds a card number."""
    for field in fields:
        value = getattr(event, field.attr)
        if value is None or (isinstance(value, str) and len(value) < DIGITS_MIN):
            continue
        if holds_card(value) if isinstance(value, str) else any(map(holds_card, value)):
            raise refusals.card_refusal(field.name)


def _late(field: Field, value: int, received_ms: int) -> BadEvent:
    """The refusal of an event that says it happened in the future."""
    return BadEvent(
        "future_time", f"{field.name}: expected at most one day after it was received, {rfc3339(received_ms)}, got {rfc3339(value)}"
    )


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as ``2026-11-24T09:00:00.123Z``. Raises OverflowError outside the years 1 to 9999."""
    day, rest = divmod(ms, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{_date(day)}T{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}Z"


@functools.lru_cache(maxsize=4096)
def _date(day: int) -> str:
    return (EPOCH + datetime.timedelta(days=day)).date().isoformat()


def _compile_nest(event: EventType, tree: Node, struct: type[msgspec.Struct]) -> Callable[[Event], msgspec.Struct]:
    """Generate ``nest(event) -> wire struct``, the inverse of ``flat``."""
    source = _Source()
    source.constants["rfc3339"] = rfc3339
    source.say(0, "def nest(e):")
    made = _say_object(source, tree, struct)
    source.say(1, f"return {made}")
    return source.compile("nest", f"nest {event.name}")  # type: ignore[no-any-return]


def _say_object(source: _Source, node: Node, struct: Any) -> str:
    """Lines that make one object of the JSON; gives the expression that holds it (None if all of it is absent)."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(struct)}
    arguments, parts = [], []
    for place, child in enumerate(node.children.values()):
        part = source.fresh("p")
        if isinstance(child, Node):
            inner = next(kind for kind in _alternatives(kinds[f"f{place}"]) if kind is not type(None))
            source.say(1, f"{part} = {_say_object(source, child, inner)}")
        else:
            source.say(1, f"{part} = {_values(child)}")
            _say_units(source, child, part)
        arguments.append(f"f{place}={part}")
        parts.append(part)
    made = f"{source.constant(struct)}({', '.join(arguments)})"
    if node.required:
        return made
    return f"None if {' and '.join(f'{part} is None' for part in parts)} else {made}"


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__args__", ()) or (kind,)


def _values(leaf: Leaf) -> str:
    """The expression for a place's value: that of the first field there that is present."""
    expressions = []
    for slot in leaf.slots:
        attr = f"e.{slot.field.attr}"
        if not slot.is_currency:
            expressions.append((attr, attr))
        elif has_currency(slot.field):
            expressions.append((f"{attr}_currency", f"{attr}_currency"))
        else:
            expressions.append((repr(slot.field.type.currency), attr))
    *others, (last, present) = expressions
    text = last if last == present else f"{last} if {present} is not None else None"
    for value, there in reversed(others):
        text = f"{value} if {there} is not None else ({text})"
    return text


def _say_units(source: _Source, leaf: Leaf, name: str) -> None:
    """Lines that bring a value of ours into the producer's units."""
    slot = next((slot for slot in leaf.slots if not slot.is_currency), leaf.slots[0])
    kind, unit = slot.field.type.kind, slot.field.unit
    if slot.is_currency or kind not in ("time", "duration"):
        return
    if unit == "s":
        source.say(1, f"if {name} is not None: {name} = {name} / 1000 if {name} % 1000 else {name} // 1000")
    elif kind == "time" and unit is None:
        source.say(1, f"if {name} is not None: {name} = rfc3339({name})")
