"""Profiles in their changelog: chunks, epochs, recovery, and rows that may come again."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risk.engine import Engine, Plan, payment_tid
from risk.language import load
from streams.store import CHUNK_ROWS, CorruptChangelog, Store, epoch_in, marker_key
from streams.wire import PARTITIONS_MAX, mark_of

EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, card.id: optional id card}
  login: {fields: {occurred_at: time, payer.id: id user, ok: bool}}
features:
  n:      {count: payment, per: payer.id, over: 1h}
  total:  {sum: amount, of: payment, per: payer.id, over: lifetime}
  top:    {max: amount, of: payment, per: payer.id, over: 1d}
  cards:  {distinct: card.id, of: payment, per: payer.id, over: 1d}
  logins: {count: login, per: payer.id, over: 1d, where: ok}
  card_n: {count: payment, per: card.id, over: 1h}
  used:   {sum: amount, of: payment, per: payer.id, over: lifetime, counts: passed}
  recent: {count: payment, per: payer.id, over: 1h, counts: passed}
rules:
  all:
    title: Reads everything
    owner: tests
    event: payment
    mode: shadow
    when: at_least(8, n > 0, total > CNY 0.00, top > CNY 0.00, cards > 0, logins > 0, card_n > 0, used > CNY 0.00, recent > 0)
    score: 1
"""
NOTHING_UNSAFE = {0: 10**9, PARTITIONS_MAX: 10**9}
START_MS = 1_793_491_200_000
ENGINE = Engine(load([("e.yaml", EVENTS)]))


class Log:
    """A compacted changelog of one partition: the newest value of each key, and everything that was ever written."""

    def __init__(self) -> None:
        self.live: dict[bytes, bytes] = {}
        self.all: list[tuple[bytes, bytes | None]] = []

    def take(self, store: Store) -> None:
        for key, value in store.take_changes():
            self.all.append((key, value))
            if value is None:
                self.live.pop(key, None)
            else:
                self.live[key] = value

    def chunks(self) -> list[bytes]:
        return [key for key in self.live if key[:1] == b"c"]


class Owner:
    """Feeds a store as route and observe do, and keeps its log."""

    def __init__(self, engine: Engine = ENGINE, epoch: int = 1, log: Log | None = None) -> None:
        self.engine = engine
        self.store = Store(engine, 0, epoch)
        self.log = log or Log()

    def pay(self, number: int, payer: str = "u", at: int = 0, amount: int = 100, card: str | None = None, via: int = -1) -> dict[str, Any]:
        event = self.engine.schema.build(
            "payment",
            {"payment_id": f"p{number}", "occurred_at": START_MS + at, "amount": amount, "payer.id": payer, "card.id": card},
        )
        return self._touch(self.engine.plans["payment"], event, payment_tid(f"p{number}"), 0, number, via)

    def login(self, number: int, payer: str = "u", at: int = 0, ok: bool = True) -> None:
        event = self.engine.schema.build("login", {"occurred_at": START_MS + at, "payer.id": payer, "ok": ok})
        self._touch(self.engine.plans["login"], event, (PARTITIONS_MAX << 44) | number, PARTITIONS_MAX, number, -1)

    def _touch(self, plan: Plan, event: Any, tid: int, source: int, offset: int, via: int) -> dict[str, Any]:
        values: list[Any] = []
        mark = mark_of(event.occurred_at, tid, source, offset, via)
        for touch, (key, row) in zip(plan.touches, plan.route(event), strict=True):
            if key is None:
                values.extend([None] * len(touch.features))
            else:
                values.extend(self.store.observe(touch, key, event.occurred_at, tid, row, mark))
        return dict(zip(plan.names, values, strict=True))

    def settle(
        self, number: int, payer: str = "u", released: bool = True, source: int = PARTITIONS_MAX, offset: int = 0, via: int = -1
    ) -> None:
        self.store.settle_quota("user", payer, payment_tid(f"p{number}"), released, source, offset, -1)

    def flush(self) -> None:
        self.log.take(self.store)

    def successor(self, epoch: int, unsafe: dict[int, int] | None = None, touches: int = -1, engine: Engine | None = None) -> Owner:
        other = Owner(engine or self.engine, epoch, self.log)
        other.store.restore(dict(self.log.live), NOTHING_UNSAFE if unsafe is None else unsafe, touches)
        return other


PROBE = 10**6


def probe(owner: Owner, payer: str = "u", at: int = 0, card: str | None = None) -> dict[str, Any]:
    return owner.pay(PROBE, payer, at, 0, card)


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


# ---------------------------------------------------------------------- what may come again


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


def test_a_payment_that_comes_again_and_passes_takes_back_its_own_release_only() -> None:
    owner = Owner()
    owner.pay(1, amount=100)
    owner.pay(2, amount=10)
    owner.settle(1, source=0, offset=1)
    owner.settle(2, offset=7)  # the bank declined it
    owner.flush()
    other = owner.successor(2, unsafe={0: 0, PARTITIONS_MAX: 0})
    other.settle(1, released=False, source=0, offset=1)
    other.settle(2, released=False, source=0, offset=2)
    assert probe(other)["used"] == 100
    other.settle(1, source=0, offset=1)
    other.flush()
    assert probe(other.successor(3, unsafe={0: 0}))["used"] == 0


def test_a_result_may_come_before_its_payment() -> None:
    owner = Owner()
    owner.settle(1)
    owner.flush()
    other = owner.successor(2)
    other.pay(1, amount=100)
    assert probe(other)["used"] == 0
