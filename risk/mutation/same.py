"""What can be known of a condition without running it: whether it can be unknown, and whether a change of it can show.

Rule 1: every test of a condition is taken to come out either way, whatever the others say. So what is said here is certain: a
condition that cannot be unknown never is, and of a change that cannot show there is no event that shows it.
Rule 2: what has too many cases to go through is taken to be possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.nodes import Node
from risk.language.scope import Scope

CASES_MAX = 5_000
PRESENT, MISSING, NEVER = "present", "missing", "never"
Answer = bool | None
States = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Case:
    """``states``: what each name that can be absent is; ``answers``: of the tests that those leave open, by their text."""

    states: States
    answers: Mapping[str, Answer]


def can_be_unknown(node: Node, scope: Scope) -> bool:
    """Whether a condition without macros can be unknown."""
    names = sorted(name for name in nodes.names_in(node) if scope.names[name].optional)
    if 2 ** len(names) > CASES_MAX:
        return True
    return any(None in _possible(node, dict(zip(names, states, strict=True))) for states in product((PRESENT, MISSING), repeat=len(names)))


def can_answer_otherwise(old: Node, new: Node, scope: Scope) -> bool:
    """Whether the answer of a condition without macros can be another than before."""
    return any(case is None or _answer(old, case) != _answer(new, case) for case in _cases(old, new, scope))


def can_count_otherwise(old: Node, new: Node, scope: Scope) -> bool:
    """Whether a `where` without macros can count another event than before. An event that is unknown to it is not counted."""
    return any(case is None or (_answer(old, case) is True) != (_answer(new, case) is True) for case in _cases(old, new, scope))


def _cases(old: Node, new: Node, scope: Scope) -> Iterator[_Case | None]:
    """Every case, or None where there are too many."""
    names = sorted(name for name in nodes.names_in(old) | nodes.names_in(new) if scope.names[name].optional)
    tests = {canonical(test): test for each in (old, new) for test in _tests(each)}
    if 3 ** len(names) * 2 ** len(tests) > CASES_MAX:
        yield None
        return
    for states in product((PRESENT, MISSING, NEVER), repeat=len(names)):
        known = dict(zip(names, states, strict=True))
        choices = [sorted(_possible(test, known), key=str) for test in tests.values()]
        for answers in product(*choices):
            yield _Case(known, dict(zip(tests, answers, strict=True)))


def _tests(node: Node) -> Iterator[Node]:
    """The parts that ask something of the event."""
    match node:
        case nodes.And(parts) | nodes.Or(parts):
            for part in parts:
                yield from _tests(part)
        case nodes.Not(part):
            yield from _tests(part)
        case nodes.Call("at_least", (nodes.Number(), *parts)):
            for part in parts:
                yield from _tests(part)
        case _:
            yield node


def _possible(node: Node, states: States) -> set[Answer]:
    """The answers that are possible while the names are in these states."""
    match node:
        case nodes.And(parts) | nodes.Or(parts):
            found = _possible(parts[0], states)
            for part in parts[1:]:
                found = {_joined(node, (one, other)) for one in found for other in _possible(part, states)}
            return found
        case nodes.Not(part):
            return {None if answer is None else not answer for answer in _possible(part, states)}
        case nodes.Call("at_least", args):
            return {True, False}.union(*({None} & _possible(part, states) for part in args[1:]))
        case nodes.Bool(value):
            return {value}
    return _of_test(node, {states.get(name, PRESENT) for name in nodes.names_in(node)})


def _of_test(test: Node, states: set[str]) -> set[Answer]:
    """The answers of one test, whose names are in these states. A division, and a prefix of what is no address, can be unknown."""
    lost = any((isinstance(part, nodes.Arith) and part.op == "/") or isinstance(part, nodes.Call) for part in test.walk())
    if isinstance(test, nodes.Missing):
        return {True, False} if isinstance(test.item, nodes.Arith | nodes.Call | nodes.Minus) else {test.known == (states <= {PRESENT})}
    if MISSING in states:
        return {None}
    if NEVER in states:
        return {False, None} if lost else {False}
    return {True, False, None} if lost else {True, False}


def _joined(node: Node, answers: tuple[Answer, ...]) -> Answer:
    decides = isinstance(node, nodes.Or)
    return decides if decides in answers else None if None in answers else not decides


def _answer(node: Node, case: _Case) -> Answer:
    """What a condition says in one case."""
    match node:
        case nodes.And(parts) | nodes.Or(parts):
            return _joined(node, tuple(_answer(part, case) for part in parts))
        case nodes.Not(part):
            inner = _answer(part, case)
            return None if inner is None else not inner
        case nodes.Call("at_least", (nodes.Number(text), *parts)):
            answers = [_answer(part, case) for part in parts]
            held, wanted = answers.count(True), int(text)
            return True if held >= wanted else None if held + answers.count(None) >= wanted else False
    return case.answers[canonical(node)]
