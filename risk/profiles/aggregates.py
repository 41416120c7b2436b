"""Aggregates that look at every row of a window: what a prefix sum or a tally cannot answer.

Rule 1: each takes a column, the window's rows as ``[lo, hi)`` and the event's own value (None: not counted), skips absent
values, and answers None when nothing is left. The cost is the number of rows in the window.
Rule 2: floats are added in row order, never by ``sum``, whose result differs between Python versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def present(column: Sequence[Any], lo: int, hi: int, own: Any) -> list[Any]:
    """The values of the window that are there, in time order, the event's own last."""
    values = [x for x in column[lo:hi] if x is not None]
    if own is not None:
        values.append(own)
    return values


def smallest(column: Sequence[Any], lo: int, hi: int, own: Any) -> Any:
    return min(present(column, lo, hi, own), default=None)


def largest(column: Sequence[Any], lo: int, hi: int, own: Any) -> Any:
    return max(present(column, lo, hi, own), default=None)


def percentile_95(column: Sequence[Any], lo: int, hi: int, own: Any) -> Any:
    """Nearest rank: the smallest value that at least 95 % of the values do not exceed."""
    values = sorted(present(column, lo, hi, own))
    return values[(95 * len(values) + 99) // 100 - 1] if values else None


def newest(column: Sequence[Any], lo: int, hi: int, own: Any) -> Any:
    """The value of the latest row that has one; cheap unless many of the latest rows lack it."""
    if own is not None:
        return own
    for i in range(hi - 1, lo - 1, -1):
        if column[i] is not None:
            return column[i]
    return None


def added(column: Sequence[Any], lo: int, hi: int, own: Any) -> Any:
    """Sum of numbers that may be fractions, in row order; None when there is none."""
    values = present(column, lo, hi, own)
    if not values:
        return None
    total = values[0]
    for x in values[1:]:
        total += x
    return total


def average(column: Sequence[Any], lo: int, hi: int, own: Any) -> Any:
    values = present(column, lo, hi, own)
    return added(values, 0, len(values), None) / len(values) if values else None


def half_up(total: int, number: int) -> int | None:
    """Average of whole units as whole units, halves away from the smaller: 2.5 becomes 3, -2.5 becomes -2."""
    return (2 * total + number) // (2 * number) if number else None


def quotient(total: int, number: int) -> float | None:
    return total / number if number else None


OVER_ROWS = {"min": smallest, "max": largest, "p95": percentile_95, "last": newest, "sum": added, "avg": average}
