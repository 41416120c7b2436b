"""From an event to the profiles that it touches: keys and rows, by generated code.

Rule 1: a field is read once an event, a ``where`` is asked once, and touches with the same columns share one row.
Rule 2: only the event is looked at here; what a row means is the touch's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from risk.declared import EventType
from risk.profiles.plan import TouchPlan

Predicate = Callable[[str, str], Callable[[Any], bool] | None]  # (feature name, event type) -> its `where` on the counted event
Row = tuple[Any, ...]
KEY_TEXT = frozenset({"text", "id", "enum", "country"})  # already text; other kinds are turned into it
BETWEEN_KEYS = "\x1f"


class Route:
    """The text of one function over an event: expressions are computed once and named."""

    def __init__(self, event_type: EventType, predicate: Predicate) -> None:
        self.event_type, self.predicate = event_type, predicate
        self.names: dict[str, str] = {}
        self.holds: dict[str, str] = {}
        self.lines: list[str] = []
        self.space: dict[str, Any] = {"between": BETWEEN_KEYS}

    def named(self, expression: str) -> str:
        if expression not in self.names:
            self.names[expression] = f"x{len(self.names)}"
            self.lines.append(f" {self.names[expression]} = {expression}")
        return self.names[expression]

    def key(self, plan: TouchPlan) -> str:
        """Name of the key: None where the event type has no such field, or the event lacks it."""
        fields = [self.event_type.fields.get(name) for name in plan.key_fields]
        parts, missing = [], []
        for field in fields:
            if field is None:
                return "None"
            value = self.named(f"e.{field.attr}")
            parts.append(value if field.type.kind in KEY_TEXT else f"str({value})")
            if field.optional:
                missing.append(f"{value} is None")
        whole = " + between + ".join(parts)
        return self.named(f"None if {' or '.join(missing)} else {whole}") if missing else self.named(whole) if len(parts) > 1 else whole

    def row(self, plan: TouchPlan) -> str:
        """Name of the row: field values and the results of each ``where``."""
        parts = []
        for column in plan.columns:
            if not column.startswith("where:"):
                parts.append(self.named(f"e.{self.event_type.fields[column].attr}"))
                continue
            feature = next(f.name for s in plan.recorded if s.where == column.removeprefix("where:") for f in s.features)
            holds = self.predicate(feature, plan.event)
            assert holds is not None, f"feature {feature} has a where but no predicate for {plan.event}"
            name = self.holds.setdefault(column, f"holds{len(self.holds)}")
            self.space[name] = holds
            parts.append(self.named(f"{name}(e)"))
        return self.named(f"({''.join(f'{part}, ' for part in parts)})") if parts else "()"

    def function(self, result: str) -> Callable[[Any], Any]:
        exec("\n".join(["def route(e):", *self.lines, f" return {result}"]), self.space)  # attribute names are checked by the schema
        made: Callable[[Any], Any] = self.space["route"]
        return made


def routing(plan: TouchPlan, event_type: EventType, predicate: Predicate) -> tuple[Callable[[Any], str | None], Callable[[Any], Row]]:
    """Key and row of one touch, as two functions of the event."""
    key, row = Route(event_type, predicate), Route(event_type, predicate)
    return key.function(key.key(plan)), row.function(row.row(plan))


def routes(plans: Sequence[TouchPlan], event_type: EventType, predicate: Predicate) -> Callable[[Any], tuple[tuple[str | None, Row], ...]]:
    """One function that gives (key, row) of every touch of the event type, in order."""
    route = Route(event_type, predicate)
    pairs = [f"({route.key(plan)}, {route.row(plan)}), " for plan in plans]
    return route.function(f"({''.join(pairs)})")
