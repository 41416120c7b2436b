"""How far the sources of this worker were routed, and which owners of profiles elsewhere have been told.

Whoever owns profiles applies touches of a backlog up to the slowest source (``order.py``), so each worker says where it stands: with every
envelope of touches, and by an empty one where there is nothing else to say. Belongs here: knowing and telling. Never: who waits for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from streams.order import END, START, Rank
from streams.source import Item, Source
from streams.transport import KNOWN_SECONDS
from streams.wire import PARTITIONS_MAX, Routed

if TYPE_CHECKING:
    from streams.worker import Worker

TELL_SECONDS = 0.01
"""How often, at most, others are told when there is nothing else for them."""


class Standing:
    """One worker's place in the merged order."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        # topics by name, as in the merged order: by what number the partitions of an input topic begin
        self._base = {index: n * PARTITIONS_MAX for n, (_, index) in enumerate(sorted(worker.topic_index.items()))}
        self._routed: Rank = START
        self._told: dict[int, tuple[Rank, float]] = {}  # partition of profiles elsewhere -> what it was told, and when
        self._places: list[int] = []
        self.to_tell = False
        """Whether others must hear of us: live, everybody knows that we are at the end."""
        self.newest_ms = 0
        """The broker's time of the newest record of a backlog that was routed."""

    def begin(self) -> None:
        """All partitions of a generation are taken over: from now on others are told, and waited for."""
        worker = self._worker
        mine, partitions = set(worker.shards), range(worker.partitions)
        places = {base + p: p in mine for base in self._base.values() for p in partitions}
        self._places = [place for place, ours in places.items() if ours]
        self._told = {home: (START, 0.0) for home in partitions if home not in mine}
        self._routed, self.to_tell = START, True
        worker.order.begin(mine, [place for place, ours in places.items() if not ours], time.monotonic())

    def place_of(self, source: int) -> int:
        """Where a source, by its code, stands among records of one order time: by topic, then partition."""
        return self._base.get(source // PARTITIONS_MAX, 0) + source % PARTITIONS_MAX

    def moved(self, source: Source, item: Item) -> None:
        """Everything up to this record has been routed."""
        self._routed = max(self._routed, (item.order_ms, self.place_of(source.code), item.offset))

    def now(self) -> Rank:
        """All touches of our sources up to this place are applied, wait here, or are on their way to their owners."""
        worker = self._worker
        for source in worker.heads.sources.values():
            if source.waiting or not worker.at_end(source):
                return self._routed
        return END

    def news(self) -> tuple[Routed | None, list[int]]:
        """What to say with whatever goes out now, and to whom even where nothing else does."""
        if not (self.to_tell or self._worker.order.asking) or not self._worker.order.on:
            return None, []
        progress, now, asking = self.now(), time.monotonic(), self._worker.order.asking
        self.to_tell = progress != END or any(rank != END for rank, _ in self._told.values())
        listeners = [home for home, (rank, at) in self._told.items() if (asking or rank != progress) and now - at >= TELL_SECONDS]
        at_ms = int((time.time() - KNOWN_SECONDS) * 1000)
        return Routed(self._places, *progress, at_ms, self.newest_ms, asking), listeners

    def behind(self, appended_ms: int) -> None:
        """A record of a backlog was routed, which the broker got at this time."""
        self.to_tell = True
        self.newest_ms = max(self.newest_ms, appended_ms)

    def asked(self) -> None:
        """Somebody waits for our word: it goes out again, even if it is the same."""
        self._told = dict.fromkeys(self._told, (START, 0.0))
        self.to_tell = True

    def told(self, homes: list[int], said: Routed | None) -> None:
        """These owners know it now."""
        if said is not None:
            known = ((said.order_ms, said.place, said.offset), time.monotonic())
            self._told.update((home, known) for home in homes)
