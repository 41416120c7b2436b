"""The additive logit behind River's interface: names come and go, and each is a curve.

Rule 1: it keeps River's contract (``river.checks``): predicting is pure, inputs may come and go, and it pickles.
Never here: how it learns (``additive``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from river import base

from risk.learning.additive import Additive, Part, Tuning

NAMES_MAX = 4_096
"""Names beyond these are not learned: memory stays bounded."""
CURVE = Part("curve")


class AdditiveLogit(base.Classifier):
    """Bins refitted on a schedule with AdaGrad, and with ``linear`` a straight line beside them.

    Parameters
    ----------
    step
        Step size of the bins.
    line_step
        Step size of the straight lines.
    bins
        Bins of one input, at most.
    refit_every
        Lessons after which edges are fitted anew; more often at first.
    clip
        Deviations at which the straight line is cut.
    linear
        Whether there is a straight line: without, it is the binned logit.

    """

    def __init__(
        self, step: float = 0.3, line_step: float = 0.02, bins: int = 32, refit_every: int = 20_000, clip: float = 5.0, linear: bool = True
    ) -> None:
        self.step = step
        self.line_step = line_step
        self.bins = bins
        self.refit_every = refit_every
        self.clip = clip
        self.linear = linear
        self.names: dict[Any, int] = {}
        self.additive = Additive((), (), Tuning(step, line_step, bins, refit_every=refit_every, clip=clip, linear=linear))

    def predict_proba_one(self, x: Mapping[Any, Any], **kwargs: Any) -> dict[Any, float]:
        """Probabilities of False and True. What is no finite number is missing."""
        z = max(-700.0, min(700.0, self.additive.margin(self._row(x))))
        fraud = 1.0 / (1.0 + math.exp(-z))
        return {False: 1.0 - fraud, True: fraud}

    def learn_one(self, x: Mapping[Any, Any], y: Any, w: float = 1.0, **kwargs: Any) -> None:
        """One example. ``w``: how many it stands for."""
        new = sorted((name for name in x if name not in self.names), key=str)[: NAMES_MAX - len(self.names)]
        if new:
            self.names |= {name: len(self.names) + i for i, name in enumerate(new)}
            self.additive.extend([CURVE] * len(new))
        self.additive.learn(self._row(x), bool(y), w)

    def _row(self, x: Mapping[Any, Any]) -> list[float | None]:
        return [_number(x.get(name)) for name in self.names]


def _number(value: Any) -> float | None:
    if not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
