"""The product's own learner on the rows of a stream: scored by the version in force, learned when the verdict is known.

Rule 1: it is `risk.learning.Learner`, told what the stream would tell it, in the order in which the stream would.
Rule 2: a payment that the policy blocks gets no verdict, and is told to the learner as one that was not let through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.model.rows import Hits, Rows
from risk.engine import Engine
from risk.language import RuleSet
from risk.learning import Learner, Version

Array = np.ndarray[Any, Any]
Blocks = Callable[[Hits, float | None], bool]


def let_all_through(hits: Hits, score: float | None) -> bool:
    """A world in which every verdict is seen."""
    return False


def shipped_policy(ruleset: RuleSet) -> Blocks:
    """Whether the rule set's policy blocks a payment, given what its rules said and the model's score."""
    plans = Engine(ruleset).plans

    def blocks(hits: Hits, score: float | None) -> bool:
        weighing = plans[hits.event].weighing
        assert weighing is not None
        return weighing.rule_on(hits.fired, hits.unknown, score).action == "block"

    return blocks


def prequential(rows: Rows, ruleset: RuleSet, blocks: Blocks, tell: Callable[[int], None]) -> tuple[Array, Array, Learner]:
    """Scores of all rows (NaN before the first version), which rows get a verdict, and the learner as it is at the end."""
    assert ruleset.model is not None
    learner = Learner(ruleset.model)
    version: Version | None = None
    scores = np.full(len(rows.t_ms), np.nan)
    seen = [False] * len(rows.t_ms)
    known_ms, frauds = rows.known_ms.tolist(), rows.fraud.tolist()
    learned = 0
    for at, now in enumerate(rows.t_ms.tolist()):
        while known_ms[learned] <= now:
            if seen[learned]:
                verdict, kind = ("fraud", "chargeback") if frauds[learned] else ("legitimate", "review")
                learner.label(rows.ids[learned], verdict, kind, 1, known_ms[learned])
                if learner.due():
                    version = learner.publish() or version
            learned += 1
        x = [None if value != value else value for value in rows.x[at].tolist()]
        score = None if version is None else version.score(x)
        if score is not None:
            scores[at] = score
        seen[at] = not blocks(rows.hits[at], score)
        learner.offer(rows.ids[at], x, now, seen[at])
        if learner.due():
            version = learner.publish() or version
        if at % 1_000 == 0:
            tell(1_000)
    return scores, np.array(seen), learner
