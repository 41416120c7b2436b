"""One order over several workers: in a backlog, touches wait until everything that comes before them has arrived.

Workers read their partitions at their own pace. Each tells every partition of ``risk.touches`` how far it has routed; the owner of the
profiles applies local and remote touches in the merged order (order time, topic, partition, offset), up to the slowest of all.

That sources were read to their end says nothing of records that came later: whoever waits for those asks anew. And nothing waits for ever:
what has waited for so long is applied as it is, and a source that was silent for so long is not waited for until it speaks again. Here is
only who comes next, never what a touch does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from streams.wire import END_MS

Rank = tuple[int, int, int]
"""A place in the merged order: order time, topic and partition as one number, offset."""
START: Rank = (-1, -1, -1)
END: Rank = (END_MS, 0, 0)
AFTER_ALL = 1 << 62
SKEW_MS = 50
"""So much the broker's clock may be behind a worker's without an old word being taken for a new one."""
AHEAD_MAX = 1_024
"""Events of its own that a worker may have routed and not applied: further ahead of the slowest it would only run into its deadlines."""


class Applied(Protocol):
    def apply(self, what: Any) -> None: ...


Entry = tuple[int, int, int, int, Applied, Any]
"""A rank, a number that keeps arrivals apart, and whose ``apply`` is called with what."""


class Run(NamedTuple):
    """Touches that arrived together, in order.

    ``since``: when, on the monotonic clock. ``newest_ms``: the broker's time of the newest record among those that they come from.
    """

    since: float
    newest_ms: int
    entries: list[Entry]


class Order:
    """What waits on one worker. ``patience``: seconds that anything is waited for, at most."""

    def __init__(self, patience: float) -> None:
        self.on = False
        self.asking = False
        """Whether others must say again how far they are."""
        self._patience = patience
        self._runs: list[Run] = []
        self._here: list[Entry] = []
        self._here_since, self._here_newest_ms = 0.0, 0
        self._told: dict[int, dict[int, Rank]] = {}  # profile partition here -> place of a source elsewhere -> how far it was routed
        self._heard: dict[int, float] = {}
        # (profile partition, place) of a source that was read to its end -> when that was so, by the time of day in ms
        self._ended: dict[tuple[int, int], int] = {}
        self._number = 0
        self.held_here = 0
        self.gave_up = 0
        """Touches that were applied out of order, since nothing was heard of what comes before them."""

    def begin(self, homes: Iterable[int], elsewhere: Iterable[int], now: float) -> None:
        """A generation of the group begins: profiles of ``homes`` are here, sources at these places are elsewhere."""
        places = list(elsewhere)
        self._told = {home: dict.fromkeys(places, START) for home in homes}
        self._heard = dict.fromkeys(places, now)
        self._ended, self.asking = {}, False
        self.on = bool(places) and bool(self._told) and self._patience > 0

    def heard(self, home: int, places: Iterable[int], rank: Rank, now: float, at_ms: int = 0) -> None:
        """An owner of sources says how far it has routed what touches profiles of ``home``, and of END when (time of day) that was so."""
        told = self._told.get(home)
        if told is None:
            return
        for place in places:
            if place in told:
                told[place] = rank
                self._heard[place] = now
                if rank == END:
                    self._ended[home, place] = at_ms
                else:
                    self._ended.pop((home, place), None)

    def hold_here(self, rank: Rank, who: Applied, now: float, appended_ms: int) -> None:
        """A local event waits for its turn; ``appended_ms``: the broker's time of its record."""
        if not self._here:
            self._here_since, self._here_newest_ms = now, 0
        self._here_newest_ms = max(self._here_newest_ms, appended_ms)
        self._number += 1
        self._here.append((*rank, self._number, who, None))
        self.held_here += 1

    def hold(self, ranked: Iterable[tuple[Rank, Any]], who: Applied, now: float, newest_ms: int) -> None:
        """What one envelope brought waits for its turn."""
        entries: list[Entry] = []
        for rank, what in ranked:
            self._number += 1
            entries.append((*rank, self._number, who, what))
        entries.sort()
        self._runs.append(Run(now, newest_ms, entries))

    @property
    def waiting(self) -> bool:
        return bool(self._runs or self._here)

    def held(self) -> int:
        """Events that wait for their turn."""
        return len(self._here) + sum(len(run.entries) for run in self._runs)

    def room(self) -> int:
        """How many more events may be routed now."""
        return max(0, AHEAD_MAX - self.held_here) if self.on else AHEAD_MAX

    def due(self, routed: Rank, now: float) -> list[Entry]:
        """What may be applied, in order; ``routed``: how far this worker itself is."""
        if self._here:
            self._here.sort()  # nearly always in order: a partition read to its end holds nobody up, and may go back
            self._runs.append(Run(self._here_since, self._here_newest_ms, self._here))
            self._here = []
        if not self._runs:
            return []
        newest_ms = max(run.newest_ms for run in self._runs) + SKEW_MS
        self.asking = any(at <= newest_ms for at in self._ended.values())
        bound = START if self.asking else self._bound(routed, now)
        until = max([bound, *(run.entries[-1][:3] for run in self._runs if now - run.since >= self._patience)])
        found = self._taken(until)
        if until > bound:
            self.gave_up += len(found) - bisect_right(found, (*bound, AFTER_ALL))
        return found

    def all(self) -> list[Entry]:
        """Everything that waits, in order: nobody is waited for any more."""
        self.on = False
        return self.due(END, float("inf")) if self.waiting else []

    def _taken(self, until: Rank) -> list[Entry]:
        key, found, left = (*until, AFTER_ALL), [], []
        for run in self._runs:
            cut = bisect_right(run.entries, key)
            found += run.entries[:cut]
            if cut < len(run.entries):
                left.append(Run(run.since, run.newest_ms, run.entries[cut:]))
        self._runs = left
        found.sort()
        self.held_here -= sum(1 for entry in found if entry[5] is None)
        return found

    def _bound(self, routed: Rank, now: float) -> Rank:
        """How far everybody is."""
        if not self._told or not self._heard:
            return routed
        if now - min(self._heard.values()) < self._patience:
            return min(routed, *(min(told.values()) for told in self._told.values()))
        return min([routed, *self._of_those_who_speak(now)])

    def _of_those_who_speak(self, now: float) -> Iterable[Rank]:
        return (rank for told in self._told.values() for place, rank in told.items() if now - self._heard[place] < self._patience)

