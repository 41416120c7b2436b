"""The plain model: StandardScaler and logistic regression by gradient descent, one verdict at a time, nothing sampled, nothing cut.

Rule 1: numerically River's `StandardScaler() | LogisticRegression(optimizer=SGD(rate))`, folded into arrays; a test holds them together.
Rule 2: the rate is chosen on the first 70 %; a payment is scored when it is made and learned when its verdict is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.model.rows import Rows
from risk.learning.evaluation_measures import Ranked, ranking
from risk.learning.inputs import Coding

Array = np.ndarray[Any, Any]
RATES = (0.003, 0.01, 0.03)
INTERCEPT_RATE = 0.01


class Plain:
    """Running mean and variance of each column, and weights. A column that is NaN is missing from the example."""

    def __init__(self, columns: int, rate: float) -> None:
        self.rate = rate
        self.count, self.mean, self.m2, self.weight = (np.zeros(columns) for _ in range(4))
        self.intercept = 0.0

    def _scaled(self, row: Array) -> Array:
        var = self.m2 / np.maximum(self.count, 1.0)
        scaled = np.where(var > 0.0, (row - self.mean) / np.sqrt(np.where(var > 0.0, var, 1.0)), 0.0)
        return np.where(np.isnan(scaled), 0.0, scaled)

    def score(self, row: Array) -> float:
        """Probability of fraud."""
        z = float(self._scaled(row) @ self.weight) + self.intercept
        return 1.0 / (1.0 + math.exp(-z)) if z >= -700.0 else 0.0

    def learn(self, row: Array, fraud: bool) -> None:
        """One example: the scaler sees it, then the weights take a step."""
        there = ~np.isnan(row)
        self.count += there
        apart = np.where(there, row - self.mean, 0.0)
        self.mean += apart / np.maximum(self.count, 1.0)
        self.m2 += apart * np.where(there, row - self.mean, 0.0)
        scaled = self._scaled(row)
        z = float(scaled @ self.weight) + self.intercept
        gradient = (1.0 / (1.0 + math.exp(-z)) if z >= -700.0 else 0.0) - fraud
        self.weight -= self.rate * gradient * scaled
        self.intercept -= INTERCEPT_RATE * gradient


def prequential(rows: Rows, seen: Array, tell: Callable[[int], None]) -> tuple[Array, float]:
    """Scores of the last 30 %, and the rate chosen. ``seen``: rows that get a verdict."""
    columns, first = expanded(rows), rows.split()
    tried = {rate: _run(rows, columns, seen, Plain(columns.shape[1], rate), 0, first, tell) for rate in RATES}
    best = max(RATES, key=lambda rate: ap(np.array(tried[rate][0]), rows.fraud[:first]))
    scores, model, learned = tried[best]
    scores, _, _ = _run(rows, columns, seen, model, first, len(rows.t_ms), tell, learned)
    return np.array(scores), best


def _run(
    rows: Rows, columns: Array, seen: Array, model: Plain, start: int, end: int, tell: Callable[[int], None], learned: int = 0
) -> tuple[list[float], Plain, int]:
    """Scores of rows ``start`` to ``end``; verdicts fall due in the order of the stream. ``learned``: rows whose verdict came before."""
    known_ms, frauds, seen_list = rows.known_ms.tolist(), rows.fraud.tolist(), seen.tolist()
    scores = []
    for at, now in enumerate(rows.t_ms[start:end].tolist(), start=start):
        while known_ms[learned] <= now:
            if seen_list[learned]:
                model.learn(columns[learned], frauds[learned])
            learned += 1
        scores.append(model.score(columns[at]))
        if at % 1_000 == 0:
            tell(1_000)
    return scores, model, learned


def ap(scores: Array, fraud: Array) -> float:
    """Average precision."""
    return ranking(Ranked(scores, fraud).curve(np.ones(len(scores))), 0.0).average_precision or 0.0


def expanded(rows: Rows) -> Array:
    """The columns of all rows: a category is one column a bucket, an hour two; all NaN where the input is missing."""
    return np.hstack([_columns(coding, rows.x[:, i]) for i, coding in enumerate(rows.codings)])


def _columns(coding: Coding, entries: Array) -> Array:
    if coding.encoding == "category":
        one_hot = (entries[:, None] == np.arange(coding.buckets)).astype(float)
        return np.where(np.isnan(entries)[:, None], np.nan, one_hot)
    if coding.encoding == "hour":
        return np.stack([np.sin(entries * (2 * np.pi / 24)), np.cos(entries * (2 * np.pi / 24))], axis=1)
    return entries[:, None]
