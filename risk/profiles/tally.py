"""How many different values lie in a stretch of a column, kept up to date as the stretch moves.

Rule 1: moving costs what moved: amortised one step a row for reads in time order, a few steps for reads slightly out of order.
Rule 2: an absent value (None) is never counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


class Tally:
    """The values of ``column[lo:hi]`` with their numbers of occurrence."""

    __slots__ = ("values", "lo", "hi")

    def __init__(self) -> None:
        self.values: dict[Hashable, int] = {}
        self.lo = self.hi = 0

    def over(self, column: Sequence[Hashable], lo: int, hi: int) -> dict[Hashable, int]:
        """Move to ``column[lo:hi]``; the answer is live: read it before the next move, and never change it."""
        a, b, values = self.lo, self.hi, self.values
        if abs(lo - a) + abs(hi - b) > hi - lo:  # farther away than it is wide: counting anew is cheaper
            values = self.values = dict(Counter(column[lo:hi]))
            values.pop(None, None)
            self.lo, self.hi = lo, hi
            return values
        while b < hi:
            x = column[b]
            b += 1
            if x is not None:
                values[x] = values.get(x, 0) + 1
        while a > lo:
            a -= 1
            x = column[a]
            if x is not None:
                values[x] = values.get(x, 0) + 1
        while a < lo:
            self._leave(column[a])
            a += 1
        while b > hi:
            b -= 1
            self._leave(column[b])
        self.lo, self.hi = lo, hi
        return values

    def _leave(self, x: Hashable) -> None:
        if x is not None:
            left = self.values[x] - 1
            if left:
                self.values[x] = left
            else:
                del self.values[x]

    def inserted(self, index: int, x: Hashable) -> None:
        """A late row was put into the column at ``index``."""
        if index < self.lo:
            self.lo += 1
            self.hi += 1
        elif index < self.hi:
            self.hi += 1
            if x is not None:
                self.values[x] = self.values.get(x, 0) + 1
