"""The additive logit: each input adds what its bin has learned, plus a straight line, plus a cell for each declared pair of inputs.

Rule 1: every weight has a step of its own (AdaGrad), so that a bin that few payments reach still learns from each of them.
Rule 2: edges, scales and centres are refitted on a schedule, early and often at first: edges frozen too early cost quality. What was
learned is carried over. A refit depends on the order of the lessons and on nothing else.
Rule 3: a missing input adds 0; bins are centred at each refit, so that 0 is what the input adds on average.
Rule 4: ``margin`` and ``learn`` are generated straight-line code over lists that a refit changes in place.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from risk.learning.additive_code import learn_lines, margin_lines
from risk.learning.additive_terms import Arrays, coarse_places
from risk.learning.bins import Sample, Values, average, carried, coarse, shared_out
from risk.learning.inputs import compiled

FIRST_REFIT = 64
"""Lessons before the first edges; the time between refits doubles until it is ``refit_every``."""
GATHERED = 0.1
"""What AdaGrad has gathered before the first step."""
MARGIN_MAX = 35.0

HOURS = tuple(float(hour) for hour in range(1, 24))


class Part(NamedTuple):
    """How one input is learned. ``curve``: bins refitted on a schedule, and a line; ``steps``: fixed edges; ``table``: buckets."""

    kind: str
    edges: tuple[float, ...] = ()
    buckets: int = 0


class Tuning(NamedTuple):
    """Step sizes and sizes. ``linear``: with a straight line beside the bins."""

    step: float = 0.3
    line_step: float = 0.02
    bins: int = 32
    cross_bins: int = 16
    refit_every: int = 20_000
    clip: float = 5.0
    linear: bool = True


class Additive:
    """Learns over ``x``, one entry for each part: a float, or None where it is missing. ``crosses``: pairs of indexes of parts."""

    def __init__(self, parts: Sequence[Part], crosses: Sequence[tuple[int, int]], tuning: Tuning) -> None:
        self.parts: list[Part] = []
        self.crosses = tuple(crosses)
        self.tuning = tuning
        self.learned = 0
        self.sample = Sample()
        self.bias = [0.0, GATHERED]
        self.edges: list[list[float]] = []
        self.weights: list[list[float]] = []
        self.gathered: list[list[float]] = []
        # of the straight lines: weight, what AdaGrad gathered, mean, 1 / deviation, and where it is cut, in units of the input
        self.lines: tuple[list[float], ...] = ([], [], [], [], [], [])
        self.coarse: list[list[float]] = []
        self.places: list[tuple[list[int], list[int]]] = [([], []) for _ in self.crosses]
        self.cells: list[list[float]] = [[] for _ in self.crosses]
        self.cells_gathered: list[list[float]] = [[] for _ in self.crosses]
        self._next_refit = FIRST_REFIT
        self._made: tuple[Callable[..., float], Callable[..., float]] | None = None
        self.extend(parts)
        for c in range(len(self.crosses)):
            self._place(c)
            size = self._width(self.crosses[c][0]) * self._width(self.crosses[c][1])
            self.cells[c][:] = [0.0] * size
            self.cells_gathered[c][:] = [GATHERED] * size

    def extend(self, parts: Sequence[Part]) -> None:
        """Inputs that appeared: they start from nothing."""
        for part in parts:
            size = part.buckets if part.kind == "table" else len(part.edges) + 1
            self.parts.append(part)
            self.edges.append(list(part.edges))
            self.weights.append([0.0] * size)
            self.gathered.append([GATHERED] * size)
            self.coarse.append(coarse(part.edges, 2 * self.tuning.cross_bins))
            for values, first in zip(self.lines, (0.0, GATHERED, 0.0, 0.0, 0.0, 0.0), strict=True):
                values.append(first)
        self._made = None

    def margin(self, x: Sequence[float | None]) -> float:
        """Log-odds, as learned."""
        return self._functions()[0](x)

    def learn(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """One step towards the verdict. ``weight``: how many payments this one stands for."""
        self.correct(x, fraud, weight)
        self.learned += 1
        self.sample.add(x, fraud)
        if self.learned >= self._next_refit:
            self._refit()
            self._next_refit = self.learned + min(self.learned, self.tuning.refit_every)

    def correct(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """A step on a payment that was learned before with the other verdict: the sample has its row already."""
        self._functions()[1](x, 1.0 if fraud else 0.0, weight)

    def _functions(self) -> tuple[Callable[..., float], Callable[..., float]]:
        if self._made is None:
            names = self._names()
            margin, learn = margin_lines(self), learn_lines(self)
            self._made = compiled("margin", margin, "x", names), compiled("learn", learn, "x, y, weight", names)
        return self._made

    def _names(self) -> Mapping[str, Any]:
        tuning = self.tuning
        names: dict[str, Any] = {"bisect": bisect_right, "exp": math.exp, "sqrt": math.sqrt, "BIAS": self.bias}
        names |= dict(zip(("LINE", "LINE_GATHERED", "MEAN", "SCALE", "LOW", "HIGH"), self.lines, strict=True))
        names |= {"STEP": tuning.step, "LINE_STEP": tuning.line_step, "MARGIN_MAX": MARGIN_MAX}
        for i in range(len(self.parts)):
            names |= {f"E{i}": self.edges[i], f"W{i}": self.weights[i], f"G{i}": self.gathered[i]}
        for c in range(len(self.crosses)):
            names |= {f"PA{c}": self.places[c][0], f"PB{c}": self.places[c][1]}
            names |= {f"C{c}": self.cells[c], f"CG{c}": self.cells_gathered[c]}
        return names

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}

    # -------------------------------------------------------------------------------------------------------------------------- refitting

    def _refit(self) -> None:
        columns = self.sample.columns(len(self.parts))
        before = [list(edges) for edges in self.coarse]
        for i, part in enumerate(self.parts):
            if not columns[i].enough:
                continue
            if part.kind == "curve":
                self._move_line(i, columns[i])
                self._move_edges(i, columns[i])
            self._centre(i, columns[i])
        for c in range(len(self.crosses)):
            self._move_cells(c, before)

    def _move_line(self, i: int, values: Values) -> None:
        """The same line, about the newest mean and in units of the newest deviation."""
        weight, _, mean, scale, low, high = self.lines
        was, at = weight[i] * scale[i], mean[i]
        centre, deviation = values.spread()
        scale[i] = 1.0 / deviation if deviation > 0.0 and self.tuning.linear else 0.0
        mean[i], low[i], high[i] = centre, centre - self.tuning.clip * deviation, centre + self.tuning.clip * deviation
        weight[i] = was * deviation
        self.bias[0] += was * (centre - at)

    def _move_edges(self, i: int, values: Values) -> None:
        old, new = list(self.edges[i]), values.edges(self.tuning.bins)
        surplus = [g - GATHERED for g in self.gathered[i]]
        self.weights[i][:] = carried(values.all, old, new, self.weights[i])
        self.gathered[i][:] = [GATHERED + g for g in shared_out(values.all, old, new, surplus)]
        self.edges[i][:] = new
        self.coarse[i][:] = coarse(new, self.tuning.cross_bins)

    def _centre(self, i: int, values: Values) -> None:
        edges = self.edges[i] if self.parts[i].kind != "table" else [float(k) for k in range(1, self.parts[i].buckets)]
        mean = average(values.usual, edges, self.weights[i])
        self.weights[i][:] = [w - mean for w in self.weights[i]]
        self.bias[0] += mean

    # ---------------------------------------------------------------------------------------------------------------------------- crosses

    def _width(self, i: int) -> int:
        return self.parts[i].buckets if self.parts[i].kind == "table" else len(self.coarse[i]) + 1

    def _place(self, c: int) -> None:
        """Where the cell of two bins stands: the places of both, added."""
        a, b = self.crosses[c]
        stride = self._width(b)
        places = self.places[c]
        places[0][:] = [place * stride for place in self._places_of(a)]
        places[1][:] = self._places_of(b)

    def _places_of(self, i: int) -> list[int]:
        return list(range(self.parts[i].buckets)) if self.parts[i].kind == "table" else coarse_places(self.edges[i], self.coarse[i])

    def _move_cells(self, c: int, before: Sequence[Sequence[float]]) -> None:
        """A new cell starts as the old cell that its middle was in."""
        a, b = self.crosses[c]
        was = [self._stood_at(i, before[i]) for i in (a, b)]
        stride = self._width(b) if self.parts[b].kind == "table" else len(before[b]) + 1
        at = [p * stride + q for p, q in itertools.product(*was)]
        self.cells[c][:] = [self.cells[c][k] for k in at]
        self.cells_gathered[c][:] = [self.cells_gathered[c][k] for k in at]
        self._place(c)

    def _stood_at(self, i: int, before: Sequence[float]) -> list[int]:
        if self.parts[i].kind == "table":
            return list(range(self.parts[i].buckets))
        now = self.coarse[i]
        middles = [(low + high) / 2.0 for low, high in itertools.pairwise(now)]
        inside = [math.nextafter(now[0], -math.inf), *middles, now[-1]] if now else [0.0]
        return [bisect_right(before, value) for value in inside]

    # --------------------------------------------------------------------------------------------------------------------------- as arrays

    def arrays(self) -> Arrays:
        """All that a version needs to score; see ``terms.SHAPES``."""
        weight, _, mean, scale, low, high = self.lines
        return {
            "intercept": [self.bias[0]],
            "learned": [float(self.learned)],
            "edge_count": [float(len(edges)) for edges in self.edges],
            "edge": list(itertools.chain.from_iterable(self.edges)),
            "weight": list(itertools.chain.from_iterable(self.weights)),
            "slope": [w * s for w, s in zip(weight, scale, strict=True)],
            "mean": list(mean),
            "low": list(low),
            "high": list(high),
            "pair": [float(i) for pair in self.crosses for i in pair],
            "coarse_count": [float(len(edges)) for edges in self.coarse],
            "coarse_edge": list(itertools.chain.from_iterable(self.coarse)),
            "cell": list(itertools.chain.from_iterable(self.cells)),
        }
