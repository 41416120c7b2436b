"""Rules measured on a world whose truth is known: each message through the whole engine, in process.

Belongs here: playing a world to the engine. Never: the figures (risk.world.report), printing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from risk.engine import InProcess
from risk.events import BadEvent
from risk.language import RuleSet
from risk.world import World
from risk.world.report import Report


def measure(world: World, ruleset: RuleSet) -> tuple[Report, int]:
    """The report on one run of the world, and how many of its messages the rule set's schema refused. The model takes no part."""
    engine, report, refused = InProcess(ruleset), Report(rules_in_use(ruleset)), 0
    mildest = ruleset.policy.actions[0]
    for record in world:
        try:
            event: Any = ruleset.schema.decode(record.value, record.due_ms)  # its fields are the schema's
        except BadEvent:
            refused += 1
            continue
        outcome = engine.feed(event)
        if outcome is not None:
            payment_id = event.payment_id
            attack, episode = world.truth.get(payment_id), world.episodes.get(payment_id)
            report.add(attack, episode, outcome.fired_names, outcome.action, stopped=outcome.action != mildest)
    return report, refused


def rules_in_use(ruleset: RuleSet) -> Iterator[str]:
    """Names of the rules that are evaluated: live and shadow."""
    return (name for name, rule in ruleset.rules.items() if rule.mode in ("live", "shadow"))
