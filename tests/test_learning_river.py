"""River's own list of checks is the contract of every learner: pure prediction, inputs that come and go, pickling, bounded memory."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator

import pytest
from river import base, checks

from risk.learning.challengers import UnderSampled, bagging_of, forest_of
from risk.learning.hybrid import AdditiveLogit
from risk.learning.logistic import OnlineLogistic

LEARNERS = {
    "hybrid": AdditiveLogit(),
    "binned": AdditiveLogit(linear=False),
    "logistic": OnlineLogistic(),
    "forest": UnderSampled(forest_of(1, trees=3), share=0.3),
    "bagging": UnderSampled(bagging_of(1, trees=2), share=0.3),
}
WANTED = (
    "predict_one_pure",
    "no_state_aliasing_with_input",
    "clone_is_independent",
    "emerging_features",
    "disappearing_features",
    "radically_disappearing_features",
    "shuffle_features_no_impact",
    "pickling",
    "bounded_memory_growth",
    "predict_proba_one_binary",
)


@pytest.fixture(scope="module", autouse=True)
def without_scikit_learn() -> Iterator[None]:
    """River's checks import it for data sets of other kinds of models; here it is not installed and not needed."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("sklearn") is None:
            patch.setitem(sys.modules, "sklearn", types.ModuleType("sklearn"))
            sys.modules["sklearn"].datasets = None  # type: ignore[attr-defined]
        yield


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_passes_rivers_checks(name: str) -> None:
    model: base.Classifier = LEARNERS[name]
    ran = []
    for check in checks.yield_checks(model):
        if check.__name__ not in model._unit_test_skips():
            check(model.clone())
            ran.append(check.__name__)
    # a forest draws the inputs of its trees by their order: River leaves that check out for its own
    left_out = {"check_shuffle_features_no_impact"} if name == "forest" else set()
    assert {f"check_{wanted}" for wanted in WANTED} - left_out <= set(ran)
