"""Payments that wait for values of other workers: the last answer or the deadline."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from streams.pending import HERE, Pending, Waiting


def waiting(offset: int, code: int = 1, missing: tuple[int, ...] = (0, 1)) -> Waiting:
    plan: Any = SimpleNamespace(slices=[slice(0, 2), slice(2, 4)])
    source, item = cast(Any, SimpleNamespace(code=code)), cast(Any, SimpleNamespace(offset=offset))
    return Waiting(source, item, plan, 7, [None] * 4, {home: [home] for home in missing}, 0.0)


def test_a_payment_is_handed_out_with_its_last_answer() -> None:
    pending = Pending()
    held = waiting(5)
    pending.add(held, 100)
    assert pending.answer(1, 5, 1, [3, 4]) == (True, None)
    assert pending.answer(1, 5, 0, [1, 2]) == (True, held)
    assert held.values == [1, 2, 3, 4]
    assert len(pending) == 0


def test_an_answer_that_nobody_waits_for_is_told_apart() -> None:
    pending = Pending()
    held = waiting(5)
    pending.add(held, 100)
    assert pending.answer(1, 6, 0, [1, 2]) == (False, None)
    assert pending.answer(2, 5, 0, [1, 2]) == (False, None)
    pending.answer(1, 5, 0, [1, 2])
    assert pending.answer(1, 5, 0, [9, 9]) == (False, None), "the same answer again"
    pending.answer(1, 5, 1, [3, 4])
    assert pending.answer(1, 5, 1, [9, 9]) == (False, None), "decided already"
    assert held.values == [1, 2, 3, 4]


def test_one_partition_answers_for_all_touches_asked_of_it() -> None:
    plan: Any = SimpleNamespace(slices=[slice(0, 2), slice(2, 3), slice(3, 6)])
    source, item = cast(Any, SimpleNamespace(code=1)), cast(Any, SimpleNamespace(offset=5))
    pending, held = Pending(), Waiting(source, item, plan, 7, [None] * 6, {3: [0, 2], HERE: [1]}, 0.0)
    pending.add(held, 100)
    assert pending.answer(1, 5, 3, [1, 2, 4, 5, 6]) == (True, None)
    assert held.values == [1, 2, None, 4, 5, 6]
    assert not pending.complete(held) and held.unanswered == [1]
    del held.missing[HERE]
    assert pending.complete(held)
    assert not pending.complete(held), "it is decided once"


def test_an_owner_that_cannot_say_is_not_waited_for() -> None:
    pending = Pending()
    held = waiting(5)
    pending.add(held, 100)
    pending.answer(1, 5, 0, None)
    assert pending.answer(1, 5, 1, [3, 4]) == (True, held)
    assert held.values == [None, None, 3, 4]
    assert held.unanswered == [0], "it is decided degraded"


def test_at_the_deadline_a_payment_comes_out_once_with_what_is_missing() -> None:
    pending = Pending()
    first, second, answered = waiting(1), waiting(2), waiting(3, missing=(0,))
    pending.add(second, 200)
    pending.add(first, 100)
    pending.add(answered, 50)
    pending.answer(1, 3, 0, [1, 2])
    assert pending.due(99) == []
    assert pending.due(100) == [first]
    assert pending.due(1_000) == [second]
    assert pending.due(10_000) == []
    assert pending.answer(1, 1, 0, [1, 2]) == (False, None), "too late"


def test_deadlines_move_while_nobody_can_answer() -> None:
    pending = Pending()
    first, second = waiting(1), waiting(2)
    pending.add(first, 100)
    pending.add(second, 150)
    pending.postpone(1_000)
    assert pending.due(1_099) == []
    assert pending.due(1_100) == [first]
    assert pending.due(1_150) == [second]


def test_what_another_worker_decides_now_is_forgotten() -> None:
    pending = Pending()
    gone, stays = waiting(1, code=1), waiting(1, code=2)
    pending.add(gone, 100)
    pending.add(stays, 100)
    pending.drop({1})
    assert pending.due(100) == [stays]


def test_a_payment_that_comes_back_has_its_own_deadline() -> None:
    pending = Pending()
    pending.add(waiting(1), 100)
    pending.drop({1})
    again = waiting(1)
    pending.add(again, 500)
    assert pending.due(499) == []
    assert pending.due(500) == [again]
