"""The event type `decision`, which nobody declares: the fields that all decided events share, and `action`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from risk.decided import ACTION, DECISION
from risk.declared import EventType, Field, FieldType
from risk.language.sections.events import common_fields


def with_decision(types: Mapping[str, EventType], actions: tuple[str, ...]) -> dict[str, EventType]:
    """The event types that features may count: those declared, and decisions where there are any."""
    decided = tuple(name for name, kind in types.items() if kind.decide)
    if not decided or DECISION in types:
        return dict(types)
    fields = {name: replace(field, place=None) for name, field in common_fields(types, decided).items()}
    fields[ACTION] = Field(ACTION, ACTION, FieldType("enum", values=actions), (), source="attested")
    return {**types, DECISION: EventType(DECISION, fields, decide=False)}
