"""Which terms of a rule its tests ever hang on.

A term is decisive in a test where the rule would have answered otherwise at an event that the test speaks of, had this one term
come out the other way. A term that never is might as well not be written: no test would tell.

Rule 1: the plain interpreter answers, so that what explains a condition is not what compiles it.
Rule 2: only what a test says counts: the last event, or all of them where it says which fire or that none does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from risk.cases import Seen, Trial
from risk.declared import Rule
from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.cases import CaseError, Script
from risk.language.interpret import Known, evaluate
from risk.language.lookup import Lists, at_event, lists_of
from risk.language.nodes import Node
from risk.language.render import read_by
from risk.language.ruleset import CheckedRule, RuleSet
from risk.language.sections.macros import Macro
from risk.language.source import Scalar
from risk.mutation.rewriting import Put, everywhere
from risk.mutation.written import Spot, Written, part, scalar_of

_JOINING = nodes.And | nodes.Or | nodes.Not


@dataclass(frozen=True, slots=True)
class Decisive:
    """One term of a rule: how many of the rule's tests hang on it. ``macro``: the macro in which it is written."""

    rule: Rule
    text: str
    spot: Spot
    macro: str | None
    tests: int


@dataclass(frozen=True, slots=True)
class _Term:
    node: Node
    put: Put
    text: Scalar
    macro: str | None


def decisive_terms(ruleset: RuleSet, only: str | None = None) -> Iterator[Decisive]:
    """The terms of every rule, macros opened, in the order in which they are read. ``only``: of one rule."""
    written = Written(ruleset)
    for name, rule in ruleset.rules.items():
        when = scalar_of(written.rules[name], "when")
        if when is None or (only is not None and only != name):
            continue
        terms = list(_terms(ruleset.checked[name].node, when, None, written.macros))
        counts = _counts(ruleset, rule, terms)
        for term, tests in zip(terms, counts, strict=True):
            spot = part(term.text, term.node.start, term.node.end)
            yield Decisive(rule, canonical(term.node), spot, term.macro, tests)


def _terms(node: Node, text: Scalar, macro: str | None, macros: Mapping[str, Macro]) -> Iterator[_Term]:
    """The parts that are joined by and, or, not and at_least; a macro is replaced by what it says."""
    joined = {id(node)}
    for found, put in everywhere(node):
        if id(found) not in joined:
            continue
        if isinstance(found, _JOINING):
            joined |= {id(child) for child in found.children()}
        elif isinstance(found, nodes.Call) and found.function == "at_least":
            joined |= {id(child) for child in found.args[1:]}
        elif isinstance(found, nodes.Name) and (inner := macros.get(found.name)) is not None and inner.node is not None:
            for term in _terms(inner.node, inner.text, found.name, macros):
                yield _Term(term.node, _through(put, term.put), term.text, term.macro)
        else:
            yield _Term(found, put, text, macro)


def _through(outer: Put, inner: Put) -> Put:
    return lambda new: outer(inner(new))


def _counts(ruleset: RuleSet, rule: Rule, terms: list[_Term]) -> list[int]:
    trial, checked = Trial(ruleset, rule), ruleset.checked[rule.name]
    lists = lists_of(ruleset.lists)
    counts = [0] * len(terms)
    for number, case in enumerate(ruleset.cases.get(rule.name, ()), 1):
        if case.todo is not None:
            continue
        try:
            ready = trial.ready(case, number)
            seen = trial.play(case, ready)
        except CaseError:
            continue
        known = [_known(checked, each, lists) for each in _spoken_of(ready.script, seen)]
        for i, term in enumerate(terms):
            counts[i] += any(_hangs(checked.node, term, each) for each in known)
    return counts


def _spoken_of(script: Script, seen: list[Seen]) -> list[Seen]:
    everything = script.expected.silent_all or script.expected.fires_on is not None
    return [each for each in (seen if everything else seen[-1:]) if each.outcome is not None and each.outcome.rules]


def _known(checked: CheckedRule, seen: Seen, lists: Lists) -> Known:
    """What the rule could see at one event."""
    outcome = seen.outcome
    assert outcome is not None
    features = dict(zip(outcome.names, outcome.values, strict=True))
    values: dict[str, Any] = {}
    for name in read_by(checked.node, checked.scope):
        symbol = checked.scope.names[name]
        if symbol.kind == "score":
            values[name] = seen.score
        else:
            values[name] = features[name] if symbol.kind == "feature" else getattr(seen.event, symbol.attr or name.replace(".", "_"))
    return Known(values, checked.scope, checked.params, at_event(lists, seen.event))


def _hangs(node: Node, term: _Term, known: Known) -> bool:
    """Whether the rule would answer otherwise with the other answer of the term. An unknown term has no other answer."""
    said = evaluate(term.node, known)
    return said is not None and evaluate(term.put(nodes.Bool(not said)), known) != evaluate(node, known)
