"""Why a message is refused: the catalogue of reasons, and the words that name the field.

Rule 1: a reason is a stable code of ``REASONS``; metrics, dead letters and documentation list that one table.
Rule 2: a detail names the field as rules write it and what was expected. It never shows a card number and never more
than ``SHOWN_MAX_CHARS`` of a value.
Never here: how a message is decoded; what is done with a refused one.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import msgspec

from risk.cards import holds_card
from risk.declared import Field
from risk.money import AMOUNT_MAX_MINOR

MESSAGE_MAX_BYTES: Final = 65_536
ID_MAX_CHARS: Final = 256
TEXT_MAX_CHARS: Final = 4_096
TEXTS_MAX: Final = 64
SHOWN_MAX_CHARS: Final = 80
DETAIL_MAX_CHARS: Final = 300
CHOICES_SHOWN_MAX: Final = 10
FUTURE_MAX_MS: Final = 86_400_000
TIME_MIN_MS: Final = -62_135_596_800_000  # year 1
TIME_MAX_MS: Final = 253_402_300_799_999  # the last millisecond of year 9999
CLOCKED: Final = ("occurred_at", "known_at")
"""Fields that say when the event happened or became known: calendars are reckoned from them, so the limits are narrower."""
CLOCK_MIN_MS: Final = 0
CLOCK_MAX_MS: Final = TIME_MAX_MS - 365 * 86_400_000  # a zone never leads out of the calendar
INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

REASONS: Final[dict[str, str]] = {
    "bad_json": "The message is not JSON, or nested too deeply.",
    "bad_utf8": "The message is not UTF-8.",
    "too_large": "The message is larger than 64 KiB.",
    "unknown_event": "The key `event` names no event type of the schema.",
    "missing_field": "A required field is absent or null.",
    "wrong_type": "A field holds another type of JSON value than the schema says.",
    "bad_value": "A field's value is not among the allowed ones, is empty or out of range.",
    "bad_amount": "An amount is negative, or larger than any amount can be.",
    "bad_currency": "A currency is not one of ISO 4217, or not the one that the schema fixes.",
    "bad_time": "A time is not RFC 3339 with a zone, or outside the years 1970 to 9998 (those beside the event's own: 1 to 9999).",
    "too_old": "The event is older than RISK_LATE_MS_MAX allows; without that setting no event is too old.",
    "future_time": "The event's time is more than one day after the broker received it.",
    "id_too_long": "An id has more than 256 characters.",
    "text_too_long": "A text has more than 4,096 characters.",
    "card_number": "A text holds a valid card number; none is ever stored, so redact the message before keeping it.",
    "gave_up": "Working on the record crashed a worker twice: a bug of ours. It touched no profile.",
    "conflicting_repeat": "A payment id came again with other content.",
}
"""Stable reason code -> what it means."""


class BadEvent(Exception):
    """A message that is no event of the schema. ``reason`` is a code of ``REASONS``; ``detail`` names field and expectation."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REASONS, reason
        self.reason = reason
        self.detail = detail if len(detail) <= DETAIL_MAX_CHARS else detail[: DETAIL_MAX_CHARS - 3] + "..."
        super().__init__(f"{reason}: {self.detail}")


class Slot(NamedTuple):
    """What one place in the JSON is for: the field it feeds, and whether it holds that field's currency."""

    field: Field
    is_currency: bool = False


def shown(value: Any) -> str:
    """A value for a message to people: as JSON, cut, and hidden if it holds a card number. Never raises."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number out of range"
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError):  # a Python value of build() that JSON cannot say
        text = type(value).__name__
    if holds_card(text):
        return "a value that is not shown"
    return text if len(text) <= SHOWN_MAX_CHARS else text[: SHOWN_MAX_CHARS - 3] + "..."


def choices(names: Any) -> str:
    """The allowed words, not more than a person reads."""
    listed = list(names)
    text = ", ".join(listed[:CHOICES_SHOWN_MAX])
    return text if len(listed) <= CHOICES_SHOWN_MAX else f"{text} and {len(listed) - CHOICES_SHOWN_MAX} more"


def time_limits(field: Field) -> tuple[int, int]:
    """The first and the last millisecond that a time field may hold."""
    return (CLOCK_MIN_MS, CLOCK_MAX_MS) if field.name in CLOCKED else (TIME_MIN_MS, TIME_MAX_MS)


def expected(slot: Slot) -> str:
    """What a field's value must be, in words."""
    field, kind = slot.field, slot.field.type.kind
    if slot.is_currency:
        fixed = field.type.currency
        return f"the currency {fixed}" if fixed else "a currency code of ISO 4217"
    if kind == "time":
        years = "1970 to 9998" if field.name in CLOCKED else "1 to 9999"
        if field.unit is None:
            return f"a time of the years {years} as RFC 3339 text with a zone, 2026-11-24T09:00:00.123Z"
        return f"a time of the years {years} as a number of {_UNITS[field.unit]} since 1970"
    if kind == "duration":
        return f"a duration as a number of {_UNITS[field.unit or 'ms']}, 0 or more"
    if kind == "enum":
        return f"one of {choices(field.type.values)}"
    return _EXPECTED[kind]


_UNITS: Final = {"ms": "milliseconds", "s": "seconds"}
_EXPECTED: Final = {
    "id": f"an id, a text of 1 to {ID_MAX_CHARS} characters",
    "text": f"a text of at most {TEXT_MAX_CHARS} characters",
    "texts": f"a list of at most {TEXTS_MAX} texts",
    "int": "a whole number of 64 bits",
    "number": "a number",
    "bool": "true or false",
    "country": "a country as two capital letters",
    "money": f"a whole number of minor units from 0 to {AMOUNT_MAX_MINOR}",
}


def refusal(slot: Slot, value: Any, where: str = "") -> BadEvent:
    """The refusal of a value that its field cannot hold; ``where`` adds a place inside the field, such as ``[3]``."""
    name = slot.field.name + where
    if value is None:
        return BadEvent("missing_field", f"{name}: {'the currency is ' if slot.is_currency else ''}missing, expected {expected(slot)}")
    return BadEvent(_reason(slot, value), f"{name}: expected {expected(slot)}, got {shown(value)}")


def _reason(slot: Slot, value: Any) -> str:
    """The code for a value that is there and wrong."""
    kind = slot.field.type.kind
    if slot.is_currency:
        return "bad_currency" if isinstance(value, str) else "wrong_type"
    if isinstance(value, str):
        if kind == "id":
            return "id_too_long" if len(value) > ID_MAX_CHARS else "bad_value"
        if kind in ("text", "texts"):
            return "text_too_long" if len(value) > TEXT_MAX_CHARS else "wrong_type"
        if kind == "time" and slot.field.unit is None:
            return "bad_time"
        return "bad_value" if kind in ("enum", "country") else "wrong_type"
    if isinstance(value, int) and not isinstance(value, bool):
        if kind == "time" and slot.field.unit is not None:
            return "bad_time"
        return {"money": "bad_amount", "duration": "bad_value", "int": "bad_value", "number": "bad_value"}.get(kind, "wrong_type")
    if isinstance(value, float):
        if slot.field.unit == "s":
            return "bad_time" if kind == "time" else "bad_value"
        return "bad_value" if kind == "number" else "wrong_type"
    if kind == "texts" and isinstance(value, list | tuple):
        return "bad_value"
    return "wrong_type"


def card_refusal(name: str) -> BadEvent:
    """The refusal of a text that holds a card number, which is not shown."""
    return BadEvent("card_number", f"{name}: expected no card number, got a value that is not shown")
