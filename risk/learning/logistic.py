"""The baseline learner: River's StandardScaler and LogisticRegression as one pipeline, with a cut between them.

Rule 1: this is the only file of the product that learns weights; all else asks it through ``predict_proba_one`` and ``learn_one``.
Rule 2: it keeps River's contract (``river.checks``): predicting is pure, inputs may come and go, and it pickles.

Why the cut: a bucket first seen after n payments stands sqrt(n) deviations from its mean. One step of gradient descent there would
make its weight so large that the next payment in that bucket scores 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from river import base, compose, linear_model, optim, preprocessing

from risk.learning.additive_terms import Arrays


class Cut(base.Transformer):
    """Limits standardised inputs to ``limit`` deviations either way.

    Parameters
    ----------
    limit
        Largest absolute value that passes.

    """

    def __init__(self, limit: float = 5.0) -> None:
        self.limit = limit

    def transform_one(self, x: dict[Any, float]) -> dict[Any, float]:
        """The same names, each value within the limit."""
        limit = self.limit
        return {name: limit if value > limit else -limit if value < -limit else value for name, value in x.items()}


class OnlineLogistic(base.Classifier):
    """StandardScaler, a cut, and LogisticRegression by stochastic gradient descent.

    Parameters
    ----------
    rate
        Learning rate of the weights.
    intercept_rate
        Learning rate of the intercept.
    l2
        Strength of the pull of weights towards 0.
    clip
        Deviations at which a standardised input is cut.

    """

    def __init__(self, rate: float = 0.01, intercept_rate: float = 0.01, l2: float = 0.0, clip: float = 5.0) -> None:
        self.rate = rate
        self.intercept_rate = intercept_rate
        self.l2 = l2
        self.clip = clip
        self.learned = 0
        self.pipeline = compose.Pipeline(
            preprocessing.StandardScaler(),
            Cut(clip),
            linear_model.LogisticRegression(optimizer=optim.SGD(rate), l2=l2, intercept_lr=intercept_rate),
        )

    def predict_proba_one(self, x: dict[Any, float], **kwargs: Any) -> dict[Any, float]:
        """Probabilities of False and True."""
        answer: dict[Any, float] = self.pipeline.predict_proba_one(x)
        return answer

    def learn_one(self, x: dict[Any, float], y: Any, **kwargs: Any) -> None:
        """One example: the scaler sees it, then the weights take a step, ``w`` times as long where it stands for so many."""
        w = kwargs.get("w", 1.0)
        if w == 1.0:
            self.pipeline.learn_one(x, bool(y))
        else:
            scaler, cut, weights = self.pipeline.steps.values()
            scaler.learn_one(x)
            weights.learn_one(cut.transform_one(scaler.transform_one(x)), bool(y), w=w)
        self.learned += 1

    def margin_one(self, x: dict[Any, float]) -> float:
        """Log-odds of True."""
        scaler, cut, weights = self.pipeline.steps.values()
        return float(weights._raw_dot_one(cut.transform_one(scaler.transform_one(x))))

    def correct_one(self, x: dict[Any, float], y: Any, w: float = 1.0) -> None:
        """A step towards another verdict on an example learned before: the scaler has seen it already."""
        scaler, cut, weights = self.pipeline.steps.values()
        weights.learn_one(cut.transform_one(scaler.transform_one(x)), bool(y), w=w)
        self.learned += 1

    def arrays(self, columns: Sequence[str]) -> Arrays:
        """All that it knows, as the named arrays of a version."""
        scaler, _, weights = self.pipeline.steps.values()
        learned = weights.weights
        return {
            "intercept": [float(weights.intercept)],
            "clip": [float(self.clip)],
            "learned": [float(self.learned)],
            "count": [float(scaler.counts.get(c, 0)) for c in columns],
            "mean": [float(scaler.means.get(c, 0.0)) for c in columns],
            "var": [float(scaler.vars.get(c, 0.0)) for c in columns],
            "weight": [float(learned.get(c, 0.0)) for c in columns],
        }
