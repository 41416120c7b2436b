"""Letting rows go: what no window asks for any more, and all but the newest of an entity that has very many.

What is left of them is a base in the changelog: the totals that stand for all chunks below a number. Only closed chunks whose rows are all
committed go, so no row of a base can come again. Their records are taken away only when the base is known to stand: an offset was
committed after it was acknowledged, and Kafka lets nobody commit who has lost the partition. So no later owner ever misses a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from risk.profiles import Past, reach_ms
from streams.chunks import TAIL, array_of, base_key, rows_in, unpack
from streams.places import Kept

if TYPE_CHECKING:
    from streams.store import Store

EXACT_ROWS = 4_096
"""So many of the newest rows of a profile, in order of arrival, are always there."""
THIN_CHUNKS = 32
"""Chunks thinned at once: entering the rows that stay takes milliseconds."""
SLACK_MS = 3_600_000
"""How much longer than its longest window a row stays: an event that is late by no more is answered as if it were on time."""
LOOKED_AT = 256
LET_GO_MAX = 8
ROUND_PARTS = 8
BEGINNING = -(1 << 62)
Step = bytes | tuple[str, str, int]  # a key; or kind and key of a profile, and the number of the chunk that must not have begun


class Forgetting:
    """What of one partition's profiles is let go, a bounded piece at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        layout = store.engine.layout
        self._series = {kind: layout.series_of(kind) for kind in store.places.live}
        reaches = {kind: [reach_ms(plan) for plan in series] for kind, series in self._series.items()}
        # how old a row must be that nothing of its kind asks for; None: some window takes it for ever
        self.reach = {kind: None if None in found else max(r for r in found if r is not None) for kind, found in reaches.items() if found}
        self.committed: dict[int, int] = {}  # what each source has committed
        self.heavy: list[Kept] = []
        self.gone: dict[str, int] = {}  # by kind: the newest row of a profile that went wholly
        self.let_go = {"thinned": 0, "expired": 0}
        # what is done when the bases written by now are known to stand: keys that go, and profiles that go wholly
        self._fresh: list[Step] = []
        self._on_the_way: list[Step] = []
        self._acknowledged: list[Step] = []
        self._round: Iterator[Any] = iter(())
        self._next_round_ms = BEGINNING
        self.now_ms = 0

    # ------------------------------------------------------------------ pieces of work

    def piece(self, now_ms: int) -> None:
        """Look at some profiles, and let go of rows of a few. ``now_ms``: event time that no single clock can set."""
        self.now_ms, done = max(self.now_ms, now_ms), 0
        while self.heavy and done < LET_GO_MAX:
            self._thin(self.heavy.pop())
            done += 1
        if now_ms >= self._next_round_ms:
            self._round = self._candidates(now_ms)
            finite = [reach for reach in self.reach.values() if reach is not None]
            self._next_round_ms = now_ms + (min(finite, default=0) + SLACK_MS) // ROUND_PARTS
        for found in islice(self._round, LOOKED_AT):
            if found is not None:
                self._expire(found[0], found[1], now_ms)
                done += 1
                if done >= LET_GO_MAX:
                    return

    def _candidates(self, now_ms: int) -> Iterator[tuple[str, str] | None]:
        """Every profile once; None for those that hold nothing that old."""
        places = self._store.places
        for kind, reach in self.reach.items():
            if reach is None:
                continue
            edge = now_ms - reach - SLACK_MS
            for key, held in list(places.live[kind].items()):
                idle = held.profile.newest < edge
                yield (kind, key) if (idle or self._old(held.closed, edge)) and (held.closed or held.rows) else None
            for key in list(places.packed[kind]):
                packed = places.packed[kind].get(key)
                was = unpack(packed) if packed is not None else None
                has = was is not None and (was.rows or was.closed)
                yield (kind, key) if was is not None and has and (was.at < edge or self._old(was.closed, edge)) else None
            while places.shelf is not None and (found := places.shelf.older(kind, edge, 64)):
                for key in found:
                    yield kind, key

    def _old(self, closed: list[tuple[int, bytes]] | None, edge: int) -> bool:
        """Whether all rows of the oldest closed chunk are older than ``edge``."""
        return closed is not None and len(closed) > 0 and self._newest(closed[0][1]) < edge

    def _newest(self, chunk: bytes) -> int:
        """The time of its newest row; what settles a quota and has no time may be about a payment that is still to come."""
        rows = self._store.rows.marks(chunk)
        if any(row[0] < 0 and row[1] == 0 for row in rows):
            return self.now_ms
        return max((row[1] for row in rows), default=0)

    # ------------------------------------------------------------------ letting go

    def _thin(self, held: Kept) -> None:
        rows = held.rows
        for _, chunk in held.closed or ():
            rows += rows_in(chunk)
        count = 0
        for _, chunk in held.closed or ():
            rows -= rows_in(chunk)
            if rows < EXACT_ROWS or count >= THIN_CHUNKS:
                break
            count += 1
        if count:
            self.let_go["thinned"] += self._drop(held, count, None)

    def _expire(self, kind: str, key: str, now_ms: int) -> None:
        places = self._store.places
        held = places.find(kind, key)
        reach = self.reach[kind]
        if held is None or reach is None or places.is_pinned(held):
            return
        edge = now_ms - reach - SLACK_MS
        idle = held.profile.newest < edge
        if idle and held.dirty:
            return
        if idle and held.rows:
            held.closed = [*(held.closed or []), (held.epoch, array_of(held.rows, held.open))]
            held.chunk, held.rows, held.epoch, held.open = held.chunk + 1, 0, 0, bytearray()
        count = 0
        for _, chunk in held.closed or ():
            if self._newest(chunk) >= edge:
                break
            count += 1
        if count:
            self.let_go["expired"] += self._drop(held, count, now_ms - SLACK_MS)
        past = held.profile.past
        if idle and past is not None and not past.speaks and not held.closed:
            self._fresh.append((kind, key, held.chunk))
        if idle:
            places.pack_now(held)

    def _drop(self, held: Kept, count: int, now_ms: int | None) -> int:
        """Let go of the oldest closed chunks; returns how many rows that were, 0 where some may come again."""
        store, closed = self._store, held.closed or []
        kind, key = store.places.name_of(held)
        if store.places.live[kind].get(key) is not held or store.places.is_pinned(held):
            return 0
        chunks = [chunk for _, chunk in closed]
        if not self._free(chunks[:count], [*chunks[count:], *([array_of(held.rows, held.open)] if held.rows else [])]):
            return 0
        rows = store.rows.entered(chunks[:count])
        if now_ms is None and any(touch.reserves for touch, _, _ in rows):
            return 0  # every reservation is kept until no window asks for it
        past = held.profile.past or Past()
        past.absorb(self._series[kind], rows)
        if now_ms is not None:
            past.expire(self._series[kind], now_ms)
        old = [held.prefix + TAIL.pack(held.covers + i, epoch) for i, (epoch, _) in enumerate(closed[:count])]
        if held.base_epoch:
            old.append(base_key(held.prefix, held.covers, held.base_epoch))
        held.closed, held.covers, held.base_epoch = closed[count:] or None, held.covers + count, store.epoch
        store.note(base_key(held.prefix, held.covers, store.epoch), past.packed())
        self._fresh += old
        store.rebuild(held, kind, past)
        return len(rows)

    def _free(self, going: list[bytes], staying: list[bytes]) -> bool:
        """Whether all rows of these chunks are committed, and none settles a quota whose reservation stays."""
        settled, reserved, edge = set[int](), set[int](), self._store.touches_edge
        for chunk in going:
            for shape, _, tid, source, offset, via, _ in self._store.rows.marks(chunk):
                if offset >= self.committed.get(source, 0) or via >= edge:
                    return False
                (reserved if shape >= 0 else settled).add(tid)
        early = settled - reserved
        return not early or not any(row[2] in early for chunk in staying for row in self._store.rows.marks(chunk))

    def take_counts(self) -> dict[str, int]:
        """How many rows were let go since the last call, by cause."""
        counts, self.let_go = self.let_go, dict.fromkeys(self.let_go, 0)
        return counts

    # ------------------------------------------------------------------ when a base stands

    def written(self) -> None:
        """All bases up to now are on their way to the changelog."""
        self._on_the_way += self._fresh
        self._fresh = []

    def acknowledged(self) -> None:
        """The changelog holds what was on its way."""
        self._acknowledged += self._on_the_way
        self._on_the_way = []

    def standing(self) -> int:
        """So many steps may be made once a commit that begins now has succeeded."""
        return len(self._acknowledged)

    def stands(self, count: int) -> None:
        """That commit has succeeded: what those bases cover is taken away, and with it profiles of which nothing is left."""
        steps, self._acknowledged = self._acknowledged[:count], self._acknowledged[count:]
        for step in steps:
            if isinstance(step, bytes):
                self._store.note(step, None)
                continue
            kind, name, chunk = step
            held = self._store.places.find(kind, name)
            if held is None or held.dirty or held.rows or held.closed or held.chunk != chunk or held.profile.past is None:
                continue  # it was touched since
            self.gone_wholly(kind, held.profile.past.newest)
            self._store.note(base_key(held.prefix, held.covers, held.base_epoch), None)
            self._store.places.remove(held)
            self._store.places.moves["gone"] += 1

    def gone_wholly(self, kind: str, newest_ms: int, write: bool = True) -> None:
        """A profile went wholly: late questions that reach back to its rows have no answer, whoever asks them."""
        self._store.engine.layout.gone_wholly(kind, newest_ms)
        if newest_ms <= self.gone.get(kind, BEGINNING):
            return
        self.gone[kind] = newest_ms
        if write:
            self._store.note(b"w" + kind.encode(), newest_ms.to_bytes(8, "big", signed=True))

    def may_have_been(self, kind: str, t: int) -> int | None:
        """For a profile that there is not: the time of rows that it may have had, if a question at ``t`` could ask for them."""
        gone, reach = self.gone.get(kind), self.reach.get(kind)
        return gone if gone is not None and reach is not None and t - reach < gone else None
