"""Calendar periods in a zone, against a search through the local calendar; windows at their very edges."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.declared import Window
from risk.profiles.windows import Cut, Period, bounds
from tests.profiles_oracle import calendar_start, feature

ZONES = ["Asia/Shanghai", "Europe/Madrid", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe", "UTC"]
DAY = 86_400_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


FROM, TO = ms("2010-01-01T00:00Z"), ms("2032-01-01T00:00Z")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(["day", "week", "month", "year"]), st.integers(FROM, TO))
def test_a_period_begins_where_the_local_calendar_turns(zone: str, unit: str, t: int) -> None:
    period = Period(unit, zone)
    start = period.start_of(t)
    assert start == calendar_start(Window("calendar", unit=unit, zone=zone), t)  # type: ignore[arg-type]
    assert start <= t < period.end
    assert Period(unit, zone).start_of(period.end) == period.end
    assert Period(unit, zone).start_of(period.end - 1) == start


def test_a_day_in_shanghai_begins_at_four_in_the_afternoon_utc() -> None:
    period = Period("day", "Asia/Shanghai")
    assert period.start_of(ms("2027-01-04T15:59:59.999Z")) == ms("2027-01-03T16:00Z")
    assert period.start_of(ms("2027-01-04T16:00Z")) == ms("2027-01-04T16:00Z")


@pytest.mark.parametrize(
    ("inside", "hours"), [("2026-03-29T12:00+02:00", 23), ("2026-10-25T12:00+01:00", 25), ("2026-07-01T12:00+02:00", 24)]
)
def test_a_day_with_a_clock_change_has_23_or_25_hours(inside: str, hours: int) -> None:
    period = Period("day", "Europe/Madrid")
    period.turn(ms(inside))
    assert period.end - period.start == hours * 3_600_000


def test_the_29th_of_february_has_its_own_day_and_its_month_ends_with_it() -> None:
    day, month, year = (Period(unit, "Asia/Shanghai") for unit in ("day", "month", "year"))
    t = ms("2028-02-29T10:00+08:00")
    assert day.start_of(t) == ms("2028-02-29T00:00+08:00")
    assert (month.start_of(t), month.end) == (ms("2028-02-01T00:00+08:00"), ms("2028-03-01T00:00+08:00"))
    assert (year.start_of(t), year.end - year.start) == (ms("2028-01-01T00:00+08:00"), 366 * DAY)


def test_a_week_begins_on_monday() -> None:
    assert Period("week", "UTC").start_of(ms("2027-01-10T23:59Z")) == ms("2027-01-04T00:00Z")
    assert datetime.fromtimestamp(ms("2027-01-04T00:00Z") / 1000, UTC).weekday() == 0


def test_windows_that_share_a_cut_say_so() -> None:
    week = feature("a", window=Window("sliding", 6 * DAY), ending_ms=DAY)
    assert bounds(week) == (Cut(7 * DAY), Cut(DAY))
    assert bounds(feature("b", window=Window("sliding", DAY)))[0] == bounds(week)[1]
    assert bounds(feature("c", window=Window("lifetime"))) == (None, None)
