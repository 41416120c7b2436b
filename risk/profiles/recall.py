"""What a profile answers whose older rows are gone: exact where it can be, within bounds where a window cuts through a block.

Rule 1: a value is as far from the truth as its bound says at most; what cannot be bounded is unknown (None), never 0.
Rule 2: only what reaches into the past is answered here; newer windows are answered by the generated code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from risk.declared import NEVER, Feature
from risk.profiles.aggregates import half_up, newest, quotient
from risk.profiles.past import BEGINNING, Block, SeriesPast
from risk.profiles.plan import SeriesPlan, TouchPlan
from risk.profiles.windows import Cut, Period, bounds

NOTHING: Sequence[Any] = ()


class Bounded(int):
    """A whole number that is at most ``bound`` away from the truth."""

    bound: float = 0


class BoundedNumber(float):
    """A number that is at most ``bound`` away from the truth."""

    bound: float = 0


class Doubts:
    """Whether this process has ever met a value with a bound, and which values were withheld since the last decision: for the receipt.

    It changes no value. Scanning the values of every payment for bounds would cost a microsecond where there are none.
    """

    def __init__(self) -> None:
        self.bounded = False
        self.withheld: set[str] = set()


DOUBTS = Doubts()


def plain(value: Any) -> Any:
    """A value without its bound, for an encoder. Raises NotImplementedError for anything else, as encoders ask."""
    if isinstance(value, Bounded):
        return int(value)
    if isinstance(value, BoundedNumber):
        return float(value)
    raise NotImplementedError(f"{type(value).__name__} is no value")


def within(value: Any, bound: float) -> Any:
    """The value, with its bound where it has one."""
    if not bound:
        return value
    DOUBTS.bounded = True
    held = BoundedNumber(value) if type(value) is float else Bounded(value)
    held.bound = bound
    return held


class Unsure(Exception):
    """The past cannot say within any bound."""


class Window:
    """One question's rows: those of the series that are still there, and the blocks of its past, whole or cut."""

    def __init__(self, series: Any, past: SeriesPast, lower: int | None, upper: int) -> None:
        """Raises Unsure where the window reaches into what is gone."""
        self.series, self.past, self.lower, self.upper = series, past, lower, upper
        self.ts: Sequence[int] = series.ts if series is not None else NOTHING
        self.lo = 0 if lower is None else bisect_right(self.ts, lower)
        self.hi = bisect_right(self.ts, upper)
        blocks = past.blocks
        begin = 0 if lower is None else bisect_right(blocks, lower, key=lambda block: block.last)
        end = bisect_right(blocks, upper, key=lambda block: block.first)
        from_ = begin + (lower is not None and begin < end and blocks[begin].first <= lower)
        until = end - (from_ < end and blocks[end - 1].last > upper)
        self.whole = blocks[from_:until]
        self.cut = blocks[begin:from_] + blocks[until:end]
        if past.gone > BEGINNING:
            total_kept = bool(blocks) and blocks[0].last <= past.gone
            if (lower is None and not total_kept) or (lower is not None and lower < past.gone):
                raise Unsure
            if any(block.last <= past.gone for block in self.cut):
                raise Unsure

    def column(self, kind: str, field: str) -> Sequence[Any]:
        """The column of a field: of ``totals``, ``counts`` or ``columns``."""
        if self.series is None:
            return [0] if kind != "columns" else NOTHING
        return next(getattr(self.series, slot) for slot, name in getattr(self.series, kind) if name == field)

    def rows(self) -> tuple[int, int]:
        """Number of rows and its bound."""
        number, unsure = self.hi - self.lo, 0
        for block in self.whole:
            number += block.rows
        for block in self.cut:
            unsure += block.rows
        return number + unsure // 2, unsure - unsure // 2

    def total(self, kind: str, field: str) -> tuple[int, int]:
        """Running total of a field's values (``totals``) or present values (``counts``), and its bound."""
        running, of = self.column(kind, field), "sums" if kind == "totals" else "known"
        total, bound = (running[self.hi] - running[self.lo] if self.series is not None else 0), 0
        for block in self.whole:
            total += _of(block, of, field)
        for block in self.cut:
            value = _of(block, of, field)
            spread = _of(block, "spread", field) if kind == "totals" else value
            most, least = (spread + value) // 2, (spread - value) // 2  # what the positive and the negative values come to
            middle = (most - least) // 2
            total += middle
            bound += max(most - middle, least + middle)
        return total, bound


