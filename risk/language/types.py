"""The types of the language: what people call them, what compares with what, what arithmetic gives.

Rule 1: types only. Names, places and words of a whole condition are in typecheck.py.
"""

from __future__ import annotations

import re
from typing import Final

from risk.declared import FieldType
from risk.language.scope import Fault
from risk.language.suggest import closest

BOOL: Final = FieldType("bool")
INT: Final = FieldType("int")
NUMBER: Final = FieldType("number")
TEXT: Final = FieldType("text")
DURATION: Final = FieldType("duration")
TIME: Final = FieldType("time")
WEEKDAY: Final = FieldType("enum", values=("mon", "tue", "wed", "thu", "fri", "sat", "sun"))

UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

NUMERIC: Final = ("int", "number")
ORDERED: Final = ("int", "number", "money", "duration", "time")
TEXTUAL: Final = ("text", "id", "enum", "country")


def describe(type_: FieldType) -> str:
    """A type as a message says it, with its article."""
    match type_.kind:
        case "bool":
            return "yes or no"
        case "int":
            return "a whole number"
        case "texts":
            return "several texts"
        case "money" if type_.currency:
            return f"an amount of money in {type_.currency}"
        case "money":
            return "an amount of money"
        case "id":
            return f"{'an' if (type_.entity or '')[:1] in 'aeiou' else 'a'} {type_.entity} id"
        case "enum":
            return "one of " + ", ".join(f"'{value}'" for value in type_.values)
    return f"a {type_.kind}"


def plural(type_: FieldType) -> str:
    """Several values of a type, as a message says it."""
    match type_.kind:
        case "id":
            return f"{type_.entity} ids"
        case "money":
            return f"amounts of money in {type_.currency}" if type_.currency else "amounts of money"
        case "country":
            return "countries"
        case "int":
            return "whole numbers"
        case "enum":
            return "the values " + ", ".join(f"'{value}'" for value in type_.values)
    return f"{type_.kind.removesuffix('s')}s"


def same_family(a: FieldType, b: FieldType) -> bool:
    """Whether values of the two can be equal at all."""
    if a.kind in NUMERIC and b.kind in NUMERIC:
        return True
    if a.kind == "money" and b.kind == "money":
        return a.currency == b.currency
    if a.kind == "id" or b.kind == "id":
        return a.kind == b.kind and a.entity == b.entity
    if a.kind == b.kind == "enum":
        return bool(set(a.values) & set(b.values))
    if a.kind in TEXTUAL and b.kind in TEXTUAL:
        return True
    return a.kind == b.kind and a.kind != "texts"


def common(a: FieldType, b: FieldType) -> FieldType:
    """The type of a value that is one of the two; they are of one family."""
    if a.kind in NUMERIC:
        return INT if a.kind == b.kind == "int" else NUMBER
    return a if a == b or a.kind not in TEXTUAL else TEXT


def arithmetic(op: str, a: FieldType, b: FieldType) -> FieldType | None:
    """The type of ``a op b``, or None when it has no meaning. Money and durations times a number round half up to whole units."""
    if a.kind in NUMERIC and b.kind in NUMERIC:
        return INT if op != "/" and a.kind == b.kind == "int" else NUMBER
    if op in "+-":
        return _sum(op, a, b)
    if a.kind in ("money", "duration") and b.kind in NUMERIC:
        return a
    if op == "*" and a.kind in NUMERIC and b.kind in ("money", "duration"):
        return b
    if op == "/" and a.kind in ("money", "duration") and same_family(a, b):
        return NUMBER
    return None


def _sum(op: str, a: FieldType, b: FieldType) -> FieldType | None:
    if a.kind in ("money", "duration") and same_family(a, b):
        return a
    if a.kind == "time" and b.kind == "duration":
        return TIME
    if op == "+" and a.kind == "duration" and b.kind == "time":
        return TIME
    if op == "-" and a.kind == b.kind == "time":
        return DURATION
    return None


def enum_fault(value: str, type_: FieldType, start: int, end: int, name: str | None = None) -> Fault | None:
    """E207 when ``value`` is not one that the enumeration has. ``name``: of what, when it has one."""
    if value in type_.values:
        return None
    near = closest(value, type_.values)
    listed = ", ".join(f"'{each}'" for each in type_.values)
    message = f"'{_cut(value)}' is not a value of `{name}`; it is one of {listed}" if name else f"'{_cut(value)}' is not one of {listed}"
    return Fault("E207", start, end, message, f"did you mean '{near}'?" if near else None)


def country_fault(value: str, start: int, end: int) -> Fault | None:
    """E207 when ``value`` does not look like a country: two capital letters."""
    if re.fullmatch(r"[A-Z]{2}", value):
        return None
    hint = f'write `"{value.upper()}"`' if re.fullmatch(r"[A-Za-z]{2}", value) else 'a country is two capital letters, like `"CN"`'
    return Fault("E207", start, end, f"'{_cut(value)}' is not a country", hint)


def _cut(value: str) -> str:
    return value if len(value) <= 40 else value[:40] + "..."
