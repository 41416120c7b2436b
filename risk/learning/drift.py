"""A learner that is watched: whether scores and inputs drift, how late labels come, and how many payments never get one.

Rule 1: watching changes nothing that is learned: the versions are those of the learner unwatched.
Rule 2: every score, but inputs only of one payment in ``EVERY``: each has two detectors, for its values and for its absence.
Never here: what is done about a drift.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from river.drift import ADWIN

from risk.declared import ModelDecl
from risk.learning.inputs import labels_of
from risk.learning.labels import Lesson
from risk.learning.learner import Learner

EVERY = 8
NEWEST = 1_000
"""Labels and lessons that delay and share are measured over."""
SCORE = "score"


def _detector() -> Any:
    return ADWIN()  # type: ignore[no-untyped-call]


class Watched(Learner):
    """A learner, and what happens to it."""

    def __init__(self, model: ModelDecl) -> None:
        super().__init__(model)
        self.inputs = labels_of(self.codings)
        self.drifts: Counter[str] = Counter(dict.fromkeys((SCORE, *self.inputs), 0))
        """How often each input, and the champion's score, were found to have changed."""
        self._score = _detector()
        self._values = [_detector() for _ in self.inputs]
        self._missing = [_detector() for _ in self.inputs]
        self._seen = 0
        self._delays: deque[int] = deque(maxlen=NEWEST)
        self._presumed: deque[bool] = deque(maxlen=NEWEST)

    def offer(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, propensity: float = 1.0, horizon: int = 0
    ) -> None:
        known = payment_id in self.ledger.held
        super().offer(payment_id, x, decided_ms, let_through, propensity, horizon)
        if known:
            return
        said = self.scores(payment_id)
        if said is not None:
            self._score.update(said[self.champion].score)
            self.drifts[SCORE] += self._score.drift_detected
        self._seen += 1
        if self._seen % EVERY == 0:
            for name, value, values, missing in zip(self.inputs, x, self._values, self._missing, strict=True):
                missing.update(1.0 if value is None else 0.0)
                changed = missing.drift_detected
                if value is not None:
                    values.update(value)
                    changed = changed or values.drift_detected
                self.drifts[name] += changed

    def label(self, payment_id: str, verdict: str, kind: str, version: int, known_ms: int) -> None:
        held = self.ledger.held.get(payment_id)
        before = held.version if held is not None else 0
        super().label(payment_id, verdict, kind, version, known_ms)
        if held is not None and held.version != before:
            self._delays.append(known_ms - held.decided_ms)

    def _learn(self, lessons: Sequence[Lesson]) -> None:
        super()._learn(lessons)
        self._presumed.extend(lesson.presumed for lesson in lessons)

    @property
    def label_delay_ms(self) -> int | None:
        """Half of the newest labels came later than this after their payments; None before the first."""
        return sorted(self._delays)[len(self._delays) // 2] if self._delays else None

    @property
    def unlabelled_share(self) -> float | None:
        """The share of the newest lessons that nobody's label taught: presumed legitimate; None before the first."""
        return sum(self._presumed) / len(self._presumed) if self._presumed else None