def _of(block: Block, what: str, field: str) -> int:
    found: Mapping[str, int] = getattr(block, what)
    if field not in found:
        raise Unsure  # of a rule set that did not ask for it
    return found[field]


class Recall:
    """The features of one touch, answered from what is left."""

    def __init__(self, touch: TouchPlan, series: Mapping[str, SeriesPlan]) -> None:
        self._asked = [(i, f, next(s for s in series.values() if f in s.features)) for i, f in enumerate(touch.asked)]
        self._recorded = {plan.name for plan in touch.recorded}
        self._columns = {name: i for i, name in enumerate(touch.columns)}
        self._periods: dict[tuple[str, str], Period] = {}

    def amended(self, p: Any, t: int, row: Sequence[Any], late: bool) -> dict[int, Any]:
        """By place among the answers: those of windows that reach into the past, before the event is recorded."""
        past, found = p.past, dict[int, Any]()
        for i, f, plan in self._asked:
            held = past.of(plan)
            lower, upper = bounds(f)
            cut = None if f.window.kind == "lifetime" else self._time(lower, t)
            if held.newest == BEGINNING or (cut is not None and cut >= held.newest):
                continue
            if plan.passed:
                DOUBTS.withheld.add(f.name)
                found[i] = None  # reservations that are gone leave nothing
                continue
            own = f.with_current and not f.ending_ms and plan.name in self._recorded
            own = own and (plan.where is None or bool(row[self._columns[f"where:{plan.where}"]]))
            try:
                if late and plan.retracts:
                    raise Unsure  # what was true then is not known
                window = Window(getattr(p, plan.slot), held, cut, t if upper is None else self._time(upper, t))
                mine = row[self._columns[f.field]] if own and f.field is not None else None
                found[i] = _answer(f, plan, window, t, own, mine, late)
            except Unsure:
                DOUBTS.withheld.add(f.name)
                found[i] = None
        return found

    def reaching(self, t: int, gone: int) -> Iterator[int]:
        """Places of the answers whose window begins before ``gone``; those of a lifetime excepted, which outlive what goes."""
        for i, f, _ in self._asked:
            if f.window.kind != "lifetime" and self._time(bounds(f)[0], t) < gone:
                DOUBTS.withheld.add(f.name)
                yield i

    def _time(self, cut: Cut | None, t: int) -> int:
        assert cut is not None
        if not cut.unit or not cut.zone:
            return t - cut.back_ms
        period = self._periods.setdefault((cut.unit, cut.zone), Period(cut.unit, cut.zone))
        return period.start_of(t - cut.back_ms) - 1


def _answer(f: Feature, plan: SeriesPlan, window: Window, t: int, own: bool, mine: Any, late: bool) -> Any:
    if f.agg == "count":
        number, bound = window.rows()
        return _or_none(f, number + own, bound)
    if f.agg in ("sum", "avg") and f.field in plan.sums:
        return _summed(f, plan, window, mine)
    if f.agg == "distinct":
        return _different(f, window, mine, late)
    if f.agg in ("since_first", "since_last"):
        return _since(f, window, t, own)
    if f.agg in ("min", "max"):
        return _extreme(f, window, mine)
    if f.agg == "last":
        return _latest(f, window, mine)
    raise Unsure  # it takes the rows themselves


def _or_none(f: Feature, value: int, bound: int) -> Any:
    """A value for which nothing is 0, or ``if_none``."""
    if f.has_if_none and value - bound <= 0 <= value + bound:
        if bound:
            raise Unsure  # whether there was anything
        return f.if_none
    return within(value, bound)


