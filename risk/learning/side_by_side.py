"""Versions of the model beside one another, on the same payments: scored as they were decided, judged by the labels that came later.

Rule 1: prequential: a payment counts only if it was decided after every compared version was published, so none has learned from it.
Rule 2: the same payments for all, so that the interval is of the *difference*: payments are drawn again, not scores.
Rule 3: no clock, no chance but of the seed. Nothing here decides which version is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from risk.declared import ModelDecl
from risk.learning.inputs import ModelError, codings_of, signature_of
from risk.learning.labels import DAY_MS, Label, Ledger, Lesson
from risk.learning.learner import Learner, settings_of
from risk.learning.order import Ordered
from risk.learning.version import Version

Floats = npt.NDArray[np.float64]
RESULTS_MAX = 200_000
"""Judged payments that are kept; the oldest go first."""
DRAWS = 200
MEASURES = ("auc", "average_precision", "recall_at_1pct", "precision_at_100", "log_loss", "calibration_error")
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error"})
MATURITIES_DAYS = (0, 7, 30)


class Judged(NamedTuple):
    """A payment whose verdict is known, or presumed."""

    scores: tuple[float, ...]
    fraud: bool
    presumed: bool
    decided_ms: int


class SideBySide:
    """Told the learn log from its beginning, with the broker's time of each record."""

    def __init__(self, model: ModelDecl, versions: Sequence[Version], since_ms: int) -> None:
        """``since_ms``: the broker's time at which the youngest of the versions was published."""
        settings = settings_of(model)
        presume = round(settings["presume_after_days"] * DAY_MS)
        # The same ledger as the learner's; what is kept of a payment are its scores.
        self.ledger = Ledger(model.trains_on, int(settings["pending"]), int(settings["waiting"]), presume or None)
        self.signature = signature_of(model)
        self.codings = codings_of(model)
        self.versions = tuple(versions)
        self.judged: dict[str, Judged] = {}
        self.decided = 0
        self._since_ms = since_ms
        self._appended_ms = 0
        self._ordered = Ordered(self)

    def take(self, raw: bytes, appended_ms: int) -> None:
        """One record of the log. Raises BadRecord."""
        self._appended_ms = appended_ms
        for _ in self._ordered.take(raw):
            pass

    @property
    def newest_ms(self) -> int:
        """How late it is in the stream."""
        return self.ledger.now_ms

    # ------------------------------------------------------------------ what an ordered log tells

    def offer(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, propensity: float = 1.0, horizon: int = 0
    ) -> None:
        """Scored by all, or by none: a payment that one cannot score says nothing of the others."""
        if self._appended_ms > self._since_ms:
            self.decided += 1
            scores = [version.score(x) for version in self.versions]
            if None not in scores:
                self._judge(self.ledger.offer(payment_id, scores, decided_ms, let_through, propensity, horizon))

    def settle(self, payment_id: str, let_through: bool) -> None:
        self.ledger.settle(payment_id, let_through)

    def label(self, payment_id: str, verdict: str, kind: str, version: int, known_ms: int) -> None:
        self._judge(self.ledger.label(Label(payment_id, verdict, kind, version, known_ms)))

    def advance(self, now_ms: int, at_most: int | None = None) -> bool:
        self._judge(self.ledger.advance(now_ms, at_most))
        return self.ledger.behind

    def _judge(self, lessons: Sequence[Lesson]) -> None:
        for lesson in lessons:
            held = lesson.payment
            self.judged[held.payment_id] = Judged(tuple(held.x), lesson.fraud, lesson.presumed, held.decided_ms)
            if len(self.judged) > RESULTS_MAX:
                del self.judged[next(iter(self.judged))]

    # ------------------------------------------------------------------ evidence

    def evidence(self, *, presumed: bool = True, at_least_days: int = 0, seed: int = 0) -> dict[str, Any]:
        """See ``evidence_of``; ``presumed``: whether payments count that are taken for legitimate because nothing was heard of them."""
        return evidence_of(self.judged.values(), self.newest_ms, presumed, at_least_days, seed)


class Contest(Learner):
    """The learner with two of its contenders beside one another: each scored a payment when it was offered, and learned of it later."""

    def __init__(self, model: ModelDecl, first: str, second: str) -> None:
        """Raises ModelError for a name that is no contender."""
        super().__init__(model)
        names = list(self.contenders)
        for name in (first, second):
            if name not in names:
                raise ModelError(f"{name!r} does not learn under these rule files; there are {', '.join(names)}")
        self._places = (names.index(first), names.index(second))
        self.judged: dict[str, Judged] = {}

    def _learn(self, lessons: Sequence[Lesson]) -> None:
        super()._learn(lessons)
        for lesson in lessons:
            held = lesson.payment
            scores = tuple(held.example.of(place).score for place in self._places)
            self.judged[held.payment_id] = Judged(scores, lesson.fraud, lesson.presumed, held.decided_ms)
            if len(self.judged) > RESULTS_MAX:
                del self.judged[next(iter(self.judged))]

    def evidence_of_both(self, *, presumed: bool = True, at_least_days: int = 0) -> dict[str, Any]:
        """See ``evidence_of``."""
        return evidence_of(self.judged.values(), self.ledger.now_ms, presumed, at_least_days)


