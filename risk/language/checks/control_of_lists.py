"""W316: a live rule that reads a list of ids and does not say `control: never`, where the policy has a control group.

Who is on a list was put there by somebody, often by an authority: chance must not let him through.
"""

from __future__ import annotations

from collections.abc import Mapping

from risk.declared import ListDecl, Policy, Rule
from risk.language.source import Problems


def check(
    rules: Mapping[str, Rule], reads: Mapping[str, frozenset[str]], lists: Mapping[str, ListDecl], policy: Policy, problems: Problems
) -> None:
    """``reads``: the lists that each rule's condition names, macros written out."""
    if policy.control is None:
        return
    for name, rule in rules.items():
        if rule.mode != "live" or rule.final or rule.control == "never" or rule.then in (None, policy.actions[0]) or rule.place is None:
            continue
        ids = sorted(each for each in reads.get(name, ()) if each in lists and lists[each].type.kind == "id")
        if ids:
            problems.at_place(
                "W316",
                rule.place,
                len(name),
                f"rule `{name}` stops by the list `{ids[0]}`, and the control group may let through what it stops",
                "write `control: never`: chance is no reason to let through whom somebody has listed",
                "warning",
            )
