"""The learner: River's weights, the same versions in any process, fit or refused."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, optim, preprocessing

from risk.declared import ModelDecl
from risk.learning import (
    Learner,
    ModelError,
    Version,
    apply,
    record,
)
from risk.learning.estimators import Logistic
from risk.learning.inputs import expansion_of
from tests.learning_streams import X, drawn, entries, model, told

# ------------------------------------------------------------------------------------------------------------------------- the same weights

UNCALIBRATED = 10_000_000
"""Lessons to a version: the calibration is fitted for versions only."""


def test_a_version_scores_what_river_scores() -> None:
    rng = random.Random(3)
    learner = told(Learner(model(publish_every=UNCALIBRATED)), entries(3, 1500))
    version, logistic = learner.version(), learner.contenders["logistic"].estimator
    assert isinstance(logistic, Logistic)
    for _ in range(1000):
        x = drawn(rng)
        expected = logistic.river.predict_proba_one(logistic.expand(x))[True]
        if any(value is not None for value in x):
            assert version.score(x) == pytest.approx(expected, rel=0, abs=1e-12)


def test_without_cut_and_missing_inputs_it_is_rivers_scaler_and_logistic_regression_and_nothing_else() -> None:
    rng = random.Random(4)
    plain = preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(0.02), l2=0.001)
    learner = Learner(model(rate=0.02, l2=0.001, clip=1000.0, publish_every=UNCALIBRATED))
    expand = expansion_of(learner.codings)
    for i in range(800):
        fraud = rng.random() < 0.3
        x = [value if value is not None else 1.0 for value in drawn(rng, fraud)]
        learner.offer(f"p{i}", x, i, False)
        learner.label(f"p{i}", "fraud" if fraud else "legitimate", "claim", 1, i)
        plain.learn_one(expand(x), fraud)
    version = learner.version()
    for _ in range(300):
        x = [value if value is not None else 1.0 for value in drawn(rng)]
        assert version.score(x) == pytest.approx(plain.predict_proba_one(expand(x))[True], rel=0, abs=1e-12)


def test_before_any_lesson_a_version_scores_one_half() -> None:
    assert Learner(model()).version().score(X) == 0.5


def test_the_learner_learns() -> None:
    learner = told(Learner(model()), [])
    rng = random.Random(9)
    for i in range(3000):
        fraud = rng.random() < 0.1
        learner.offer(f"p{i}", drawn(rng, fraud), i, True)
        learner.label(f"p{i}", "fraud" if fraud else "legitimate", "claim", 1, i)
    quality = learner.quality()
    assert quality["auc"] is not None and quality["auc"] > 0.84
    assert quality["examples"] == quality["lessons"] == 3000


def test_a_bucket_first_seen_late_does_not_run_away() -> None:
    learner = Learner(model())
    rng = random.Random(1)
    for i in range(4000):
        x = drawn(rng)
        x[2] = 3.0 if i == 3999 else 1.0
        learner.offer(f"p{i}", x, i, True)
        learner.label(f"p{i}", "fraud" if i in (3999, 77, 501) else "legitimate", "claim", 1, i)
    scored = learner.version().score([5.0, 1.0, 3.0, 12.0, 0.0, 0.5])
    assert scored is not None and scored < 0.1


# ------------------------------------------------------------------------------------------------------------------------------ determinism


def test_the_same_calls_give_the_same_version() -> None:
    assert told(Learner(model()), entries(7, 900)).version() == told(Learner(model()), entries(7, 900)).version()


SCRIPT = "from tests.learning_streams import *; print(told(Learner(model()), entries(11, 700)).version().hash)"


def test_the_same_calls_give_the_same_version_in_any_process() -> None:
    here = told(Learner(model()), entries(11, 700)).version().hash
    for seed in ("0", "1", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent.parent, env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.stdout.strip() == here


@given(st.lists(st.integers(1, 300), max_size=6))
def test_replaying_the_log_gives_the_same_learner_however_it_was_cut_into_records(cuts: list[int]) -> None:
    sequence = entries(2, 150)
    direct = told(Learner(model(publish_every=40, presume_after_days=1, mean_score_max=1)), sequence)
    replayed = Learner(model(publish_every=40, presume_after_days=1, mean_score_max=1))
    at, rest = 0, [*cuts, len(sequence)]
    for size in rest:
        apply(replayed, record(replayed.signature, sequence[at : at + size]))
        at += size
    assert replayed.version() == direct.version()
    assert replayed.quality() == direct.quality()
    assert replayed.publish() == direct.publish() is not None


# --------------------------------------------------------------------------------------------------------------------------------- versions


def test_a_version_is_due_at_every_nth_lesson_and_taken_once() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    due = []
    for i in range(5):
        learner.offer(f"p{i}", X, i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
        due.append(learner.due())
        assert (learner.publish() is not None) == due[-1]
    assert due == [False, True, False, True, False]
    assert learner.publish() is None


def test_a_version_made_at_the_nth_lesson_does_not_depend_on_when_it_is_taken() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    for i in range(3):
        learner.offer(f"p{i}", [float(i), 1.0, 2.0, 3.0, 0.0, 0.2], i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    taken = learner.publish()
    assert taken is not None and taken.arrays["learned"] == (2.0,)
    assert taken != learner.version()


def test_a_version_that_is_not_finite_is_not_published_and_says_so() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    for i, amount in enumerate((1e200, -1e200, 3.0, 4.0)):
        learner.offer(f"p{i}", [amount, 1.0, 2.0, 3.0, 0.0, 0.2], i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    assert not learner.due()
    assert learner.unfit is not None and "not finite" in learner.unfit
    assert learner.quality()["versions_refused"] == 2


def test_a_version_that_takes_most_payments_for_fraud_is_not_published_and_says_so() -> None:
    learner = Learner(model(publish_every=10))
    for i in range(10):
        learner.offer(f"p{i}", X, i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    assert not learner.due()
    assert learner.unfit is not None and "at most 0.1 expected" in learner.unfit


def test_a_learned_version_survives_its_bytes() -> None:
    version = told(Learner(model()), entries(5, 400)).version()
    again = Version.from_bytes(version.to_bytes())
    assert again == version and again.score(X) == version.score(X)


@pytest.mark.parametrize(("name", "value"), [("publish_evry", 5.0), ("rate", -1.0), ("pending", 0.0), ("clip", float("nan"))])
def test_a_setting_that_is_unknown_or_out_of_bounds_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ModelError, match=name):
        Learner(model(**{name: value}))


def test_a_fixed_model_does_not_learn() -> None:
    with pytest.raises(ModelError, match="does not learn"):
        Learner(ModelDecl("given", (), "fixed"))
