"""Whether a version may score: finite, within its range, and not below the baseline.

Rule 1: a version that fails is not published, and the answer says why, in words and in figures.
Rule 2: quality is compared on the same payments, by scores made before anything was learned of them.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from risk.learning.version import Version, VersionError

NEWEST = 200
"""Payments that a new version is tried on before it is published."""
FRAUDS_MIN = 30
"""Frauds in the window before quality is compared: with fewer it is luck."""
COMPARE_EVERY = 1_000
"""Lessons between two comparisons: they sort the whole window."""

NOT_FINITE, SCORE_RANGE, BELOW_BASELINE = "not_finite", "score_range", "below_baseline"


class Check(NamedTuple):
    """What became of a candidate. ``reason``: None where it is fit; ``version``: its hash, None where none could be made."""

    version: str | None
    reason: str | None
    detail: str
    figures: Mapping[str, float]


class Trial:
    """The newest verdicts, with what champion and baseline had said of their payments."""

    def __init__(self, size: int) -> None:
        self._held: deque[Any] = deque(maxlen=size)
        self._lessons = 0
        self._compared = -COMPARE_EVERY
        self._pair = ("", "")
        self._precisions: tuple[float, float] | None = None

    def add(self, held: Any) -> None:
        """A payment that was just learned for the first time (``labels.Held``)."""
        self._held.append(held)
        self._lessons += 1

    def precisions(self, names: Sequence[str], champion: str, baseline: str) -> tuple[float, float] | None:
        """Average precision of both; None with too few frauds. At most ``COMPARE_EVERY`` lessons old."""
        if self._lessons - self._compared >= COMPARE_EVERY or self._pair != (champion, baseline):
            self._compared, self._pair = self._lessons, (champion, baseline)
            frauds = np.fromiter((held.taught for held in self._held), dtype=bool, count=len(self._held))
            self._precisions = None
            if FRAUDS_MIN <= int(frauds.sum()) < len(frauds):
                a, b = (self._precision(names.index(name), frauds) for name in (champion, baseline))
                self._precisions = a, b
        return self._precisions

    def _precision(self, place: int, frauds: npt.NDArray[np.bool_]) -> float:
        scores = np.fromiter((held.example.of(place).score for held in self._held), dtype=float, count=len(self._held))
        return average_precision_of(scores, frauds)


def average_precision_of(scores: npt.NDArray[np.float64], frauds: npt.NDArray[np.bool_]) -> float:
    """As ``quality.average_precision``, over arrays."""
    _, place = np.unique(-scores, return_inverse=True)
    found, seen = np.cumsum(np.bincount(place, weights=frauds)).tolist(), np.cumsum(np.bincount(place)).tolist()
    hits = np.bincount(place, weights=frauds).tolist()
    return math.fsum(hit * f / s for hit, f, s in zip(hits, found, seen, strict=True)) / float(found[-1])


def checked(
    candidate: Version | VersionError, newest: Iterable[Any], mean_max: float, precisions: tuple[float, float] | None, margin: float
) -> Check:
    """``newest``: payments to try it on (``labels.Held``); ``precisions``: of champion and baseline; ``margin``: how much less is allowed.

    Labels come for frauds first: until payments are presumed legitimate, a model that learns from nothing else takes most for fraud.
    """
    if isinstance(candidate, VersionError):
        return Check(None, NOT_FINITE, str(candidate), {})
    scores = [s for s in (candidate.score(held.inputs()) for held in itertools.islice(newest, NEWEST)) if s is not None]
    mean = math.fsum(scores) / len(scores) if scores else 0.0
    figures = {"mean_score": mean}
    if any(not 0.0 <= s <= 1.0 for s in scores):
        return Check(candidate.hash, SCORE_RANGE, "a score outside 0 to 1", figures)
    if mean > mean_max:
        told = f"the newest {len(scores)} payments score {mean:.3f} on average; at most {mean_max:g} expected"
        return Check(candidate.hash, SCORE_RANGE, told, figures)
    if precisions is not None:
        ours, baseline = precisions
        figures |= {"average_precision": ours, "baseline_average_precision": baseline}
        if ours < baseline - margin:
            told = f"average precision {ours:.3f}; the plain logistic has {baseline:.3f} on the same payments, {margin:g} less is allowed"
            return Check(candidate.hash, BELOW_BASELINE, told, figures)
    return Check(candidate.hash, None, "fit", figures)
