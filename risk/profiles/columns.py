"""What is remembered of one entity: a profile of series, and the class generated for each series.

Rule 1: rows lie in time order, ties in order of arrival; the columns of a series have one length (running totals one more).
Rule 2: a pointer stands at or before its cut for every time that is not older than the profile's newest (``at``): reads in
time order only ever move it forward. Reads of older times search instead and leave the pointers alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, ClassVar

from risk.profiles.past import Past
from risk.profiles.plan import SeriesPlan
from risk.profiles.quota import Ledger
from risk.profiles.tally import Tally

BEFORE_EVERYTHING = -(1 << 63)
AFTER_EVERYTHING = 1 << 62
PROFILE_BYTES, SERIES_BYTES, SLOT_BYTES, INT_BYTES = 200, 300, 9, 32  # CPython 3.11; a list keeps an eighth in reserve


class Profile:
    """One entity's memory. ``at``: the newest time that touched it; a slot is None until its series has a row."""

    __slots__ = ("at", "ledger", "past")
    slots: ClassVar[tuple[str, ...]] = ()
    at: int
    ledger: Ledger | None
    past: Past | None  # of rows that are gone; ``at`` is then beyond every time, so that each read and record comes to ask

    def __init__(self) -> None:
        self.at = BEFORE_EVERYTHING
        self.ledger = None
        self.past = None
        for slot in self.slots:
            setattr(self, slot, None)

    @property
    def newest(self) -> int:
        """The newest time that touched it."""
        return self.at if self.past is None else self.past.at

    def remember(self, past: Past) -> None:
        """Hold what is left of rows that are no longer entered here."""
        past.at = max(self.newest, past.newest)
        self.past, self.at = past, AFTER_EVERYTHING

    def release(self, tid: int) -> None:
        """Give back what the event reserved in ``counts: passed`` series; again, or for an event not yet recorded, is fine."""
        self._ledger().release(tid, self._quotas())

    def restore(self, tid: int) -> None:
        """Take a released reservation again, at its old place in the order of arrival."""
        self._ledger().restore(tid, self._quotas())

    def rows(self) -> int:
        """Rows kept, over all series: what its memory grows with."""
        return sum(len(series) for slot in self.slots if (series := getattr(self, slot)) is not None)

    def bytes_estimate(self) -> int:
        """Roughly what it takes in memory: list slots, the integers in them, and the fixed part. Texts are shared, and left out."""
        held: list[Series] = [series for slot in self.slots if (series := getattr(self, slot)) is not None]
        return PROFILE_BYTES + sum(SERIES_BYTES + len(series) * series.row_bytes for series in held)

    def _ledger(self) -> Ledger:
        if self.ledger is None:
            self.ledger = Ledger()
        return self.ledger

    def _quotas(self) -> list[Any]:
        held = (getattr(self, slot) for slot in self.slots)
        return [series for series in held if series is not None and not isinstance(series, Series)]

    def replaced(self, slot: str, series: Any) -> Profile:
        """A profile that differs in one slot; everything else is shared with this one."""
        other = copy(self)
        setattr(other, slot, series)
        return other


class Series:
    """Base of the generated series classes. ``ts``: event times; what the other slots hold is named by the class attributes."""

    __slots__ = ("ts",)
    plan: ClassVar[SeriesPlan]
    totals: ClassVar[tuple[tuple[str, str], ...]] = ()  # (slot, field) of running totals
    counts: ClassVar[tuple[tuple[str, str], ...]] = ()  # (slot, field) of running counts of present values
    columns: ClassVar[tuple[tuple[str, str], ...]] = ()  # (slot, field) of values kept row by row
    pointers: ClassVar[tuple[str, ...]] = ()
    tallies: ClassVar[tuple[tuple[str, str], ...]] = ()  # (slot, slot of its column)
    row_bytes: ClassVar[int] = 0
    begun: ClassVar[Callable[..., Series]]  # (t, *values of plan.fields): a series of one row
    ts: list[int]

    def __len__(self) -> int:
        return len(self.ts)

    def insert(self, t: int, values: Sequence[Any]) -> None:
        """Enter a row at its own time, after its ties. ``values`` in the order of ``plan.fields``. Cost: the rows that are newer.

        Pointers stay where they are: at most one row further before their cut.
        """
        fields = dict(zip(self.plan.fields, values, strict=True))
        index = bisect_right(self.ts, t)
        self.ts.insert(index, t)
        for slot, field in self.totals:
            _raise(getattr(self, slot), index, fields[field] or 0)
        for slot, field in self.counts:
            _raise(getattr(self, slot), index, int(fields[field] is not None))
        for slot, field in self.columns:
            getattr(self, slot).insert(index, fields[field])
        for slot, column in self.tallies:
            tally: Tally | None = getattr(self, slot)
            if tally is not None:
                tally.inserted(index, getattr(self, column)[index])

    def without(self, t: int, values: Sequence[Any]) -> Series:
        """A copy that lacks one row of that time and those values (the series itself where there is none). Equal ties are alike."""
        fields = dict(zip(self.plan.fields, values, strict=True))
        for index in range(bisect_right(self.ts, t) - 1, bisect_left(self.ts, t) - 1, -1):
            if self._holds(index, fields):
                return self._lacking(index)
        return self

    def _holds(self, index: int, fields: dict[str, Any]) -> bool:
        return (
            all(getattr(self, s)[index + 1] - getattr(self, s)[index] == (fields[f] or 0) for s, f in self.totals)
            and all(getattr(self, s)[index + 1] - getattr(self, s)[index] == (fields[f] is not None) for s, f in self.counts)
            and all(getattr(self, s)[index] == fields[f] for s, f in self.columns)
        )

    def _lacking(self, index: int) -> Series:
        other = type(self)()
        other.ts = self.ts[:index] + self.ts[index + 1 :]
        for slot, _ in self.totals + self.counts:
            running: list[int] = getattr(self, slot)
            less = running[index + 1] - running[index]
            setattr(other, slot, running[: index + 1] + [x - less for x in running[index + 2 :]])
        for slot, _ in self.columns:
            column = getattr(self, slot)
            setattr(other, slot, column[:index] + column[index + 1 :])
        return other


