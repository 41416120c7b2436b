"""The event types that features may count and nobody declares whole: decisions, and labels with the payment that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from risk.decided import ACTION, DECISION
from risk.declared import EventType, Field, FieldType
from risk.labelled import LABEL, LABEL_FIELDS
from risk.language.sections.events import common_fields


def with_joined(types: Mapping[str, EventType], actions: tuple[str, ...]) -> dict[str, EventType]:
    """The event types that features may count: those declared, decisions where there are any, and labels with their payment's fields.

    A label's own field beats one of the payment with the same name. Labels without the fields that labels have stay as they are declared.
    """
    decided = tuple(name for name, kind in types.items() if kind.decide)
    if not decided or DECISION in types:
        return dict(types)
    fields = {name: replace(field, place=None) for name, field in common_fields(types, decided).items()}
    fields[ACTION] = Field(ACTION, ACTION, FieldType("enum", values=actions), (), source="attested")
    found = {**types, DECISION: EventType(DECISION, fields, decide=False)}
    label = types.get(LABEL)
    if label is not None and not label.decide and set(LABEL_FIELDS) <= label.fields.keys():
        found[LABEL] = EventType(LABEL, {**fields, **label.fields}, decide=False, place=label.place, retracts=True)
    return found
