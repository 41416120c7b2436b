"""Compiled conditions against the interpreter, and text against tree, on random conditions and events.

`EVALUATIONS` of them; at least a third of the operands are missing and some are never, and each of the three answers is frequent.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

from risk.declared import ListDecl
from risk.language.compile import compile_judge, compile_predicate
from risk.language.condition import Node, canonical, check, parse
from risk.language.interpret import Known, evaluate
from risk.language.lookup import Lists, at_event
from risk.language.overriding import Overriding
from risk.language.render import read_by
from risk.language.typecheck import meaning
from risk.lists import Change, LiveList
from tests.conditions_random import LIST_TYPES, LISTS, PARAMS, SCOPE, SLOTS, START_MS, STRUCT, Conditions, Events

CONDITIONS = 1260
RULES_EACH = 42
EVENTS_EACH = 80
EVALUATIONS = CONDITIONS * EVENTS_EACH


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
    operands: Counter[bool] = Counter()
    events = Events(random.Random(2))
    cases = drawn(1, CONDITIONS)
    for start in range(0, CONDITIONS, RULES_EACH):
        batch = cases[start : start + RULES_EACH]
        judge = compile_judge([checked(node) for _, node in batch], STRUCT, SLOTS, LISTS)
        reads = [name for _, node in batch for name in read_by(node, SCOPE)]
        for _ in range(EVENTS_EACH):
            event, values, score, by_name = events()
            fired, unknown = judge(event, values, score)
            operands.update(by_name[name] is None for name in reads)
            for i, (text, node) in enumerate(batch):
                wanted = evaluate(node, Known(by_name, SCOPE, PARAMS, LISTS))
                found = True if i in fired else None if i in unknown else False
                assert found is wanted, (text, by_name)
                answers[wanted] += 1
            i = events.rnd.randrange(len(batch))
            assert judge.one(i, event, values, score) is (True if i in fired else None if i in unknown else False)
    assert answers.total() == EVALUATIONS >= 100_000
    assert operands[True] >= operands.total() / 3, operands
    assert min(answers[True], answers[False], answers[None]) >= 0.1 * answers.total(), answers


def test_overridden_parameters_and_lists_that_end_or_change_agree_too() -> None:
    others: dict[str, Any] = {"n": 3, "share": 1.15, "sum": 333, "wait": 1_000, "word": "*b", "kind": "card"}
    remote = parse("bool.sure")
    assert isinstance(remote, Node)
    for_some = Overriding({"n": 1, "word": "a"}, None, 2**62, {}, segment=meaning(remote, SCOPE))
    for_one = Overriding(others, None, START_MS + 1_000, {}, attr="text_sure", value="a")
    cards, sums = (LiveList(ListDecl(name, LIST_TYPES[name], LISTS[name], "sha256:0", live=True)) for name in ("cards", "sums"))
    cards.change("ab", [Change(START_MS - 1_000, False), Change(START_MS + 500, True)])
    sums.change(700, [Change(START_MS, True, START_MS + 900)])
    lists: Lists = {**LISTS, "words": {"a": START_MS, "card": math.inf}, "cards": cards, "sums": sums}
    events, cases = Events(random.Random(8)), drawn(7, 240)
    overridden: Counter[str] = Counter()
    for start in range(0, len(cases), 40):
        batch = cases[start : start + 40]
        rules = [checked(node, name=f"r{i}", params=PARAMS, mode="live") for i, (_, node) in enumerate(batch)]
        judge = compile_judge(rules, STRUCT, SLOTS, lists, {f"r{i}": [for_one, for_some] for i in range(len(batch))})
        for _ in range(40):
            event, values, score, by_name = events()
            params = {**PARAMS, **(for_some.sets if by_name["bool.sure"] else {})}
            if by_name["text.sure"] == "a" and by_name["occurred_at"] < for_one.until_ms:
                params = {**params, **others}
            fired, unknown = judge(event, values, score)
            held = judge.in_force(range(len(batch)), event, values, score)
            overridden[f"{len(held)} {sorted(params.items()) != sorted(PARAMS.items())}"] += 1
            for i, (text, node) in enumerate(batch):
                found = True if i in fired else None if i in unknown else False
                assert found is evaluate(node, Known(by_name, SCOPE, params, at_event(lists, event))), (text, by_name, params)
    assert set(overridden) == {"40 True", "0 False"}


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
        for _ in range(30):
            event, _, _, by_name = events()
            assert predicate(event) is (evaluate(node, Known(by_name, SCOPE, PARAMS, LISTS)) is True), (text, by_name)


def test_canonical_text_reads_back_as_the_same_tree() -> None:
    for text, node in drawn(5, 500):
        assert parse(canonical(node)) == node, text
        assert canonical(parse(canonical(node))) == canonical(node)  # type: ignore[arg-type]
