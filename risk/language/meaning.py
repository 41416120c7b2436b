"""What a condition means: the tree after names are looked up, macros opened and types found.

Rule 1: typecheck.py makes these, ranges.py and codegen.py read them. The interpreter does not: it must not share a mistake.
Rule 2: two parts that mean the same are equal; where they were written is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from risk.declared import FieldType
from risk.language.scope import Symbol


@dataclass(frozen=True, slots=True)
class Value:
    """Something with a type. ``unknown``: it can be None; ``never``: it can be NEVER."""

    type: FieldType
    unknown: bool
    never: bool


@dataclass(frozen=True, slots=True)
class Const(Value):
    """A fixed value, in the units of risk/declared.py; ``literal``: a quoted text, which fits every kind of text."""

    value: Any
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Given(Value):
    """A parameter; its value is put in when the code is made."""

    name: str


@dataclass(frozen=True, slots=True)
class Read(Value):
    """A field of the event, a feature or the model's score."""

    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Computed(Value):
    """``left op right``. ``rounded``: money or a duration times or divided by a number, which rounds half up."""

    op: str
    left: Value
    right: Value
    rounded: bool


@dataclass(frozen=True, slots=True)
class Negative(Value):
    """``-part``."""

    part: Value


@dataclass(frozen=True, slots=True)
class Applied(Value):
    """A function that gives a value. ``fixed``: what was settled at load, a zone or a number of bits."""

    function: str
    args: tuple[Value, ...]
    fixed: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds, does not hold, or is unknown."""


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """Kleene's or."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    """Kleene's and."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Inverse(Condition):
    """Kleene's not."""

    part: Condition


@dataclass(frozen=True, slots=True)
class AtLeast(Condition):
    """``count`` of the parts hold; ``count`` is a Const or a Given."""

    count: Value
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Always(Condition):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Flag(Condition):
    """A yes-or-no value used as a condition."""

    value: Value


@dataclass(frozen=True, slots=True)
class Comparison(Condition):
    """``left op right``."""

    op: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Among(Condition):
    """``item in values``: of a named list (``list``) or as written (``values``)."""

    item: Value
    negated: bool
    list: str | None = None
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Holds(Condition):
    """``item in texts``, where a field holds several texts."""

    texts: Value
    item: Value
    negated: bool


@dataclass(frozen=True, slots=True)
class Absent(Condition):
    """``item is missing``, or with ``known`` the opposite; never unknown."""

    item: Value
    known: bool


@dataclass(frozen=True, slots=True)
class Matches(Condition):
    """starts_with, ends_with, contains or like."""

    function: str
    text: Value
    pattern: Value
