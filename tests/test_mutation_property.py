"""Changes of random conditions: each is one, can be written, and what is said of it without running it is true."""

from __future__ import annotations

import random
from collections import Counter

from risk.language.canonical import canonical
from risk.language.condition import check, parse
from risk.language.interpret import Known, evaluate
from risk.language.nodes import Node
from risk.mutation.conditions import changes
from risk.mutation.rewriting import everywhere, opened
from risk.mutation.same import can_answer_otherwise, can_be_unknown, can_count_otherwise
from tests.conditions_random import LISTS, MACROS, PARAMS, SCOPE, Events
from tests.test_condition_property import drawn

CONDITIONS = 120
EVENTS_EACH = 40
CHANGES_EACH = 12


def test_every_change_of_a_condition_is_another_condition_that_can_be_written() -> None:
    kinds: Counter[str] = Counter()
    for text, node in drawn(21, CONDITIONS):
        for change in changes(node):
            kinds[change.kind] += 1
            assert change.node != node or "becomes" not in change.said, (text, change)
            assert 0 <= change.start < change.end <= len(text)
            if all(fault.severity != "error" for fault in check(change.node, SCOPE)[1]):
                written = parse(canonical(change.node))
                assert written == change.node, (text, change.said)
    assert {"threshold", "comparison", "term", "at_least", "negation"} <= kinds.keys()


def test_each_part_put_back_in_its_place_gives_the_condition_again() -> None:
    for text, node in drawn(22, CONDITIONS):
        for part, put in everywhere(node):
            assert put(part) == node, text


def answers(node: Node, seen: list[Known]) -> list[bool | None]:
    return [evaluate(node, each) for each in seen]


def test_what_is_said_to_be_the_same_never_differs_and_what_is_never_unknown_is_not() -> None:
    """Sound, and of use: a good part of what never differs on random events is found to be the same."""
    rnd, events = random.Random(23), Events(random.Random(24))
    told: Counter[str] = Counter()
    for text, node in drawn(25, CONDITIONS):
        seen = [Known(events()[3], SCOPE, PARAMS, LISTS) for _ in range(EVENTS_EACH)]
        whole = opened(node, MACROS)
        before = answers(whole, seen)
        if not can_be_unknown(whole, SCOPE):
            told["never unknown"] += 1
            assert None not in before, text
        found = list(changes(node))
        for change in rnd.sample(found, min(CHANGES_EACH, len(found))):
            new = opened(change.node, MACROS)
            after = answers(new, seen)
            if not can_answer_otherwise(whole, new, SCOPE):
                told["same answer"] += 1
                assert before == after, (text, change.said)
            if not can_count_otherwise(whole, new, SCOPE):
                told["same events"] += 1
                assert [each is True for each in before] == [each is True for each in after], (text, change.said)
    assert min(told["never unknown"], told["same answer"], told["same events"]) >= 5, told
