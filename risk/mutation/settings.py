"""The settings of a rule and of a feature that tests can hold, each with what it would be instead.

Rule 1: `with_current`, `counts` and `on_missing` are turned whether they are written or left to their default: both are choices.
`final` and all that a rule does (action, obligations, report) are taken away where they are written; points move by one.
Rule 2: where a setting cannot act, that is said with the principle; nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from risk.declared import EventType, Feature, Policy, Rule
from risk.mutation.steps import SECOND_MS

SCORE_MAX = 100
NOT_COUNTED = "the payment that is decided is not among those that the feature counts"
NEVER_UNKNOWN = "the condition is never unknown"
NO_CHALLENGE = "`unless_possible` acts in place of a challenge only"
NOTHING_TO_CLEAR = "the rule does nothing that trust could clear"
NO_OTHER_VALUE = "where nothing happened, it is the same value"
BY_POINTS = "the points reach the action by themselves"
REFUSED_QUOTA = "the language refuses `counts: passed` there"


@dataclass(frozen=True, slots=True)
class Setting:
    """``key``: where it is written, if it is; ``facts``: what the rule or feature is instead."""

    kind: str
    key: str
    said: str
    becomes: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    excuse: str | None = None


def rule_settings(rule: Rule, policy: Policy, unknown: bool) -> Iterator[Setting]:
    """``unknown``: whether the rule's condition can be."""
    by_points = max((policy.actions.index(action) for points, action in policy.score_bands if rule.score >= points), default=0)
    acts = [policy.actions.index(each) for each in (rule.then, rule.unless_possible) if each is not None]
    for score in (rule.score + 1, rule.score - 1) if rule.score else ():
        if 0 < score <= SCORE_MAX:
            yield Setting("score", "score", "`score`", f"becomes {score}", {"score": score})
    if rule.final:
        excuse = None if rule.then or rule.obligations or rule.report else NOTHING_TO_CLEAR
        yield Setting("final", "final", "`final`", "is left out", {"final": False}, excuse)
    if rule.unless_possible is not None:
        excuse = (
            BY_POINTS if by_points >= policy.actions.index(rule.unless_possible) else None if rule.then == "challenge" else NO_CHALLENGE
        )
        yield Setting("unless_possible", "unless_possible", "`unless_possible`", "is left out", {"unless_possible": None}, excuse)
    if rule.then is not None:
        yield Setting("then", "then", "`then`", "is left out", {"then": None}, BY_POINTS if by_points >= max(acts) else None)
        other = "fire" if rule.on_missing == "skip" else "skip"
        excuse = None if unknown else NEVER_UNKNOWN
        yield Setting("on_missing", "on_missing", "`on_missing`", f"becomes {other}", {"on_missing": other}, excuse)
    if rule.report is not None:
        yield Setting("report", "report", "`report`", "is left out", {"report": None})
    for obligation in rule.obligations:
        others = tuple(each for each in rule.obligations if each is not obligation)
        yield Setting("obligation", "obligations", f"`{obligation['do']}`", "is left out", {"obligations": others})


def feature_settings(feature: Feature, types: Mapping[str, EventType], decided: set[str]) -> Iterator[Setting]:
    """``decided``: the events of the rules that read the feature."""
    window = feature.window
    if window.kind == "sliding":
        for length in (window.length_ms + SECOND_MS, window.length_ms - SECOND_MS):
            if length > 0:
                said = f"becomes {length // SECOND_MS}s"
                yield Setting("window", "over", "the window", said, {"window": replace(window, length_ms=length)})
    if feature.ending_ms:
        for ending in (feature.ending_ms + SECOND_MS, feature.ending_ms - SECOND_MS):
            if ending > 0:
                yield Setting("window", "ending", "`ending`", f"becomes {ending // SECOND_MS}s ago", {"ending_ms": ending})
    apart = feature.per != feature.read_with or not decided & set(feature.of) or bool(feature.ending_ms)
    turned = not feature.with_current
    becomes = f"becomes {str(turned).lower()}"
    yield Setting("with_current", "with_current", "`with_current`", becomes, {"with_current": turned}, NOT_COUNTED if apart else None)
    counts = "attempts" if feature.counts == "passed" else "passed"
    refused = counts == "passed" and not (
        feature.agg in ("count", "sum") and all(types[event].decide for event in feature.of) and not feature.ending_ms
    )
    yield Setting("counts", "counts", "`counts`", f"becomes {counts}", {"counts": counts}, REFUSED_QUOTA if refused else None)
    if feature.has_if_none:
        excuse = NO_OTHER_VALUE if feature.agg in ("count", "distinct", "sum") and feature.if_none == 0 else None
        yield Setting("if_none", "if_none", "`if_none`", "is left out", {"if_none": None, "has_if_none": False}, excuse)
