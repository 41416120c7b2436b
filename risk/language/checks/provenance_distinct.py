"""E453: different values are not counted of something that brings another value at every attempt (`rotates: true` in the schema).

Such a count grows with attempts whoever makes them; one that is to stay small never does, one that is to grow always does.
"""

from __future__ import annotations

from risk.declared import Feature
from risk.language.checks.provenance import Grounds
from risk.language.source import Block, Node, Problems


def check(feature: Feature, written: Node, grounds: Grounds, problems: Problems) -> None:
    if feature.agg != "distinct" or feature.field is None:
        return
    fields = [grounds.types[event].fields.get(feature.field) for event in feature.of]
    if any(field is not None and field.rotates for field in fields):
        at = written.get("distinct") if isinstance(written, Block) else None
        problems.error(
            "E453",
            at or written,
            f"`{feature.field}` is another at every attempt, so feature `{feature.name}` counts attempts, whoever makes them",
            f"write `count: {feature.of[0]}` for that, or count something that stays, such as `card.id`",
        )
