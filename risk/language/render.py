"""Conditions and values as people read them: `CNY 5.00`, `15m`, `2026-11-24T09:00:00Z`.

Rule 1: only for people, and only when asked: nothing that decides reads this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from risk.declared import FieldType
from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.interpret import Known, evaluate
from risk.language.nodes import Node, names_in
from risk.language.parse import parse
from risk.language.scope import Scope, Symbol
from risk.language.types import UNIT_MS
from risk.money import DECIMALS, render

TEXT_SHOWN_MAX = 80
_UNITS = ("d", "h", "m", "s")


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a condition on one event. ``values``: (name, value as text) of all names it reads, sorted."""

    text: str
    result: bool | None
    values: tuple[tuple[str, str], ...]


PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
"""A name in a rule's message: `{payer.id}`, `{tries_10m}`, `{$limit}`."""


def terms_of(
    node: Node,
    scope: Scope,
    params: Mapping[str, Any],
    lists: Mapping[str, frozenset[Any]],
    read: Callable[[str], Any],
    currency: Callable[[str], str | None] = lambda _: None,
) -> list[Term]:
    """What each part of the topmost `and` says. ``read``: a name's value; ``currency``: that of money in the event's own."""
    parts = node.parts if isinstance(node, nodes.And) else (node,)
    terms = []
    for part in parts:
        names = sorted(read_by(part, scope))
        known = Known({name: read(name) for name in names}, scope, params, lists)
        values = tuple((name, rendered(known.values[name], scope.names[name], currency(name))) for name in names)
        terms.append(Term(canonical(with_values(part, scope, params)), evaluate(part, known), values))
    return terms


def read_by(node: Node, scope: Scope) -> set[str]:
    """Every field and feature that a condition reads, through its macros too."""
    found: set[str] = set()
    seen: set[str] = set()
    rest = [node]
    while rest:
        for name in names_in(rest.pop()):
            if name not in scope.macros:
                found.add(name)
            elif name not in seen:
                seen.add(name)
                inner = parse(scope.macros[name])
                assert isinstance(inner, Node), f"macro {name} was not checked"
                rest.append(inner)
    return found


def with_values(node: Node, scope: Scope, params: Mapping[str, Any]) -> Node:
    """The condition with each parameter's value in its place."""
    if isinstance(node, nodes.Param):
        return literal_node(params[node.name], scope.params[node.name].type)
    changed: dict[str, Any] = {}
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            changed[each.name] = with_values(value, scope, params)
        elif isinstance(value, tuple):
            changed[each.name] = tuple(with_values(part, scope, params) if isinstance(part, Node) else part for part in value)
    return replace(node, **changed) if changed else node


def literal_node(value: Any, type_: FieldType) -> Node:
    """A value as the tree of the literal that means it."""
    if isinstance(value, bool):
        return nodes.Bool(value)
    if isinstance(value, str):
        return nodes.Text(value)
    if value < 0:
        return nodes.Minus(literal_node(-value, type_))
    if type_.kind == "money" and type_.currency is not None:
        return nodes.Money(*render(type_.currency, int(value)).split())
    if type_.kind == "duration" and value % 1000 == 0:
        unit = next(unit for unit in _UNITS if value % UNIT_MS[unit] == 0)
        return nodes.Duration(value // UNIT_MS[unit], unit if value else "s")
    return nodes.Number(decimal(value))


def rendered(value: Any, symbol: Symbol, currency: str | None = None) -> str:
    """A name's value as text. A value that is not there is `missing` (a field), `unknown` (anything else) or `never`."""
    if value is None:
        return "missing" if symbol.kind == "field" else "unknown"
    return render_value(value, symbol.type, currency)


def render_value(value: Any, type_: FieldType, currency: str | None = None) -> str:
    """A value of a type as text; ``currency`` for money in the currency of its event. None is `missing`, NEVER is `never`."""
    if value is None:
        return "missing"
    if value != value:
        return "never"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if len(value) <= TEXT_SHOWN_MAX else value[:TEXT_SHOWN_MAX] + "..."
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(sorted(map(str, value)))}]"
    match type_.kind:
        case "money":
            unit = type_.currency or currency
            return render(unit, round(value)) if unit in DECIMALS and unit is not None else decimal(value)
        case "duration":
            return duration(value)
        case "time":
            return moment(value)
    return decimal(value)


def decimal(value: float) -> str:
    """A number without an exponent, and with no more than six decimals."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def duration(ms: float) -> str:
    """``900_000`` -> ``15m``, ``3_660_000`` -> ``61m``, ``93_784_000`` -> ``1d 2h 3m 4s``: one unit while its number stays small."""
    if ms < 0:
        return f"-{duration(-ms)}"
    for unit in _UNITS:
        if ms and ms % UNIT_MS[unit] == 0 and (unit == "d" or ms < 100 * UNIT_MS[unit]):
            return f"{int(ms // UNIT_MS[unit])}{unit}"
    said, rest = [], ms
    for unit in _UNITS[:-1]:
        count, rest = divmod(rest, UNIT_MS[unit])
        if count:
            said.append(f"{int(count)}{unit}")
    if rest or not said:
        said.append(f"{decimal(rest / 1000)}s")
    return " ".join(said)


def moment(ms: float) -> str:
    """A time as RFC 3339, in UTC."""
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    except OverflowError:
        return decimal(ms)
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")
