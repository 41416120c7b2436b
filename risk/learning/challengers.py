"""Learners that compete and never decide: River's forests and bagged trees. They have no form that could be a version.

Rule 1: they learn a share of the negatives, by a hash of the payment id: unsampled, single Hoeffding trees do not split at all where
frauds are rare, and raise no error. What the sampling does to the odds is undone by whoever asks for the margin.
Rule 2: nothing of them is ever pickled to a topic: unpickling runs code, and their pickles differ from process to process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from river import base, ensemble, forest, tree

from risk.learning.additive_terms import Arrays
from risk.learning.inputs import Coding, labels_of
from risk.learning.sampling import kept

MODELS = 10
P_MIN = 1e-6
"""A vote of no tree at all is taken for this."""


class UnderSampled(base.Wrapper[base.Classifier], base.Classifier):
    """Learns all frauds, and of the rest those whose hash is below a share.

    Parameters
    ----------
    model
        What learns.
    share
        Of the negatives that are learned.
    seed
        Of the hash.

    """

    def __init__(self, model: base.Classifier, share: float = 0.1, seed: int = 0) -> None:
        self.model = model
        self.share = share
        self.seed = seed

    @property
    def _wrapped_model(self) -> base.Classifier:
        return self.model

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"model": tree.HoeffdingTreeClassifier()}

    def _unit_test_skips(self) -> set[str]:
        skips: set[str] = self.model._unit_test_skips()
        return skips

    @property
    def _multiclass(self) -> bool:
        return False

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Any, float]:
        """Probabilities of False and True, as learned from the sample."""
        votes = self.model.predict_proba_one(x, **kwargs)
        total = votes.get(False, 0.0) + votes.get(True, 0.0)
        fraud = votes.get(True, 0.0) / total if total > 0.0 else 0.5
        return {False: 1.0 - fraud, True: fraud}

    def learn_one(self, x: dict[Any, Any], y: Any, payment_id: str | None = None, **kwargs: Any) -> None:
        """One example, if it is kept. Without ``payment_id`` the hash is that of the inputs."""
        name = payment_id if payment_id is not None else repr(sorted(x.items(), key=lambda item: str(item[0])))
        if y or kept(self.seed, name, self.share):
            self.model.learn_one(x, bool(y), **kwargs)


def forest_of(seed: int, trees: int = MODELS) -> base.Classifier:
    """An adaptive random forest."""
    return forest.ARFClassifier(n_models=trees, seed=seed)


def bagging_of(seed: int, trees: int = MODELS) -> base.Classifier:
    """Leveraging bagging of Hoeffding trees."""
    return ensemble.LeveragingBaggingClassifier(tree.HoeffdingTreeClassifier(), n_models=trees, seed=seed)


class Trees:
    """A River classifier over ``x``; see ``estimators.Estimator``. Who calls has sampled already."""

    def __init__(self, model: base.Classifier, codings: Sequence[Coding]) -> None:
        self._model = model
        self._codings = tuple(zip(labels_of(codings), (coding.encoding == "category" for coding in codings), strict=True))

    def margin(self, x: Sequence[float | None]) -> float:
        """Log-odds, as learned."""
        fraud = self._model.predict_proba_one(self._named(x)).get(True, 0.0)
        fraud = max(P_MIN, min(1.0 - P_MIN, fraud))
        return math.log(fraud / (1.0 - fraud))

    def learn(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """One step, ``weight`` is not asked: bagging draws its own."""
        self._model.learn_one(self._named(x), fraud)

    def correct(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """The same step: trees do not unlearn."""
        self.learn(x, fraud, weight)

    def arrays(self) -> Arrays | None:
        """None: trees have no such form."""
        return None

    def _named(self, x: Sequence[float | None]) -> dict[Any, Any]:
        pairs = zip(self._codings, x, strict=True)
        return {name: f"b{int(value)}" if category else value for (name, category), value in pairs if value is not None}
