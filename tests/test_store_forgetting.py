"""Rows that are let go: values stay exact where they can, nothing reads 0 because it went, the changelog holds little more than lives."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from risk.engine import Engine
from risk.language import load
from risk.profiles import Bounded, BoundedNumber
from streams.chunks import CorruptChangelog
from streams.store import Store
from streams.wire import PARTITIONS_MAX
from tests.stored import NOTHING_UNSAFE, START_MS, Owner

EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, card.id: optional id card}
  login: {fields: {occurred_at: time, payer.id: id user, ok: bool}}
features:
  n:      {count: payment, per: payer.id, over: 1h}
  total:  {sum: amount, of: payment, per: payer.id, over: lifetime}
  ever:   {distinct: card.id, of: payment, per: payer.id, over: lifetime}
  top:    {max: amount, of: payment, per: payer.id, over: 1d}
  today:  {sum: amount, of: payment, per: payer.id, over: calendar day in Asia/Shanghai}
  mean:   {avg: amount, of: payment, per: payer.id, over: 2h}
  logins: {count: login, per: payer.id, over: 1d, where: ok}
  recent: {count: payment, per: payer.id, over: 1h, counts: passed}
  card_n: {count: payment, per: card.id, over: 1h}
  card_users: {distinct: payer.id, of: payment, per: card.id, over: 2h}
rules:
  all:
    title: Reads everything
    owner: tests
    event: payment
    mode: shadow
    when: at_least(9, n > 0, total > CNY 0.00, ever > 0, top > CNY 0.00, today > CNY 0.00, mean > CNY 0.00, logins > 0, recent > 0, card_n > 0, card_users > 0)
    score: 1
"""  # noqa: E501
RULESET = load([("e.yaml", EVENTS)])
ENGINE = Engine(RULESET)
HOUR = 3_600_000
SLACK_MS = HOUR // 6


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, blocks and slack so small that a short stream fills them."""
    monkeypatch.setattr("streams.store.CHUNK_ROWS", 4)
    monkeypatch.setattr("streams.store.HEAVY_CHUNKS", 4)
    monkeypatch.setattr("streams.store.HEAVY_EVERY", 1)
    monkeypatch.setattr("streams.forgetting.THIN_CHUNKS", 2)
    monkeypatch.setattr("streams.forgetting.SLACK_MS", SLACK_MS)
    monkeypatch.setattr("risk.profiles.past.BLOCK_ROWS", 2)
    monkeypatch.setattr("risk.profiles.past.BLOCKS_MAX", 4)


def sweep(owner: Owner, now: int) -> None:
    """Let go of all that may go, make it safe, and take away what is covered."""
    owner.flush()
    owner.store.forgetting.committed[0] = 10**9
    owner.store.forgetting._next_round_ms = 0
    for _ in range(20):
        owner.store.forget(START_MS + now)
    commit(owner)
    commit(owner)


def commit(owner: Owner) -> None:
    owner.flush()
    forgetting = owner.store.forgetting
    forgetting.acknowledged()
    forgetting.stands(forgetting.standing())
    owner.flush()


def judge(name: str, value: Any, true: Any, exactly: bool) -> None:
    if isinstance(value, Bounded | BoundedNumber) and not exactly:
        assert abs(float(value) - (0 if true != true else true)) <= value.bound, name
    elif value is not None or exactly:
        assert repr(value) == repr(true), name


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "pay", "pay", "late", "too late", "login", "release", "sweep", "takeover", "jump"]),
        st.integers(0, 1),
        st.integers(0, 10**6),
    ),
    max_size=60,
)


@pytest.mark.parametrize("exact_rows", [10**6, 8], ids=["expired only", "thinned too"])
@settings(
    max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(STEPS, st.integers(1, 2))
def test_values_are_true_within_their_bounds_whatever_was_let_go(exact_rows: int, steps: list[tuple[str, int, int]], fold: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.forgetting.EXACT_ROWS", exact_rows)
        forgetful, lived, at = Owner(Engine(RULESET)), Owner(Engine(RULESET)), 0
        for number, (what, who, chance) in enumerate(steps * fold, 1):
            at += chance % 400_000 + (what == "jump") * (chance % 30) * HOUR
            payer, card = f"u{who}", f"c{chance % 3}" if chance % 4 else None
            late = {"late": chance % SLACK_MS, "too late": chance % 60 * HOUR}.get(what, 0)
            if what in ("pay", "late", "too late"):
                values, true = (each.pay(number, payer, at - late, chance % 10_000, card) for each in (forgetful, lived))
                for name in true:
                    judge(name, values[name], true[name], exactly=exact_rows > 8 and what != "too late")
            for each in (forgetful, lived):
                if what == "login":
                    each.login(number, payer, at, bool(chance % 3))
                elif what == "release":
                    each.settle(max(0, number - chance % 3), payer, True, offset=number)
            if what == "sweep":
                sweep(forgetful, at)
            elif what == "takeover":
                forgetful.flush()
                forgetful = forgetful.successor(forgetful.store.epoch + 1)


def test_a_profile_of_which_nothing_is_asked_any_more_goes_wholly_and_its_records_with_it() -> None:
    owner = Owner(ENGINE)
    owner.pay(1, "u", 0, 100, "c")
    for number in range(2, 12):
        owner.pay(number, "u", number, 100, None)
    sweep(owner, 4 * HOUR)
    assert owner.store.places.count("card") == 0 and owner.store.places.count("user") == 1
    assert [key for key in owner.log.live if b"card" in key[:8]] == [b"wcard"]
    assert owner.pay(50, "u", 5 * HOUR, 100, "c")["card_n"] == 0
    assert owner.pay(51, "u", HOUR // 2, 100, "d")["card_n"] is None, "an event that late cannot know what has expired"
    other = Owner(ENGINE, 2, owner.log)
    owner.flush()
    assert other.store.restore(dict(owner.log.live), NOTHING_UNSAFE, -1) > 0
    assert other.pay(52, "u", HOUR // 2, 100, "e")["card_n"] is None


def test_a_release_that_comes_before_its_payment_is_not_taken_for_old() -> None:
    owner = Owner(ENGINE)
    owner.store.forget(START_MS)
    owner.settle(1, "u", True)
    owner.store.forgetting.committed[PARTITIONS_MAX] = 1
    sweep(owner, 60_000)
    owner.pay(1, "u", 60_000, 100)
    assert owner.pay(2, "u", 61_000, 100)["recent"] == 0
    owner.flush()
    assert owner.successor(2).pay(3, "u", 62_000, 100)["recent"] == 1


def test_totals_of_a_lifetime_outlive_the_rows() -> None:
    owner = Owner(ENGINE)
    for number in range(40):
        owner.pay(number, "u", number * 1_000, 100, f"c{number % 5}")
    sweep(owner, 60 * HOUR)
    other = owner.successor(2)
    found = other.pay(100, "u", 60 * HOUR)
    assert (found["total"], found["ever"], found["n"], found["top"] != found["top"]) == (4_000, 5, 0, True)
    assert [key[:1] for key in owner.log.live if b"user" in key[:8]] == [b"b"]


def test_rows_that_may_come_again_are_not_let_go() -> None:
    owner = Owner(ENGINE)
    for number in range(9):
        owner.pay(number, "u", number, 100)
    owner.flush()
    other = owner.successor(2, unsafe={0: 6})
    other.store.forgetting._next_round_ms = 0
    for _ in range(5):
        other.store.forget(START_MS + 90 * HOUR)
    commit(other)
    assert other.store.forgetting.let_go["expired"] == 0
    other.store.forgetting.committed[0] = 9
    sweep(other, 91 * HOUR)
    assert other.store.forgetting.let_go["expired"] == 9


def test_records_are_taken_away_only_when_a_commit_has_shown_that_their_base_stands() -> None:
    owner = Owner(ENGINE)
    for number in range(9):
        owner.pay(number, "u", number, 100)
    owner.flush()
    chunks = owner.log.chunks()
    forgetting = owner.store.forgetting
    forgetting.committed[0] = 9
    owner.store.forget(START_MS + 90 * HOUR)
    assert forgetting.standing() == 0
    owner.flush()
    forgetting.stands(forgetting.standing())  # a commit that began before the base was acknowledged proves nothing
    owner.flush()
    assert owner.log.chunks() == chunks and any(key[:1] == b"b" for key in owner.log.live)
    assert owner.successor(2).pay(50, "u", 91 * HOUR)["total"] == 900, "a base and what it covers are not counted twice"
    forgetting.acknowledged()
    forgetting.stands(forgetting.standing())
    owner.flush()
    assert owner.log.chunks() == []
    assert owner.successor(3).pay(51, "u", 91 * HOUR)["total"] == 900


def test_a_base_made_while_others_are_on_their_way_does_not_stand_with_them() -> None:
    owner = Owner(ENGINE)
    for number in range(9):
        owner.pay(number, "u", number, 100)
    owner.flush()
    forgetting = owner.store.forgetting
    forgetting.committed[0] = 9
    owner.store.take_changes()  # on their way
    owner.store.forget(START_MS + 90 * HOUR)
    forgetting.acknowledged()  # and they have arrived
    assert forgetting.standing() == 0


def test_a_late_question_to_a_profile_that_began_anew_does_not_take_what_went_for_nothing() -> None:
    owner = Owner(Engine(RULESET))
    owner.pay(1, "u", 0, 100, "c")
    sweep(owner, 4 * HOUR)
    assert owner.pay(2, "u", 5 * HOUR, 100, "c")["card_n"] == 0
    late = owner.pay(3, "u", HOUR // 2, 100, "c")
    assert (late["card_n"], late["card_users"]) == (None, None)


def test_after_compaction_the_changelog_is_at_most_three_times_what_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.forgetting.EXACT_ROWS", 64)
    owner, random = Owner(ENGINE), Random(4)
    written = 0
    for number in range(4_000):
        at = number * 60_000
        owner.pay(number, f"u{random.randrange(4)}" if number % 3 else f"guest{number}", at, 100, f"card{number // 10}")
        if number % 50 == 49:
            sweep(owner, at)
    written = sum(len(key) + len(value or b"") for key, value in owner.log.all)
    live = sum(len(key) + len(value) for key, value in owner.log.live.items())
    other = Owner(ENGINE, 2)
    for key, value in owner.log.live.items():
        other.log.live[key] = value
    other.store.restore(dict(owner.log.live), NOTHING_UNSAFE, -1)
    needed = sum(len(packed) for profiles in other.store.places.packed.values() for packed in profiles.values())
    assert live <= 3 * needed and live < written / 3
    assert owner.store.places.count("card") < 30
    assert max(len(chunk) for kind in owner.store.places.live.values() for held in kind.values() for _, chunk in held.closed or ()) < 1_000


def test_a_missing_chunk_above_a_base_is_not_guessed_away() -> None:
    owner = Owner(ENGINE)
    for number in range(30):
        owner.pay(number, "u", number * HOUR, 100)
    sweep(owner, 40 * HOUR)
    chunks = sorted(key for key in owner.log.chunks() if b"user" in key)
    assert len(chunks) > 2 and any(key[:1] == b"b" for key in owner.log.live)
    for gone in chunks[:-1]:
        with pytest.raises(CorruptChangelog, match="misses a chunk"):
            Store(ENGINE, 0, 2).restore({key: value for key, value in owner.log.live.items() if key != gone}, NOTHING_UNSAFE, -1)
    base = next(key for key in owner.log.live if key[:1] == b"b")
    with pytest.raises(CorruptChangelog, match="a base"):
        Store(ENGINE, 0, 2).restore({**owner.log.live, base: b"\x93\x01"}, NOTHING_UNSAFE, -1)
