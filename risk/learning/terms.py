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

from risk.learning.inputs import Coding

Arrays = Mapping[str, Sequence[float]]

SHAPES: Mapping[str, Mapping[str, str]] = {
    "fixed": {"bias": "one", "weight": "input"},
    "logistic": {
        "intercept": "one", "clip": "one", "learned": "one",
        "count": "column", "mean": "column", "var": "column", "weight": "column",
    },
}  # fmt: skip
"""The arrays of each kind of version, and what they are as long as."""

TURN = 2.0 * math.pi / 24.0


class Term(Protocol):
    def value(self, x: float) -> float:
        """What the input adds when its entry of ``x`` is present."""

    def lines(self, x: str, tag: str) -> list[str]:
        """Statements that add it to ``z``. ``x`` names the entry; ``tag`` ends the names of its constants."""

    def constants(self, tag: str) -> dict[str, Any]:
        """The names that ``lines`` uses, and what they stand for."""


class Plain(NamedTuple):
    """weight * x: the given formula of a ``fixed`` model."""

    weight: float

    def value(self, x: float) -> float:
        return self.weight * x

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"if {x} is not None: z += W{tag} * {x}"]

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
        return [f"if {x} is not None: z += {self.formula(x, tag)}"]

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
            f"if {x} is not None:",
            f"    p = sin({x} * {TURN!r}); q = cos({x} * {TURN!r})",
            f"    z += {self.sine.formula('p', tag + 's')} + {self.cosine.formula('q', tag + 'c')}",
        ]

    def constants(self, tag: str) -> dict[str, Any]:
        return {**self.sine.constants(tag + "s"), **self.cosine.constants(tag + "c")}


class Table(NamedTuple):
    """A category: what each bucket adds, all its columns together."""

    adds: tuple[float, ...]

    def value(self, x: float) -> float:
        return self.adds[int(x)]

    def lines(self, x: str, tag: str) -> list[str]:
        return [f"if {x} is not None: z += T{tag}[int({x})]"]

    def constants(self, tag: str) -> dict[str, Any]:
        return {f"T{tag}": self.adds}


def bias_of(kind: str, arrays: Arrays) -> float:
    """The log-odds when every input stands at its mean. Raises KeyError for an unknown kind."""
    (bias,) = arrays[{"fixed": "bias", "logistic": "intercept"}[kind]]
    return bias


def terms_of(kind: str, codings: Sequence[Coding], arrays: Arrays) -> tuple[Term, ...]:
    """One term for each input. Raises ValueError where the arrays are not those of ``SHAPES``."""
    lengths = {"one": 1, "input": len(codings), "column": len([c for coding in codings for c in coding.columns])}
    found = {name: len(values) for name, values in arrays.items()}
    wanted = {name: lengths[of] for name, of in SHAPES[kind].items()}
    if found != wanted:
        raise ValueError(f"array lengths {found}, expected {wanted}")
    if kind == "fixed":
        return tuple(Plain(w) for w in arrays["weight"])
    terms: list[Term] = []
    at = 0
    for coding in codings:
        width = len(coding.columns)
        terms.append(_learned_term(coding, [_column(arrays, i) for i in range(at, at + width)]))
        at += width
    return tuple(terms)


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


def _column(arrays: Arrays, i: int) -> Column:
    var, mean, (clip,) = arrays["var"][i], arrays["mean"][i], arrays["clip"]
    if not var > 0.0:
        return Column(0.0, mean, mean, mean)
    deviation = var**0.5
    return Column(arrays["weight"][i] / deviation, mean, mean - clip * deviation, mean + clip * deviation)