def _raise(running: list[int], index: int, amount: int) -> None:
    """Insert a row of ``amount`` at ``index`` into a running total."""
    running.insert(index + 1, running[index] + amount)
    if amount:
        for i in range(index + 2, len(running)):
            running[i] += amount


def series_class(plan: SeriesPlan) -> type[Series]:
    """A class with one slot a column. Made without loops, empty or with its first row (``begun``): most profiles have few rows."""
    names: dict[str, Any] = {
        "plan": plan,
        "totals": tuple((f"p{i}", field) for i, field in enumerate(plan.sums)),
        "counts": tuple((f"k{i}", field) for i, field in enumerate(plan.known)),
        "columns": tuple((f"c{i}", field) for i, field in enumerate(plan.kept)),
        "pointers": tuple(f"l{i}" for i in range(len(plan.cuts))),
        "tallies": tuple((f"d{i}", f"c{plan.kept.index(field)}") for i, (field, _, _) in enumerate(plan.tallies)),
    }
    value = {field: f"f{i}" for i, field in enumerate(plan.fields)}
    empty = {"ts": "[]", **dict.fromkeys((slot for slot, _ in names["totals"] + names["counts"]), "[0]")}
    empty |= {slot: "[]" for slot, _ in names["columns"]}
    first = {"ts": "[t]"} | {slot: f"[0, {value[f]} or 0]" for slot, f in names["totals"]}
    first |= {slot: f"[0, int({value[f]} is not None)]" for slot, f in names["counts"]}
    first |= {slot: f"[{value[f]}]" for slot, f in names["columns"]}
    rest = [" " + " = ".join([*(f"self.{slot}" for slot in names["pointers"]), "0"])] if names["pointers"] else []
    rest += [f" self.{slot} = None" for slot, _ in names["tallies"]]
    lines = ["def __init__(self):", *(f" self.{slot} = {text}" for slot, text in empty.items()), *rest]
    lines += [f"def begun({', '.join(['t', *value.values()])}):", " self = new(cls)"]
    lines += [*(f" self.{slot} = {text}" for slot, text in first.items()), *rest, " return self"]
    space: dict[str, Any] = {"new": object.__new__}
    exec("\n".join(lines), space)  # our own text, made of slot names only
    numbers = 1 + len(names["totals"]) + len(names["counts"])
    names["row_bytes"] = numbers * (SLOT_BYTES + INT_BYTES) + len(names["columns"]) * SLOT_BYTES
    names |= {"__slots__": (*list(empty)[1:], *names["pointers"], *(slot for slot, _ in names["tallies"]))}
    made = type("SeriesOf", (Series,), {**names, "__init__": space["__init__"], "begun": staticmethod(space["begun"])})
    space["cls"] = made
    return made


def profile_class(kind: str, slots: Sequence[str]) -> type[Profile]:
    """The profile class of one kind: a slot for each of its series."""
    lines = ["def __init__(self):", f" self.at = {BEFORE_EVERYTHING}", " self.ledger = self.past = None"]
    lines += [f" self.{slot} = None" for slot in slots]
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)  # our own text, made of slot names only
    return type(f"ProfileOf_{kind}", (Profile,), {"__slots__": tuple(slots), "slots": tuple(slots), "__init__": space["__init__"]})
