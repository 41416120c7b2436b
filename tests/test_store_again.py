"""Rows that come again after a crash: each counts once, reads as the first time, and never undoes what is newer."""

from __future__ import annotations

import pytest

from risk.engine import payment_tid
from streams.chunks import epoch_in
from streams.wire import PARTITIONS_MAX, mark_of
from tests.stored import ENGINE, START_MS, Owner, probe


def test_a_row_that_may_come_again_counts_once_and_reads_as_the_first_time() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    first = owner.pay(2, amount=50)
    owner.flush()
    other = owner.successor(2, unsafe={0: 2})
    assert other.pay(2, amount=50) == first
    found = probe(other)
    assert (found["n"], found["total"], found["used"]) == (2, 150, 150)


def test_what_is_committed_is_forgotten_and_the_rest_is_not() -> None:
    owner = Owner()
    for number in range(1, 5):
        owner.pay(number)
    owner.flush()
    other = owner.successor(2, unsafe={0: 2})
    other.store.forget_applied({0: 4})
    assert {tid for tid, *_ in other.store.applied} == {payment_tid("p4")}
    other.store.forget_applied({0: 5})
    assert other.store.applied == {}


def test_a_touch_is_known_until_its_own_record_is_committed_too() -> None:
    """Its source may be committed long before the owner of the profile has committed risk.touches."""
    owner = Owner()
    owner.pay(1, via=100)
    owner.flush()
    other = owner.successor(2, unsafe={0: 50}, touches=90)
    other.store.forget_applied({0: 50})
    other.pay(1, via=100)
    assert probe(other)["n"] == 1
    other.store.forget_applied({0: 50}, 101)
    assert other.store.applied == {}


def test_a_touch_that_was_sent_twice_is_known_until_the_second_record_is_committed() -> None:
    owner = Owner()
    owner.pay(1, via=100)
    touch = next(each for each in ENGINE.plans["payment"].touches if each.kind == "user")
    owner.store.remember(payment_tid("p1"), "user", "u", touch.role, 0, 1, 100)
    owner.store.note_again(touch, "u", mark_of(START_MS, payment_tid("p1"), 0, 1, 120))
    owner.pay(1, via=120)
    owner.flush()
    other = owner.successor(2, unsafe={0: 50}, touches=115)  # the first record is committed, the second comes again
    other.pay(1, via=120)
    assert probe(other)["n"] == 1


def test_a_result_has_the_last_word_though_it_is_committed_long_before_its_payment() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.settle(1, released=False, source=PARTITIONS_MAX, offset=7)
    owner.flush()
    other = owner.successor(2, unsafe={0: 1, PARTITIONS_MAX: 5})
    other.store.forget_applied({PARTITIONS_MAX: 20})
    other.pay(1, amount=100)
    other.settle(1, released=True, source=0, offset=1)  # the decision comes again
    assert probe(other)["used"] == 100


def test_a_row_found_again_is_written_under_the_new_epoch() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    other = owner.successor(2, unsafe={0: 0})
    other.pay(1)
    other.flush()
    assert [epoch_in(key) for key in other.log.chunks()] == [2]


def test_a_release_that_comes_again_does_not_undo_a_newer_result() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.settle(1, source=0, offset=1)  # refused
    owner.settle(1, released=False, offset=7)  # let go by a person
    owner.flush()
    other = owner.successor(2, unsafe={0: 0, PARTITIONS_MAX: 10**9})
    other.pay(1, amount=100)
    other.settle(1, source=0, offset=1)
    assert probe(other)["used"] == 100


def test_a_result_that_came_before_the_release_was_written_beats_the_decision_that_comes_again() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.settle(1, released=False, offset=7)  # let go before the refusal was out: its release was never written
    owner.flush()
    other = owner.successor(2, unsafe={0: 0, PARTITIONS_MAX: 10**9})
    other.pay(1, amount=100)
    other.settle(1, source=0, offset=1)
    assert probe(other)["used"] == 100
    other.flush()
    assert probe(other.successor(3, unsafe={0: 0}))["used"] == 100


@pytest.mark.parametrize("after_a_takeover", [False, True])
def test_a_result_that_overtook_its_payment_in_a_backlog_beats_the_decision_that_comes_after_both(after_a_takeover: bool) -> None:
    owner = Owner()
    owner.settle(1, released=False, offset=7)  # let go by a person, while the payment's row still waits for its turn
    if after_a_takeover:
        owner.flush()
        owner = owner.successor(2, unsafe={0: 0, PARTITIONS_MAX: 10**9})
    owner.pay(1, amount=100)
    owner.settle(1, source=0, offset=1)  # the refusal comes again
    assert probe(owner)["used"] == 100
    owner.flush()
    assert probe(owner.successor(3, unsafe={0: 0}))["used"] == 100


@pytest.mark.parametrize("after_a_takeover", [False, True])
def test_a_result_that_was_overtaken_by_a_newer_one_says_nothing_any_more(after_a_takeover: bool) -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.settle(1, released=True, offset=9)  # reversed: it came live, while the approval before it waited for its turn
    if after_a_takeover:
        owner.flush()
        owner = owner.successor(2, unsafe={0: 10**9, PARTITIONS_MAX: 5})
    owner.settle(1, released=False, offset=7)
    assert probe(owner)["used"] == 0
    owner.settle(1, released=False, offset=11)
    assert probe(owner)["used"] == 100


def test_a_decision_that_comes_again_releases_where_no_result_has_had_its_say() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.flush()
    other = owner.successor(2, unsafe={0: 0})
    other.pay(1, amount=100)
    other.settle(1, source=0, offset=1)
    assert probe(other)["used"] == 0


def test_a_result_may_come_before_its_payment() -> None:
    owner = Owner()
    owner.settle(1)
    owner.flush()
    other = owner.successor(2)
    other.pay(1, amount=100)
    assert probe(other)["used"] == 0


def test_a_release_for_a_kind_of_profile_that_we_do_not_keep_is_left_alone() -> None:
    owner = Owner()
    owner.store.settle_quota("merchant", "m", 1, True, 0, 1, 5)
    owner.flush()
    assert owner.log.chunks() == []
