"""Where a profile is held never shows: live, packed or on disk, it answers the same."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risk.engine import payment_tid
from streams.chunks import CorruptChangelog
from streams.places import VISITS_MAX
from streams.shelf import Shelf
from streams.store import CHUNK_ROWS, Store
from tests.stored import ENGINE, NOTHING_UNSAFE, Owner, probe

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "pay", "late", "login", "release", "restore", "flush", "refuse", "room", "room", "takeover"]),
        st.integers(0, 5),
        st.integers(0, 10**6),
    ),
    max_size=70,
)


def cramped(owner: Owner, folder: Path) -> Owner:
    """The same owner, with a place for what has no room in memory."""
    owner.store.places._state = folder
    return owner


def squeeze(owner: Owner, live: int = 1, packed: int = 1) -> None:
    for _ in range(4):
        owner.store.make_room(live, packed)


def held(owner: Owner) -> tuple[int, int, int]:
    found = owner.store.places.held()
    return found["live"], found["packed"], found["stored"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(1, 2))
def test_a_store_without_room_answers_as_one_without_limits(tmp_path: Path, steps: list[tuple[str, int, int]], fold: int) -> None:
    small, large, at = cramped(Owner(), tmp_path), Owner(), 0
    for number, (what, who, chance) in enumerate(steps * fold, 1):
        at += chance % 500_000
        payer, card = f"u{who}", f"c{chance % 4}" if chance % 5 else None
        answers = []
        for each in (small, large):
            if what in ("pay", "late"):
                answers.append(each.pay(number, payer, at - (chance % 4_000_000 if what == "late" else 0), chance % 10_000, card))
            elif what == "login":
                each.login(number, payer, at, bool(chance % 3))
            elif what in ("release", "restore"):
                each.settle(max(0, number - chance % 5), payer, what == "release", offset=number)
            elif what == "refuse":  # given back in memory first, and for good a little later
                each.pay(number, payer, at, chance % 10_000)
                each.store.release_here("user", payer, payment_tid(f"p{number}"))
                squeeze(small)
                answers.append(each.pay(-number, payer, at))
                each.settle(number, payer, True, 0, number)
            elif what == "flush":
                each.flush()
        assert repr(answers[:1]) == repr(answers[1:])
        if what == "room":
            squeeze(small)
        if what == "takeover":
            small.flush()
            small = cramped(small.successor(small.store.epoch + 1), tmp_path)
    for who in range(6):
        for card in ("c0", "c3", None):
            squeeze(small, 0, 0)
            assert repr(probe(small, f"u{who}", at, card)) == repr(probe(large, f"u{who}", at, card))
    assert small.store.counts() == large.store.counts()


def test_profiles_are_packed_stored_and_live_again(tmp_path: Path) -> None:
    owner = cramped(Owner(), tmp_path)
    for number in range(10):
        owner.pay(number, f"u{number}", number, 100)
    owner.flush()
    squeeze(owner, 3, 4)
    assert held(owner) == (3, 4, 3)
    assert owner.store.places.stored_bytes() > 0 and list(tmp_path.iterdir()) == []
    for number in range(10):
        assert probe(owner, f"u{number}", 20)["total"] == 100
    assert held(owner) == (10, 0, 0)
    assert owner.store.places.take_moves() == {"live": 7, "packed": 7, "stored": 3, "gone": 0}


def test_the_coldest_are_packed_first() -> None:
    owner = Owner()
    for number in range(8):
        owner.pay(number, f"u{number}")
    owner.flush()
    owner.store.make_room(4, 100)  # the hand has seen them all once
    for number in (1, 5):
        owner.pay(100 + number, f"u{number}", 1_000)
    owner.flush()
    squeeze(owner, 2, 100)
    assert set(owner.store.places.live["user"]) == {"u1", "u5"}


def test_a_profile_with_unwritten_rows_stays_live() -> None:
    owner = Owner()
    owner.pay(1)
    squeeze(owner, 0, 0)
    assert held(owner) == (1, 0, 0)
    owner.flush()
    squeeze(owner, 0, 0)
    assert held(owner) == (0, 1, 0)


def test_a_profile_that_knows_of_a_release_in_memory_only_stays_live_until_it_is_written() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.store.release_here("user", "u", payment_tid("p1"))
    owner.flush()
    squeeze(owner, 0, 0)
    assert held(owner) == (1, 0, 0)
    owner.settle(1, source=0, offset=1)
    owner.flush()
    squeeze(owner, 0, 0)
    assert held(owner) == (0, 1, 0)
    assert probe(owner)["used"] == 0


def test_room_is_made_a_piece_at_a_time(tmp_path: Path) -> None:
    owner = cramped(Owner(), tmp_path)
    for number in range(VISITS_MAX + 100):
        owner.pay(number, f"u{number}")
    owner.flush()
    owner.store.make_room(0, 0)  # they were all touched since the hand came by
    owner.store.make_room(0, 0)
    assert 0 < held(owner)[0] < VISITS_MAX + 100
    assert 0 < held(owner)[2] < held(owner)[1] + held(owner)[2]


def test_recovery_holds_what_it_reads_packed_and_enters_no_row() -> None:
    owner = Owner()
    for number in range(3 * CHUNK_ROWS + 1):
        owner.pay(number, "u", number)
    owner.pay(10_000, "w")
    owner.flush()
    other = owner.successor(2)
    assert held(other) == (0, 2, 0)
    assert probe(other, "u", 10**4)["total"] == 100 * (3 * CHUNK_ROWS + 1)
    assert held(other) == (1, 1, 0)


def test_rows_of_a_packed_profile_that_may_come_again_are_known() -> None:
    owner = Owner()
    for number in range(2 * CHUNK_ROWS):
        owner.pay(number, "u", number)
    owner.flush()
    other = owner.successor(2, unsafe={0: CHUNK_ROWS - 1})
    assert held(other) == (0, 1, 0)
    assert len(other.store.applied) == CHUNK_ROWS + 1
    other.pay(CHUNK_ROWS - 1, "u", CHUNK_ROWS - 1)
    squeeze(other, 0, 100)
    assert probe(other, "u", 10**4)["total"] == 100 * 2 * CHUNK_ROWS


def test_a_chunk_that_holds_no_rows_is_not_guessed_away() -> None:
    owner = Owner()
    owner.pay(1)
    owner.flush()
    (key,) = owner.log.chunks()
    for wrong in (b"", b"\xdc\x00\x01", owner.log.live[key][:-1], b"\xdc\x00\x01\x93\x01\x02\x03", b"\x90"):
        with pytest.raises(CorruptChangelog):
            Store(ENGINE, 0, 2).restore({**owner.log.live, key: wrong}, NOTHING_UNSAFE, -1)


def test_the_shelf_hands_out_what_was_put_there_once(tmp_path: Path) -> None:
    shelf, random = Shelf(tmp_path, "partition-0"), Random(3)
    profiles = {f"k{n}": random.randbytes(random.randrange(400)) for n in range(600)}
    shelf.put("card", ((key, int(key[1:]), packed) for key, packed in profiles.items()))
    shelf.put("user", [("k1", 5, b"another kind")])
    assert shelf.older("card", 3, 2) == ["k0", "k1"] and shelf.older("user", 5, 9) == []
    assert (shelf.counts, shelf.take("card", "nobody"), shelf.take("device", "k1")) == ({"card": 600, "user": 1}, None, None)
    assert {key: shelf.take("card", key) for key in profiles} == profiles
    assert (shelf.take("card", "k1"), shelf.take("user", "k1"), shelf.counts) == (None, b"another kind", {"card": 0, "user": 0})
    assert list(tmp_path.iterdir()) == []
