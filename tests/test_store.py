"""Profiles in their changelog: chunks, epochs, recovery, and other rule sets."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risk.engine import Engine
from risk.language import load
from streams.chunks import CorruptChangelog, epoch_in, marker_key
from streams.store import CHUNK_ROWS
from tests.stored import EVENTS, Owner, probe

# ---------------------------------------------------------------------- chunks


def test_the_open_chunk_is_written_again_under_the_same_key() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    keys = owner.log.chunks()
    owner.pay(2)
    owner.flush()
    assert owner.log.chunks() == keys and len(keys) == 1
    assert [row[4] for row in msgspec.msgpack.decode(owner.log.live[keys[0]])] == [1, 2]


def test_a_chunk_closes_when_it_is_full_and_is_never_written_again() -> None:
    owner = Owner()
    for number in range(CHUNK_ROWS):
        owner.pay(number)
    owner.flush()
    (closed,) = owner.log.chunks()
    before = len(owner.log.all)
    owner.pay(CHUNK_ROWS)
    owner.flush()
    assert len(owner.log.chunks()) == 2
    assert closed not in [key for key, _ in owner.log.all[before:]]
    assert len(msgspec.msgpack.decode(owner.log.live[closed])) == CHUNK_ROWS


def test_nothing_new_writes_nothing() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    assert owner.store.take_changes() == []


def test_a_new_owner_writes_under_its_own_epoch_and_takes_the_old_record_away() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    (old,) = owner.log.chunks()
    other = owner.successor(2)
    other.pay(2)
    other.flush()
    (new,) = other.log.chunks()
    assert (epoch_in(old), epoch_in(new)) == (1, 2)
    assert (old, None) in other.log.all


def test_of_two_records_of_a_chunk_the_higher_epoch_counts() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    (old,) = owner.log.chunks()
    stale = owner.log.live[old]
    other = owner.successor(2)
    other.pay(2)
    other.flush()
    other.log.live[old] = stale  # a stale owner wrote once more
    assert probe(other.successor(3))["n"] == 2


def test_keys_tell_their_epoch() -> None:
    assert epoch_in(marker_key(7)) == 7
    assert epoch_in(b"d\x00\x00\x00\x09") == 0
    assert epoch_in(b"s" + (5).to_bytes(4, "big") + b"\x00\x00\x00\x01") == 5


# ---------------------------------------------------------------------- recovery

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "pay", "late", "login", "release", "restore", "flush", "flush", "takeover"]),
        st.integers(0, 3),
        st.integers(0, 10**6),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(1, 3))
def test_whatever_happened_a_restored_store_answers_as_the_original(steps: list[tuple[str, int, int]], fold: int) -> None:
    owner, at = Owner(), 0
    lived = Owner()  # never crashes
    for number, (what, who, chance) in enumerate(steps * fold, 1):
        at += chance % 500_000
        payer, card = f"u{who}", f"c{chance % 3}" if chance % 4 else None
        for each in (owner, lived):
            if what == "pay":
                each.pay(number, payer, at, chance % 10_000, card)
            elif what == "late":
                each.pay(number, payer, at - chance % 4_000_000, chance % 10_000, card)
            elif what == "login":
                each.login(number, payer, at, bool(chance % 3))
            elif what in ("release", "restore"):
                each.settle(max(0, number - chance % 5), payer, what == "release", offset=number)
        if what in ("flush", "takeover"):
            owner.flush()
        if what == "takeover":
            owner = owner.successor(owner.store.epoch + 1)
    owner.flush()
    other = owner.successor(owner.store.epoch + 1)
    for who in range(4):
        for card in ("c0", "c1", None):
            wanted = probe(lived, f"u{who}", at, card)
            assert repr(probe(other, f"u{who}", at, card)) == repr(wanted)  # repr: NaN is itself
    assert other.store.counts() == lived.store.counts()


def test_many_rows_in_many_chunks_come_back() -> None:
    owner, random = Owner(), Random(5)
    for number in range(1_000):
        owner.pay(number, f"u{random.randrange(3)}", number * 10, 1, f"c{random.randrange(2)}")
        if random.random() < 0.1:
            owner.flush()
    owner.flush()
    other = owner.successor(2)
    assert sum(probe(other, f"u{who}", 10**4)["total"] for who in range(3)) == 1_000


def test_rows_with_long_texts_close_their_chunk_early_and_come_back() -> None:
    owner = Owner()
    card = "c" * 250
    for number in range(3 * CHUNK_ROWS):
        owner.pay(number, "u", number * 10, 1, f"{card}{number:03}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.store.CHUNK_BYTES_MAX", 4_000)
        for number in range(3 * CHUNK_ROWS, 6 * CHUNK_ROWS):
            owner.pay(number, "u", number * 10, 1, f"{card}{number:03}")
    for number in range(6 * CHUNK_ROWS, 8 * CHUNK_ROWS):
        owner.pay(number, "u", number * 10, 1, f"{card}{number:03}")
    owner.flush()
    of_user = [key for key in owner.log.chunks() if b"user" in key]
    assert len(of_user) > 8 and max(len(owner.log.live[key]) for key in of_user) < 20_000
    other = owner.successor(2)
    assert probe(other, "u", 10**4)["total"] == 8 * CHUNK_ROWS
    other.pay(8 * CHUNK_ROWS, "u", 9_000)
    other.flush()
    assert probe(other.successor(3), "u", 10**4)["total"] == 8 * CHUNK_ROWS + 100


def test_a_missing_chunk_is_not_guessed_away() -> None:
    owner = Owner()
    for number in range(CHUNK_ROWS + 1):
        owner.pay(number)
    owner.flush()
    first = next(key for key in owner.log.chunks() if len(msgspec.msgpack.decode(owner.log.live[key])) == CHUNK_ROWS)
    del owner.log.live[first]
    with pytest.raises(CorruptChangelog, match="misses a chunk"):
        owner.successor(2)


def test_rows_that_no_shape_explains_are_not_guessed_away() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    for key in [key for key in owner.log.live if key[:1] == b"d"]:
        del owner.log.live[key]
    with pytest.raises(CorruptChangelog, match="shape"):
        owner.successor(2)


# ---------------------------------------------------------------------- another rule set


def other_rules(*changes: tuple[str, str]) -> Engine:
    text = EVENTS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Engine(load([("e.yaml", text)]))


def test_rows_of_an_older_rule_set_are_adopted() -> None:
    owner = Owner()
    owner.pay(1, amount=300)
    owner.flush()
    engine = other_rules(
        ("  n:      {count: payment,", "  low: {min: amount, of: payment, per: payer.id, over: 1d}\n  n:      {count: payment,")
    )
    other = owner.successor(2, engine=engine)
    assert probe(other)["total"] == 300


def test_a_changed_rule_set_explains_its_own_rows_to_the_next_owner() -> None:
    """As many shapes of the past as there are touches today: the new ones must be written all the same."""
    owner = Owner()
    owner.pay(1, card="c")
    owner.login(2)
    owner.flush()
    engine = other_rules(("per: card.id, over: 1h}", "per: [card.id, payer.id], over: 1h}"), ("distinct: card.id", "distinct: payment_id"))
    second = owner.successor(2, engine=engine)
    second.pay(3, card="c")
    second.login(4)
    second.flush()
    third = second.successor(3)
    found = probe(third, card="c")
    assert (found["n"], found["card_n"], found["logins"]) == (2, 1, 2)


def test_profiles_that_nobody_asks_for_any_more_are_left_alone() -> None:
    owner = Owner()
    owner.pay(1, card="c")
    owner.flush()
    engine = other_rules(("  card_n: {count: payment, per: card.id, over: 1h}\n", ""), ("at_least(8,", "at_least(7,"), (" card_n > 0,", ""))
    other = owner.successor(2, engine=engine)
    assert probe(other)["n"] == 1
