"""Who has the last word on a payment's quota: a result beats the decision, the newest result beats older ones, however late they come.

In a backlog of several workers a result that waits for its turn may be overtaken by a newer one, and any of them may come before the
payment's own row. Belongs here: who has been settled, and by which result. Never: which rows may come again, which the store knows.
"""

from __future__ import annotations

Settled = tuple[int, str, str]
"""Identity of the payment, kind and key of the profile that holds its quota."""
REMEMBERED_MAX = 65_536
"""So many results, the newest, are remembered beyond those whose payment may come again: far more than can wait for their turn."""


class LastWord:
    """What results have settled in one partition's profiles."""

    def __init__(self) -> None:
        self._settled: set[Settled] = set()
        self._by: dict[Settled, tuple[int, int]] = {}  # by which result: source and offset

    def __contains__(self, who: Settled) -> bool:
        """Whether a result has spoken: a decision changes nothing any more."""
        return who in self._settled or who in self._by

    def is_newer(self, who: Settled, source: int, offset: int) -> bool:
        """Whether a result that stands behind this one in the same input has spoken already."""
        by = self._by.get(who)
        return by is not None and by[0] == source and by[1] > offset

    def note(self, who: Settled, source: int, offset: int) -> None:
        """A result has spoken."""
        if not self.is_newer(who, source, offset):
            self._by.pop(who, None)
            self._by[who] = (source, offset)
            if len(self._by) > REMEMBERED_MAX:
                del self._by[next(iter(self._by))]

    def hold(self, who: Settled) -> None:
        """The payment's row may come again, and its decision with it: remembered until ``forget``."""
        self._settled.add(who)

    def forget(self, who: Settled) -> None:
        """The payment's row is committed: neither it nor its decision comes again."""
        self._settled.discard(who)
