"""E451: nobody is spared by a rule for something that he may choose himself.

An exemption is a term that keeps a rule silent for those it names: `payee.id not in @checked`, `not at_own_terminal`,
`device.id != "dev_kiosk"`. The rule is fine while the exemption rests on something that we or a bank vouch for. Not an exemption: what
the rule looks for (`device.id in @stolen_devices`), which the attacker evades at the cost of another device, and a condition that he
can fail to meet; that is detection. The same holds for what a feature leaves out of its count (`where`).
"""

from __future__ import annotations

from collections.abc import Sequence

from risk.language.checks.provenance import VOUCH_HINT, Ground, Grounds, spared
from risk.language.condition import Node
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems, Scalar


def check(draft: RuleDraft, grounds: Grounds, problems: Problems) -> None:
    """A rule that acts on payments. A rule that clears others is looked at by `provenance_allow`."""
    rule = draft.rule
    if rule.trust or rule.mode == "disabled" or draft.node is None or draft.when is None:
        return
    _tell(draft.node, draft.when, f"rule `{rule.name}` spares people", grounds, rule.events, problems)


def check_where(name: str, node: Node, written: Scalar, of: Sequence[str], grounds: Grounds, problems: Problems) -> None:
    """What a feature does not count."""
    _tell(node, written, f"feature `{name}` leaves events out", grounds, of, problems)


def _tell(node: Node, written: Scalar, who: str, grounds: Grounds, events: Sequence[str], problems: Problems) -> None:
    for term, at, sign in spared(node, grounds):
        if grounds.of(term, events, not sign) is Ground.CHOSEN:
            problems.inside("E451", written, at.start, at.end, f"{who} by nothing but {grounds.said(term, events)}", VOUCH_HINT)
