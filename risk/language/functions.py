"""The functions of the language: how many values each takes, of which types, and what it gives.

Rule 1: types only. What the functions compute is in runtime.py.
"""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from risk.declared import FieldType
from risk.language.canonical import canonical
from risk.language.meaning import Applied, Const, Value
from risk.language.nodes import Node
from risk.language.reading import Reading
from risk.language.suggest import closest
from risk.language.types import INT, NUMBER, NUMERIC, ORDERED, TEXT, TEXTUAL, WEEKDAY, common, describe, same_family

ARGUMENTS_MAX: Final = 100
IP_BITS_MAX: Final = 128

# name: fewest values, most values, an example
VALUE_FUNCTIONS: Final[dict[str, tuple[int, int, str]]] = {
    "abs": (1, 1, "abs(amount - usual)"),
    "min": (2, ARGUMENTS_MAX, "min(a, b)"),
    "max": (2, ARGUMENTS_MAX, "max(a, b)"),
    "lower": (1, 1, "lower(name)"),
    "km_between": (4, 4, "km_between(lat, lon, lat, lon)"),
    "hour": (2, 2, 'hour(occurred_at, "Asia/Shanghai")'),
    "weekday": (2, 2, 'weekday(occurred_at, "Asia/Shanghai")'),
    "date": (2, 2, 'date(occurred_at, "Asia/Shanghai")'),
    "prefix": (2, 2, "prefix(ip, 24)"),
}
CONDITION_FUNCTIONS: Final[dict[str, tuple[int, int, str]]] = {
    "at_least": (2, ARGUMENTS_MAX, "at_least(2, a, b, c)"),
    "starts_with": (2, 2, 'starts_with(name, "x")'),
    "ends_with": (2, 2, 'ends_with(name, "x")'),
    "contains": (2, 2, 'contains(name, "x")'),
    "like": (2, 2, 'like(name, "*x*")'),
}


def applied(function: str, args: tuple[Node, ...], values: list[Value], node: Node, reading: Reading) -> Value | None:
    """What a call of a value function means, or None after its fault is told. The number of values is right."""
    match function:
        case "abs" | "min" | "max":
            return _of_one_kind(function, args, values, reading)
        case "lower":
            return _made(function, values, TEXT) if wanted(TEXTUAL, "a text", function, args, values, reading) else None
        case "km_between":
            return _made(function, values, NUMBER) if wanted(NUMERIC, "numbers", function, args, values, reading) else None
        case "prefix":
            return _prefix(args, values, reading)
    return _in_zone(function, args, values, reading)


def _made(function: str, values: list[Value], type_: FieldType) -> Value:
    return Applied(type_, any(v.unknown for v in values), any(v.never for v in values), function, tuple(values))


def wanted(kinds: tuple[str, ...], name: str, function: str, args: tuple[Node, ...], values: list[Value], reading: Reading) -> bool:
    """Whether all values are of the kinds; E209 at the first that is not."""
    for node, value in zip(args, values, strict=True):
        if value.type.kind not in kinds:
            reading.say("E209", node, f"`{function}` wants {name}; `{canonical(node)}` is {describe(value.type)}")
            return False
    return True


def _of_one_kind(function: str, args: tuple[Node, ...], values: list[Value], reading: Reading) -> Value | None:
    if not wanted(ORDERED, "numbers, money, durations or times", function, args, values, reading):
        return None
    type_ = values[0].type
    if function == "abs" and type_.kind == "time":
        reading.say("E209", args[0], "`abs` wants a number; a time has no sign")
        return None
    for node, value in zip(args[1:], values[1:], strict=True):
        if not same_family(type_, value.type):
            first = f"`{canonical(args[0])}` is {describe(type_)}"
            reading.say("E209", node, f"`{function}` wants values of one type: {first}, `{canonical(node)}` is {describe(value.type)}")
            return None
        type_ = common(type_, value.type)
    return _made(function, values, type_)


def _prefix(args: tuple[Node, ...], values: list[Value], reading: Reading) -> Value | None:
    if not wanted(("text",), "an IP address", "prefix", args[:1], values[:1], reading):
        return None
    bits = values[1]
    if not isinstance(bits, Const) or bits.type != INT or not 1 <= bits.value <= IP_BITS_MAX:
        reading.say("E209", args[1], f"`prefix` wants a number of bits from 1 to {IP_BITS_MAX}", "write it like `prefix(ip, 24)`")
        return None
    # A text that is no address has no prefix: the result can be unknown even when the text is not.
    return Applied(TEXT, True, values[0].never, "prefix", (values[0],), (bits.value,))


def _in_zone(function: str, args: tuple[Node, ...], values: list[Value], reading: Reading) -> Value | None:
    if not wanted(("time",), "a time", function, args[:1], values[:1], reading):
        return None
    zone = values[1]
    if not isinstance(zone, Const) or not zone.literal:
        reading.say("E209", args[1], f"`{function}` wants a time zone in quotes", f"write it like `{VALUE_FUNCTIONS[function][2]}`")
        return None
    if not is_zone(zone.value):
        near = closest(zone.value, sorted(available_timezones()))
        reading.say("E209", args[1], f"'{zone.value[:40]}' is not a time zone", f"did you mean '{near}'?" if near else None)
        return None
    type_ = {"hour": INT, "weekday": WEEKDAY, "date": TEXT}[function]
    # A time outside the calendar (years 1 to 9999) has no hour: never.
    return Applied(type_, values[0].unknown, True, function, (values[0],), (zone.value,))


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return bool(name)
