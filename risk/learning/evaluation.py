"""Evidence: how good scores were that were made before their verdicts were known, with an interval for each figure.

Rule 1: a score enters as it was when the payment was decided. Nothing here scores, and nothing learns.
Rule 2: every figure has its interval: 2.5 to 97.5 % over resamples of whole cards (``block``): payments of one card hang together.
Rule 3: weights are 1 / propensity and are never cut here: a figure must be right on average, and its interval says what that costs.
Rule 4: verdicts of analysts are of payments that somebody chose to look at: they are measured apart (``apart``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from risk.learning.evaluation_measures import (
    FIFTHS,
    Bools,
    Floats,
    Ints,
    Ranked,
    Ranking,
    base_log_loss,
    calibration_error,
    calibration_slope,
    card_precisions,
    fifths_of_frauds,
    log_losses,
    margins,
    newton_parts,
    ranking,
)

RESAMPLES = 1_000
FALSE_POSITIVE_RATE = 0.01
CARDS_A_DAY = 100
REVIEW_WEIGHT_MAX = 20.0
MATURITIES_DAYS = (1, 7, 30, 45, 120)
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Examples:
    """Scored payments with their verdicts, one array entry each.

    ``score``: probability of fraud at the decision; ``fraud``: the newest verdict; ``t_ms``: when it occurred; ``known_ms``: when
    the verdict became known; ``block``: a number of the card or payer; ``weight``: 1 / propensity (1 for what was let through anyway);
    ``reviewed``: the verdict is an analyst's.
    """

    score: Floats
    fraud: Bools
    t_ms: Ints
    known_ms: Ints
    block: Ints
    weight: Floats
    reviewed: Bools

    @classmethod
    def of(cls, score: Floats, fraud: Bools, t_ms: Ints, known_ms: Ints, block: Ints) -> Examples:
        """Examples of equal weight, none an analyst's."""
        return cls(score, fraud, t_ms, known_ms, block, np.ones(len(score)), np.zeros(len(score), dtype=np.bool_))

    def where(self, chosen: NDArray[np.bool_]) -> Examples:
        """The chosen ones. Those without a score (NaN) are never chosen by ``scored``."""
        return Examples(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def scored(self) -> Examples:
        """Those that have a score."""
        return self.where(~np.isnan(self.score))

    def apart(self) -> tuple[Examples, Examples]:
        """Those that life judged, and those that analysts judged, the latter's weights cut at 20."""
        analysts = self.where(self.reviewed)
        return self.where(~self.reviewed), replace(analysts, weight=np.minimum(analysts.weight, REVIEW_WEIGHT_MAX))

    def at_maturity(self, days: float, now_ms: int) -> Examples:
        """Payments at least so many days old, each with what was known of it at that age: fraud if that was known by then."""
        age_ms = round(days * DAY_MS)
        old = self.where(self.t_ms + age_ms <= now_ms)
        return replace(old, fraud=old.fraud & (old.known_ms <= old.t_ms + age_ms))


class Figure(NamedTuple):
    """A figure and its interval; None where it does not exist."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Fifth(NamedTuple):
    """One fifth of the frauds by score: how many frauds the scores in it expected, over how many there were."""

    frauds: float
    expected_over_observed: Figure


@dataclass(frozen=True)
class Evidence:
    """All figures of one set of examples. ``effective``: how many examples of equal weight would say as much (Kish)."""

    examples: int
    frauds: int
    effective: float
    figures: Mapping[str, Figure]
    fifths: tuple[Fifth, ...]


FIGURES: Mapping[str, str] = {
    "auc": "chance that a fraud scores above another payment",
    "average_precision": "mean precision over the frauds, by falling score",
    "recall_at_fpr": "share of frauds above the threshold that 1 % of the others pass",
    "card_precision": "of the 100 cards with the highest score of a day, the share with a fraud that day (interval over days)",
    "log_loss": "mean of -ln(probability given to what happened)",
    "skill": "1 - log loss / log loss of the constant base rate",
    "calibration_slope": "slope of verdicts on log-odds: 1 where calibrated, below 1 where scores are too extreme",
    "calibration_error": "over fifths of the frauds, sum of |expected - observed|, as a share of all frauds",
}
"""What is measured, and what it means."""


def evidence(examples: Examples, seed: int = 0, resamples: int = RESAMPLES) -> Evidence:
    """All figures with intervals. Examples without a score are left out. ``seed`` chooses the resamples."""
    kept = examples.scored()
    draws = Draws(kept.block, seed, resamples)
    total = float(kept.weight.sum())
    effective = total**2 / float((kept.weight**2).sum()) if total else 0.0
    fifths, error = _fifths(kept, draws)
    figures = {**_ranking(kept, draws), "card_precision": _card_precision(kept, seed, resamples), **_loss(kept, draws)}
    figures |= {"calibration_slope": _slope(kept, draws), "calibration_error": error}
    return Evidence(len(kept.score), int(kept.fraud.sum()), effective, {name: figures[name] for name in FIGURES}, fifths)


def by_maturity(
    examples: Examples, now_ms: int, days: tuple[float, ...] = MATURITIES_DAYS, seed: int = 0, resamples: int = RESAMPLES
) -> dict[float, Evidence]:
    """Evidence by the age that labels are given to arrive; ages that no payment has reached are left out."""
    aged = {age: examples.at_maturity(age, now_ms).scored() for age in days}
    return {age: evidence(found, seed, resamples) for age, found in aged.items() if len(found.score)}


def difference(one: Examples, other_score: Floats, seed: int = 0, resamples: int = RESAMPLES) -> Figure:
    """Average precision of ``one`` minus that of other scores of the same payments, paired: both in each resample of cards.

    Raises ValueError for scores of another number of payments; where either has no score, the payment is left out.
    """
    if len(other_score) != len(one.score):
        raise ValueError(f"{len(other_score)} scores beside {len(one.score)}")
    both = ~(np.isnan(one.score) | np.isnan(other_score))
    kept = one.where(both)
    draws = Draws(kept.block, seed, resamples)
    value, resampled = zip(*(_rankings(score, kept, draws) for score in (kept.score, other_score[both])), strict=True)

    def apart(first: Ranking, second: Ranking) -> float | None:
        a, b = first.average_precision, second.average_precision
        return None if a is None or b is None else a - b

    return interval(apart(*value), [apart(first, second) for first, second in zip(*resampled, strict=True)])


class Draws:
    """Resamples of whole blocks, with replacement: how often each block was drawn."""

    def __init__(self, block: Ints, seed: int, resamples: int) -> None:
        self.blocks, self.at = np.unique(block, return_inverse=True)
        n = len(self.blocks)
        rng = np.random.default_rng(seed)
        self.often = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64) if n > 1 else np.zeros((0, n))

    def sums(self, parts: Floats) -> Floats:
        """For each resample, the sum of what examples contribute (first axis: examples)."""
        by_block = np.zeros((len(self.blocks), *parts.shape[1:]))
        np.add.at(by_block, self.at, parts)
        return np.tensordot(self.often, by_block, axes=1)


def interval(value: float | None, resampled: list[float | None]) -> Figure:
    """The figure with the 2.5 and 97.5 % points of its resamples."""
    there = [each for each in resampled if each is not None and np.isfinite(each)]
    if value is None or not there:
        return Figure(value)
    low, high = np.quantile(there, (0.025, 0.975))
    return Figure(value, float(low), float(high))


def _rankings(score: Floats, kept: Examples, draws: Draws) -> tuple[Ranking, list[Ranking]]:
    """The measures of the order, and those of each resample."""
    ranked = Ranked(score, kept.fraud)
    weight, at = kept.weight[ranked.order], draws.at[ranked.order]
    resampled = [ranking(ranked.curve(weight * often[at]), FALSE_POSITIVE_RATE) for often in draws.often]
    return ranking(ranked.curve(weight), FALSE_POSITIVE_RATE), resampled


def _ranking(kept: Examples, draws: Draws) -> dict[str, Figure]:
    value, resampled = _rankings(kept.score, kept, draws)
    names = ("auc", "average_precision", "recall_at_fpr")
    return {name: interval(value[i], [each[i] for each in resampled]) for i, name in enumerate(names)}


def _card_precision(kept: Examples, seed: int, resamples: int) -> Figure:
    days = card_precisions(kept.score, kept.fraud, kept.t_ms, kept.block, CARDS_A_DAY)
    if not len(days):
        return Figure(None)
    drawn = np.random.default_rng(seed).integers(0, len(days), size=(resamples, len(days)))
    return interval(float(days.mean()), list(days[drawn].mean(axis=1)) if len(days) > 1 else [])


def _loss(kept: Examples, draws: Draws) -> dict[str, Figure]:
    parts = np.stack([kept.weight * log_losses(kept.score, kept.fraud), kept.weight * kept.fraud, kept.weight], axis=1)

    def figures(sums: Floats) -> tuple[float | None, float | None]:
        loss, frauds, total = (float(each) for each in sums)
        base = base_log_loss(frauds, total)
        return loss / total if total else None, None if base is None else 1 - loss / total / base

    value, resampled = figures(parts.sum(axis=0)), [figures(sums) for sums in draws.sums(parts)]
    return {name: interval(value[i], [each[i] for each in resampled]) for i, name in enumerate(("log_loss", "skill"))}


def _slope(kept: Examples, draws: Draws) -> Figure:
    """The interval is that of one Newton step from the whole sample: exact to the first order, and a thousand times cheaper."""
    found = calibration_slope(kept.score, kept.fraud, kept.weight)
    if found is None:
        return Figure(None)
    gradient, hessian = newton_parts(margins(kept.score), kept.fraud.astype(np.float64), kept.weight, np.array(found))
    steps: list[float | None] = []
    for g, h in zip(draws.sums(gradient), draws.sums(hessian), strict=True):
        steps.append(found.slope + float(np.linalg.solve(h, g)[1]) if np.linalg.cond(h) < 1e12 else None)
    return interval(found.slope, steps)


def _fifths(kept: Examples, draws: Draws) -> tuple[tuple[Fifth, ...], Figure]:
    if not kept.fraud.any():
        return (), Figure(None)
    inside = fifths_of_frauds(kept.score, kept.fraud, kept.weight)[:, None] == np.arange(FIFTHS)
    parts = np.stack([inside * (kept.weight * kept.score)[:, None], inside * (kept.weight * kept.fraud)[:, None]], axis=1)
    expected, observed = parts.sum(axis=0)
    sums = draws.sums(parts)
    fifths = [
        Fifth(float(observed[k]), interval(_share(expected[k], observed[k]), [_share(each[0, k], each[1, k]) for each in sums]))
        for k in range(FIFTHS)
    ]
    return tuple(fifths), interval(calibration_error(expected, observed), [calibration_error(each[0], each[1]) for each in sums])


def _share(expected: float, observed: float) -> float | None:
    return float(expected / observed) if observed > 0 else None
