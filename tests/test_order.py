"""One order over several workers: what may be applied, how far, and that nothing waits for ever."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.order import AHEAD_MAX, END, START, Order, Rank

PATIENCE = 5.0


class Taken:
    """Who is applied; it remembers nothing but its name."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def apply(self, what: Any) -> None:
        raise AssertionError("whoever asks what is due applies it")


def two_workers() -> Order:
    """We own the profiles of partition 0; places 1 and 2 are sources of another worker."""
    order = Order(PATIENCE)
    order.begin([0], [1, 2], 0.0)
    return order


def told(order: Order, routed: Rank, now: float = 1.0) -> list[Any]:
    return [(entry[0], entry[5] if entry[5] is not None else entry[4].name) for entry in order.due(routed, now)]  # type: ignore[attr-defined]


def test_nothing_is_applied_before_everybody_has_said_how_far_he_is() -> None:
    order = two_workers()
    order.hold_here((10, 0, 5), Taken("ours"), 0.0, 0)
    assert told(order, (10, 0, 5)) == []
    order.heard(0, [1], (20, 1, 3), 0.5)
    assert told(order, (10, 0, 5)) == []
    order.heard(0, [2], (20, 1, 3), 0.5)
    assert told(order, (10, 0, 5)) == [(10, "ours")]
    assert not order.waiting


def test_local_and_remote_touches_come_in_one_order_up_to_the_slowest() -> None:
    order = two_workers()
    for at in (10, 30, 50):
        order.hold_here((at, 0, at), Taken("ours"), 0.0, 0)
    order.hold([((20, 1, 1), "theirs"), ((40, 1, 2), "theirs"), ((60, 1, 3), "theirs")], Taken(), 0.1, 0)
    order.heard(0, [1, 2], (60, 1, 3), 0.1)
    assert told(order, (30, 0, 30)) == [(10, "ours"), (20, "theirs"), (30, "ours")], "we are at 30"
    assert told(order, (50, 0, 50)) == [(40, "theirs"), (50, "ours")]
    assert told(order, END) == [(60, "theirs")]


def test_of_one_order_time_the_place_and_then_the_offset_decides() -> None:
    order = two_workers()
    order.hold([((10, 2, 1), "third"), ((10, 1, 9), "second")], Taken(), 0.1, 0)
    order.hold_here((10, 0, 7), Taken("first"), 0.0, 0)
    order.heard(0, [1, 2], (11, 1, 0), 0.1)
    assert [name for _, name in told(order, END)] == ["first", "second", "third"]


def test_sources_that_were_read_to_their_end_hold_nobody_up() -> None:
    order = two_workers()
    order.heard(0, [1, 2], END, 0.5, at_ms=61_000)
    order.hold_here((10, 0, 5), Taken("ours"), 0.6, appended_ms=1_000)
    assert told(order, (10, 0, 5)) == [(10, "ours")]
    assert not order.asking


def test_an_end_that_was_told_before_a_record_came_is_asked_for_again() -> None:
    order = two_workers()
    order.heard(0, [1, 2], END, 0.5, at_ms=1_000)
    order.hold_here((10, 0, 5), Taken("ours"), 0.6, appended_ms=1_000)
    assert told(order, (10, 0, 5)) == []
    assert order.asking
    order.heard(0, [1], END, 0.7, at_ms=2_000)
    order.heard(0, [2], (5, 2, 0), 0.7)
    assert told(order, (10, 0, 5)) == [], "there was more to come"
    assert not order.asking
    order.heard(0, [2], END, 0.8, at_ms=2_000)
    assert told(order, (10, 0, 5)) == [(10, "ours")]


def test_each_partition_of_profiles_is_told_for_itself() -> None:
    order = Order(PATIENCE)
    order.begin([0, 3], [1], 0.0)
    order.heard(0, [1], END, 0.1, at_ms=1_000)
    order.heard(3, [1], END, 0.1, at_ms=1_000)
    order.hold_here((10, 0, 5), Taken("ours"), 0.6, appended_ms=1_000)
    order.heard(0, [1], (50, 1, 1), 0.7)
    assert told(order, (10, 0, 5)) == [], "what touches profiles of 3 may still be on its way"
    assert order.asking
    order.heard(3, [1], (50, 1, 1), 0.8)
    assert told(order, (10, 0, 5)) == [(10, "ours")]


def test_what_has_waited_long_enough_is_applied_and_counted_and_what_comes_before_it_too() -> None:
    order = two_workers()
    order.heard(0, [1, 2], (5, 1, 0), 0.0)
    order.hold([((20, 1, 1), "theirs")], Taken(), 3.0, 0)
    order.hold_here((10, 0, 5), Taken("ours"), 0.5, 0)
    order.hold_here((30, 0, 6), Taken("ours"), 0.5, 0)
    order.heard(0, [1, 2], (5, 1, 0), 5.0)
    assert told(order, END, 5.4) == []
    assert told(order, END, 5.5) == [(10, "ours"), (20, "theirs"), (30, "ours")]
    assert order.gave_up == 3


def test_a_source_that_fell_silent_is_not_waited_for_until_it_speaks_again() -> None:
    order = two_workers()
    order.heard(0, [1], (50, 1, 0), 4.0)
    order.hold_here((10, 0, 5), Taken("ours"), 5.0, 0)
    assert told(order, (10, 0, 5), 5.1) == [(10, "ours")], "nothing was ever heard of 2"
    order.heard(0, [2], (11, 2, 0), 5.2)
    order.hold_here((12, 0, 6), Taken("ours"), 5.3, 0)
    assert told(order, (12, 0, 6), 5.4) == []
    assert order.gave_up == 0


def test_a_new_generation_waits_for_nobody_that_is_here_now() -> None:
    order = two_workers()
    order.hold_here((10, 0, 5), Taken("ours"), 0.0, 0)
    assert [entry[0] for entry in order.all()] == [10]
    assert not order.on, "nothing is held while partitions are handed over"
    order.begin([0, 1], [], 1.0)
    assert not order.on, "who owns everything has nobody to wait for"
    order.begin([0], [2], 1.0)
    assert order.on
    assert Order(0.0).due(START, 0.0) == []


def test_one_that_is_far_ahead_routes_no_further() -> None:
    order = two_workers()
    for offset in range(AHEAD_MAX):
        order.hold_here((10, 0, offset), Taken("ours"), 0.0, 0)
    assert order.room() == 0
    order.heard(0, [1, 2], (10, 0, 99), 0.1)
    assert len(told(order, END)) == 100
    assert order.room() == 100


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2), st.booleans()), max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_however_it_arrives_it_is_applied_once_and_in_order(events: list[tuple[int, int, bool]], steps: list[int]) -> None:
    """Each worker sends in its own order; ranks are of sources, so a local event has place 0 and a remote one 1 or 2."""
    order, found = two_workers(), []
    ranks = [(at, place if theirs else 0, number) for number, (at, place, theirs) in enumerate(sorted(events))]
    for number, rank in enumerate(ranks):
        if rank[1]:
            order.hold([(rank, rank)], Taken(), number / 1000, 0)
        else:
            order.hold_here(rank, Taken("ours"), number / 1000, 0)
    for number, step in enumerate(steps):
        order.heard(0, [1, 2], (max(steps[: number + 1]), 0, 0), 1.0)
        found += [entry[:3] for entry in order.due((step, 0, 0), 1.0)]
    order.heard(0, [1, 2], END, 1.0, at_ms=1_000)
    found += [entry[:3] for entry in order.due(END, 1.0)]
    assert sorted(found) == sorted(ranks)
    assert found == sorted(found)
