"""Compiled conditions against the interpreter, and text against tree, on random conditions and events.

`CONDITIONS` x `EVENTS_EACH` evaluations; a third of the operands are missing and some are never.
"""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

from risk.language.compile import compile_judge, compile_predicate
from risk.language.condition import Node, canonical, check, parse
from risk.language.interpret import Known, evaluate
from tests.conditions_random import LISTS, PARAMS, SCOPE, SLOTS, STRUCT, Conditions, Events

CONDITIONS = 1500
RULES_EACH = 30
EVENTS_EACH = 30


def drawn(seed: int, count: int) -> list[tuple[str, Node]]:
    conditions = Conditions(random.Random(seed))
    found: list[tuple[str, Node]] = []
    while len(found) < count:
        text = conditions.condition()
        if len(text) > 3000:
            continue
        node = parse(text)
        assert isinstance(node, Node), (text, node)
        _, faults = check(node, SCOPE)
        errors = [fault for fault in faults if fault.severity == "error" and fault.code not in ("E210", "E211")]
        assert not errors, (text, errors)
        if all(fault.severity != "error" for fault in faults):
            found.append((text, node))
    return found


def checked(node: Node, **rule: object) -> SimpleNamespace:
    facts = {"valid_from_ms": None, "valid_until_ms": None} | rule
    return SimpleNamespace(rule=SimpleNamespace(**facts), node=node, scope=SCOPE, params=PARAMS)


def test_the_compiled_rules_agree_with_the_interpreter() -> None:
    answers: Counter[bool | None] = Counter()
    events = Events(random.Random(2))
    cases = drawn(1, CONDITIONS)
    for start in range(0, CONDITIONS, RULES_EACH):
        batch = cases[start : start + RULES_EACH]
        judge = compile_judge([checked(node) for _, node in batch], STRUCT, SLOTS, LISTS)
        for _ in range(EVENTS_EACH):
            event, values, score, by_name = events()
            fired, unknown = judge(event, values, score)
            for i, (text, node) in enumerate(batch):
                wanted = evaluate(node, Known(by_name, SCOPE, PARAMS, LISTS))
                found = True if i in fired else None if i in unknown else False
                assert found is wanted, (text, by_name)
                answers[wanted] += 1
            i = events.rnd.randrange(len(batch))
            assert judge.one(i, event, values, score) is (True if i in fired else None if i in unknown else False)
    assert min(answers[True], answers[False], answers[None]) > 0.1 * answers.total(), answers


def test_a_predicate_is_true_where_the_condition_certainly_holds() -> None:
    events = Events(random.Random(4))
    fields_only = [
        (text, node)
        for text, node in drawn(3, 1200)
        if "_seen" not in text and "score" not in text and "rich" not in text and "odd" not in text
    ]
    assert len(fields_only) > 100
    for text, node in fields_only:
        predicate = compile_predicate(node, SCOPE, STRUCT, LISTS, PARAMS)
        for _ in range(EVENTS_EACH):
            event, _, _, by_name = events()
            assert predicate(event) is (evaluate(node, Known(by_name, SCOPE, PARAMS, LISTS)) is True), (text, by_name)


def test_canonical_text_reads_back_as_the_same_tree() -> None:
    for text, node in drawn(5, 500):
        assert parse(canonical(node)) == node, text
        assert canonical(parse(canonical(node))) == canonical(node)  # type: ignore[arg-type]
