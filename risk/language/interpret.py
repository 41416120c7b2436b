"""A condition's answer the plain way: a walk over its tree in Kleene's three-valued logic.

Rule 1: nothing of the compiler is used here, and nothing here is used by it: the two are tested against each other.
Rule 2: as plain as can be; speed does not matter. It serves tests and explanations.
"""

from __future__ import annotations

import ipaddress
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from risk.declared import NEVER
from risk.language import nodes
from risk.language.currencies import minor_units
from risk.language.nodes import Node
from risk.language.parse import parse
from risk.language.scope import Scope

_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_UNITS = ("money", "duration")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Known:
    """One event: what each name is (None unknown, NEVER never), and what the condition can see."""

    values: Mapping[str, Any]
    scope: Scope
    params: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, frozenset[Any]] = field(default_factory=dict)


def evaluate(node: Node, known: Known) -> bool | None:
    """True, False, or None: it cannot be known."""
    match node:
        case nodes.Or(parts):
            return _or([evaluate(part, known) for part in parts])
        case nodes.And(parts):
            return _and([evaluate(part, known) for part in parts])
        case nodes.Not(part):
            return _not(evaluate(part, known))
        case nodes.Compare(op, left, right):
            return _test(op, _value(left, known), _value(right, known))
        case nodes.Between(item, low, high, negated):
            x, a, b = _value(item, known), _value(low, known), _value(high, known)
            return _or([_test("<", x, a), _test(">", x, b)]) if negated else _and([_test(">=", x, a), _test("<=", x, b)])
        case nodes.In():
            return _in(node, known)
        case nodes.Missing(item, wants_known):
            x = _value(item, known)
            return (x is not None and not _is_never(x)) == wants_known
        case nodes.Bool(flag):
            return flag
        case nodes.Name(name) if name in known.scope.macros:
            inner = parse(known.scope.macros[name])
            assert isinstance(inner, Node)
            return evaluate(inner, known)
        case nodes.Call(function, args) if function in ("at_least", "starts_with", "ends_with", "contains", "like"):
            return _call_condition(function, args, known)
    return _test("==", _value(node, known), True)


