"""W311: two rules of one event with the same condition and parameters: the second says nothing new."""

from __future__ import annotations

from collections.abc import Mapping

from risk.language.problems import Problem
from risk.language.ruleset import CheckedRule
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems, where


def check(
    drafts: Mapping[str, RuleDraft], meanings: Mapping[str, str], rules: Mapping[str, CheckedRule], problems: Problems
) -> list[Problem]:
    """``meanings``: each rule's condition with its macros written out and its parameters put in."""
    first: dict[tuple[str, str], str] = {}
    for name, meaning in meanings.items():
        if name not in rules or rules[name].rule.mode in ("draft", "disabled"):
            continue
        for event in rules[name].rule.events:
            other = first.setdefault((event, meaning), name)
            if other != name:
                when = drafts[name].when
                assert when is not None
                problems.warning(
                    "W311",
                    drafts[name].key,
                    f"rule `{name}` has the same condition as `{other}`",
                    f"the other is at {where(drafts[other].key)}",
                )
                break
    return problems.found
