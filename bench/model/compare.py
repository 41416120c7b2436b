"""Three models on one stream: the online one, the batch one, the plain one, each with its evidence, and the differences.

Belongs here: running them over the same rows and measuring all three alike. Never: words for the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.model import batch, plain
from bench.model.online import Blocks, let_all_through, prequential
from bench.model.rows import Rows
from risk.language import RuleSet
from risk.learning import Learner
from risk.learning.evaluation import Evidence, Examples, Figure, difference, evidence

Array = np.ndarray[Any, Any]
Tells = Callable[[str, int | None], Callable[[int], None]]
"""Starts a line of progress: its name and total; the answer is called with what was done since."""
REFITS: Mapping[str, int | None] = {"30 days": 30, "all": None}
SEED = 7


@dataclass(frozen=True)
class Compared:
    """Evidence by model name, and the difference in average precision of `online` to each other one."""

    evidence: Mapping[str, Evidence]
    over: Mapping[str, Figure]
    refit: str
    """On what the better LightGBM learned."""
    rate: float
    """Learning rate chosen for the plain model."""
    hidden: int
    """Payments whose verdict nobody saw."""
    hidden_frauds: int
    unscored: int
    learner: Learner

    def ap(self, name: str) -> float:
        """Average precision."""
        return self.evidence[name].figures["average_precision"].value or 0.0


def compare(
    rows: Rows, ruleset: RuleSet, tells: Tells, blocks: Blocks = let_all_through, refits: Mapping[str, int | None] = REFITS
) -> Compared:
    """``blocks``: what hides verdicts, in all three alike: what the online model's decisions blocked. Scored on the last 30 %."""
    n, first = len(rows.ids), rows.split()
    online, seen, learner = prequential(rows, ruleset, blocks, tells("online", n))
    tell = tells("lightgbm", len(refits) * batch.midnights(rows))
    refitted = {name: batch.refit_daily(rows, days, seen, lambda: tell(1)) for name, days in refits.items()}
    plainly, rate = plain.prequential(rows, seen, tells("logistic", len(plain.RATES) * first + n - first))
    measured = {name: examples(rows, scores) for name, scores in refitted.items()}
    refit = max(measured, key=lambda name: plain.ap(measured[name].score, measured[name].fraud))
    scored = {"online": examples(rows, online[first:]), "lightgbm": measured[refit], "logistic": examples(rows, plainly)}
    tell = tells("intervals", len(scored))
    found = {}
    for name, each in scored.items():
        found[name] = evidence(each, SEED)
        tell(1)
    over = {name: difference(scored["online"], each.score, SEED) for name, each in scored.items() if name != "online"}
    unscored = int(np.isnan(online[first:]).sum())
    return Compared(found, over, refit, rate, int((~seen).sum()), int((rows.fraud & ~seen).sum()), unscored, learner)


def examples(rows: Rows, scores: Array) -> Examples:
    """The last 30 % with these scores; a payment without a score counts as 0, so that nobody gains by not scoring."""
    at = slice(rows.split(), None)
    return Examples.of(np.nan_to_num(scores), rows.fraud[at], rows.t_ms[at], rows.known_ms[at], rows.block[at].astype(np.int64))
