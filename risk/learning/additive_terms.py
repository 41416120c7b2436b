"""What the inputs and crosses of an additive logit add: from the arrays of a version to terms.

Rule 1: arrays that do not fit together are refused here, so that a foreign or corrupt version never scores.
Rule 2: everything is multiplied by the slope of the calibration once, so that what a term says is what it adds to the score.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from risk.learning.inputs import Coding

Arrays = Mapping[str, Sequence[float]]

CELLS_MAX = 4_096
"""Cells of one cross."""
CROSSES_MAX = 16
EDGES_MAX = 255
"""Edges of one input."""


def coarse_places(edges: Sequence[float], coarse: Sequence[float]) -> list[int]:
    """Which coarse bin each bin lies in."""
    return [bisect_right(coarse, low) for low in (-math.inf, *edges)]


class Steps(NamedTuple):
    """A weight for each bin between edges."""

    edges: list[float]
    adds: tuple[float, ...]

    def value(self, x: float) -> float:
        return self.adds[bisect_right(self.edges, x)]

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"k{tag} = bisect(E{tag}, {x}); z += A{tag}[k{tag}]"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"E{tag}": self.edges, f"A{tag}": self.adds}

    def place(self, x: float) -> int:
        return bisect_right(self.edges, x)


class Curve(NamedTuple):
    """A weight for each bin, and a straight line through ``mean`` that is cut at ``low`` and ``high``.

    The line's part at the mean is taken into the weights: adds[k] + slope * cut(x).
    """

    edges: list[float]
    adds: tuple[float, ...]
    slope: float
    low: float
    high: float

    def value(self, x: float) -> float:
        line = self.slope * (self.low if x < self.low else self.high if x > self.high else x)
        return self.adds[bisect_right(self.edges, x)] + line

    def lines(self, x: str, tag: str) -> list[str]:
        line = f"S{tag} * (L{tag} if {x} < L{tag} else H{tag} if {x} > H{tag} else {x})"
        return [f"k{tag} = bisect(E{tag}, {x}); z += A{tag}[k{tag}] + {line}"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"E{tag}": self.edges, f"A{tag}": self.adds, f"S{tag}": self.slope, f"L{tag}": self.low, f"H{tag}": self.high}

    def place(self, x: float) -> int:
        return bisect_right(self.edges, x)


class Buckets(NamedTuple):
    """A weight for each bucket of a category."""

    adds: tuple[float, ...]

    def value(self, x: float) -> float:
        return self.adds[int(x)]

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"k{tag} = int({x}); z += A{tag}[k{tag}]"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"A{tag}": self.adds}

    def place(self, x: float) -> int:
        return int(x)


Binned = Steps | Curve | Buckets


class Cross(NamedTuple):
    """A weight for each cell of two inputs: the places of their bins, added, say which."""

    a: int
    b: int
    of_a: Binned
    of_b: Binned
    places_a: tuple[int, ...]
    places_b: tuple[int, ...]
    adds: tuple[float, ...]

    def value(self, xa: float, xb: float) -> float:
        return self.adds[self.places_a[self.of_a.place(xa)] + self.places_b[self.of_b.place(xb)]]

    def lines(self, tag: str) -> list[str]:
        """``k`` of both inputs was set by their own lines."""
        cell = f"P{tag}[k{self.a}] + Q{tag}[k{self.b}]"
        return [f"if x{self.a} is not None and x{self.b} is not None: z += C{tag}[{cell}]"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"P{tag}": self.places_a, f"Q{tag}": self.places_b, f"C{tag}": self.adds}


class _Run:
    """Numbers of one array, taken from the front."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self.name = name
        self._values = arrays[name]
        self._at = 0

    def take(self, count: int) -> Sequence[float]:
        found = self._values[self._at : self._at + count]
        if len(found) != count:
            raise ValueError(f"{self.name} holds {len(self._values)} numbers, more expected")
        self._at += count
        return found

    def rising(self, count: float) -> list[float]:
        edges = list(self.take(_whole(count, 0, EDGES_MAX, f"count of {self.name}")))
        if any(not low < high for low, high in itertools.pairwise(edges)):
            raise ValueError(f"{self.name} does not rise")
        return edges

    def end(self) -> None:
        if self._at != len(self._values):
            raise ValueError(f"{self.name} holds {len(self._values)} numbers, {self._at} expected")


def _whole(number: float, low: int, high: int, what: str) -> int:
    if not low <= number <= high or number != int(number):
        raise ValueError(f"{what} is {number:g}, a whole number from {low} to {high} expected")
    return int(number)


def additive_terms(codings: Sequence[Coding], arrays: Arrays, scale: float) -> tuple[tuple[Binned, ...], tuple[Cross, ...]]:
    """One term for each input, and the crosses, all times ``scale``. Raises ValueError where the arrays do not fit together."""
    for name in ("edge_count", "coarse_count", "slope", "mean", "low", "high"):
        if len(arrays[name]) != len(codings):
            raise ValueError(f"{name} holds {len(arrays[name])} numbers, {len(codings)} expected")
    edge, weight, coarse_edge, cell = (_Run(arrays, name) for name in ("edge", "weight", "coarse_edge", "cell"))
    terms: list[Binned] = []
    coarse: list[list[float]] = []
    for i, coding in enumerate(codings):
        edges = edge.rising(arrays["edge_count"][i])
        adds = weight.take(coding.buckets if coding.encoding == "category" else len(edges) + 1)
        coarse.append(coarse_edge.rising(arrays["coarse_count"][i]))
        terms.append(_term(coding, i, edges, adds, arrays, scale))
    pairs = [_whole(i, 0, len(codings) - 1, "an input of a pair") for i in arrays["pair"]]
    if len(pairs) % 2 or len(pairs) > 2 * CROSSES_MAX:
        raise ValueError(f"pair holds {len(pairs)} numbers; two for each of at most {CROSSES_MAX} expected")
    crosses = [_cross(a, b, terms, coarse, cell, scale) for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    for run in (edge, weight, coarse_edge, cell):
        run.end()
    return tuple(terms), tuple(crosses)


def _term(coding: Coding, i: int, edges: list[float], weights: Sequence[float], arrays: Arrays, scale: float) -> Binned:
    slope, mean = arrays["slope"][i], arrays["mean"][i]
    if coding.encoding == "category":
        return Buckets(tuple(scale * w for w in weights))
    if slope == 0.0:
        return Steps(edges, tuple(scale * w for w in weights))
    return Curve(edges, tuple(scale * (w - slope * mean) for w in weights), scale * slope, arrays["low"][i], arrays["high"][i])


def _cross(a: int, b: int, terms: Sequence[Binned], coarse: Sequence[list[float]], cell: _Run, scale: float) -> Cross:
    (places_a, height), (places_b, width) = (_places(terms[i], coarse[i]) for i in (a, b))
    size = height * width
    if a == b or size > CELLS_MAX:
        raise ValueError(f"inputs {a} and {b} make {size} cells; two inputs and at most {CELLS_MAX} cells expected")
    adds = tuple(scale * w for w in cell.take(size))
    return Cross(a, b, terms[a], terms[b], tuple(place * width for place in places_a), tuple(places_b), adds)


def _places(term: Binned, coarse: Sequence[float]) -> tuple[list[int], int]:
    if isinstance(term, Buckets):
        return list(range(len(term.adds))), len(term.adds)
    return coarse_places(term.edges, coarse), len(coarse) + 1
