"""Series that count what passed: reservations that are taken, given back and taken again.

Rule 1: a read counts every active reservation of its period whose row arrived before its own, whatever its stamp: of two payments,
the second stamped a second earlier, the second still sees the first. There is no upper bound in time.
Rule 2: entering, releasing and restoring are idempotent by the event's id. Only the ledger knows who arrived when.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import Any

from risk.profiles.aggregates import OVER_ROWS, added, half_up, present
from risk.profiles.windows import Period

EARLY_RELEASES_MAX = 256  # releases that came before their row (it may still be on its way), newest kept


class Reservation:
    """One row: its time, its place in the order of arrival, the values of ``plan.fields``, and whether it still counts."""

    __slots__ = ("t", "arrival", "values", "active")

    def __init__(self, t: int, arrival: int, values: tuple[Any, ...], active: bool) -> None:
        self.t = t
        self.arrival = arrival
        self.values = values
        self.active = active


class Ledger:
    """Who arrived when at a profile, for all its quotas: an event that a ``where`` left out has a place in the order too."""

    __slots__ = ("arrivals", "early")

    def __init__(self) -> None:
        self.arrivals: dict[int, int] = {}
        self.early: dict[int, Ledger | None] = {}

    def arrive(self, tid: int) -> int:
        """Note an event: its place in the order of arrival; -1: it was here before."""
        if tid in self.arrivals:
            return -1
        place = self.arrivals[tid] = len(self.arrivals)
        return place

    def begins(self, tid: int) -> bool:
        """Does the event's reservation begin active? Not when its release came first. Asked once, on arrival."""
        return self.early.pop(tid, self) is self

    def release(self, tid: int, quotas: Sequence[Quota]) -> None:
        if tid not in self.arrivals:
            self.early[tid] = None
            if len(self.early) > EARLY_RELEASES_MAX:
                del self.early[next(iter(self.early))]
        for quota in quotas:
            quota.switch(tid, False)

    def restore(self, tid: int, quotas: Sequence[Quota]) -> None:
        self.early.pop(tid, None)
        for quota in quotas:
            quota.switch(tid, True)


class Quota:
    """Reservations of one series. ``periods``: those that have a running total; None among them is all of time.

    Reading a calendar or lifetime total costs the same however many rows there are; a sliding window costs its rows.
    """

    __slots__ = ("periods", "width", "rows", "order", "totals", "starts")
    row_bytes = 500  # a reservation, its place in the order and in the ledger, estimated

    def __init__(self, periods: tuple[Period | None, ...], width: int) -> None:
        self.periods = periods
        self.width = width
        self.rows: dict[int, Reservation] = {}
        self.order: list[tuple[int, int, int]] = []  # (time, arrival, id)
        self.totals: tuple[dict[int, list[int]], ...] = tuple({} for _ in periods)
        self.starts: tuple[list[int], ...] = tuple([] for _ in periods)

    def __len__(self) -> int:
        return len(self.rows)

    def enter(self, tid: int, arrival: int, t: int, values: tuple[Any, ...], active: bool) -> None:
        row = self.rows[tid] = Reservation(t, arrival, values, active)
        insort(self.order, (t, arrival, tid))
        if active:
            self._add(row, 1)

    def switch(self, tid: int, active: bool) -> None:
        row = self.rows.get(tid)
        if row is not None and row.active != active:
            row.active = active
            self._add(row, 1 if active else -1)

    def _add(self, row: Reservation, sign: int) -> None:
        for period, totals, starts in zip(self.periods, self.totals, self.starts, strict=True):
            start = 0 if period is None else period.start_of(row.t)
            total = totals.get(start)
            if total is None:
                total = totals[start] = [0] * (1 + self.width)
                insort(starts, start)
            total[0] += sign
            for i, value in enumerate(row.values, 1):
                if value is not None and type(value) is int:
                    total[i] += sign * value

    def total(self, number: int, column: int, t: int) -> int:
        """Column 0 counts, column i adds field i: of period ``number`` that holds t, and of what is stamped later still."""
        period = self.periods[number]
        start = 0 if period is None else period.start_of(t)
        totals, result = self.totals[number], 0
        for begun in reversed(self.starts[number]):
            if begun < start:
                break
            result += totals[begun][column]
        return result

    def opened(self, start: int) -> bool:
        """Is there an opening balance: a row at the first millisecond of the period that begins at ``start``?"""
        at = bisect_left(self.order, (start, -1, 0))
        return at < len(self.order) and self.order[at][0] == start

    def active(self, cut: int | None, until: int | None, before: int | None) -> list[Reservation]:
        """Active rows later than ``cut`` (and not later than ``until``) that arrived before ``before``, in time order; None: no bound."""
        lo = 0 if cut is None else bisect_right(self.order, (cut, 1 << 62, 0))
        hi = len(self.order) if until is None else bisect_right(self.order, (until, 1 << 62, 0))
        found = []
        for _, arrival, tid in self.order[lo:hi]:
            row = self.rows[tid]
            if row.active and (before is None or arrival < before):
                found.append(row)
        return found


def measure(agg: str, rows: Sequence[Reservation], column: int, own: Any, counted: bool, t: int) -> Any:
    """Any aggregate over active rows, the event's own included where ``counted``. None: nothing happened."""
    if agg == "count":
        return len(rows) + counted
    if agg in ("since_last", "since_first"):
        times = [row.t for row in rows] + ([t] if counted else [])
        if not times:
            return None
        return max(0, t - (max(times) if agg == "since_last" else min(times)))  # a row may be stamped later than t
    values = [row.values[column] for row in rows]
    if agg == "half_up":
        known = present(values, 0, len(values), own if counted else None)
        return half_up(added(known, 0, len(known), None) or 0, len(known))
    if agg == "distinct":
        return len({*values, own if counted else None} - {None})
    return OVER_ROWS[agg](values, 0, len(values), own if counted else None)
