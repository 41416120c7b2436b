"""Two versions on the same payments: only what neither can have learned from, judged as the learner's own ledger judges."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import pytest

from risk.learning import Entry, Known, Learner, Mark, ModelError, Offer, Ordered, Version, record, signature_of
from risk.learning.quality import auc, average_precision, log_loss
from risk.learning.side_by_side import FRAUDS_MIN, MEASURES, Contest, Ranked, SideBySide, verdict_of
from tests.learning_streams import DAY, drawn, model

MODEL = model()


def trained(lessons: int) -> Version:
    rng, learner = random.Random(3), Learner(MODEL)
    for number in range(lessons):
        fraud = rng.random() < 0.3
        learner.offer(f"q{number}", drawn(rng, fraud), 0, True)
        learner.label(f"q{number}", "fraud" if fraud else "legitimate", "claim", 1, 5)
    return learner.version()


GOOD, POOR = trained(800), trained(2)


def log(payments: int) -> list[Entry]:
    rng = random.Random(5)
    entries: list[Entry] = []
    for number in range(payments):
        fraud = rng.random() < 0.2
        entries.append(Offer(f"p{number}", tuple(drawn(rng, fraud)), number * 60_000, True))
        if fraud:
            entries.append(Known(f"p{number}", "fraud", "claim", 1, number * 60_000 + DAY))
    return [*entries, Mark(0, 1, 40 * DAY, True)]


def beside(*versions: Version, before: int = 0, payments: int = 600) -> SideBySide:
    """``before``: so many entries were written before the versions were published."""
    entries, found = log(payments), SideBySide(MODEL, versions, 100)
    found.take(record(signature_of(MODEL), entries[:before]), 100)
    found.take(record(signature_of(MODEL), entries[before:]), 101)
    return found


def test_the_better_version_is_shown_to_be_better_and_the_other_way_round() -> None:
    evidence = beside(GOOD, POOR).evidence()
    assert evidence["payments"] == 600 and evidence["frauds"] > FRAUDS_MIN
    assert (verdict_of(evidence), verdict_of(beside(POOR, GOOD).evidence())) == ("better", "worse")
    assert verdict_of(beside(GOOD, GOOD).evidence()) == "no difference shown"
    for name in MEASURES:
        told = evidence["measures"][name]
        assert told["difference_interval"][0] <= told["difference"] <= told["difference_interval"][1], name
        assert all(low <= value <= high for value, (low, high) in zip(told["values"], told["intervals"], strict=True)), name


def test_payments_decided_before_a_version_was_published_say_nothing_of_it() -> None:
    assert beside(GOOD, POOR, before=300).evidence()["payments"] < 400
    none = beside(GOOD, POOR, before=len(log(600))).evidence()
    assert none == {"payments": 0, "frauds": 0, "measures": {}} and verdict_of(none) == "too few"


def test_few_frauds_are_no_evidence() -> None:
    assert verdict_of(beside(GOOD, POOR, payments=50).evidence()) == "too few"


def test_presumed_payments_can_be_left_out_and_young_ones_too() -> None:
    found = beside(GOOD, POOR)
    labelled = found.evidence(presumed=False)
    assert labelled["payments"] == labelled["frauds"] == found.evidence()["frauds"], "only frauds have labels here"
    assert found.evidence(at_least_days=40)["payments"] < found.evidence(at_least_days=39)["payments"] == 600


def test_the_measures_are_those_that_the_learner_is_watched_by() -> None:
    rng = random.Random(1)
    pairs = [(round(rng.random(), 1), rng.random() < 0.3) for _ in range(200)]
    ranked = Ranked(np.array([s for s, _ in pairs]), np.array([float(f) for _, f in pairs]), np.zeros(200, dtype=np.int64))
    ones = np.ones(200)
    assert ranked.measure("auc", ones) == pytest.approx(auc(pairs))
    assert ranked.measure("average_precision", ones) == pytest.approx(average_precision(pairs))
    assert ranked.measure("log_loss", ones) == pytest.approx(log_loss(pairs), rel=1e-3)
    twice = ranked.measure("average_precision", 2 * ones)
    assert twice == pytest.approx(average_precision(pairs)), "everything twice changes nothing"
    assert math.isnan(ranked.measure("auc", np.zeros(200)))


def test_precision_counts_the_hundred_highest_of_each_day() -> None:
    scores = np.linspace(1.0, 0.0, 300)
    fraud = np.array([1.0] * 50 + [0.0] * 250)
    assert Ranked(scores, fraud, np.zeros(300, dtype=np.int64)).measure("precision_at_100", np.ones(300)) == 0.5
    days = np.array([0] * 150 + [1] * 150, dtype=np.int64)
    assert Ranked(scores, fraud, days).measure("precision_at_100", np.ones(300)) == 0.25


def test_two_learners_are_compared_on_scores_made_before_they_learned() -> None:
    raw = record(signature_of(MODEL), [entry for entry in log(600) if not isinstance(entry, Mark)])
    ordered = Ordered(Contest(dataclasses.replace(MODEL, learner="hybrid"), "hybrid", "logistic"))
    for _ in ordered.take(raw):
        pass
    for _ in ordered.take(record(signature_of(MODEL), [Mark(0, 1, 40 * DAY, True)])):
        pass
    evidence = ordered.learner.evidence_of_both()
    assert evidence["payments"] == 600 and len(evidence["measures"]["average_precision"]["values"]) == 2
    first = ordered.learner.judged["p0"]
    assert first.scores == pytest.approx((0.5, 0.5)), "the first payment was scored by learners that knew nothing"
    with pytest.raises(ModelError, match="does not learn"):
        Contest(MODEL, "logistic", "hybrid")