def evidence_of(judged: Iterable[Judged], newest_ms: int, presumed: bool, at_least_days: int, seed: int = 0) -> dict[str, Any]:
    """Each measure of each that scored, with its interval, and of the difference of the first two; of payments at least so old."""
    edge = newest_ms - at_least_days * DAY_MS
    rows = [row for row in judged if (presumed or not row.presumed) and row.decided_ms <= edge]
    fraud = np.array([row.fraud for row in rows], dtype=np.float64)
    day = np.array([row.decided_ms // DAY_MS for row in rows], dtype=np.int64)
    scores = [np.array([row.scores[i] for row in rows], dtype=np.float64) for i in range(len(rows[0].scores) if rows else 0)]
    found: dict[str, Any] = {"payments": len(rows), "frauds": int(fraud.sum()), "measures": {}}
    if not 0 < fraud.sum() < len(rows):
        return found
    draws = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(rows))).astype(np.uint8)
    ranked = [Ranked(each, fraud, day) for each in scores]
    whole = np.ones(len(rows))
    for name in MEASURES:
        of_each = [each.measure(name, whole) for each in ranked]
        drawn = [np.array([each.measure(name, weights.astype(np.float64)) for weights in draws]) for each in ranked]
        told: dict[str, Any] = {"values": of_each, "intervals": [interval(each) for each in drawn]}
        if len(ranked) > 1:
            told["difference"], told["difference_interval"] = of_each[0] - of_each[1], interval(drawn[0] - drawn[1])
        found["measures"][name] = told
    return found


def interval(drawn: Floats) -> tuple[float, float]:
    """Between which 95 % of the draws lie."""
    low, high = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return float(low), float(high)


class Ranked:
    """Payments by falling score, made ready to be weighed again and again."""

    def __init__(self, scores: Floats, fraud: Floats, day: npt.NDArray[np.int64]) -> None:
        self.order = np.argsort(-scores, kind="stable")
        self.scores, self.fraud, day = scores[self.order], fraud[self.order], day[self.order]
        self.first = np.flatnonzero(np.r_[True, self.scores[1:] != self.scores[:-1]])  # equal scores are taken together
        self.days = [np.flatnonzero(day == each) for each in np.unique(day)]
        self.bins = np.array_split(np.arange(len(scores)), min(10, len(scores)))

    def measure(self, name: str, weights: Floats) -> float:
        """One measure, each payment counted so many times; NaN where it has no meaning."""
        w = weights[self.order]
        bad, good = w * self.fraud, w * (1.0 - self.fraud)
        if bad.sum() == 0 or good.sum() == 0:
            return float("nan")
        if name == "precision_at_100":
            return self._precision_of_days(w, bad)
        if name == "log_loss":
            p = np.clip(self.scores, 1e-15, 1 - 1e-15)
            return float(-(bad * np.log(p) + good * np.log(1 - p)).sum() / w.sum())
        if name == "calibration_error":
            return float(sum_of(abs((bad[b] - w[b] * self.scores[b]).sum()) for b in self.bins) / w.sum())
        bads, goods = np.add.reduceat(bad, self.first), np.add.reduceat(good, self.first)
        found, passed = np.cumsum(bads), np.cumsum(goods)
        if name == "auc":
            return float((goods * (found - bads / 2)).sum() / (found[-1] * passed[-1]))
        if name == "average_precision":
            return float((bads * found / np.maximum(found + passed, 1e-12)).sum() / found[-1])
        allowed = np.flatnonzero(passed <= 0.01 * passed[-1])
        return float(found[allowed[-1]] / found[-1]) if len(allowed) else 0.0

    def _precision_of_days(self, w: Floats, bad: Floats) -> float:
        """The share of frauds among the hundred payments of a day that score highest, over all days."""
        caught = seen = 0.0
        for day in self.days:
            top = day[np.cumsum(w[day]) <= 100]
            caught, seen = caught + float(bad[top].sum()), seen + float(w[top].sum())
        return caught / seen if seen else float("nan")


def sum_of(parts: Any) -> float:
    """From left to right."""
    total = 0.0
    for part in parts:
        total += float(part)
    return total


def verdict_of(evidence: Mapping[str, Any], measure: str = "average_precision") -> str:
    """In words: is the first version better than the second by this measure? `better`, `worse`, `no difference shown` or `too few`."""
    told = evidence["measures"].get(measure)
    if told is None or "difference_interval" not in told or evidence["frauds"] < FRAUDS_MIN:
        return "too few"
    low, high = told["difference_interval"]
    if measure in LOWER_IS_BETTER:
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else "no difference shown"


FRAUDS_MIN = 20
"""With fewer labelled frauds an interval is no evidence."""
