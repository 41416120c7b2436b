"""Conditions that can never hold: what the parts of one `and` say about one name, put together.

Rule 1: only what is certain is reported. A part that is not understood here says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from risk.language.canonical import quoted
from risk.language.meaning import Absent, AllOf, Among, Comparison, Condition, Flag, Inverse, Read, Value

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


@dataclass
class _Known:
    """What holds for one name so far. A bound is (value, operator that set it)."""

    low: tuple[Any, str] | None = None
    high: tuple[Any, str] | None = None
    allowed: frozenset[Any] | None = None
    refused: set[Any] = field(default_factory=set)
    missing: bool = False
    compared: bool = False


def impossible(parts: Sequence[Condition], known: Callable[[Value], Any]) -> tuple[int, str] | None:
    """The first part that contradicts those before it, and why; None when all could hold together.

    ``known``: the value of a literal or of a parameter, None of anything else.
    """
    names: dict[str, _Known] = {}
    for index, part in enumerate(parts):
        for name, whole, op, value in _claims(part, known):
            why = _add(names.setdefault(name, _Known()), whole, op, value)
            if why:
                return index, f"`{name}` can never be {why}"
    return None


def _claims(part: Condition, known: Callable[[Value], Any]) -> Iterator[tuple[str, bool, str, Any]]:
    """(name, whole numbers only, operator, value) for everything this part demands of a name."""
    match part:
        case AllOf(parts):
            for each in parts:
                yield from _claims(each, known)
        case Comparison(op, Read() as left, right) if (value := known(right)) is not None:
            yield left.symbol.name, _whole(left), op, value
        case Comparison(op, left, Read() as right) if (value := known(left)) is not None:
            yield right.symbol.name, _whole(right), _TURNED[op], value
        case Among(Read() as item, False, None, values) if all(known(each) is not None for each in values):
            yield item.symbol.name, False, "in", frozenset(map(known, values))
        case Absent(Read() as item, there):
            yield item.symbol.name, False, "known" if there else "missing", None
        case Flag(Read() as flag):
            yield flag.symbol.name, False, "==", True
        case Inverse(Flag(Read() as flag)) if not flag.never:
            yield flag.symbol.name, False, "==", False


def _whole(value: Read) -> bool:
    return value.type.kind == "int"


def _add(known: _Known, whole: bool, op: str, value: Any) -> str | None:
    if op == "missing":
        known.missing = True
        return "both missing and known" if known.compared else None
    known.compared = True
    if known.missing:
        return "both missing and known" if op == "known" else "missing and compared"
    if op == "known":
        return None
    if isinstance(value, str | bool | frozenset):
        return _one_of(known, op, value)
    return _bounded(known, whole, op, value)


def _one_of(known: _Known, op: str, value: Any) -> str | None:
    if op == "!=":
        known.refused.add(value)
    elif op in ("==", "in"):
        wanted = value if isinstance(value, frozenset) else frozenset((value,))
        before = known.allowed
        known.allowed = wanted if before is None else before & wanted
        if not known.allowed and before:
            return f"both {_listed(before)} and {_listed(wanted)}"
    if known.allowed is not None and known.allowed <= known.refused:
        return f"{_listed(known.allowed)} and not"
    return None


def _listed(values: frozenset[Any]) -> str:
    shown = sorted(quoted(value) if isinstance(value, str) else str(value).lower() for value in values)
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def _bounded(known: _Known, whole: bool, op: str, value: Any) -> str | None:
    if op in (">", ">=", "==") and (known.low is None or _tighter(value, op, known.low, 1)):
        known.low = (value, op)
    if op in ("<", "<=", "==") and (known.high is None or _tighter(value, op, known.high, -1)):
        known.high = (value, op)
    if known.low is None or known.high is None:
        return None
    (low, low_op), (high, high_op) = known.low, known.high
    if whole:
        low, high = low + (low_op == ">"), high - (high_op == "<")
    if low > high or (low == high and not whole and (low_op == ">" or high_op == "<")):
        return "equal to both these values" if low_op == high_op == "==" else f"both {low_op} and {high_op} these limits"
    return None


def _tighter(value: Any, op: str, bound: tuple[Any, str], sign: int) -> bool:
    if value != bound[0]:
        return bool((value - bound[0]) * sign > 0)
    return op in "<>" and bound[1] not in "<>"
