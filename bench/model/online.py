"""The product's own learner on the rows of a stream: scored by the version in force, learned when the verdict is known.

Rule 1: it is `risk.learning.Learner`, told what the stream would tell it, in the order in which the stream would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.model.rows import Rows
from risk.declared import ModelDecl
from risk.learning import Learner, Version

Array = np.ndarray[Any, Any]


def prequential(rows: Rows, model: ModelDecl, seen: Array, tell: Callable[[int], None]) -> tuple[Array, Learner]:
    """Scores of all rows (NaN before the first version), and the learner as it is at the end. ``seen``: rows that get a verdict."""
    learner = Learner(model)
    version: Version | None = None
    scores = np.full(len(rows.t_ms), np.nan)
    known_ms, frauds, seen_list = rows.known_ms.tolist(), rows.fraud.tolist(), seen.tolist()
    learned = 0
    for at, now in enumerate(rows.t_ms.tolist()):
        while known_ms[learned] <= now:
            if seen_list[learned]:
                fraud = frauds[learned]
                kind = "chargeback" if fraud else "review"
                learner.label(rows.ids[learned], "fraud" if fraud else "legitimate", kind, 1, known_ms[learned])
                if learner.due():
                    version = learner.publish() or version
            learned += 1
        x = [None if value != value else value for value in rows.x[at].tolist()]
        score = None if version is None else version.score(x)
        if score is not None:
            scores[at] = score
        learner.offer(rows.ids[at], x, now, bool(seen_list[at]))
        if learner.due():
            version = learner.publish() or version
        if at % 1_000 == 0:
            tell(1_000)
    return scores, learner
