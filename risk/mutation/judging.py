"""Mutants against tests: does one of them notice?

Rule 1: a test speaks only if it holds for the rules as they are, and a test marked `todo` never does.
Rule 2: only the tests of rules that a mutant concerns are run, and no more once one has noticed.
Rule 3: a mutant meets the very events that the rule as it is meets: what a test leaves out is filled in before the change.
Rule 4: a change that the language refuses, or that writes the same again, asks nothing of the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from risk.cases import Ready, Trial
from risk.language.nodes import Node
from risk.language.ruleset import Case, CheckedRule, CheckedWhere, RuleSet
from risk.mutation.edits import refusal
from risk.mutation.mutants import Mutant
from risk.mutation.rewriting import opened
from risk.mutation.same import can_answer_otherwise, can_count_otherwise

Answer = Literal["noticed", "unnoticed", "not judged"]
REFUSED = "`risk check` refuses the change"
SAME = "the change means the same"
NOT_COUNTED_EITHER = "the feature counts the same events: one that is unknown to `where` is not counted either"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``by``: rule and test that noticed; ``reason``: why it is not judged."""

    mutant: Mutant
    answer: Answer
    by: tuple[str, str] | None = None
    reason: str | None = None


def judged(ruleset: RuleSet, mutants: Iterable[Mutant]) -> Iterator[Verdict]:
    """One verdict for each mutant, in their order."""
    witnesses = _Witnesses(ruleset)
    for mutant in mutants:
        reason = mutant.excuse
        changed = mutant.make() if reason is None else ruleset
        if reason is None:
            reason = _pointless(ruleset, changed, mutant)
        if reason is not None:
            yield Verdict(mutant, "not judged", None, reason)
            continue
        by = witnesses.noticing(changed, mutant)
        yield Verdict(mutant, "noticed" if by else "unnoticed", by)


def _pointless(ruleset: RuleSet, changed: RuleSet, mutant: Mutant) -> str | None:
    """Why nothing can be asked of the tests; None where they can be asked."""
    if refusal(changed, mutant.rules, mutant.features):
        return REFUSED
    if changed.rules is not ruleset.rules or changed.lists is not ruleset.lists or changed.policy is not ruleset.policy:
        return None
    if (changed.features is not ruleset.features and not mutant.features) or changed.overrides is not ruleset.overrides:
        return None
    rules = [(ruleset.checked[name], changed.checked[name]) for name in mutant.rules]
    wheres = [(ruleset.wheres[name], changed.wheres[name]) for name in mutant.features]
    if any(can_answer_otherwise(_whole(ruleset, old), _whole(changed, new), new.scope) for old, new in rules if old is not new):
        return None
    if any(can_count_otherwise(_whole(ruleset, old), _whole(changed, new), new.scope) for old, new in wheres if old is not new):
        return None
    return NOT_COUNTED_EITHER if wheres else SAME


def _whole(ruleset: RuleSet, checked: CheckedRule | CheckedWhere) -> Node:
    return opened(checked.node, ruleset.macros)


@dataclass(frozen=True, slots=True)
class _Witness:
    """A test that speaks, made ready."""

    number: int
    case: Case
    ready: Ready


class _Witnesses:
    """The tests that speak, those first that noticed something before: neighbours tend to be noticed by the same test."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self._tests: dict[str, list[_Witness]] = {}
        self._trials: dict[str, Trial] = {}

    def of(self, rule: str) -> list[_Witness]:
        if rule not in self._tests:
            trial = self._trials[rule] = Trial(self.ruleset, self.ruleset.rules[rule])
            numbered = enumerate(self.ruleset.cases.get(rule, ()), 1)
            speaking = [(number, case) for number, case in numbered if case.todo is None and trial.run(case, number).passed]
            self._tests[rule] = [_Witness(number, case, trial.ready(case, number)) for number, case in speaking]
        return self._tests[rule]

    def noticing(self, changed: RuleSet, mutant: Mutant) -> tuple[str, str] | None:
        """(rule, test) of the first test that fails under the mutant."""
        known = self.ruleset
        counts_alike = changed.features is known.features and changed.wheres is known.wheres and changed.lists is known.lists
        for rule in mutant.rules:
            tests = self.of(rule)
            trial = Trial(changed, changed.rules[rule], self._trials[rule] if counts_alike else None)
            for place, test in enumerate(tests):
                if not trial.run(test.case, test.number, test.ready).passed:
                    tests.insert(0, tests.pop(place))
                    return rule, test.case.it
        return None
