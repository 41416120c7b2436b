"""W317: a long window over a key that has few values: each profile then keeps the rows of a large share of all events."""

from __future__ import annotations

from collections.abc import Mapping

from risk.declared import EventType, Feature
from risk.language.source import Problems, Scalar

FEW_KEYS = 1_000
COUNTRIES = 250
LONG_MS = 86_400_000
DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


def check(feature: Feature, key: Scalar, types: Mapping[str, EventType], problems: Problems) -> None:
    keys = _keys(feature, types[feature.of[0]])
    if keys is None or keys > FEW_KEYS or _reach_ms(feature) <= LONG_MS:
        return
    problems.warning(
        "W317",
        key,
        f"feature `{key.text}` looks far back for {keys:,} different keys at most, so each profile keeps the rows of very many events",
        "name an id in `per:` too, or look back a day at most",
    )


def _keys(feature: Feature, kind: EventType) -> int | None:
    """How many profiles there can be; None where a key field has any number of values."""
    found = 1
    for name in feature.per:
        field = kind.fields[name].type
        if field.kind == "enum":
            found *= len(field.values)
        elif field.kind == "country":
            found *= COUNTRIES
        else:
            return None
    return found


def _reach_ms(feature: Feature) -> int:
    window = feature.window
    if window.kind == "lifetime":
        return 1 << 62
    length_ms = window.length_ms if window.kind == "sliding" else DAYS[window.unit or "year"] * LONG_MS
    return length_ms + feature.ending_ms
