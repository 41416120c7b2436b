"""What was decided and what was seen: epochs, markers, void records, the read-back, and the repeat window."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import Ledger, Stamp, header, is_marker, valid

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def decision(epoch: int, payment: str = "p", source: str = "payments/0/0", action: str = "approve") -> Any:
    headers = [("src", source.encode()), ("epoch", Stamp(epoch, "w").encode())]
    return SimpleNamespace(headers=headers, value=json.dumps({"payment_id": payment, "action": action}).encode())


def letter(epoch: int, source: str) -> Any:
    return SimpleNamespace(headers=[("reason", b"bad_json"), ("src", source.encode()), ("epoch", Stamp(epoch, "w").encode())], value=b"?")


def marker(epoch: int, instance: str = "w") -> Any:
    return SimpleNamespace(headers=[("marker", b"takeover"), ("epoch", Stamp(epoch, instance).encode())], value=b"")


def ledger(epoch: int = 1, window_ms: int = DAY_MS) -> Ledger:
    return Ledger(Stamp(epoch, "w"), window_ms)


# ---------------------------------------------------------------------- epochs and markers


def test_a_stamp_is_read_as_it_was_written() -> None:
    record = SimpleNamespace(headers=[("src", b"x"), ("epoch", Stamp(12, "host-9/a").encode())])
    assert Stamp.of(record) == Stamp(12, "host-9/a")


def test_a_record_without_a_readable_epoch_has_no_stamp() -> None:
    assert Stamp.of(SimpleNamespace(headers=[])) is None
    assert Stamp.of(SimpleNamespace(headers=[("epoch", b"x/y")])) is None
    assert Stamp.of(SimpleNamespace(headers=[("epoch", b"\xff")])) is None


def test_headers_are_found_by_name() -> None:
    assert header(decision(1), "src") == b"payments/0/0"
    assert header(decision(1), "other") is None
    assert is_marker(marker(1)) and not is_marker(decision(1))


def test_a_lower_epoch_after_a_marker_is_void_and_before_it_is_not() -> None:
    before, after, own = decision(1), decision(1), decision(2)
    assert valid([marker(1), before, marker(2), after, own]) == [before, own]


def test_a_marker_that_lost_its_race_voids_nothing_of_the_higher_epoch() -> None:
    good = decision(5)
    assert valid([marker(5), marker(4), good]) == [good]
    assert valid([marker(5), marker(4), decision(4)]) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=20))
def test_validity_by_definition(story: list[tuple[bool, int]]) -> None:
    records = [marker(epoch) if marks else decision(epoch) for marks, epoch in story]
    expected = [
        records[i] for i, (marks, epoch) in enumerate(story) if not marks and all(epoch >= other for mark, other in story[:i] if mark)
    ]
    assert [id(each) for each in valid(records)] == [id(each) for each in expected]


# ---------------------------------------------------------------------- answers read back


def test_an_answer_counts_for_its_very_source_and_payment_only() -> None:
    one = ledger()
    one.read_back([decision(1, "p1", "payments/0/7", "block")], [letter(1, "activity/0/3")])
    assert one.answer_to("payments", 7, "p1") == "block"
    assert one.answer_to("payments", 7, "p2") is None, "the topic was made anew: another payment stands there"
    assert one.answer_to("payments", 8, "p1") is None
    assert one.answer_to("activity", 7, "p1") is None
    assert one.answered[("activity", 3)] == ("", "")


def test_void_answers_and_markers_are_not_read_back() -> None:
    one = ledger(3)
    one.read_back([decision(1, "p1", "payments/0/1"), marker(2), decision(1, "p2", "payments/0/2"), marker(3)], [])
    assert one.answer_to("payments", 1, "p1") == "approve"
    assert one.answer_to("payments", 2, "p2") is None


def test_a_topic_name_with_dots_is_read_back_whole() -> None:
    one = ledger()
    one.read_back([decision(1, "p1", "shop.payments/3/9")], [])
    assert one.answer_to("shop.payments", 9, "p1") == "approve"


# ---------------------------------------------------------------------- payments seen


def test_a_payment_is_remembered_with_content_and_place_until_its_window_has_passed() -> None:
    one = ledger(window_ms=HOUR_MS)
    one.enter(11, 99, 0, 5, 1_000)
    one.forget(1_000 + HOUR_MS - 1)
    assert one.seen[11] == (99, 0, 5)
    one.forget(1_000 + HOUR_MS)
    assert one.seen == {}


def restored(changes: list[tuple[bytes, bytes | None]], window_ms: int = DAY_MS) -> Ledger:
    live: dict[bytes, bytes] = {}
    for key, value in changes:
        if value is None:
            live.pop(key, None)
        else:
            live[key] = value
    other = Ledger(Stamp(2, "w2"), window_ms)
    other.restore(live)
    return other


def test_what_was_seen_survives_the_changelog() -> None:
    one = ledger()
    changes = []
    for number in range(10):
        one.enter(number, number * 7, 0, number, number * 1_000)
        if number % 3 == 0:
            changes += one.take_changes()
    changes += one.take_changes()
    assert one.take_changes() == []
    other = restored(changes)
    assert other.seen == one.seen
    other.forget(DAY_MS + 4_000)
    assert sorted(other.seen) == [5, 6, 7, 8, 9]


def test_a_new_owner_never_writes_over_the_records_of_the_last_one() -> None:
    one = ledger()
    one.enter(1, 1, 0, 1, 1_000)
    first = one.take_changes()
    other = restored(first)
    other.enter(2, 2, 0, 2, 2_000)
    assert {key for key, _ in first}.isdisjoint(key for key, _ in other.take_changes())


def test_records_are_tombstoned_when_all_their_payments_are_older_than_the_window() -> None:
    one = ledger(window_ms=HOUR_MS)
    one.enter(1, 1, 0, 1, 1_000)
    one.enter(2, 2, 0, 2, 2_000)
    ((key, _),) = one.take_changes()
    one.enter(3, 3, 0, 3, 1_000 + HOUR_MS)
    assert [value for _, value in one.take_changes() if value is None] == []
    one.enter(4, 4, 0, 4, 2_000 + HOUR_MS)
    assert [gone for gone, value in one.take_changes() if value is None] == [key]


def test_records_of_an_earlier_owner_are_tombstoned_too() -> None:
    one = ledger(window_ms=HOUR_MS)
    one.enter(1, 1, 0, 1, 1_000)
    ((key, raw),) = one.take_changes()
    other = restored([(key, raw)], HOUR_MS)
    other.enter(2, 2, 0, 2, 1_000 + HOUR_MS)
    assert (key, None) in other.take_changes()


def test_a_payment_id_that_came_once_more_after_its_window_is_remembered_by_its_newest_place() -> None:
    one = ledger(window_ms=HOUR_MS)
    one.enter(1, 1, 0, 1, 1_000)
    one.enter(2, 2, 0, 2, 2_000)
    changes = one.take_changes()
    at = 1_000 + HOUR_MS
    one.forget(at)
    one.enter(1, 1, 0, 50, at)
    changes += one.take_changes()
    assert restored(changes, HOUR_MS).seen[1] == (1, 0, 50)
