"""Warnings about the way a condition is written. They look at the tree only, so macros can be linted without a scope."""

from __future__ import annotations

from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.reading import Reading


def structure(node: nodes.Node, reading: Reading) -> None:
    """W301 for `and` beside `or` without brackets; W306 for the same condition twice in a row of them."""
    for part in node.walk():
        if isinstance(part, nodes.Or) and any(isinstance(each, nodes.And) and not each.bracketed for each in part.parts):
            reading.say("W301", part, "`and` binds tighter than `or`; add brackets to show what you mean", severity="warning")
        if isinstance(part, nodes.Or | nodes.And):
            _duplicates(part.parts, reading)


def _duplicates(parts: tuple[nodes.Node, ...], reading: Reading) -> None:
    for index, part in enumerate(parts):
        if part in parts[:index]:
            reading.say("W306", part, f"`{canonical(part)[:60]}` is written twice", severity="warning")
