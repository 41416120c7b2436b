"""Series whose rows can be taken back: verdicts that a newer one replaces (`risk.labelled`).

Rule 1: what is taken back is a row at the same time that counts -1, so a window stays a difference of running totals.
Rule 2: each row keeps since when it is true (``true_since``). In time order all of them are; a question about an older time looks row by
row, and leaves out what was not true then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from risk.declared import EventType, Feature, Field, FieldType
from risk.labelled import signed

COUNTS = "counts"
TRUE_SINCE = "true_since"


def as_kept(feature: Feature, types: Mapping[str, EventType]) -> Feature:
    """The feature as a sum over signed rows, where its events can be taken back."""
    if not types[feature.of[0]].retracts:
        return feature
    if feature.agg == "count":
        return replace(feature, agg="sum", field=COUNTS)
    assert feature.agg == "sum" and feature.field is not None, "the language allows count and sum only"
    return replace(feature, field=_signed_name(feature.field))


def with_signed_fields(kind: EventType) -> EventType:
    """The event type with what its rows hold besides the fields that a rule can name."""
    if not kind.retracts:
        return kind
    fields = {
        _signed_name(name): replace(field, name=_signed_name(name), attr=signed(field.attr))
        for name, field in kind.fields.items()
        if field.type.kind in ("int", "number", "money", "duration")
    }
    own = {name: Field(name, name, FieldType("int"), ()) for name in (COUNTS, TRUE_SINCE)}
    return replace(kind, fields={**kind.fields, **fields, **own})


def _signed_name(name: str) -> str:
    return f"signed {name}"


def standing(running: Sequence[int], true_since: Sequence[int], lo: int, hi: int, t: int) -> int:
    """The total of the rows ``[lo, hi)`` of a running total that were true at ``t``."""
    total = 0
    for i in range(lo, hi):
        if true_since[i] <= t:
            total += running[i + 1] - running[i]
    return total
