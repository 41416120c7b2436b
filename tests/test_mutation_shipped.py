"""Mutants of the rules that we ship: none goes unnoticed, and what is changed in memory is what a file would say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from risk.cases import run
from risk.language import RuleSet, load
from risk.language.problems import render_problems
from risk.mutation import judged, mutants
from risk.mutation.mutants import CODES
from risk.sources import rule_files

SHIPPED = Path(__file__).parent.parent / "rules"


@pytest.fixture(scope="module")
def shipped() -> RuleSet:
    return load(rule_files(SHIPPED))


def test_no_mutant_of_the_shipped_rules_goes_unnoticed(shipped: RuleSet) -> None:
    found = list(judged(shipped, mutants(shipped)))
    unnoticed = [verdict.mutant.problem for verdict in found if verdict.answer == "unnoticed"]
    assert not unnoticed, render_problems(unnoticed, shipped.sources, root="rules")
    kinds = Counter(verdict.mutant.kind for verdict in found if verdict.answer == "noticed")
    assert sum(kinds.values()) > 600
    assert kinds.keys() == CODES.keys() - {"if_none", "override"}, "every kind of mutant is made of the shipped rules"


def test_a_shipped_rule_that_loses_a_test_is_told(shipped: RuleSet) -> None:
    path = "patterns/1_card_testing.yaml"
    text = shipped.sources[path]
    start = text.index("      - it: stays silent one fen above the small amount")
    weaker = text[:start] + text[text.index("      - it:", start + 10) :]
    ruleset = load([(each, weaker if each == path else kept) for each, kept in shipped.sources.items()])
    found = judged(ruleset, mutants(ruleset, "card_testing_burst"))
    unnoticed = [verdict.mutant.said for verdict in found if verdict.answer == "unnoticed"]
    assert unnoticed == ["`$small` becomes CNY 10.01", "`amount <= $small` is left out"]


def test_a_mutant_in_memory_is_the_mutant_in_the_file(shipped: RuleSet) -> None:
    literals = [each for each in mutants(shipped) if each.kind == "threshold" and " of the policy" not in each.said]
    for mutant in literals[:: len(literals) // 8]:
        spot, new = mutant.spot, mutant.said.rpartition("becomes ")[2].strip("`")
        text = spot.file.text[: spot.start] + new + spot.file.text[spot.end :]
        written = load([(path, text if path == spot.file.path else kept) for path, kept in shipped.sources.items()])
        made = mutant.make()
        for rule in mutant.rules:
            assert written.rules[rule].params == made.rules[rule].params
            failing = [[r.case.it for r in run(each, rule) if not r.passed] for each in (written, made)]
            assert failing[0] == failing[1], mutant.said
