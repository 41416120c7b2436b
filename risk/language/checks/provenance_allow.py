"""E450: a trust rule rests on something that we or a bank vouch for, never only on what whoever pays may choose.

What a condition rests on is told in `provenance`. Such a rule would clear every attacker who has read it, or guessed it.
"""

from __future__ import annotations

from collections.abc import Sequence

from risk.language import nodes
from risk.language.checks.provenance import VOUCH_HINT, Ground, Grounds
from risk.language.condition import Node
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems


def check(draft: RuleDraft, grounds: Grounds, problems: Problems) -> None:
    if not draft.rule.trust or draft.rule.mode == "disabled" or draft.node is None or draft.when is None:
        return
    events = draft.rule.events
    if grounds.of(draft.node, events) is Ground.CHOSEN:
        at = _first_chosen(draft.node, grounds, events)
        message = f"rule `{draft.rule.name}` clears payments by nothing but {grounds.said(at, events)}"
        problems.inside("E450", draft.when, at.start, at.end, message, VOUCH_HINT)


def _first_chosen(node: Node, grounds: Grounds, events: Sequence[str]) -> Node:
    """The first part that is chosen, as deep as it is written in the rule itself."""
    if isinstance(node, nodes.And | nodes.Or):
        for part in node.parts:
            if grounds.of(part, events) is Ground.CHOSEN:
                return _first_chosen(part, grounds, events)
    return node