def _none(f: Feature) -> Any:
    return f.if_none if f.has_if_none else NEVER


def _summed(f: Feature, plan: SeriesPlan, window: Window, mine: Any) -> Any:
    assert f.field is not None
    total, bound = window.total("totals", f.field)
    total += mine or 0
    if f.agg == "sum" and (not f.has_if_none or plan.retracts):
        return _or_none(f, total, bound)
    number, unsure = window.total("counts", f.field)
    number += mine is not None
    if number - unsure < 1:
        if unsure:
            raise Unsure
        return f.if_none if f.has_if_none else 0 if f.agg == "sum" else NEVER
    if f.agg == "sum":
        return within(total, bound)
    mean = half_up if f.type.kind in ("money", "duration", "time") else quotient
    value = mean(total, number)
    assert value is not None
    corners = [(total + s) / n for s in (-bound, bound) for n in (number - unsure, number + unsure)]
    error = max(abs(corner - value) for corner in corners) if bound or unsure else 0
    return within(value, int(error) + 1 if error and isinstance(value, int) else error)


def _different(f: Feature, window: Window, mine: Any, late: bool) -> Any:
    assert f.field is not None
    column = window.column("columns", f.field)
    values = set(column[window.lo : window.hi])
    values.add(mine)
    values.discard(None)
    past, cut, more = window.past, window.lower, 0
    for value, at in past.seen.get(f.field, {}).items():
        if (cut is None or at > cut) and at <= window.upper and value not in values:
            more += 1
    number, forgot = len(values) + more, past.forgot.get(f.field, BEGINNING)
    if late or f.ending_ms or (forgot > BEGINNING and (cut is None or cut < forgot)):
        rows = 0
        for block in window.whole + window.cut:
            rows += block.rows
        return _or_none(f, number, max(0, rows - more))
    return _or_none(f, number, 0)


def _since(f: Feature, window: Window, t: int, own: bool) -> Any:
    ts = window.ts
    times = list(ts[window.lo : window.hi][:1] if f.agg == "since_first" else ts[window.lo : window.hi][-1:])
    bound = 0
    if f.agg == "since_last":
        if window.cut and window.cut[-1].last > window.upper:
            raise Unsure
        times += [block.last for block in (window.whole + window.cut)]
        times += [t] if own else []
        return t - max(times) if times else _none(f)
    times += [block.first for block in window.whole] + ([t] if own else [])
    first = min(times, default=None)
    for block in window.cut:
        if block.last > window.upper:
            raise Unsure
        if first is None or block.last < first:
            assert window.lower is not None
            bound, first = block.last - window.lower, block.last
    return _none(f) if first is None else within(t - first, bound)


def _extreme(f: Feature, window: Window, mine: Any) -> Any:
    assert f.field is not None
    better = min if f.agg == "min" else max
    values = [x for x in window.column("columns", f.field)[window.lo : window.hi] if x is not None]
    values += [mine] if mine is not None else []
    which = "low" if f.agg == "min" else "high"
    values += [getattr(block, which)[f.field] for block in window.whole if f.field in getattr(block, which)]
    best = better(values, default=None)
    for block in window.cut:
        found = getattr(block, which).get(f.field)
        if found is not None and (best is None or better(best, found) != best):
            raise Unsure
    return _none(f) if best is None else best


def _latest(f: Feature, window: Window, mine: Any) -> Any:
    assert f.field is not None
    if mine is not None:
        return mine
    value = newest(window.column("columns", f.field), window.lo, window.hi, None)
    blocks = sorted([*window.whole, *window.cut], key=lambda block: block.last, reverse=True)
    ts = window.ts
    if value is not None and (not blocks or (window.hi > window.lo and ts[window.lo] >= blocks[0].last)):
        return value
    if value is not None or any(block in window.cut for block in blocks[:1]):
        raise Unsure
    for block in blocks:
        if block in window.cut:
            raise Unsure
        if f.field in block.latest:
            return block.latest[f.field][1]
    return _none(f)
