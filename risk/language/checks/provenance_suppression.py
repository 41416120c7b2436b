"""E452: an override that softens a rule is for something that we or a bank vouch for.

It softens where it takes the rule out of force (`mode:`), or moves a threshold so that fewer payments meet it; a threshold that is
used in a way that tells neither counts as softened. Of a trust rule the reverse is soft: more payments that it clears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from risk.language import nodes
from risk.language.checks.provenance import CHOSEN_SOURCES, VOUCH_HINT, Ground, Grounds
from risk.language.condition import Node
from risk.language.conditions import expanded
from risk.language.ruleset import Override
from risk.language.sections.macros import Macro
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems

FORCE = {"disabled": 0, "draft": 0, "shadow": 1, "live": 2}


def check(override: Override, draft: RuleDraft, segments: Mapping[str, Macro], grounds: Grounds, problems: Problems) -> None:
    if draft.node is None or not _softens(override, draft, grounds):
        return
    events = draft.rule.events
    if override.segment is not None:
        node = segments[override.segment].node
        if node is None or grounds.of(node, events) is not Ground.CHOSEN:
            return
        whom = f"segment `{override.segment}`, which rests on nothing but {grounds.said(node, events)}"
    elif override.field is not None and grounds.chosen(override.field, events):
        source = min(str(source) for event in events if (source := grounds.source(override.field, event)) in CHOSEN_SOURCES)
        whom = f"a `{override.field}`: {CHOSEN_SOURCES[source]}"
    else:
        return
    problems.at_place("E452", override.place, 1, f"this override softens rule `{override.rule}` for {whom}", VOUCH_HINT)


def _softens(override: Override, draft: RuleDraft, grounds: Grounds) -> bool:
    if override.mode is not None and override.mode != draft.rule.mode:
        weaker = FORCE[override.mode] < FORCE[draft.rule.mode]
        if weaker is not draft.rule.trust:
            return True
    node = expanded(draft.node, grounds.macros) if draft.node is not None else nodes.Bool(True)
    for name, value in override.params.items():
        before = draft.rule.params[name]
        if value == before:
            continue
        rises = value > before
        directions = set(_directions(node, name, True))
        if len(directions) != 1 or None in directions:
            return True  # it cannot be told: take it for soft
        fewer = directions.pop() is not rises
        if fewer is not draft.rule.trust:
            return True
    return False


def _directions(node: Node, param: str, positive: bool) -> Iterator[bool | None]:
    """For each use of the parameter: whether a greater value lets more events meet the condition; None where that cannot be told."""
    match node:
        case nodes.Not(part):
            yield from _directions(part, param, not positive)
        case nodes.And(parts) | nodes.Or(parts):
            for part in parts:
                yield from _directions(part, param, positive)
        case nodes.Call("at_least", (_, *parts)):
            for part in parts:
                yield from _directions(part, param, positive)
        case nodes.Compare(op, left, right) if op in ("<", "<=", ">", ">="):
            for side, grows_with in ((left, op in (">", ">=")), (right, op in ("<", "<="))):
                if _uses(side, param):
                    yield grows_with is positive if _rises_with(side, param) else None
        case nodes.Between(item, low, high, negated):
            for side, grows in ((low, False), (high, True)):
                if _uses(side, param):
                    yield (grows is positive) is not negated if _rises_with(side, param) else None
            if _uses(item, param):
                yield None
        case _ if _uses(node, param):
            yield None


def _uses(node: Node, param: str) -> bool:
    return any(isinstance(part, nodes.Param) and part.name == param for part in node.walk())


def _rises_with(node: Node, param: str) -> bool:
    """Whether the value certainly grows with the parameter: the parameter itself, in a sum, or times something (which is not negative)."""
    match node:
        case nodes.Param(name):
            return name == param
        case nodes.Arith("+", left, right) | nodes.Arith("*", left, right):
            return all(_rises_with(side, param) for side in (left, right) if _uses(side, param))
        case nodes.Arith("-" | "/", left, right):
            return not _uses(right, param) and _rises_with(left, param)
    return False
