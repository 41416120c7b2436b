"""A new attack in the simulated world: how many of its frauds must be labelled, and how long it takes, until half of them are met.

Belongs here: the world in which nobody tries an attack before a day, and the count. An attack is met where a payment of it scores
above the threshold that one in a hundred of the honest payments of the week before passes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bench.model.rows import DAY_MS, Rows

ATTACK = "card_testing"
NEWEST = 20
"""Recall is over so many payments of the attack, the newest ones."""
FALSE_POSITIVE_RATE = 0.01
RECALL = 0.5


class Met(NamedTuple):
    """When recall reached one half: None where it never did. ``labelled``: frauds of the attack whose verdict had come by then."""

    payments: int
    labelled: int | None
    days: float | None
    recall_at_end: float


def met(rows: Rows, scores: np.ndarray[Any, Any], attack: str = ATTACK) -> Met:
    """``scores``: of all rows, made before their verdicts."""
    mine = np.array([each == attack for each in rows.attacks])
    at = np.flatnonzero(mine)
    score = np.nan_to_num(scores)
    above = [bool(score[i] > _threshold(rows, score, int(i))) for i in at]
    recall = [float(np.mean(above[max(0, n - NEWEST + 1) : n + 1])) for n in range(len(at))]
    for n in range(NEWEST - 1, len(at)):
        if recall[n] >= RECALL:
            now = rows.t_ms[at[n]]
            return Met(len(at), int((rows.known_ms[at] <= now).sum()), float(now - rows.t_ms[at[0]]) / DAY_MS, recall[-1])
    return Met(len(at), None, None, recall[-1] if recall else 0.0)


def _threshold(rows: Rows, score: np.ndarray[Any, Any], i: int) -> float:
    start = int(np.searchsorted(rows.t_ms[:i], rows.t_ms[i] - 7 * DAY_MS))
    honest = score[start:i][~rows.fraud[start:i]]
    return float(np.quantile(honest, 1 - FALSE_POSITIVE_RATE)) if len(honest) else 1.0