def _or(answers: list[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False


def _and(answers: list[bool | None]) -> bool | None:
    return False if False in answers else None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _is_never(x: Any) -> bool:
    return isinstance(x, float) and math.isnan(x)


def _test(op: str, a: Any, b: Any) -> bool | None:
    if a is None or b is None:
        return None
    if _is_never(a) or _is_never(b):
        return False
    return _TESTS[op](a, b)


def _in(node: nodes.In, known: Known) -> bool | None:
    x = _value(node.item, known)
    if isinstance(node.within, nodes.Values):
        found = [_value(part, known) for part in node.within.parts]
        return _and([_test("!=", x, each) for each in found]) if node.negated else _or([_test("==", x, each) for each in found])
    within: Any = known.lists[node.within.name] if isinstance(node.within, nodes.ListName) else _value(node.within, known)
    return _held(x, within, node.negated)


def _held(x: Any, within: Any, negated: bool) -> bool | None:
    if x is None or within is None:
        return None
    if _is_never(x) or _is_never(within):
        return False
    return (x in within) != negated


def _call_condition(function: str, args: tuple[Node, ...], known: Known) -> bool | None:
    if function == "at_least":
        wanted = _value(args[0], known)
        answers = [evaluate(arg, known) for arg in args[1:]]
        if answers.count(True) >= wanted:
            return True
        return False if answers.count(True) + answers.count(None) < wanted else None
    text, part = (_value(arg, known) for arg in args)
    if function == "contains" and isinstance(text, tuple | list | frozenset):
        return _held(part, text, False)
    if text is None or part is None:
        return None
    if _is_never(text) or _is_never(part):
        return False
    if function == "like":
        return _like(text, part)
    return bool(text.startswith(part) if function == "starts_with" else text.endswith(part) if function == "ends_with" else part in text)


def _like(text: str, pattern: str) -> bool:
    """Row by row: which beginnings of the text does each beginning of the pattern match?"""
    row = [True] + [False] * len(text)
    for sign in pattern:
        before, row = row, [row[0] and sign == "*"]
        for i, letter in enumerate(text):
            row.append(row[i] or before[i + 1] if sign == "*" else before[i] and sign in ("?", letter))
    return row[-1]


def _value(node: Node, known: Known) -> Any:
    match node:
        case nodes.Name(name):
            return known.values[name]
        case nodes.Param(name):
            return known.params[name]
        case nodes.Number(text):
            return float(text) if "." in text else int(text)
        case nodes.Percent(text):
            return float(Fraction(text) / 100)
        case nodes.Duration(count, unit):
            return count * _UNIT_MS[unit]
        case nodes.Money(currency, text):
            return minor_units(text, currency)
        case nodes.Text(value) | nodes.Bool(value):
            return value
        case nodes.Minus(part):
            x = _value(part, known)
            return None if x is None else -x
        case nodes.Arith():
            return _arith(node, known)
        case nodes.Call(function, args):
            return _call_value(function, args, known)
    raise AssertionError(f"not a value: {node!r}")


def _arith(node: nodes.Arith, known: Known) -> Any:
    a, b = _value(node.left, known), _value(node.right, known)
    if a is None or b is None or (node.op == "/" and b == 0):
        return None
    if _is_never(a) or _is_never(b):
        return NEVER
    if node.op in "+-":
        return a + b if node.op == "+" else a - b
    kinds = _kind(node.left, known), _kind(node.right, known)
    if len(set(kinds) - set(_UNITS)) == len(set(kinds)) or (kinds[0] in _UNITS and kinds[1] in _UNITS):
        return a * b if node.op == "*" else a / b
    whole, factor, written = (a, b, node.right) if kinds[0] in _UNITS else (b, a, node.left)
    if isinstance(factor, int) or _is_written(written):
        exact = Fraction(str(factor))
        return math.floor(Fraction(whole) * (exact if node.op == "*" else 1 / exact) + Fraction(1, 2))
    product = whole * factor if node.op == "*" else whole / factor
    return math.floor(product + 0.5) if math.isfinite(product) else NEVER


def _is_written(node: Node) -> bool:
    return _is_written(node.part) if isinstance(node, nodes.Minus) else isinstance(node, nodes.Number | nodes.Percent | nodes.Param)


def _kind(node: Node, known: Known) -> str:
    """Enough of a type to know what rounds: money, duration, or anything else."""
    match node:
        case nodes.Name(name):
            return known.scope.names[name].type.kind
        case nodes.Param(name):
            return known.scope.params[name].type.kind
        case nodes.Money():
            return "money"
        case nodes.Duration():
            return "duration"
        case nodes.Minus(part):
            return _kind(part, known)
        case nodes.Call(function, args) if function in ("abs", "min", "max"):
            return _kind(args[0], known)
        case nodes.Arith(op, left, right):
            return _kind_of_arith(op, _kind(left, known), _kind(right, known))
    return "number"


def _kind_of_arith(op: str, a: str, b: str) -> str:
    if "time" in (a, b):
        return "duration" if a == b else "time"
    if op == "/" and a in _UNITS and b in _UNITS:
        return "number"
    return a if a in _UNITS else b if b in _UNITS else "number"


def _call_value(function: str, args: tuple[Node, ...], known: Known) -> Any:
    values = [_value(arg, known) for arg in args]
    if None in values:
        return None
    if any(_is_never(x) for x in values):
        return NEVER
    match function:
        case "abs":
            return abs(values[0])
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "lower":
            return values[0].lower()
        case "km_between":
            return _km_between(*values)
        case "prefix":
            return _prefix(*values)
    return _in_zone(function, *values)


def _km_between(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Haversine, through the arctangent."""
    if not all(map(math.isfinite, (lat_a, lon_a, lat_b, lon_b))):
        return NEVER
    a, b, east = math.radians(lat_a), math.radians(lat_b), math.radians(lon_b - lon_a)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(east / 2) ** 2
    return 6371.0088 * 2 * math.atan2(math.sqrt(h), math.sqrt(max(0.0, 1 - h)))


def _prefix(ip: str, bits: int) -> str | None:
    try:
        return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False)) if "/" not in ip else None
    except ValueError:
        return None


def _in_zone(function: str, t: Any, zone: str) -> Any:
    try:
        there = (_EPOCH + timedelta(milliseconds=t)).astimezone(ZoneInfo(zone))
    except OverflowError:
        return NEVER
    if not 1 < there.year < 9999:
        return NEVER
    match function:
        case "hour":
            return there.hour
        case "weekday":
            return _WEEKDAYS[there.weekday()]
    return f"{there.year:04d}-{there.month:02d}-{there.day:02d}"
