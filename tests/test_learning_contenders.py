"""Champion, baseline and challengers on one log; sampling and calibration of what they say; what keeps a version from deciding."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from risk.declared import ModelDecl
from risk.learning import Learner, ModelError, Version
from risk.learning.calibration import Calibrator
from risk.learning.checks import FRAUDS_MIN, average_precision_of, np
from risk.learning.contender import Contender
from risk.learning.quality import average_precision
from risk.learning.registry import ACT_KEY, Act, Registry
from risk.learning.sampling import kept
from tests.learning_streams import X, drawn, entries, hybrid, model, told


def taught(declared: ModelDecl, n: int, fraud_share: float = 0.05, seed: int = 1) -> Learner:
    """Payments one after the other, each labelled ten payments later."""
    rng = random.Random(seed)
    learner = Learner(declared)
    frauds = [rng.random() < fraud_share for _ in range(n)]
    for i, fraud in enumerate(frauds):
        learner.offer(f"p{i}", drawn(rng, fraud), i, True)
        if i >= 10:
            learner.label(f"p{i - 10}", "fraud" if frauds[i - 10] else "legitimate", "claim", 1, i)
    return learner


# --------------------------------------------------------------------------------------------------------------------------------- sampling


def test_whether_a_negative_is_kept_follows_from_its_id_and_is_the_asked_share() -> None:
    ids = [f"pay_{i}" for i in range(4000)]
    share = [kept(3, each, 0.25) for each in ids]
    assert share == [kept(3, each, 0.25) for each in ids]
    assert abs(sum(share) / len(ids) - 0.25) < 0.02
    assert all(kept(3, each, 0.5) for each, small in zip(ids, share, strict=True) if small), "a larger share keeps what a smaller one keeps"
    assert share != [kept(4, each, 0.25) for each in ids]
    assert all(kept(0, each, 1.0) for each in ids)


@pytest.mark.parametrize("keep", [1.0, 0.2])
def test_the_sampling_is_taken_back_from_the_score_before_any_calibration(keep: float) -> None:
    learner = taught(hybrid(keep=keep, publish_every=10**7, window=2000), 4000)
    scores = [e.score for e in learner.window.examples]
    assert learner.contenders["hybrid"].calibrator.slope == 1.0
    assert math.fsum(scores) / len(scores) == pytest.approx(0.05, rel=0.25)


def test_a_sampled_learner_learns_all_frauds_and_few_of_the_others() -> None:
    learner = taught(hybrid(keep=0.1), 2000)
    learned = learner.version().arrays["learned"][0]
    frauds = learner.quality()["labels_fraud"]
    assert frauds is not None and frauds < learned < frauds + 0.15 * 2000
    assert learner.contenders["logistic"].version().arrays["learned"] == (1990.0,)  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------------------------------------ calibration


def test_a_distorted_margin_is_straightened() -> None:
    rng = random.Random(2)
    calibrator = Calibrator(1_000_000)
    for _ in range(20_000):
        truth = rng.gauss(-3.0, 1.5)
        calibrator.add(2.0 * truth + 1.0, rng.random() < 1.0 / (1.0 + math.exp(-truth)))
    calibrator.fit()
    assert calibrator.slope == pytest.approx(0.5, abs=0.05)
    assert calibrator.apply(2.0 * -3.0 + 1.0) == pytest.approx(1.0 / (1.0 + math.exp(3.0)), rel=0.1)


def test_a_weight_counts_as_so_many_payments() -> None:
    one, many = Calibrator(10**8), Calibrator(10**8)
    rng = random.Random(3)
    for _ in range(2000):
        margin, fraud = rng.gauss(-1.0, 2.0), rng.random() < 0.2
        one.add(margin, fraud, 3.0)
        for _ in range(3):
            many.add(margin, fraud)
    one.fit()
    many.fit()
    assert (one.slope, one.offset) == pytest.approx((many.slope, many.offset))


def test_the_order_is_never_turned_and_too_few_verdicts_change_nothing() -> None:
    calibrator = Calibrator(1000)
    for i in range(500):
        calibrator.add(float(i % 9) - 4.0, i % 9 < 4)  # high margins are legitimate
    calibrator.fit()
    assert calibrator.slope > 0.0
    few = Calibrator(1000)
    for i in range(20):
        few.add(3.0, i % 2 == 0)
    few.fit()
    assert (few.slope, few.offset) == (1.0, 0.0)


def test_a_verdict_that_changes_changes_the_calibration() -> None:
    corrected, right = Calibrator(10**8), Calibrator(10**8)
    for i in range(400):
        corrected.add(float(i % 7) - 3.0, fraud=False)
        if i % 3 == 0:
            corrected.correct(float(i % 7) - 3.0, fraud=True)
        right.add(float(i % 7) - 3.0, i % 3 == 0)
    corrected.fit()
    right.fit()
    assert (corrected.slope, corrected.offset) == (right.slope, right.offset)


def test_a_payment_that_was_stopped_teaches_and_does_not_calibrate() -> None:
    contender = Contender("hybrid", hybrid())
    for i in range(200):
        contender.learn(f"p{i}", X, contender.score(X), i % 2 == 0, 1.0, let_through=False)
    contender.calibrator.fit()
    assert (contender.calibrator.slope, contender.calibrator.offset) == (1.0, 0.0)
    assert contender.version().arrays["learned"] == (200.0,)  # type: ignore[union-attr]


def test_what_leaves_is_calibrated() -> None:
    learner = taught(hybrid(step=2.0, publish_every=500, mean_score_max=1), 3000, fraud_share=0.1)
    version, contender = learner.version(), learner.contenders["hybrid"]
    assert version.arrays["calibration"] == (0.0, contender.calibrator.slope, contender.calibrator.offset)
    assert contender.calibrator.slope < 0.9, "such steps overshoot, and the calibration takes it back"
    assert version.score(X) == pytest.approx(contender.score(X).score, abs=1e-12)


# --------------------------------------------------------------------------------------------------------------------- who may be compared


@pytest.fixture(scope="module")
def race() -> Learner:
    challengers = ("binned", "forest", "bagging")
    return taught(replace(hybrid(publish_every=200, mean_score_max=1, baseline_margin=1), challengers=challengers), 500, fraud_share=0.2)


def test_all_contenders_score_the_same_payments_before_they_learn_them(race: Learner) -> None:
    assert list(race.contenders) == ["hybrid", "logistic", "binned", "forest", "bagging"]
    evidence = race.evidence()
    assert {(e["examples"], e["frauds"]) for e in evidence.values()} == {(490, evidence["hybrid"]["frauds"])}
    assert all(e["auc"] is not None and e["auc"] > 0.7 for e in evidence.values()), evidence
    scores = race.scores("p499")
    assert scores is not None and list(scores) == list(race.contenders)
    fresh = Learner(race.model)
    fresh.offer("p", X, 0, True)
    assert {scored.margin for scored in (fresh.scores("p") or {}).values()} <= {
        0.0,
        math.log(0.1),
        math.log(1e-6 / (1 - 1e-6)) + math.log(0.1),
    }


def test_only_the_champion_is_published(race: Learner) -> None:
    published = race.publish()
    assert published is not None and published.kind == "hybrid" and published.fits(race.model)


def test_versions_of_challengers_are_published_beside_and_are_in_force_only_when_somebody_promotes_them(race: Learner) -> None:
    beside = race.publish_beside()
    assert [version.kind for version in beside] == ["binned"], "forest and bagging have no form that could be a version"
    assert race.publish_beside() == []
    champion = race.version()
    registry = Registry(race.model)
    for version in (champion, *beside):
        assert registry.take(version.hash.encode(), version.to_bytes(), 1) is None
    assert registry.champion is not None and registry.champion.version == champion
    assert [listed.version for listed in registry.named("binned")] == beside
    act = Act("promote", race.model.name, beside[0].hash, "somebody", "2026-11-24T09:00:00.000Z")
    registry.take(ACT_KEY + b"1", act.to_bytes(), 2)
    assert registry.champion.version == beside[0]


@pytest.mark.parametrize("name", ["hoeffding_tree", "fixed"])
def test_what_is_no_learner_does_not_compete(name: str) -> None:
    with pytest.raises(ModelError, match="does not learn"):
        Learner(replace(hybrid(), challengers=(name,)))


# --------------------------------------------------------------------------------------------------------------- what may not be published


def test_a_version_below_the_baseline_is_not_published_and_says_so() -> None:
    learner = Learner(hybrid(publish_every=100, mean_score_max=1, baseline_margin=0.02))
    learner.contenders["hybrid"].estimator.learn = lambda *_: None  # type: ignore[method-assign]
    rng = random.Random(5)
    for i in range(1500):
        fraud = rng.random() < 0.1
        learner.offer(f"p{i}", drawn(rng, fraud), i, True)
        learner.label(f"p{i}", "fraud" if fraud else "legitimate", "claim", 1, i)
    assert learner.checked is not None and learner.checked.reason == "below_baseline"
    assert learner.checked.figures["average_precision"] < learner.checked.figures["baseline_average_precision"] - 0.02
    assert learner.unfit is not None and "the plain logistic has" in learner.unfit
    assert learner.refusals["below_baseline"] == learner.refused > 0


def test_a_version_as_good_as_the_baseline_is_published_and_its_figures_are_told() -> None:
    learner = taught(hybrid(publish_every=100, mean_score_max=1), 1500, fraud_share=0.1)
    assert learner.checked is not None and learner.checked.reason is None, learner.checked
    assert learner.checked.figures["average_precision"] > 0.3
    assert learner.checked.version == learner.version().hash or learner.due()


def test_with_too_few_frauds_quality_is_not_compared() -> None:
    learner = Learner(hybrid(publish_every=10, mean_score_max=1))
    for i in range(FRAUDS_MIN - 1):
        learner.offer(f"p{i}", X, i, True)
        learner.label(f"p{i}", "fraud" if i % 2 else "legitimate", "claim", 1, i)
    assert learner.checked is not None and "average_precision" not in learner.checked.figures
    assert learner.due()


def test_a_version_that_is_not_finite_has_its_reason() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    for i, amount in enumerate((1e200, -1e200)):
        learner.offer(f"p{i}", [amount, 1.0, 2.0, 3.0, 0.0, 0.2], i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    assert learner.checked is not None and (learner.checked.reason, learner.checked.version) == ("not_finite", None)


def test_average_precision_over_arrays_is_that_of_the_window() -> None:
    rng = random.Random(6)
    pairs = [(round(rng.random(), 1), rng.random() < 0.3) for _ in range(300)]
    scores, frauds = np.array([s for s, _ in pairs]), np.array([f for _, f in pairs])
    assert average_precision_of(scores, frauds) == pytest.approx(average_precision(pairs), abs=1e-12)


def test_a_version_of_the_logistic_from_before_there_was_a_calibration_still_loads() -> None:
    version = told(Learner(model(publish_every=10**7)), entries(5, 300)).version()
    old = Version("logistic", version.model, version.inputs, {k: v for k, v in version.arrays.items() if k != "calibration"})
    assert Version.from_bytes(old.to_bytes()).score(X) == version.score(X)
