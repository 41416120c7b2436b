"""Profiles: what touches an event, what a row holds, what a value can be."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest

from risk.declared import EventType, Feature, Field, FieldType, Window
from risk.profiles import Layout, Touch, coverage_keys
from tests.profiles_oracle import FIELDS, LIFETIME, SHANGHAI_DAY, SLIDING_10, SLIDING_60, TYPES, Oracle, event, feature, predicates
from tests.test_profiles_properties import MIDNIGHT, same


def layout_of(*features: Feature, since: dict[str, int] | None = None, **reads: list[str]) -> Layout:
    named = {f.name: f for f in features}
    return Layout(named, TYPES, reads or {"payment": sorted(named)}, predicates(named), since or {})


def only(layout: Layout, name: str = "payment") -> Touch:
    (touch,) = layout.touches[name]
    return touch


def values(touch: Touch, profile: Any, t: int, tid: int = 0, **what: Any) -> dict[str, Any]:
    return dict(zip(touch.features, touch.observe(profile, t, touch.row(event(**what)), tid), strict=True))


def test_roles_of_one_entity_share_a_kind_of_profile() -> None:
    paid = feature("paid", "sum", "amount")
    received = feature("received", "sum", "amount", per=("payee.id",), read_with=("payer.id",))
    layout = layout_of(paid, received)
    payer, payee = layout.touches["payment"]
    assert (payee.kind, payee.role, payee.features, payee.records) == ("user", "payee.id", (), True)
    assert (payer.kind, payer.role, payer.features, payer.records) == ("user", "payer.id", ("paid", "received"), True)
    profile = layout.profile("user")
    payee.observe(profile, 100, payee.row(event(payer="x", payee="a", amount=7)), 1)
    assert values(payer, profile, 101, 2, payer="a", amount=5) == {"paid": 0, "received": 7}
    assert values(payer, profile, 102, 3, payer="a", amount=5) == {"paid": 5, "received": 7}


def test_who_pays_himself_reads_before_his_own_row_is_recorded() -> None:
    received = feature("received", "sum", "amount", per=("payee.id",), read_with=("payer.id",))
    layout = layout_of(feature("paid", "sum", "amount"), received)
    profile = layout.profile("user")
    for expected in ([0, 0], [7, 7]):
        e, got = event(payer="a", payee="a", amount=7), []
        for touch in layout.touches["payment"]:
            got += touch.observe(profile, 100, touch.row(e), 1)
        assert got == expected


def test_an_event_that_only_reads_records_nothing() -> None:
    logins = feature("logins", of=("login",))
    layout = layout_of(logins)
    reader, writer = only(layout), only(layout, "login")
    assert (reader.records, reader.columns, reader.features) == (False, (), ("logins",))
    assert (writer.records, writer.features) == (True, ())
    profile = layout.profile("user")
    assert reader.observe(profile, 5, reader.row(event()), 1) == [0]
    assert writer.observe(profile, 6, writer.row(event("login")), 2) == []
    assert reader.observe(profile, 7, reader.row(event()), 3) == [1]
    assert profile.rows() == 1
    assert 300 < profile.bytes_estimate() < 1_000


def test_a_feature_that_no_rule_reads_is_kept_warm() -> None:
    layout = layout_of(feature("unread", "sum", "amount"), payment=[])
    assert only(layout).columns == ("amount",)


def test_the_key_is_the_field_itself_and_pairs_are_joined() -> None:
    pair = only(layout_of(feature("n", per=("payer.id", "device.id"))))
    assert (pair.kind, pair.role) == ("user+device", "payer.id+device.id")
    assert pair.key(event(payer="a", device="d")) == "a\x1fd"
    assert pair.key(event(payer="a", device=None)) is None
    assert only(layout_of(feature("n"))).key(event(payer="a")) == "a"


def test_money_and_whole_numbers_become_text_as_keys() -> None:
    assert only(layout_of(feature("n", per=("amount",)))).key(event(amount=1999)) == "1999"
    assert only(layout_of(feature("n", per=("fee",)))).key(event(fee=None)) is None


def test_an_event_without_the_key_field_has_no_key() -> None:
    bare = EventType("bare", {}, decide=True)
    f = feature("n")
    layout = Layout({"n": f}, {**TYPES, "bare": bare}, {"bare": ["n"]}, predicates({"n": f}))
    assert only(layout, "bare").key(object()) is None


def test_a_row_holds_each_column_once_and_can_be_packed() -> None:
    touch = only(layout_of(
        feature("a", "sum", "amount"), feature("b", "max", "amount", LIFETIME), feature("c", "distinct", "what", where="amount > 3"),
        feature("d", where="amount > 3"),
    ))
    assert touch.columns == ("amount", "what", "where:amount > 3")
    row = touch.row(event(amount=5, what="w"))
    assert row == (5, "w", True)
    assert tuple(msgspec.msgpack.decode(msgspec.msgpack.encode(row))) == row


def test_one_call_routes_an_event_to_all_its_touches() -> None:
    asked: list[Any] = []

    def large(e: Any) -> bool:
        asked.append(e)
        return bool(e.amount > 3)

    features = {f.name: f for f in (
        feature("a", "sum", "amount", where="amount > 3"), feature("b", "sum", "amount", per=("payee.id",), where="amount > 3"),
        feature("c", "last", "what", per=("payer.id", "device.id")), feature("d", per=("fee",)),
        feature("e", of=("login",), read_with=("device.id",)),
    )}
    layout = Layout(features, TYPES, {"payment": sorted(features)}, lambda name, of: large if features[name].where else None)
    for e in (event(amount=5, device="d", what="w", fee=3), event(amount=1, device=None, fee=None)):
        asked.clear()
        routes = layout.routes["payment"](e)
        assert len(asked) == 1  # the condition is the same at both roles
        assert routes == tuple((touch.key(e), touch.row(e)) for touch in layout.touches["payment"])
    assert layout.routes["login"](event("login"))[0] == ("a", ())


def test_series_names_are_stable_and_name_what_is_counted() -> None:
    f = feature("n", "sum", "amount", of=("payment", "login"), where="amount > 3", counts="passed")
    layout = layout_of(f)
    assert list(layout.series) == ["login+payment@payer.id|where:amount > 3|passed"]
    assert coverage_keys(f) == ("login+payment@payer.id|where:amount > 3|passed", "login+payment@payer.id|where:amount > 3|passed#amount")


def test_a_window_is_open_at_its_old_end_and_closed_at_the_event() -> None:
    layout = layout_of(feature("n"))
    touch, profile = only(layout), layout.profile("user")
    touch.record(profile, 100, (), 1)
    assert touch.read(profile, 99, (), 2) == [0]
    assert touch.read(profile, 100, (), 2) == [1]
    assert touch.read(profile, 109, (), 2) == [1]
    assert touch.read(profile, 110, (), 3) == [0]


def test_a_late_event_sees_its_own_window_and_later_ones_see_it() -> None:
    layout = layout_of(feature("n", "sum", "amount"))
    touch, profile = only(layout), layout.profile("user")
    assert values(touch, profile, 100, amount=1) == {"n": 0}
    assert values(touch, profile, 108, amount=10) == {"n": 1}
    assert values(touch, profile, 104, amount=100) == {"n": 1}
    assert values(touch, profile, 109, amount=1000) == {"n": 111}
    assert values(touch, profile, 113, amount=0) == {"n": 1110}
    assert values(touch, profile, 114, amount=0) == {"n": 1010}


def test_nothing_happened_is_never_or_the_value_declared_for_it() -> None:
    layout = layout_of(
        feature("count"), feature("sum", "sum", "amount"), feature("most", "max", "amount"), feature("since", "since_last"),
        feature("mean", "avg", "amount"), feature("some", "last", "what", has_if_none=True, if_none="none"),
        feature("days", "since_last", has_if_none=True, if_none=99), feature("zero", has_if_none=True, if_none=-1),
    )
    got = values(only(layout), layout.profile("user"), 100)
    assert [got["count"], got["sum"], got["some"], got["days"], got["zero"]] == [0, 0, "none", 99, -1]
    assert all(math.isnan(got[name]) for name in ("most", "since", "mean"))


def test_an_average_of_money_is_money_rounded_half_up() -> None:
    layout = layout_of(feature("mean", "avg", "amount", LIFETIME), feature("fees", "avg", "fee", LIFETIME))
    touch, profile = only(layout), layout.profile("user")
    values(touch, profile, 1, amount=2, fee=2)
    values(touch, profile, 2, amount=3, fee=None)
    values(touch, profile, 3, amount=2, fee=3)
    got = values(touch, profile, 4)
    assert got == {"mean": 2, "fees": 2.5}
    layout = layout_of(feature("mean", "avg", "amount", LIFETIME))
    touch, profile = only(layout), layout.profile("user")
    values(touch, profile, 1, amount=2)
    values(touch, profile, 2, amount=3)
    assert values(touch, profile, 4) == {"mean": 3}


def test_a_window_that_reaches_before_its_series_was_kept_is_unknown() -> None:
    ten, sixty, ever = feature("ten"), feature("sixty", window=SLIDING_60), feature("ever", window=LIFETIME)
    total = feature("total", "sum", "amount")
    layout = layout_of(ten, sixty, ever, total, since={"payment@payer.id": 1_000, "payment@payer.id#amount": 1_020})
    touch, profile = only(layout), layout.profile("user")
    assert values(touch, profile, 1_008) == {"ten": None, "sixty": None, "ever": None, "total": None}
    assert values(touch, profile, 1_009) == {"ten": 1, "sixty": None, "ever": None, "total": None}
    assert values(touch, profile, 1_029, amount=4) == {"ten": 0, "sixty": None, "ever": None, "total": 0}
    assert values(touch, profile, 1_059) == {"ten": 0, "sixty": 3, "ever": None, "total": 0}


def test_a_calendar_window_is_unknown_only_while_its_period_began_before_it_was_kept() -> None:
    today = feature("today", window=SHANGHAI_DAY)
    spent = feature("spent", "sum", "amount", SHANGHAI_DAY, counts="passed")
    for start, expected in [(MIDNIGHT, {"today": 0, "spent": 0}), (MIDNIGHT + 1, {"today": None, "spent": None})]:
        layout = layout_of(today, spent, since={"payment@payer.id": start, "payment@payer.id|passed": start})
        assert values(only(layout), layout.profile("user"), MIDNIGHT + 10) == expected


def test_rows_of_an_older_rule_set_are_adopted() -> None:
    old = only(layout_of(feature("a", "sum", "amount")))
    newer = feature("b", "distinct", "what"), feature("c", "sum", "fee"), feature("d", where="amount > 3")
    layout = layout_of(feature("a", "sum", "amount"), *newer)
    touch = only(layout)
    adopt = layout.adopt("payment", "payer.id", old.columns)
    assert adopt is not None
    profile = layout.profile("user")
    touch.record(profile, 100, adopt(old.row(event(amount=7, what="w"))), 1)
    assert values(touch, profile, 101) == {"a": 7, "b": 0, "c": 0, "d": 0}  # what was not kept is absent; `since` must say so


def test_a_required_field_that_was_not_kept_is_skipped_everywhere() -> None:
    layout = layout_of(*(feature(agg, agg, "amount", LIFETIME) for agg in ("sum", "avg", "max", "distinct")), feature("n", window=LIFETIME))
    touch, profile = only(layout), layout.profile("user")
    adopt = layout.adopt("payment", "payer.id", ())
    assert adopt is not None
    touch.record(profile, 100, adopt(()), 1)
    touch.record(profile, 99, adopt(()), 2)
    assert values(touch, profile, 101, amount=6)["n"] == 2
    assert values(touch, profile, 102) == {"n": 3, "sum": 6, "avg": 6, "max": 6, "distinct": 1}


def test_nothing_is_adopted_for_a_role_that_is_gone() -> None:
    layout = layout_of(feature("a"))
    assert layout.adopt("payment", "device.id", ("amount",)) is None
    assert layout.adopt("refund", "payer.id", ("amount",)) is None


def test_reading_changes_nothing_that_a_later_read_sees() -> None:
    features = [feature("n", window=SLIDING_60, with_current=True), feature("d", "distinct", "what", SLIDING_60, with_current=True)]
    layout = layout_of(*features)
    touch, profile = only(layout), layout.profile("user")
    rng = random.Random(4)
    for tid in range(300):
        row, t = touch.row(event(what=str(rng.randrange(30)))), 5 * tid - rng.choice([0, 0, 3, 200])
        first = touch.read(profile, t, row, tid)
        touch.read(profile, t - 40, row, tid)
        touch.read(profile, t + 1_000, row, tid)
        assert touch.read(profile, t, row, tid) == first
        touch.record(profile, t, row, tid)


@pytest.mark.parametrize("seed", range(6))
def test_a_busy_key_stays_exact(seed: int) -> None:
    """Hundreds of rows in each window, jitter, far-late rows and one stamp from the future: tallies and pointers at work."""
    rng = random.Random(seed)
    wide = Window("sliding", 400)
    named = {f.name: f for f in (
        feature("n", window=wide, with_current=True), feature("s", "sum", "amount", SLIDING_60),
        feature("d", "distinct", "what", wide, with_current=True), feature("e", "distinct", "what", wide, ending_ms=60),
        feature("f", "distinct", "payee.id", LIFETIME, of=("payment", "login")),
        feature("g", "distinct", "what", SLIDING_60, where="amount > 3"), feature("l", "last", "what", wide),
        feature("o", "since_first", window=wide), feature("m", "max", "amount", SLIDING_10),
    )}
    layout = Layout(named, TYPES, {"payment": sorted(named), "login": ["d", "n"]}, predicates(named))
    profile, oracle, now = layout.profile("user"), Oracle(), 10_000
    for tid in range(500):
        now += rng.choice([0, 0, 1, 1, 2]) + (rng.random() < 0.01) * 300
        t = now - rng.choice([0] * 8 + [1, 2, 5]) - (rng.random() < 0.02) * 450 + (tid == 250) * 5_000
        kind, what = rng.choice(["payment"] * 5 + ["login"]), rng.choice([None, *map(str, range(60))])
        e = event(kind, payee=str(rng.randrange(40)), amount=rng.randrange(6), what=what)
        touch = only(layout, e.event_type)
        row = touch.row(e)
        got = touch.observe(profile, t, row, tid)
        for name, value in zip(touch.features, got, strict=True):
            assert same(value, oracle.ask(named[name], e, t)), (tid, name)
        oracle.record(e, t, tid)
        if tid % 50 == 0:
            assert all(map(same, touch.read_again(profile, t, row, tid), got))


def test_a_country_or_an_enum_is_a_key_as_it_is() -> None:
    kind = FieldType("enum", values=("live", "app"))
    types = {"payment": EventType("payment", {"channel": Field("channel", "what", kind, ("channel",))}, decide=True)}
    f = Feature("n", "count", ("payment",), None, ("channel",), ("channel",), ("channel",), SLIDING_10, FIELDS["fee"][0])
    layout = Layout({"n": f}, types, {"payment": ["n"]}, lambda name, event: None)
    assert only(layout).kind == "channel"
    assert only(layout).key(event(what="live")) == "live"
