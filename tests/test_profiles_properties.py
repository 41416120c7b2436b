"""Profiles against the definition: random events, late and tied, every aggregate over every window."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.declared import Feature
from risk.profiles import Layout, Profile
from tests.profiles_oracle import LIFETIME, SHANGHAI_DAY, SLIDING_10, SLIDING_60, TYPES, Oracle, event, feature, predicates

MIDNIGHT = 1_796_400_000_000 // 86_400_000 * 86_400_000 - 8 * 3_600_000  # in Shanghai
AGGREGATES = [
    ("count", None), ("sum", "amount"), ("sum", "fee"), ("sum", "ratio"), ("avg", "amount"), ("avg", "fee"), ("avg", "ratio"),
    ("min", "amount"), ("max", "fee"), ("p95", "amount"), ("last", "what"), ("distinct", "what"), ("distinct", "payee.id"),
    ("since_last", None), ("since_first", None),
]
WINDOWS = [(SLIDING_10, 0), (SLIDING_60, 0), (SHANGHAI_DAY, 0), (LIFETIME, 0), (SLIDING_10, 10), (SHANGHAI_DAY, 20), (LIFETIME, 5)]
ROLES = [
    (("payer.id",), ("payer.id",), ("payment",)), (("payee.id",), ("payer.id",), ("payment",)),
    (("payer.id",), ("payer.id",), ("login", "payment")), (("payer.id", "device.id"), ("payer.id", "device.id"), ("payment",)),
]


def every_feature() -> dict[str, Feature]:
    """Each aggregate over each window, in each role; ``where``, ``with_current`` and ``if_none`` vary along."""
    features = {}
    for n, ((agg, field), (window, ending), (per, read_with, of)) in enumerate(product(AGGREGATES, WINDOWS, ROLES)):
        for k, (where, current) in enumerate(product((None, "what is known", "amount > 3"), (False, True))):
            if (n + k) % 3 == 0:
                more: dict[str, Any] = {"if_none": -7, "has_if_none": True} if (n + k) % 2 else {}
                more |= {"where": where, "with_current": current, "ending_ms": ending}
                f = feature(f"f{n}_{k}", agg, field, window, per, read_with, of, **more)
                features[f.name] = f
    return features


FEATURES = every_feature()
READS = {e: tuple(sorted(FEATURES)) for e in TYPES}
LAYOUT = Layout(FEATURES, TYPES, READS, predicates(FEATURES))


@st.composite
def streams(draw: Any) -> list[tuple[Any, int]]:
    """Events with their times: mostly in order, ties, sometimes late by more than every window, around a midnight."""
    now, events = MIDNIGHT + draw(st.integers(-80, 0)), []
    for _ in range(draw(st.integers(1, 28))):
        now += draw(st.sampled_from([0, 0, 1, 3, 9, 10, 11, 61]))
        payer = draw(st.sampled_from("ab"))
        e = event(
            draw(st.sampled_from(["payment", "payment", "payment", "login"])), payer,
            payee=draw(st.sampled_from("abcdefghijklmnop".replace(payer, ""))), device=draw(st.sampled_from([None, "x", "x"])),
            amount=draw(st.integers(0, 6)), fee=draw(st.none() | st.integers(-3, 3)),
            ratio=draw(st.none() | st.sampled_from([0.1, 0.2, 0.7, 1e9])), what=draw(st.none() | st.sampled_from("uvwxyz")),
        )
        events.append((e, now - draw(st.sampled_from([0, 0, 0, 0, 1, 2, 10, 30, 90]))))
    return events


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))


class Store:
    """Profiles by kind and key, as a worker keeps them."""

    def __init__(self, layout: Layout, fused: bool) -> None:
        self.layout, self.fused = layout, fused
        self.profiles: dict[tuple[str, str], Profile] = {}

    def profile(self, kind: str, key: str) -> Profile:
        if (kind, key) not in self.profiles:
            self.profiles[kind, key] = self.layout.profile(kind)
        return self.profiles[kind, key]

    def each(self, e: Any) -> list[tuple[Any, Profile, tuple[Any, ...]]]:
        touches = self.layout.touches[e.event_type]
        return [(x, self.profile(x.kind, key), x.row(e)) for x in touches if (key := x.key(e)) is not None]

    def observe(self, e: Any, t: int, tid: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for touch, profile, row in self.each(e):
            if self.fused:
                answers = touch.observe(profile, t, row, tid)
            else:
                answers = touch.read(profile, t, row, tid)
                touch.record(profile, t, row, tid)
            values.update(zip(touch.features, answers, strict=True))
        return values

    def read(self, e: Any, t: int, tid: int, again: bool = False) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for touch, profile, row in self.each(e):
            ask = touch.read_again if again else touch.read
            values.update(zip(touch.features, ask(profile, t, row, tid), strict=True))
        return values


def check(values: dict[str, Any], oracle: Oracle, e: Any, t: int, tid: int | None = None) -> None:
    for name, value in values.items():
        expected = oracle.ask(FEATURES[name], e, t, tid)
        assert same(value, expected), f"{FEATURES[name]} at {t}: {value!r}, by definition {expected!r}"


@settings(max_examples=25, deadline=None)
@given(streams(), st.booleans())
def test_every_value_equals_a_loop_over_all_events(stream: list[tuple[Any, int]], fused: bool) -> None:
    store, oracle = Store(LAYOUT, fused), Oracle()
    for tid, (e, t) in enumerate(stream):
        values = store.observe(e, t, tid)
        assert len(values) >= len([f for f in FEATURES.values() if "device.id" not in f.per])
        check(values, oracle, e, t)
        oracle.record(e, t, tid)


@settings(max_examples=15, deadline=None)
@given(streams())
def test_a_redelivery_reads_as_if_its_own_row_were_absent(stream: list[tuple[Any, int]]) -> None:
    store, oracle = Store(LAYOUT, True), Oracle()
    for tid, (e, t) in enumerate(stream):
        values = store.observe(e, t, tid)
        again = store.read(e, t, tid, again=True)
        assert all(same(values[name], again[name]) for name in values)
        oracle.record(e, t, tid)
    for tid, (e, t) in enumerate(stream[:5]):
        check(store.read(e, t, tid, again=True), oracle, e, t, tid)


@settings(max_examples=15, deadline=None)
@given(streams(), st.integers(0, 28))
def test_profiles_rebuilt_from_rows_in_time_order_answer_the_same(stream: list[tuple[Any, int]], split: int) -> None:
    store, rows = Store(LAYOUT, True), []
    for tid, (e, t) in enumerate(stream[:split]):
        store.observe(e, t, tid)
        rows += [(t, tid, x, key, x.row(e)) for x in LAYOUT.touches[e.event_type] if (key := x.key(e)) is not None]
    rebuilt = Store(LAYOUT, True)
    for t, tid, touch, key, row in sorted(rows, key=lambda r: (r[0], r[1])):
        touch.record(rebuilt.profile(touch.kind, key), t, row, tid)
    for tid, (e, t) in enumerate(stream[split:], split):
        values, other = store.observe(e, t, tid), rebuilt.observe(e, t, tid)
        assert all(same(values[name], other[name]) for name in values)
