"""Walking a condition's tree with the way back: every part of it, and how to put another part in its place.

Rule 1: trees are never changed, new ones are made; places of what is kept stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from risk.language import nodes
from risk.language.nodes import Node
from risk.language.parse import parse

Put = Callable[[Node], Node]
"""Makes the whole condition with another part in one place."""


def everywhere(node: Node) -> Iterator[tuple[Node, Put]]:
    """Each part of a condition, itself first, with what puts another in its place. Macros stay closed."""
    yield node, lambda new: new
    for name, index, child in _children(node):
        for found, put in everywhere(child):
            yield found, _placed(node, name, index, put)


def _children(node: Node) -> Iterator[tuple[str, int | None, Node]]:
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            yield each.name, None, value
        elif isinstance(value, tuple):
            for index, part in enumerate(value):
                if isinstance(part, Node):
                    yield each.name, index, part


def _placed(node: Node, name: str, index: int | None, put: Put) -> Put:
    def placed(new: Node) -> Node:
        child = put(new)
        if index is None:
            changes: Any = {name: child}
            return replace(node, **changes)
        parts = getattr(node, name)
        # an `and` is never directly inside another `and`, nor an `or` inside an `or`
        inner = child.parts if isinstance(node, nodes.And | nodes.Or) and isinstance(child, type(node)) else (child,)
        changes = {name: (*parts[:index], *inner, *parts[index + 1 :])}
        return replace(node, **changes)

    return placed


def opened(node: Node, macros: Mapping[str, str]) -> Node:
    """The condition with every macro written out; ``macros`` gives the text of each."""
    if isinstance(node, nodes.Name):
        return opened(_inside(node.name, macros), macros) if node.name in macros else node
    changes: dict[str, Any] = {}
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            changes[each.name] = opened(value, macros)
        elif isinstance(value, tuple):
            changes[each.name] = tuple(opened(part, macros) if isinstance(part, Node) else part for part in value)
    return replace(node, **changes) if changes else node


def _inside(macro: str, macros: Mapping[str, str]) -> Node:
    found = parse(macros[macro])
    assert isinstance(found, Node), f"macro {macro} was not checked"
    return found


def macros_under(node: Node, macros: Mapping[str, str]) -> set[str]:
    """The macros that a condition uses, through other macros too."""
    found: set[str] = set()
    rest = [node]
    while rest:
        for name in nodes.names_in(rest.pop()) & macros.keys() - found:
            found.add(name)
            rest.append(_inside(name, macros))
    return found
