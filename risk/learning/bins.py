"""Where the bins of an input begin, and what becomes of learned weights when the edges move.

Rule 1: edges follow from the rows of a ``Sample`` and from nothing else; a sample follows from the order of the lessons. Sums are exact
(``fsum``) or taken in order, so that every machine finds the same edges.
Rule 2: a value that many payments share has a bin of its own, so that small counts are exact; the others are cut at their quantiles.
Rule 3: frauds and the rest count half each: where frauds are, there the edges must be fine.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SAMPLE_ROWS = 4_096
"""Rows kept of each verdict."""
VALUES_MIN = 10
"""Fewer present values than this make no edges."""


class Side:
    """Every n-th row of one verdict; n doubles when the room is full, so that all the past is in it evenly."""

    def __init__(self) -> None:
        self.rows: list[array[float]] = []
        self._every = 1
        self._seen = 0

    def add(self, x: Iterable[float | None]) -> None:
        """A row; None is a missing input."""
        if self._seen % self._every == 0:
            self.rows.append(array("d", [math.nan if value is None else value for value in x]))
            if len(self.rows) >= SAMPLE_ROWS:
                self.rows = self.rows[::2]
                self._every *= 2
        self._seen += 1

    def columns(self, width: int) -> list[Floats]:
        """The finite values of each input, in order of arrival. Rows from before an input appeared lack it."""
        table = np.full((len(self.rows), width), np.nan)
        for i, row in enumerate(self.rows):
            table[i, : len(row)] = row
        return [column[np.isfinite(column)] for column in table.T]


class Sample:
    """Rows to fit edges and scales on: of frauds and of others."""

    def __init__(self) -> None:
        self.frauds = Side()
        self.others = Side()

    def add(self, x: Iterable[float | None], fraud: bool) -> None:
        """A row of a payment whose verdict is known."""
        (self.frauds if fraud else self.others).add(x)

    def columns(self, width: int) -> list[Values]:
        """What the rows hold of each of the first ``width`` inputs."""
        return [Values(f, o) for f, o in zip(self.frauds.columns(width), self.others.columns(width), strict=True)]


class Values:
    """Finite values of one input, by verdict."""

    def __init__(self, frauds: Floats, others: Floats) -> None:
        self.frauds = frauds
        self.others = others
        self.usual = others if len(others) else frauds
        """The values that stand for all payments: frauds are few."""
        self.all = np.concatenate((frauds, others))

    @property
    def enough(self) -> bool:
        return len(self.all) >= VALUES_MIN

    def spread(self) -> tuple[float, float]:
        """Mean and standard deviation; both 0 where they are not finite."""
        usual = self.usual.tolist()
        try:
            mean = math.fsum(usual) / len(usual)
            deviation = math.sqrt(math.fsum((value - mean) * (value - mean) for value in usual) / len(usual))
        except OverflowError:
            return 0.0, 0.0
        return (mean, deviation) if math.isfinite(deviation) else (0.0, 0.0)

    def edges(self, bins: int) -> list[float]:
        """At most ``bins - 1`` edges, rising. A value at an edge belongs to the bin above it."""
        distinct, place = np.unique(self.all, return_inverse=True)
        mass = np.bincount(place, weights=self._half_each(), minlength=len(distinct)).tolist()
        values = distinct.tolist()
        if len(values) <= bins:
            return [_between(low, high) for low, high in itertools.pairwise(values)]
        share = math.fsum(mass) / bins
        edges: list[float] = []
        gathered = 0.0
        for i in range(len(values) - 1):
            gathered += mass[i]
            if gathered >= share or mass[i + 1] >= share:
                edges.append(_between(values[i], values[i + 1]))
                gathered = 0.0
        return edges[: bins - 1]

    def _half_each(self) -> Floats:
        frauds, others = len(self.frauds), len(self.others)
        return np.concatenate((np.full(frauds, 0.5 / max(frauds, 1)), np.full(others, 0.5 / max(others, 1))))


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2.0
    return middle if low < middle <= high else high


def carried(values: Floats, old: Sequence[float], new: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Weights of the bins that the edges ``new`` make: the mean of the old weights over the ``values`` that fall into each."""
    was, now = np.searchsorted(old, values, side="right"), np.searchsorted(new, values, side="right")
    count = np.bincount(now, minlength=len(new) + 1).tolist()
    total = np.bincount(now, weights=np.asarray(weights)[was], minlength=len(new) + 1).tolist()
    # where nothing fell: the old bin that its lower edge is in
    below = np.searchsorted(old, [new[0], *new] if new else [0.0], side="right").tolist()
    return [total[k] / count[k] if count[k] else weights[below[k]] for k in range(len(new) + 1)]


def shared_out(values: Floats, old: Sequence[float], new: Sequence[float], amounts: Sequence[float]) -> list[float]:
    """Amounts gathered in the old bins, spread over the new ones as the ``values`` are."""
    was, now = np.searchsorted(old, values, side="right"), np.searchsorted(new, values, side="right")
    crowd = np.maximum(np.bincount(was, minlength=len(old) + 1), 1)
    shared: list[float] = np.bincount(now, weights=(np.asarray(amounts) / crowd)[was], minlength=len(new) + 1).tolist()
    return shared


def average(values: Floats, edges: Sequence[float], weights: Sequence[float]) -> float:
    """The mean weight over the values."""
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(weights)).tolist()
    return math.fsum(n * w for n, w in zip(counts, weights, strict=True)) / max(len(values), 1)


def coarse(edges: Sequence[float], bins: int) -> list[float]:
    """At most ``bins - 1`` of the edges, evenly taken: for crosses, whose cells must stay few."""
    wanted = bins - 1
    if len(edges) <= wanted:
        return list(edges)
    step = len(edges) / bins
    return sorted({edges[min(len(edges) - 1, int((i + 1) * step))] for i in range(wanted)})
