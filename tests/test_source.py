"""One input partition as its worker sees it: merged order, and what may be committed."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from risk.events import BadEvent
from streams.source import Heads, Source


def put(source: Source, items: list[tuple[Any, Any, bool]]) -> None:
    for item in items:
        source.add(*item)


def record(offset: int, appended: int = 10**12) -> Any:
    return SimpleNamespace(offset=offset, timestamp=appended)


def happened(at: int) -> Any:
    return SimpleNamespace(occurred_at=at)


def source(topic: str = "payments", partition: int = 0, start: int = 0) -> Source:
    return Source(TP(topic, partition), 0, start)


def heads(*sources: Source) -> Heads:
    found = Heads()
    for each in sources:
        found.sources[each.tp] = each
    return found


def taken(merged: Heads, ended: bool = True) -> list[tuple[str, int, int]]:
    return [(each.tp.topic, each.tp.partition, item.offset) for each, item in merged.take(lambda _: ended)]


def test_order_time_never_goes_back_and_never_runs_ahead_of_the_broker() -> None:
    one = source()
    put(one, [(record(0, 500), happened(100), False), (record(1, 500), happened(50), False), (record(2, 500), happened(9_000), False)])
    put(one, [(record(3, 510), BadEvent("bad_json", "x"), False), (record(4, 510), happened(505), False)])
    assert [item.order_ms for item in one.waiting] == [100, 100, 500, 500, 505]
    assert one.received == 5


def test_ties_go_by_topic_then_partition_then_offset() -> None:
    b1, b0, a3 = source("b", 1), source("b", 0), source("a", 3)
    for each in (b1, b0, a3):
        put(each, [(record(0), happened(7), False), (record(1), happened(7), False)])
    assert taken(heads(b1, b0, a3)) == [("a", 3, 0), ("a", 3, 1), ("b", 0, 0), ("b", 0, 1), ("b", 1, 0), ("b", 1, 1)]


def test_inside_a_partition_the_order_is_kept_even_where_times_go_back() -> None:
    one, two = source("a"), source("b")
    put(one, [(record(0), happened(30), False), (record(1), happened(10), False)])
    put(two, [(record(0), happened(20), False)])
    assert taken(heads(one, two)) == [("b", 0, 0), ("a", 0, 0), ("a", 0, 1)]


def test_a_partition_that_has_more_to_come_is_waited_for() -> None:
    one, two = source("a"), source("b")
    put(one, [(record(0), happened(1), False)])
    assert taken(heads(one, two), ended=False) == []
    assert taken(heads(one, two), ended=True) == [("a", 0, 0)]


def test_a_partition_that_runs_empty_on_the_way_stops_the_others() -> None:
    one, two = source("a"), source("b")
    put(one, [(record(0), happened(1), False)])
    put(two, [(record(0), happened(2), False)])
    assert taken(heads(one, two), ended=False) == [("a", 0, 0)]
    assert len(two.waiting) == 1


def test_a_clock_that_runs_ahead_does_not_hold_up_its_partition() -> None:
    ahead, other = source("a"), source("b")
    put(ahead, [(record(0, 100), happened(10**9), False), (record(1, 100), happened(99), False)])
    put(other, [(record(0, 200), happened(101), False)])
    assert taken(heads(ahead, other)) == [("a", 0, 0), ("a", 0, 1), ("b", 0, 0)]


def test_an_interrupted_take_loses_nothing() -> None:
    one = source()
    put(one, [(record(n), happened(n), False) for n in range(4)])
    merged = heads(one)
    first = next(merged.take(lambda _: True))
    assert first[1].offset == 0
    assert taken(merged) == [("payments", 0, 1), ("payments", 0, 2), ("payments", 0, 3)]
    assert merged.waiting() == 0


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8), min_size=1, max_size=4))
def test_the_merged_order_is_the_defined_one(partitions: list[list[tuple[int, int]]]) -> None:
    """By definition: always the head with the smallest (order time, topic, partition, offset)."""
    sources = []
    for number, events in enumerate(partitions):
        each = source("t", number)
        put(each, [(record(offset, appended), happened(at), False) for offset, (at, appended) in enumerate(events)])
        sources.append(each)
    left = [[(item.order_ms, "t", n, item.offset) for item in each.waiting] for n, each in enumerate(sources)]
    expected = []
    while any(left):
        best = min(part[0] for part in left if part)
        left[best[2]].pop(0)
        expected.append(best[1:])
    assert taken(heads(*sources)) == expected


def test_only_a_prefix_is_committable_and_gaps_in_offsets_are_no_hindrance() -> None:
    one = source(start=5)
    assert one.committable() == 5
    for offset in (5, 9, 10):
        one.begin(offset, 2)
    one.settle(9)
    one.settle(9)
    one.settle(10)
    assert one.committable() == 5
    one.settle(5)
    assert one.committable() == 5
    one.settle(5)
    assert one.committable() == 10
    one.settle(10)
    assert one.committable() == 11


def test_a_duty_that_is_added_later_is_waited_for_too() -> None:
    one = source()
    one.begin(0, 1)
    one.more(0, 2)
    one.settle(0)
    one.settle(0)
    assert one.committable() == 0
    one.settle(0)
    assert one.committable() == 1


def test_what_is_settled_once_too_often_changes_nothing() -> None:
    one = source()
    one.begin(0, 1)
    one.begin(1, 1)
    one.settle(0)
    one.settle(0)
    assert one.committable() == 1


@given(st.integers(0, 10**6), st.lists(st.integers(1, 3), min_size=1, max_size=30))
def test_whatever_the_order_of_acks_committable_is_the_first_open_offset(seed: int, duties: list[int]) -> None:
    one, left = source(), dict(enumerate(duties))
    for offset, count in left.items():
        one.begin(offset, count)
    acks = [offset for offset, count in left.items() for _ in range(count)]
    Random(seed).shuffle(acks)
    for offset in acks:
        one.settle(offset)
        left[offset] -= 1
        still = [number for number, count in left.items() if count]
        assert one.committable() == (still[0] if still else len(duties))


def test_in_flight_counts_from_the_committed_offset() -> None:
    one = source(start=100)
    one.delivered = 150
    assert one.in_flight == 50
    one.committed = 140
    assert one.in_flight == 10
