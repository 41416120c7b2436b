"""The tree of a condition.

Rule 1: a node says what was written, not what it means: names are not looked up, literals keep their text.
Rule 2: places (``start``, ``end``, ``bracketed``) are not part of what a node equals.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of a condition; ``text[start:end]`` is where it is written, its brackets included."""

    start: int = field(default=0, compare=False, kw_only=True)
    end: int = field(default=0, compare=False, kw_only=True)
    bracketed: bool = field(default=False, compare=False, kw_only=True)

    def children(self) -> Iterator[Node]:
        """The parts directly below, as written from left to right."""
        for name in _parts_of(type(self)):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                yield from (part for part in value if isinstance(part, Node))

    def walk(self) -> Iterator[Node]:
        """This node and all below it, without recursion: a tree may be deeper than Python's stack."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(list(node.children())))


_PARTS: dict[type[Node], tuple[str, ...]] = {}
"""The fields of each kind of node that may hold parts: asked at every step of every walk, so looked up once."""


def _parts_of(kind: type[Node]) -> tuple[str, ...]:
    found = _PARTS.get(kind)
    if found is None:
        found = _PARTS[kind] = tuple(each.name for each in fields(kind) if not each.kw_only)
    return found


@dataclass(frozen=True, slots=True)
class Or(Node):
    """At least one part holds. Never directly inside another Or."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class And(Node):
    """All parts hold. Never directly inside another And."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The part does not hold."""

    part: Node


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``left op right``, op one of == != < <= > >=."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    """``item in within``: a list, written values, or a name that holds several texts."""

    item: Node
    within: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Between(Node):
    """``item between low and high``, both ends included."""

    item: Node
    low: Node
    high: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Missing(Node):
    """``item is missing``; with ``known`` it is ``item is known`` (also written ``is not missing``)."""

    item: Node
    known: bool


@dataclass(frozen=True, slots=True)
class Arith(Node):
    """``left op right``, op one of + - * /."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Minus(Node):
    """``-part``."""

    part: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``function(args)``."""

    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Values(Node):
    """``[a, b, c]``, only ever right of ``in``."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Number(Node):
    """``6`` or ``0.8``, kept as written."""

    text: str


@dataclass(frozen=True, slots=True)
class Percent(Node):
    """``80%``; ``text`` is without the sign."""

    text: str


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """``24h``: a count and one of s m h d w."""

    count: int
    unit: str


@dataclass(frozen=True, slots=True)
class Money(Node):
    """``CNY 5.00``; the currency and its decimals are checked later."""

    currency: str
    text: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    """``"text"``, without quotes and escapes."""

    value: str


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A field, a feature, a macro or ``model.score``."""

    name: str


@dataclass(frozen=True, slots=True)
class Param(Node):
    """``$name``; ``name`` is without the sign."""

    name: str


@dataclass(frozen=True, slots=True)
class ListName(Node):
    """``@name``; ``name`` is without the sign."""

    name: str


LITERALS = (Number, Percent, Duration, Money, Text, Bool)


def names_in(node: Node) -> set[str]:
    """Every name the condition itself uses, macros among them."""
    return {part.name for part in node.walk() if isinstance(part, Name)}


def params_in(node: Node) -> set[str]:
    """Every parameter the condition itself uses."""
    return {part.name for part in node.walk() if isinstance(part, Param)}


def lists_in(node: Node) -> set[str]:
    """Every list the condition itself uses."""
    return {part.name for part in node.walk() if isinstance(part, ListName)}


def macros_in(node: Node, macros: Container[str] | None = None) -> set[str]:
    """The macros the condition itself uses: its names that are in ``macros``; without it every name that could be one."""
    return {name for name in names_in(node) if (name in macros if macros is not None else "." not in name)}
