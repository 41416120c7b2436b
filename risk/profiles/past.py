"""What is left of rows that a profile no longer holds: blocks of neighbours in time as totals, oldest first.

Rule 1: blocks of a series lie apart in time. A window that takes a block whole, or none of it, knows exactly; one that cuts through a
block knows within the block's bounds. Blocks begin anew with each calendar period that a window of the series asks for.
Rule 2: ``gone`` is the time up to which nothing but the total of everything is left: a window that begins before it is unknown.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import msgspec

from risk.profiles.plan import SeriesPlan
from risk.profiles.windows import Period, bounds

if TYPE_CHECKING:
    from risk.profiles.touch import Touch

BEGINNING = -(1 << 62)
BLOCK_ROWS = 32
BLOCKS_MAX = 256
VALUES_MAX = 4_096
"""Different values of a field that are remembered after their rows are gone; of more, the newest."""
PERIOD_MS = {"day": 25 * 3_600_000, "week": 7 * 86_400_000 + 3_600_000, "month": 31 * 86_400_000 + 3_600_000, "year": 366 * 86_400_000}
EXACT_TOTALS = ("count", "sum", "avg", "distinct", "min", "max", "last", "since_first", "since_last")


class Block(msgspec.Struct, array_like=True):
    """Rows from ``first`` to ``last``; by field: ``sums``, ``spread`` (sum of absolute values), ``known`` (how many are present),
    ``low``, ``high``, and ``latest``, time and value of the newest row that has one."""

    first: int
    last: int
    rows: int = 0
    sums: dict[str, int] = {}
    spread: dict[str, int] = {}
    known: dict[str, int] = {}
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    latest: dict[str, tuple[int, Any]] = {}

    def add(self, other: Block) -> None:
        """Take another block in."""
        for mine, its in ((self.sums, other.sums), (self.spread, other.spread), (self.known, other.known)):
            for field, value in its.items():
                mine[field] = mine.get(field, 0) + value
        for field, value in other.low.items():
            self.low[field] = min(self.low.get(field, value), value)
        for field, value in other.high.items():
            self.high[field] = max(self.high.get(field, value), value)
        for field, (t, value) in other.latest.items():
            if t >= self.latest.get(field, (t, None))[0]:
                self.latest[field] = (t, value)
        self.rows += other.rows
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)


class SeriesPast(msgspec.Struct, array_like=True):
    """The past of one series. ``seen``: by field, the newest time of each value; some of those not newer than ``forgot`` may be missing."""

    blocks: list[Block] = []
    gone: int = BEGINNING
    seen: dict[str, dict[Any, int]] = {}
    forgot: dict[str, int] = {}

    @property
    def newest(self) -> int:
        """The newest time that anything here speaks of."""
        return max(self.gone, self.blocks[-1].last) if self.blocks else self.gone

    def absorb(self, plan: SeriesPlan, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Take in rows of the series: (time, value of each field), in any order."""
        periods = _periods(plan)
        for t, values in sorted(rows, key=lambda row: row[0]):
            row = _block_of(plan, t, values)
            self._note_values(plan, t, values)
            place = self._place(row, periods)
            if place is None:
                self.blocks.insert(bisect_left(self.blocks, t, key=lambda block: block.first), row)
            else:
                self.blocks[place].add(row)
        for seen, field in ((self.seen[field], field) for field in self.seen):
            if len(seen) > VALUES_MAX:
                oldest = sorted(seen.values())[len(seen) - VALUES_MAX - 1]
                self.forgot[field] = max(self.forgot.get(field, BEGINNING), oldest)
                self.seen[field] = {value: at for value, at in seen.items() if at > oldest}
        if len(self.blocks) > BLOCKS_MAX:
            self._thin(periods)

    def _place(self, row: Block, periods: list[Period]) -> int | None:
        """The block that a row belongs to: the one around its time, or the newest while there is room; None: it begins one."""
        t, index = row.first, bisect_left(self.blocks, row.first, key=lambda block: block.last)
        if index < len(self.blocks) and self.blocks[index].first <= t:
            return index
        newest = self.blocks[-1] if self.blocks and index == len(self.blocks) else None
        if newest is None or newest.rows >= BLOCK_ROWS or newest.last <= self.gone:
            return None
        return None if any(period.start_of(newest.first) != period.start_of(t) for period in periods) else index - 1

    def _note_values(self, plan: SeriesPlan, t: int, values: Mapping[str, Any]) -> None:
        for field in {field for field, _, _ in plan.tallies}:
            if (value := values[field]) is not None:
                seen = self.seen.setdefault(field, {})
                seen[value] = max(t, seen.get(value, t))

    def _thin(self, periods: list[Period]) -> None:
        """Make one of each two neighbours in the older half: interior points are dropped, totals stay."""
        half, kept = len(self.blocks) // 2, list[Block]()
        for block in self.blocks[:half]:
            before = kept[-1] if kept else None
            apart = before is None or before.last <= self.gone or before.rows >= 2 * max(block.rows, BLOCK_ROWS)
            if apart or any(period.start_of(before.first) != period.start_of(block.last) for period in periods):  # type: ignore[union-attr]
                kept.append(block)
            else:
                before.add(block)  # type: ignore[union-attr]
        self.blocks = kept + self.blocks[half:]
        while len(self.blocks) > 4 * BLOCKS_MAX:  # more periods than anybody can ask for: the oldest are one
            self.blocks[0].add(self.blocks.pop(1))

    def expire(self, plan: SeriesPlan, before: int) -> None:
        """Keep of what is older than this only a total, and that only where a window is a lifetime."""
        count = bisect_left(self.blocks, before, key=lambda block: block.last)
        if not count:
            return
        old, self.blocks = self.blocks[:count], self.blocks[count:]
        self.gone = max(self.gone, old[-1].last)
        if any(f.window.kind == "lifetime" for f in plan.features):
            for block in old[1:]:
                old[0].add(block)
            self.blocks.insert(0, old[0])
        else:
            for field, seen in self.seen.items():
                self.seen[field] = {value: at for value, at in seen.items() if at >= before}


