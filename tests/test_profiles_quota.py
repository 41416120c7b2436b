"""Limits: money reserved, released and taken again. What passes here is what a customer may spend."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.declared import Feature, Window
from risk.profiles import Layout, Profile, Touch
from risk.profiles.quota import EARLY_RELEASES_MAX
from tests.profiles_oracle import LIFETIME, SHANGHAI_DAY, SLIDING_60, TYPES, Oracle, event, feature, predicates
from tests.test_profiles_properties import MIDNIGHT, same

YUAN = 100


def day_limit(**more: Any) -> tuple[Touch, Profile]:
    f = feature("spent_today", "sum", "amount", SHANGHAI_DAY, counts="passed", **more)
    layout = Layout({f.name: f}, TYPES, {"payment": [f.name]}, predicates({f.name: f}))
    return layout.touches["payment"][0], layout.profile("user")


def pay(touch: Touch, profile: Profile, tid: int, yuan: int, t: int = MIDNIGHT) -> int:
    """Yuan reserved before this payment."""
    e = event(amount=yuan * YUAN)
    spent: int = touch.observe(profile, t, touch.row(e), tid)[0]
    return spent // YUAN


def test_the_second_of_two_payments_at_once_sees_the_first() -> None:
    touch, profile = day_limit()
    assert pay(touch, profile, 1, 3_000) == 0
    assert pay(touch, profile, 2, 3_000) == 3_000  # 6,000 against a day limit of 5,000


def test_a_blocked_payment_leaves_the_whole_limit() -> None:
    touch, profile = day_limit()
    assert pay(touch, profile, 1, 6_000) == 0
    profile.release(1)
    assert pay(touch, profile, 2, 5_000) == 0  # 0 + 5,000.00 is within 5,000.00


def test_the_second_of_two_stamped_a_second_earlier_still_sees_the_first() -> None:
    touch, profile = day_limit()
    assert pay(touch, profile, 1, 3_000, MIDNIGHT + 5_000) == 0
    assert pay(touch, profile, 2, 3_000, MIDNIGHT + 4_000) == 3_000


def test_a_payment_of_yesterday_that_arrives_today_counts_today_too() -> None:
    touch, profile = day_limit()
    pay(touch, profile, 1, 1_000, MIDNIGHT)
    assert pay(touch, profile, 2, 10, MIDNIGHT - 1) == 1_000  # its period is yesterday, open towards now
    assert pay(touch, profile, 3, 10, MIDNIGHT + 1) == 1_000  # and today does not see yesterday's


def test_with_current_adds_the_payment_itself() -> None:
    touch, profile = day_limit(with_current=True)
    assert pay(touch, profile, 1, 3_000) == 3_000
    assert pay(touch, profile, 2, 3_000) == 6_000


def test_release_and_restore_are_idempotent() -> None:
    touch, profile = day_limit()
    pay(touch, profile, 1, 3_000)
    for _ in range(3):
        profile.release(1)
    assert pay(touch, profile, 2, 1) == 0
    for _ in range(3):
        profile.restore(1)
    assert pay(touch, profile, 3, 1) == 3_001


def test_a_release_that_comes_before_its_row_is_remembered() -> None:
    touch, profile = day_limit()
    profile.release(1)
    pay(touch, profile, 1, 3_000)
    assert pay(touch, profile, 2, 1) == 0
    profile.restore(1)
    assert pay(touch, profile, 3, 1) == 3_001


def test_a_restore_takes_back_a_release_whose_row_has_not_come() -> None:
    touch, profile = day_limit()
    profile.release(1)
    profile.restore(1)
    pay(touch, profile, 1, 3_000)
    assert pay(touch, profile, 2, 1) == 3_000


def test_early_releases_are_bounded_and_the_newest_are_kept() -> None:
    touch, profile = day_limit()
    for tid in range(EARLY_RELEASES_MAX + 1):
        profile.release(tid)
    pay(touch, profile, 0, 7)
    pay(touch, profile, 1, 9)
    assert pay(touch, profile, 10_000, 1) == 7


def test_the_same_row_again_reserves_nothing() -> None:
    touch, profile = day_limit()
    pay(touch, profile, 1, 3_000)
    pay(touch, profile, 1, 3_000)
    assert pay(touch, profile, 2, 1) == 3_000


def test_a_redelivery_leaves_out_what_arrived_after_it_and_itself() -> None:
    touch, profile = day_limit()
    e = event(amount=3_000 * YUAN)
    assert touch.observe(profile, MIDNIGHT, touch.row(e), 1) == [0]
    pay(touch, profile, 2, 1_000, MIDNIGHT - 5)
    assert touch.read_again(profile, MIDNIGHT, touch.row(e), 1) == [0]
    assert touch.read_again(profile, MIDNIGHT, touch.row(event(amount=1_000 * YUAN)), 2) == [3_000 * YUAN]
    profile.release(1)
    assert touch.read_again(profile, MIDNIGHT, touch.row(e), 1) == [0]


def test_a_payment_that_the_where_leaves_out_still_has_its_place_in_the_order() -> None:
    touch, profile = day_limit(where="amount > 3")
    small, large = touch.row(event(amount=1)), touch.row(event(amount=9))
    assert touch.observe(profile, MIDNIGHT, small, 1) == [0]
    assert touch.observe(profile, MIDNIGHT, large, 2) == [0]
    assert touch.read_again(profile, MIDNIGHT, small, 1) == [0]
    assert touch.read(profile, MIDNIGHT, small, 3) == [9]


def test_an_event_that_reads_a_quota_without_filling_it_has_its_place_too() -> None:
    f = feature("used", window=LIFETIME, of=("login",), counts="passed")
    layout = Layout({f.name: f}, TYPES, {"payment": [f.name]}, predicates({f.name: f}))
    (reader,), (writer,) = layout.touches["payment"], layout.touches["login"]
    profile = layout.profile("user")
    assert (reader.passed, reader.records, writer.passed) == (True, False, True)
    assert reader.observe(profile, 10, (), 1) == [0]
    writer.observe(profile, 11, (), 2)
    assert reader.read_again(profile, 10, (), 1) == [0]
    assert reader.read(profile, 10, (), 3) == [1]


WINDOWS = (SHANGHAI_DAY, SLIDING_60, LIFETIME, Window("calendar", unit="month", zone="Europe/Madrid"))
AGGREGATES = [
    ("count", None), ("sum", "amount"), ("sum", "fee"), ("avg", "amount"), ("avg", "fee"), ("max", "amount"), ("distinct", "what"),
    ("last", "what"), ("since_last", None), ("since_first", None), ("sum", "ratio"),
]


def every_feature() -> dict[str, Feature]:
    features = {}
    for n, (window, current, where, (agg, field)) in enumerate(product(WINDOWS, (False, True), (None, "amount > 3"), AGGREGATES)):
        none: dict[str, Any] = {"if_none": -1, "has_if_none": True} if field == "fee" else {}
        features[f"f{n}"] = feature(f"f{n}", agg, field, window, counts="passed", with_current=current, where=where, **none)
    return features


FEATURES = every_feature()
LAYOUT = Layout(FEATURES, TYPES, {"payment": sorted(FEATURES)}, predicates(FEATURES))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "release", "restore"]), st.integers(-90, 90), st.integers(0, 6), st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from("uvw"), st.integers(0, 20),
    ),
    max_size=24,
)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_what_passed_equals_a_loop_over_all_payments(steps: list[Any]) -> None:
    (touch,) = LAYOUT.touches["payment"]
    profile, oracle, paid = LAYOUT.profile("user"), Oracle(), []
    for tid, (step, back, amount, fee, what, which) in enumerate(steps):
        if step == "pay":
            e, t = event(amount=amount, fee=fee, ratio=fee and fee / 7, what=what), MIDNIGHT + back
            paid.append((e, t, tid))
            compare(touch, touch.observe(profile, t, touch.row(e), tid), oracle, e, t)
            oracle.record(e, t, tid)
        elif paid:
            chosen = paid[which % len(paid)][2]
            (profile.release if step == "release" else profile.restore)(chosen)
            oracle.switch(chosen, step == "restore")
    for e, t, tid in paid[:6]:
        compare(touch, touch.read_again(profile, t, touch.row(e), tid), oracle, e, t, tid)
    compare(touch, touch.read(profile, MIDNIGHT, touch.row(event()), 99), oracle, event(), MIDNIGHT)


def compare(touch: Touch, values: list[Any], oracle: Oracle, e: Any, t: int, tid: int | None = None) -> None:
    for name, value in zip(touch.features, values, strict=True):
        expected = oracle.ask(FEATURES[name], e, t, tid)
        assert same(value, expected), f"{FEATURES[name]} at {t - MIDNIGHT}: {value!r}, by definition {expected!r}"
