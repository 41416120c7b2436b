"""Values as rule files write them for fields of events: examples, tests, list entries.

The text of one scalar and the type of its field give the value that a decoded event would have (`risk.events`). What a value looks
like is `risk.language.literal`'s; here are only times written as ages and money in the currency of each event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from risk.declared import FieldType
from risk.language.condition import Fault, literal
from risk.language.sections.keys import duration_ms
from risk.money import Money


@dataclass(frozen=True, slots=True)
class Ago:
    """A time written as an age, `400d ago`: so long before the event that has it."""

    ms: int


def value_of(text: str, kind: FieldType) -> Any:
    """The value of a decoded event: money as minor units, times and durations as milliseconds, an `Ago`; or a `Fault`.

    Money without a fixed currency gives a `Money`.
    """
    if kind.kind == "time" and text.endswith(" ago"):
        age = duration_ms(text.removesuffix(" ago"))
        return Ago(age) if age is not None else Fault("E206", 0, len(text), f"`{text}` is not an age", "write it like `20d ago`")
    if kind.kind == "text":
        return text
    found = literal(text, kind)
    if isinstance(found, Fault):
        return found
    value, its_type = found
    if kind.kind == "money" and kind.currency is None:
        return Money(its_type.currency or "", value)
    return value


def described(kind: FieldType) -> str:
    """A type in the words of messages: "a card id", "money in CNY"."""
    words = {
        "text": "text", "texts": "a list of texts", "int": "a whole number", "number": "a number", "bool": "yes or no",
        "time": "a time", "duration": "a duration", "country": "a country",
    }  # fmt: skip
    if kind.kind == "id":
        return f"a{'n' if (kind.entity or 'x')[0] in 'aeio' else ''} {kind.entity} id"
    if kind.kind == "money":
        return f"money in {kind.currency}" if kind.currency else "money in the currency of each event"
    if kind.kind == "enum":
        return "one of " + ", ".join(f"'{value}'" for value in kind.values)
    return words[kind.kind]