class Past(msgspec.Struct, array_like=True):
    """The past of a profile: by series name. ``newest``: the newest row that was let go; ``at``: the profile's newest touch."""

    newest: int = BEGINNING
    series: dict[str, SeriesPast] = {}
    at: int = BEGINNING

    def of(self, plan: SeriesPlan) -> SeriesPast:
        """What is left of a series; of one that nothing was kept of, that it is gone."""
        return self.series.get(plan.name) or SeriesPast([], self.newest)

    def absorb(self, series: Iterable[SeriesPlan], rows: Iterable[tuple[Touch, int, tuple[Any, ...]]]) -> None:
        """Take in rows that a profile lets go: (touch, time, row). ``series``: all that its kind has."""
        parts: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for touch, t, row in rows:
            self.newest = max(self.newest, t)
            for plan, values in touch.parts(row):
                parts.setdefault(plan.name, []).append((t, values))
        for plan in series:
            held, mine = self.series.setdefault(plan.name, SeriesPast()), parts.get(plan.name, [])
            if plan.passed:  # a reservation goes when no window asks for it any more, and leaves nothing
                held.gone = max([held.gone, *(t for t, _ in mine)])
            else:
                held.absorb(plan, mine)

    def expire(self, series: Iterable[SeriesPlan], now_ms: int) -> None:
        """Give up what no window asks for any more at ``now_ms``."""
        for plan in series:
            reach = reach_ms(plan)
            if reach is not None and plan.name in self.series:
                self.series[plan.name].expire(plan, now_ms - reach)

    @property
    def speaks(self) -> bool:
        """Whether anything but that something is gone is left."""
        return any(series.blocks for series in self.series.values())

    @classmethod
    def read(cls, packed: bytes) -> Self:
        """Raises msgspec.MsgspecError."""
        return msgspec.msgpack.decode(packed, type=cls, strict=False)

    def packed(self) -> bytes:
        return msgspec.msgpack.encode(self)


def _periods(plan: SeriesPlan) -> list[Period]:
    found = {(cut.unit, cut.zone) for f in plan.features for cut in bounds(f) if cut is not None and cut.unit}
    return [Period(unit, zone) for unit, zone in sorted(found, key=repr) if unit and zone]


def _block_of(plan: SeriesPlan, t: int, values: Mapping[str, Any]) -> Block:
    """A block of one row."""
    extremes = {f.field for f in plan.features if f.agg in ("min", "max") and f.field}
    latest = {f.field for f in plan.features if f.agg == "last" and f.field}
    held = {field: value for field, value in values.items() if value is not None}
    return Block(
        t, t, 1,
        {field: held.get(field, 0) for field in plan.sums}, {field: abs(held.get(field, 0)) for field in plan.sums},
        {field: int(field in held) for field in plan.known},
        {field: held[field] for field in extremes if field in held}, {field: held[field] for field in extremes if field in held},
        {field: (t, held[field]) for field in latest if field in held},
    )  # fmt: skip


def reach_ms(plan: SeriesPlan) -> int | None:
    """How old a row must be before no window but a lifetime can ask for it; None: never, it takes the row itself."""
    longest = 0
    for f in plan.features:
        window = f.window
        if window.kind == "lifetime":
            whole = f.agg in EXACT_TOTALS and (f.agg not in ("sum", "avg") or f.field in plan.sums)
            if plan.passed or not whole:
                return None
            longest = max(longest, f.ending_ms)
        else:
            longest = max(longest, f.ending_ms + (PERIOD_MS[window.unit] if window.unit else window.length_ms))
    return longest
