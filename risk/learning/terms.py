"""What one input adds to the log-odds, for each kind of model: as a value, and as a line of generated code.

Rule 1: ``value`` and ``lines`` do the same operations in the same order, so that explanation and score agree to the last bit.
Rule 2: numbers of a version stand in its code as names (``constants``), so that all versions of a model share one compiled text: a
new version swaps in within microseconds.
Rule 3: a learned column is (u - mean) / deviation, cut at ``clip`` deviations, times its weight: folded to a * (cut(u) - mean).
A column that never varied adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from risk.learning.additive_terms import Arrays, Cross, additive_terms
from risk.learning.inputs import TURN, Coding

_ADDITIVE = {
    "intercept": "one", "learned": "one", "edge_count": "input", "edge": "counted", "weight": "counted",
    "slope": "input", "mean": "input", "low": "input", "high": "input",
    "pair": "counted", "coarse_count": "input", "coarse_edge": "counted", "cell": "counted",
}  # fmt: skip
SHAPES: Mapping[str, Mapping[str, str]] = {
    "fixed": {"bias": "one", "weight": "input"},
    "logistic": {
        "intercept": "one", "clip": "one", "learned": "one",
        "count": "column", "mean": "column", "var": "column", "weight": "column",
    },
    "hybrid": _ADDITIVE,
    "binned": _ADDITIVE,
}  # fmt: skip
"""The arrays of each kind of version, and what they are as long as; ``counted``: as other arrays of it say.

One that learns may also have ``calibration``: what is added to the log-odds for the sampling, then slope and offset of what leaves.
"""
UNCALIBRATED = (0.0, 1.0, 0.0)


class Term(Protocol):
    def value(self, x: float) -> float:
        """What the input adds when its entry of ``x`` is present."""

    def lines(self, x: str, tag: str) -> list[str]:
        """Statements that add it to ``z`` where it is present. ``x`` names the entry; ``tag`` ends the names of its constants."""

    def constants(self, tag: str) -> dict[str, Any]:
        """The names that ``lines`` uses, and what they stand for."""


class Plain(NamedTuple):
    """weight * x: the given formula of a ``fixed`` model."""

    weight: float

    def value(self, x: float) -> float:
        return self.weight * x

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"z += W{tag} * {x}"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"W{tag}": self.weight}


class Column(NamedTuple):
    """slope * (cut(u) - mean)."""

    slope: float
    mean: float
    low: float
    high: float

    def value(self, x: float) -> float:
        return self.slope * ((self.low if x < self.low else self.high if x > self.high else x) - self.mean)

    def formula(self, u: str, tag: str) -> str:
        return f"S{tag} * ((L{tag} if {u} < L{tag} else H{tag} if {u} > H{tag} else {u}) - M{tag})"

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"z += {self.formula(x, tag)}"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"S{tag}": self.slope, f"M{tag}": self.mean, f"L{tag}": self.low, f"H{tag}": self.high}


class Hour(NamedTuple):
    """The hour of the day on a circle: two columns."""

    sine: Column
    cosine: Column

    def value(self, x: float) -> float:
        return self.sine.value(math.sin(x * TURN)) + self.cosine.value(math.cos(x * TURN))

    def lines(self, x: str, tag: str) -> list[str]:
        return [
            f"p = sin({x} * {TURN!r}); q = cos({x} * {TURN!r})",
            f"z += {self.sine.formula('p', tag + 's')} + {self.cosine.formula('q', tag + 'c')}",
        ]

    def constants(self, tag: str) -> dict[str, Any]:
        return {**self.sine.constants(tag + "s"), **self.cosine.constants(tag + "c")}


class Table(NamedTuple):
    """A category: what each bucket adds, all its columns together."""

    adds: tuple[float, ...]

    def value(self, x: float) -> float:
        return self.adds[int(x)]

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"z += T{tag}[int({x})]"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"T{tag}": self.adds}


class Terms(NamedTuple):
    """What a version adds up: the bias, a term for each input, and the crosses. Calibrated."""

    bias: float
    inputs: tuple[Term, ...]
    crosses: tuple[Cross, ...]


def terms_of(kind: str, codings: Sequence[Coding], arrays: Arrays) -> Terms:
    """Raises ValueError where the arrays are not those of ``SHAPES``, KeyError for an unknown kind."""
    shapes = SHAPES[kind]
    lengths = {"one": 1, "input": len(codings), "column": len([c for coding in codings for c in coding.columns])}
    found = {name: len(values) for name, values in arrays.items() if shapes.get(name) != "counted"}
    wanted = {name: lengths[of] for name, of in shapes.items() if of != "counted"}
    if kind != "fixed" and "calibration" in found:
        wanted["calibration"] = len(UNCALIBRATED)
    if found != wanted or not shapes.keys() <= arrays.keys():
        raise ValueError(f"array lengths {found}, expected {wanted}")
    if kind == "fixed":
        return Terms(arrays["bias"][0], tuple(Plain(w) for w in arrays["weight"]), ())
    shift, slope, offset = arrays.get("calibration", UNCALIBRATED)
    if not slope > 0.0:
        raise ValueError(f"the slope of the calibration is {slope:g}; above 0 expected")
    bias = slope * (arrays["intercept"][0] + shift) + offset
    if kind != "logistic":
        inputs, crosses = additive_terms(codings, arrays, slope)
        return Terms(bias, inputs, crosses)
    terms: list[Term] = []
    at = 0
    for coding in codings:
        width = len(coding.columns)
        terms.append(_learned_term(coding, [_column(arrays, i, slope) for i in range(at, at + width)]))
        at += width
    return Terms(bias, tuple(terms), ())


def _learned_term(coding: Coding, columns: Sequence[Column]) -> Term:
    if coding.encoding == "hour":
        return Hour(columns[0], columns[1])
    if coding.encoding == "category":
        return Table(tuple(_together(columns, hot) for hot in range(len(columns))))
    return columns[0]


def _together(columns: Sequence[Column], hot: int) -> float:
    total = 0.0
    for i, column in enumerate(columns):
        total += column.value(1.0 if i == hot else 0.0)
    return total


def _column(arrays: Arrays, i: int, scale: float) -> Column:
    var, mean, (clip,) = arrays["var"][i], arrays["mean"][i], arrays["clip"]
    if not var > 0.0:
        return Column(0.0, mean, mean, mean)
    deviation = var**0.5
    return Column(scale * arrays["weight"][i] / deviation, mean, mean - clip * deviation, mean + clip * deviation)
