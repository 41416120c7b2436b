"""Python values in our units, given for a field of an event, made into the attributes of the flat event.

Rule: only what JSON cannot say is refused here (a time that is no int, a NaN, money in the wrong form); all other checks
are those of a message, since a built event is written and decoded again.
Never here: JSON, messages.
"""

from __future__ import annotations

import math
from typing import Any

from risk import refusals
from risk.declared import Field
from risk.money import AMOUNT_MAX_MINOR
from risk.refusals import BadEvent, Slot
from risk.shapes import has_currency


def given(field: Field, value: Any) -> dict[str, Any]:
    """The attributes for one field; none if an optional field has no value. Raises BadEvent."""
    if value is None:
        if field.optional:
            return {}
        raise refusals.refusal(Slot(field), None)
    kind = field.type.kind
    if kind == "money":
        return _money(field, value)
    if kind == "texts":
        if not isinstance(value, tuple | list):
            raise refusals.refusal(Slot(field), value)
        wrong = next((item for item in value if not isinstance(item, str)), None)
        if wrong is not None:
            raise _wrong_type(field, wrong)
        return {field.attr: tuple(value)}
    if kind in ("time", "duration"):
        low, high = refusals.time_limits(field) if kind == "time" else (0, refusals.TIME_MAX_MS)
        if not _is_int(value):
            raise _wrong_type(field, value)
        if not low <= value <= high:
            raise BadEvent("bad_time" if kind == "time" else "bad_value", f"{field.name}: expected {low} to {high} ms")
        return {field.attr: value}
    fits = _fits(kind, value)
    if fits is None:
        raise _wrong_type(field, value)
    if not fits:
        raise refusals.refusal(Slot(field), value)
    return {field.attr: float(value) if kind == "number" else value}


def _fits(kind: str, value: Any) -> bool | None:
    """Whether JSON can say the value as this kind: False if it is out of range, None if it is of another type."""
    if kind == "bool":
        return True if isinstance(value, bool) else None
    if kind == "int":
        return refusals.INT_MIN <= value <= refusals.INT_MAX if _is_int(value) else None
    if kind == "number":
        if not _is_int(value) and not isinstance(value, float):
            return None
        return math.isfinite(value) if isinstance(value, float) else abs(value) <= refusals.INT_MAX
    return True if isinstance(value, str) else None


def _money(field: Field, value: Any) -> dict[str, Any]:
    """Money as (currency, minor), or as minor units where the schema fixes the currency."""
    currency, minor = field.type.currency, value
    if isinstance(value, tuple) and len(value) == 2:
        currency, minor = value
    if not _is_int(minor):
        raise _wrong_type(field, minor)
    if not 0 <= minor <= AMOUNT_MAX_MINOR:
        raise refusals.refusal(Slot(field), minor)
    if has_currency(field):
        if not isinstance(currency, str):
            raise refusals.refusal(Slot(field, is_currency=True), None)
        return {field.attr: minor, f"{field.attr}_currency": currency}
    if currency != field.type.currency:
        raise refusals.refusal(Slot(field, is_currency=True), currency)
    return {field.attr: minor}


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong_type(field: Field, value: Any) -> BadEvent:
    return BadEvent("wrong_type", f"{field.name}: expected {refusals.expected(Slot(field))}, got {type(value).__name__}")
