"""Where a window begins and ends: cutoffs, and the calendar periods of a zone.

Rule 1: a window is the rows with ``cutoff < time <= end``; sliding, calendar and lifetime differ only in the cutoff.
Rule 2: "now" is always the event's own time, an argument. No clock is read here, and no row is looked at.

All times are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from risk.declared import Feature

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Cut:
    """A point before the event's time t: ``t - back_ms`` or, with a ``unit``, just before the period of ``t - back_ms``.

    A cut stands for a row index: the number of rows at or before it. Windows that share a cut share the search.
    """

    back_ms: int
    unit: str | None = None
    zone: str | None = None


def bounds(feature: Feature) -> tuple[Cut | None, Cut | None]:
    """Lower and upper cut of a feature's window; a lower None means from the beginning, an upper None up to t itself."""
    window, ending = feature.window, feature.ending_ms
    upper = Cut(ending) if ending else None
    if window.kind == "lifetime":
        return None, upper
    if window.kind == "calendar":
        return Cut(ending, window.unit, window.zone), upper
    return Cut(window.length_ms + ending), upper


class Period:
    """The calendar period (day, week from Monday, month, year in a zone) asked for last; asking within it is two comparisons.

    ``start <= t < end``; ``before`` is ``start - 1``, the cutoff of a window over the period.
    """

    __slots__ = ("unit", "zone", "start", "end", "before")

    def __init__(self, unit: str, zone: str) -> None:
        self.unit = unit
        self.zone = ZoneInfo(zone)
        self.start = self.end = self.before = 0

    def turn(self, t: int) -> None:
        """Stand on the period that holds t."""
        zone = self.zone
        local = (EPOCH + timedelta(milliseconds=t)).astimezone(zone)
        year, month, day = local.year, local.month, local.day
        if self.unit == "year":
            first, following = datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)
        elif self.unit == "month":
            first = datetime(year, month, 1, tzinfo=zone)
            following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
        elif self.unit == "week":
            first = datetime(year, month, day, tzinfo=zone) - timedelta(days=local.weekday())
            following = first + timedelta(days=7)
        else:
            first = datetime(year, month, day, tzinfo=zone)
            following = first + timedelta(days=1)
        # Days are added to the wall clock, so a day may have 23 or 25 hours. Where a zone skips midnight, the earlier offset
        # (fold=0) gives the very moment of the change: the day's first instant.
        self.start, self.end = (first - EPOCH) // MILLISECOND, (following - EPOCH) // MILLISECOND
        self.before = self.start - 1

    def start_of(self, t: int) -> int:
        """First millisecond of the period that holds t."""
        if not self.start <= t < self.end:
            self.turn(t)
        return self.start
