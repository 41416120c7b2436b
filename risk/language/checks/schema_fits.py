"""E233: fields that make no schema together: two in one place of the JSON, one inside another, two default events, a key in the way."""

from __future__ import annotations

from collections.abc import Mapping

from risk.declared import EventType
from risk.events import Schema, SchemaError
from risk.language.sections.derive import derived_by
from risk.language.source import Problems


def check(types: Mapping[str, EventType], problems: Problems) -> Schema | None:
    """The schema of these event types, each of them right by itself; or None after the first thing that keeps them from being one."""
    try:
        return Schema(types, derived_by(types))
    except SchemaError as wrong:
        event = types[wrong.event]
        field = event.fields.get(wrong.field) if wrong.field is not None else None
        place = field.place if field is not None else event.place
        assert place is not None
        whole = f"field `{field.name}` of event `{event.name}`" if field is not None else f"event `{event.name}`"
        length = len(field.name if field is not None else event.name)
        problems.at_place("E233", place, length, f"{whole}: {wrong.message}")
        return None
