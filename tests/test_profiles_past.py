"""Profiles whose older rows are gone, against the definition: what is not exact is within its bound, or unknown, and never a silent 0."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from risk.profiles import Bounded, BoundedNumber, Layout, Past, Profile, reach_ms
from risk.profiles.past import PERIOD_MS
from tests.profiles_oracle import LIFETIME, SHANGHAI_DAY, SLIDING_60, TYPES, Oracle, event, feature, predicates
from tests.test_profiles_properties import FEATURES as ALL_FEATURES
from tests.test_profiles_properties import same, streams

FEATURES = dict(list(ALL_FEATURES.items())[::3])
LAYOUT = Layout(FEATURES, TYPES, {event_type: tuple(sorted(FEATURES)) for event_type in TYPES}, predicates(FEATURES))


class Forgetful:
    """Profiles that let go of their oldest rows, in order of arrival."""

    def __init__(self, layout: Layout = LAYOUT) -> None:
        self.layout = layout
        self.profiles: dict[tuple[str, str], Profile] = {}
        self.rows: dict[tuple[str, str], list[Any]] = {}

    def profile(self, touch: Any, e: Any) -> Profile | None:
        key = touch.key(e)
        return None if key is None else self.profiles.setdefault((touch.kind, key), self.layout.profile(touch.kind))

    def observe(self, e: Any, t: int, tid: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for touch in self.layout.touches[e.event_type]:
            profile = self.profile(touch, e)
            if profile is not None:
                row = touch.row(e)
                values.update(zip(touch.features, touch.observe(profile, t, row, tid), strict=True))
                self.rows.setdefault((touch.kind, touch.key(e)), []).append((touch, t, row, tid))
        return values

    def again(self, e: Any, t: int, tid: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for touch in self.layout.touches[e.event_type]:
            profile = self.profile(touch, e)
            if profile is not None and touch.records:
                values.update(zip(touch.features, touch.read_again(profile, t, touch.row(e), tid), strict=True))
        return values

    def let_go(self, keep: int, now: int | None) -> None:
        """All rows but the last few; with ``now``, also what no window asks for any more."""
        for place, rows in self.rows.items():
            old, self.rows[place] = rows[: max(0, len(rows) - keep)], rows[max(0, len(rows) - keep) :]
            before = self.profiles[place]
            if not old and before.past is None:
                continue
            past = Past.read(before.past.packed()) if before.past is not None else Past()
            series = self.layout.series_of(place[0])
            past.absorb(series, ((touch, t, row) for touch, t, row, _ in old))
            if now is not None:
                past.expire(series, now)
            after = self.profiles[place] = self.layout.profile(place[0])
            for touch, t, row, tid in self.rows[place]:
                touch.record(after, t, row, tid)
            after.remember(past)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("risk.profiles.past.BLOCK_ROWS", 2)
    monkeypatch.setattr("risk.profiles.past.BLOCKS_MAX", 3)
    monkeypatch.setattr("risk.profiles.past.VALUES_MAX", 2)


def judge(name: str, value: Any, expected: Any, tally: dict[str, int]) -> None:
    """Exact, within the bound, or unknown."""
    if value is None:
        tally["unknown"] += 1
    elif isinstance(value, Bounded | BoundedNumber):
        tally["bounded"] += 1
        expected = 0 if expected != expected else expected  # nothing happened: within the bound of something
        error = abs(float(value) - expected)
        assert error <= value.bound + 1e-9, f"{FEATURES[name]}: {value!r} within {value.bound}, truly {expected!r}"
    else:
        tally["exact"] += 1
        exact = same(value, expected) or (isinstance(value, float) and abs(value - expected) < 1e-9)
        assert exact, f"{FEATURES[name]}: {value!r}, by definition {expected!r}"


@settings(
    max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(streams(), st.lists(st.tuples(st.integers(0, 27), st.integers(0, 6), st.booleans()), max_size=4))
def test_every_value_is_exact_or_within_its_bound_or_unknown(stream: list[tuple[Any, int]], gone: list[tuple[int, int, bool]]) -> None:
    store, oracle, tally = Forgetful(), Oracle(), {"exact": 0, "bounded": 0, "unknown": 0}
    newest = 0
    for tid, (e, t) in enumerate(stream):
        for at, keep, expire in gone:
            if at == tid:
                store.let_go(keep, newest if expire else None)
        newest = max(newest, t)
        for name, value in store.observe(e, t, tid).items():
            judge(name, value, oracle.ask(FEATURES[name], e, t), tally)
        oracle.record(e, t, tid)
        for name, value in store.again(e, t, tid).items():
            judge(name, value, oracle.ask(FEATURES[name], e, t, tid), tally)
    if not gone:
        assert tally["bounded"] == tally["unknown"] == 0


def steady(agg: str, field: str | None, window: Any, count: int = 40, keep: int = 6, **more: Any) -> list[tuple[Any, Any]]:
    """Values of one feature over a steady stream that lets go of all but its last rows, with the true ones."""
    features = {"f": feature("f", agg, field, window, **more)}
    layout, oracle, found = Layout(features, TYPES, {"payment": ("f",)}, predicates(features)), Oracle(), []
    store = Forgetful(layout)
    for n in range(count):
        e = event(amount=n + 1, what=f"w{n % 2}")
        found.append((store.observe(e, n * 3, n)["f"], oracle.ask(features["f"], e, n * 3)))
        oracle.record(e, n * 3, n)
        if n % 7 == 6:
            store.let_go(keep, n * 3)
    return found


@pytest.mark.parametrize(
    "agg, field", [("count", None), ("sum", "amount"), ("avg", "amount"), ("min", "amount"), ("max", "amount"), ("distinct", "what"),
                   ("last", "what"), ("since_first", None), ("since_last", None)],
)  # fmt: skip
def test_totals_of_a_lifetime_and_of_a_calendar_period_stay_exact(agg: str, field: str | None) -> None:
    for window in (LIFETIME, SHANGHAI_DAY):
        for value, true in steady(agg, field, window):
            assert same(value, true), (window, value, true)


def test_a_window_that_cuts_through_a_block_is_within_a_bound_that_is_not_too_wide() -> None:
    found = steady("count", None, SLIDING_60)
    assert [value for value, _ in found] != [true for _, true in found], "nothing was let go"
    assert all(value is not None and getattr(value, "bound", 0) <= 4 for value, _ in found)


def test_a_window_that_reaches_into_what_expired_is_unknown_and_not_zero() -> None:
    features = {"f": feature("f", "count", None, SLIDING_60)}
    store = Forgetful(Layout(features, TYPES, {"payment": ("f",)}, predicates(features)))
    for n in range(5):
        store.observe(event(), n, n)
    store.let_go(0, 1_000)
    assert store.observe(event(), 20, 5)["f"] is None
    assert store.observe(event(), 2_000, 6)["f"] == 0


def test_how_far_back_a_series_can_be_asked() -> None:
    def reach(*asked: Any) -> int | None:
        features = {f.name: f for f in asked}
        (series,) = Layout(features, TYPES, {"payment": tuple(features)}, predicates(features)).series.values()
        return reach_ms(series)

    assert reach(feature("a", window=SLIDING_60, ending_ms=5)) == 65
    assert reach(feature("a", window=SHANGHAI_DAY), feature("b", window=LIFETIME)) == PERIOD_MS["day"]
    assert reach(feature("a", "p95", "amount", LIFETIME)) is None
    assert reach(feature("a", "sum", "ratio", LIFETIME)) is None
    assert reach(feature("a", window=LIFETIME, counts="passed")) is None
