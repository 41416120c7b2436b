"""How good the model was on what it had not learned yet: scores made before learning, with the verdicts that came.

Rule 1: exact over a bounded window of the newest examples; no estimate.
Rule 2: a verdict that changes changes its example in the window; its score stays the one made before anything was learned of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence


class Example:
    """One scored example. ``fraud`` may be corrected while it stands in the window."""

    __slots__ = ("fraud", "score")

    def __init__(self, score: float, fraud: bool) -> None:
        self.score = score
        self.fraud = fraud


class Window:
    """The newest ``size`` examples."""

    def __init__(self, size: int) -> None:
        self.examples: deque[Example] = deque(maxlen=size)

    def add(self, score: float, fraud: bool) -> Example:
        """Enter a score made before learning. Keep the answer to correct it later."""
        example = Example(score, fraud)
        self.examples.append(example)
        return example

    def measures(self) -> dict[str, float | int | None]:
        """``examples``, ``frauds``, ``auc``, ``average_precision``, ``log_loss``; None where one side is missing."""
        pairs = [(e.score, e.fraud) for e in self.examples]
        frauds = len([1 for _, fraud in pairs if fraud])
        both = 0 < frauds < len(pairs)
        return {
            "examples": len(pairs),
            "frauds": frauds,
            "auc": auc(pairs) if both else None,
            "average_precision": average_precision(pairs) if both else None,
            "log_loss": log_loss(pairs) if pairs else None,
        }


def _groups(pairs: Sequence[tuple[float, bool]]) -> list[tuple[int, int]]:
    """(frauds, others) of each distinct score, highest score first."""
    found: dict[float, list[int]] = {}
    for score, fraud in pairs:
        found.setdefault(score, [0, 0])[0 if fraud else 1] += 1
    return [(found[s][0], found[s][1]) for s in sorted(found, reverse=True)]


def auc(pairs: Sequence[tuple[float, bool]]) -> float:
    """Chance that a fraud scores above another payment, ties counting half. Both kinds must be there."""
    above, won, others_total = 0, 0.0, 0
    for frauds, others in _groups(pairs):
        won += others * (above + frauds / 2)
        above += frauds
        others_total += others
    return won / (above * others_total)


def average_precision(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean precision over the frauds, by falling score; equal scores are taken together. At least one fraud must be there."""
    found, seen, total = 0, 0, 0.0
    for frauds, others in _groups(pairs):
        found += frauds
        seen += frauds + others
        total += frauds * found / seen
    return total / found


def log_loss(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean of -ln(probability given to what happened), probabilities cut at 1e-15."""
    return -math.fsum(math.log(max(score if fraud else 1.0 - score, 1e-15)) for score, fraud in pairs) / len(pairs)
