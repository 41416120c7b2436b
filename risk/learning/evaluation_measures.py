"""What is measured of scores whose verdicts are known: each measure in one place, weighted, over arrays.

Rule 1: every measure is a plain definition that fits its docstring; the tests say it again as a loop.
Rule 2: a weight says how many payments an example stands for (1, or 1 / the chance that its verdict could be seen), and is never cut here.
Rule 3: equal scores are one threshold: no measure depends on the order of the examples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

PROBABILITY_MIN = 1e-15
DAY_MS = 86_400_000
FIFTHS = 5
NEWTON_STEPS = 50


class Ranked:
    """Examples by falling score, to measure the same ranking under many weights. ``score`` must hold no NaN.

    ``order``: the examples, highest score first. All else is of the distinct scores that a fraud has: no measure changes between them.
    """

    def __init__(self, score: Floats, fraud: Bools) -> None:
        self.order = np.argsort(-score, kind="stable")
        falling = score[self.order]
        last = np.append(falling[1:] != falling[:-1], True)[: len(score)]
        group = np.cumsum(last) - last
        self.frauds_at = np.flatnonzero(fraud[self.order])
        of_fraud = group[self.frauds_at]
        self.last_fraud = np.flatnonzero(np.append(of_fraud[1:] != of_fraud[:-1], True)[: len(of_fraud)])
        ends = np.flatnonzero(last)
        met = of_fraud[self.last_fraud]
        self.above = np.where(met > 0, ends[met - 1] + 1, 0) if len(met) else met
        self.through = ends[met] + 1

    def curve(self, ordered: Floats) -> Curve:
        """``ordered``: the weights in ``order``."""
        reached = np.concatenate([[0.0], np.cumsum(ordered)])
        frauds = np.cumsum(ordered[self.frauds_at])[self.last_fraud]
        before = np.concatenate([[0.0], frauds[:-1]])
        total = float(reached[-1] - frauds[-1]) if len(frauds) else float(reached[-1])
        return Curve(frauds, before, reached[self.through] - frauds, reached[self.above] - before, total)


class Curve(NamedTuple):
    """At each distinct score of a fraud, highest first: weight of frauds and of others scored so high or higher, and of those higher."""

    frauds: Floats
    frauds_above: Floats
    others: Floats
    others_above: Floats
    others_total: float


class Ranking(NamedTuple):
    """Measures that read only the order of the scores. None where frauds, or others, are missing."""

    auc: float | None
    average_precision: float | None
    recall: float | None


def ranking(curve: Curve, false_positive_rate: float) -> Ranking:
    """AUC: chance that a fraud scores above another payment, ties counting half. Average precision: mean precision over the frauds, by
    falling score. Recall: the largest of any threshold that is passed by at most ``false_positive_rate`` of the others."""
    frauds, others, total = curve.frauds, curve.others, curve.others_total
    if not len(frauds) or not frauds[-1] > 0:
        return Ranking(None, None, None)
    here = frauds - curve.frauds_above
    precision = np.divide(frauds, frauds + others, out=np.zeros_like(frauds), where=frauds > 0)
    average = float(np.sum(here * precision) / frauds[-1])
    if not total > 0:
        return Ranking(None, average, None)
    won = np.sum(here * (total - (others + curve.others_above) / 2))
    allowed = others <= false_positive_rate * total * (1 + 1e-12)  # the sums may differ in the last bit
    recall = float(frauds[allowed].max() / frauds[-1]) if allowed.any() else 0.0
    return Ranking(float(won / (frauds[-1] * total)), average, recall)


def log_losses(score: Floats, fraud: Bools) -> Floats:
    """-ln(probability given to what happened) of each example, probabilities cut at 1e-15."""
    return -np.log(np.maximum(np.where(fraud, score, 1.0 - score), PROBABILITY_MIN))


def base_log_loss(frauds: float, total: float) -> float | None:
    """Log loss an example of whoever says the base rate every time; None where only one verdict occurs."""
    if not 0 < frauds < total:
        return None
    rate = frauds / total
    return float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))


def margins(score: Floats) -> Floats:
    """Log-odds, probabilities cut at 1e-15 from both ends."""
    cut = np.clip(score, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
    return np.asarray(np.log(cut) - np.log1p(-cut), dtype=np.float64)


class Slope(NamedTuple):
    """The logistic regression of verdicts on log-odds: 0 and 1 where calibrated. A slope below 1: scores too extreme."""

    intercept: float
    slope: float


def calibration_slope(score: Floats, fraud: Bools, weight: Floats) -> Slope | None:
    """By Newton's method. None where it does not exist: one verdict only, one score only, or scores that part the verdicts."""
    z, y = margins(score), fraud.astype(np.float64)
    if not 0 < np.sum(weight * y) < np.sum(weight) or np.ptp(z) == 0:
        return None
    at = np.array([0.0, 1.0])
    for _ in range(NEWTON_STEPS):
        gradient, hessian = newton_parts(z, y, weight, at)
        total = hessian.sum(axis=0)
        if not np.isfinite(total).all() or np.linalg.cond(total) > 1e12:
            return None
        step = np.linalg.solve(total, gradient.sum(axis=0))
        at = at + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            return Slope(float(at[0]), float(at[1]))
    return None


def newton_parts(z: Floats, y: Floats, weight: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Gradient (n, 2) and information (n, 2, 2) of each example at (intercept, slope)."""
    p = 1.0 / (1.0 + np.exp(-np.clip(at[0] + at[1] * z, -700.0, 700.0)))
    columns = np.stack([np.ones_like(z), z], axis=1)
    gradient = (weight * (y - p))[:, None] * columns
    hessian = (weight * p * (1 - p))[:, None, None] * columns[:, :, None] * columns[:, None, :]
    return gradient, hessian


def fifths_of_frauds(score: Floats, fraud: Bools, weight: Floats) -> NDArray[np.int64]:
    """For each example the fifth (0 lowest) that its score falls in; the edges part the frauds, by weight, into fifths."""
    scores, weights = score[fraud], weight[fraud]
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    edges = [scores[order][np.searchsorted(reached, reached[-1] * k / FIFTHS)] for k in range(1, FIFTHS)] if len(scores) else []
    return np.searchsorted(np.array(edges), score, side="left").astype(np.int64)


def calibration_error(expected: Floats, observed: Floats) -> float | None:
    """Over the fifths: sum of |expected - observed| frauds, as a share of all frauds."""
    return float(np.abs(expected - observed).sum() / observed.sum()) if observed.sum() > 0 else None


def card_precisions(score: Floats, fraud: Bools, t_ms: Ints, block: Ints, top: int) -> Floats:
    """For each day (UTC): of the ``top`` cards with the highest score that day, the share with a fraud that day. Weights take no part."""
    days = t_ms // DAY_MS
    return np.array([_of_a_day(score[at], fraud[at], block[at], top) for at in _groups(days)])


def _groups(key: Ints) -> list[NDArray[np.int64]]:
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order])) + 1
    return list(np.split(order, starts)) if len(key) else []


def _of_a_day(score: Floats, fraud: Bools, block: Ints, top: int) -> float:
    cards, at = np.unique(block, return_inverse=True)
    highest, met = np.full(len(cards), -np.inf), np.zeros(len(cards), dtype=np.bool_)
    np.maximum.at(highest, at, score)
    np.logical_or.at(met, at, fraud)
    # of equal scores the card that came first in number: any rule will do, as long as it does not look at the verdict
    first = np.argsort(-highest, kind="stable")[:top]
    return float(met[first].mean())
