"""A value as it is written, and the values one step up and one step down from it.

Rule 1: the step is the smallest that somebody would mean: 1 of the currency's minor unit (a fen), a second, a whole number, a tenth
of a point of a share. A number with decimals below one is a share too; another moves in its last written decimal.
Rule 2: nothing steps below zero: the language writes no negative amount, duration or count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.currencies import minor_units
from risk.language.literal import literal
from risk.language.nodes import Node
from risk.language.parse import parse
from risk.language.scope import Fault
from risk.language.types import UNIT_MS
from risk.money import render

SECOND_MS = 1000
_POINT_TENTH = Decimal("0.1")
_SHARE_STEP = Decimal("0.001")


def steps(node: Node) -> Iterator[Node]:
    """The literals one step up and one step down; a yes becomes a no; nothing for what is no number."""
    match node:
        case nodes.Bool(value):
            yield replace(node, value=not value)
        case nodes.Money(currency, text):
            minor = minor_units(text, currency)
            assert minor is not None
            yield from (_money(node, minor + step) for step in (1, -1) if minor + step >= 0)
        case nodes.Duration(count, unit):
            ms = count * UNIT_MS[unit]
            yield from (_duration(node, ms + step) for step in (SECOND_MS, -SECOND_MS) if ms + step >= 0)
        case nodes.Percent(text):
            yield from (replace(node, text=each) for each in _decimals(text, _POINT_TENTH))
        case nodes.Number(text):
            yield from (replace(node, text=each) for each in _decimals(text, number_step(text)))


def number_step(text: str) -> Decimal:
    """The step of a number, from the way in which it is written."""
    if "." not in text:
        return Decimal(1)
    last = Decimal(1).scaleb(-len(text.partition(".")[2]))
    return min(last, _SHARE_STEP) if 0 < Decimal(text) < 1 else last


def _decimals(text: str, step: Decimal) -> Iterator[str]:
    now = Decimal(text)
    yield f"{now + step:f}"
    if now - step >= 0:
        yield f"{now - step:f}"


def _money(node: nodes.Money, minor: int) -> Node:
    return replace(node, text=render(node.currency, minor).split()[1])


def _duration(node: nodes.Duration, ms: int) -> Node:
    return replace(node, count=ms // SECOND_MS, unit="s")


def value_steps(text: str) -> Iterator[tuple[str, Any]]:
    """(as written, value) one step up and down from a value that stands outside a condition: a parameter, a setting."""
    node = parse(text.strip())
    if not isinstance(node, Node):
        return
    sign, part = ("-", node.part) if isinstance(node, nodes.Minus) else ("", node)
    for each in steps(part):
        written = sign + canonical(each)
        found = literal(written, None)
        if not isinstance(found, Fault):
            yield written, found[0]
