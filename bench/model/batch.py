"""The batch model that online learning is held against: LightGBM, refit at each midnight on the verdicts known before it.

Rule 1: a payment is scored by the model of the midnight before it.
Rule 2: the setting is the one that was best for LightGBM when tried: without a floor under the weight of a leaf it is unstable at 1 % fraud
(average precision between .68 and .96 from one seed to the next); an opponent that is made weak proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bench.model.rows import CACHE, DAY_MS, Rows

Array = np.ndarray[Any, Any]
TREES, LEAVES, RATE = 150, 15, 0.1
SETTINGS = {
    "objective": "binary", "num_leaves": LEAVES, "learning_rate": RATE, "min_sum_hessian_in_leaf": 5.0,
    "num_threads": 1, "verbose": -1, "seed": 7, "deterministic": True, "force_col_wise": True,
}  # fmt: skip
AT_ONCE = 2
FRAUDS_MIN = 10
"""With fewer frauds known, nothing is fitted and the score is 0."""


def refit_daily(rows: Rows, days: int | None, seen: Array, tell: Callable[[], None]) -> Array:
    """Scores of the last 30 %. ``days``: learn from verdicts that came within so many days (None: all); ``seen``: rows that get one."""
    first = rows.split()
    path = CACHE / f"lightgbm-{_key(rows, days, seen)}.npy"
    if path.exists():
        kept: Array = np.load(path)
        return kept
    midnights = range(int(rows.t_ms[first]) // DAY_MS * DAY_MS, int(rows.t_ms[-1]) + 1, DAY_MS)
    scores = np.zeros(len(rows.t_ms) - first)

    def one(midnight: int) -> None:
        known = seen & (rows.known_ms < midnight)
        if days is not None:
            known &= rows.known_ms >= midnight - days * DAY_MS
        scored = np.flatnonzero((rows.t_ms >= midnight) & (rows.t_ms < midnight + DAY_MS) & (np.arange(len(rows.t_ms)) >= first))
        if len(scored) and rows.fraud[known].sum() >= FRAUDS_MIN:
            scores[scored - first] = _fitted(rows, known).predict(rows.x[scored], num_threads=1)
        tell()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, midnights))
    CACHE.mkdir(parents=True, exist_ok=True)
    np.save(path, scores)
    return scores


def midnights(rows: Rows) -> int:
    """How many refits there are."""
    first = int(rows.t_ms[rows.split()]) // DAY_MS
    return int(rows.t_ms[-1]) // DAY_MS - first + 1


def _fitted(rows: Rows, known: Array) -> Any:
    import lightgbm

    categories = [i for i, coding in enumerate(rows.codings) if coding.encoding == "category"]
    data = lightgbm.Dataset(rows.x[known], rows.fraud[known], categorical_feature=categories, params={"verbose": -1})
    return lightgbm.train(dict(SETTINGS), data, TREES)


def _key(rows: Rows, days: int | None, seen: Array) -> str:
    import lightgbm

    found = hashlib.sha256(repr((lightgbm.__version__, sorted(SETTINGS.items()), TREES, days)).encode())
    for part in (np.ascontiguousarray(rows.x), rows.t_ms, rows.fraud, seen):
        found.update(part.tobytes())
    return found.hexdigest()[:16]
