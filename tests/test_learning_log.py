"""The learn log, and how good the model was before it learned."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.declared import ModelDecl
from risk.learning import (
    BadRecord,
    Known,
    Learner,
    Offer,
    apply,
    label_record,
    offer_record,
    record,
    signature_of,
)
from risk.learning.quality import Window, auc, average_precision, log_loss
from tests.learning_streams import INPUTS, X, model, offered

# ---------------------------------------------------------------------------------------------------------------------------------- the log


def test_a_record_of_each_kind_does_what_the_call_does() -> None:
    learner, by_log = Learner(model()), Learner(model())
    learner.offer("p1", [None, *X[1:]], 5, True)
    learner.label("p1", "fraud", "claim", 1, 9)
    signature = signature_of(model())
    assert apply(by_log, offer_record(signature, "p1", [None, *X[1:]], 5, True)) == 1
    assert apply(by_log, label_record(signature, "p1", "fraud", "claim", 1, 9)) == 1
    assert by_log.version() == learner.version()


def test_offers_of_another_model_are_skipped_and_counted() -> None:
    learner = Learner(model())
    assert apply(learner, record("0123456789abcdef", [Offer("p1", (1.0,), 0, True), Known("p2", "fraud", "claim", 1, 2)])) == 1
    assert (learner.quality()["offers_of_another_model"], learner.quality()["waiting"]) == (1, 1)


def test_a_corrupt_record_is_refused_whole() -> None:
    learner = Learner(model())
    good = record(learner.signature, [Offer("p1", tuple(X), 0, True)])
    for broken in (
        b"",
        good[:-1],
        good + b"\x00",
        record(learner.signature, [Offer("p1", tuple(X), 0, True), Offer("p2", (1.0,), 0, True)]),
    ):
        with pytest.raises(BadRecord):
            apply(learner, broken)
    assert learner.quality()["offers"] == 0


@given(st.binary(max_size=60))
def test_random_bytes_are_no_record(raw: bytes) -> None:
    with pytest.raises(BadRecord):
        apply(Learner(ModelDecl("m", INPUTS[:1], "logistic")), raw)


# ---------------------------------------------------------------------------------------------------------------------------------- quality

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.booleans()), min_size=2, max_size=30).filter(
    lambda pairs: 0 < len([1 for _, f in pairs if f]) < len(pairs)
)


@given(PAIRS)
def test_measures_are_what_their_definitions_say(pairs: list[tuple[float, bool]]) -> None:
    frauds, others = [s for s, f in pairs if f], [s for s, f in pairs if not f]
    won = [1.0 if a > b else 0.5 if a == b else 0.0 for a in frauds for b in others]
    assert auc(pairs) == pytest.approx(sum(won) / len(won))
    recall, area = 0.0, 0.0
    for threshold in sorted({s for s, _ in pairs}, reverse=True):
        flagged = [f for s, f in pairs if s >= threshold]
        reached = sum(flagged) / len(frauds)
        area += (reached - recall) * sum(flagged) / len(flagged)
        recall = reached
    assert average_precision(pairs) == pytest.approx(area)
    likely = math.prod(min(max(s if f else 1 - s, 1e-15), 1.0) for s, f in pairs)
    assert math.exp(-log_loss(pairs) * len(pairs)) == pytest.approx(likely, rel=1e-6)


def test_quality_is_of_the_newest_examples_only_and_none_where_one_side_is_missing() -> None:
    window = Window(2)
    assert window.measures() == {"examples": 0, "frauds": 0, "auc": None, "average_precision": None, "log_loss": None}
    window.add(0.9, True)
    assert window.measures()["auc"] is None
    window.add(0.2, False)
    assert (window.measures()["auc"], window.measures()["average_precision"]) == (1.0, 1.0)
    window.add(0.1, False)
    assert window.measures()["frauds"] == 0


def test_quality_scores_before_it_learns() -> None:
    learner = offered()
    learner.label("p1", "fraud", "claim", 1, 5)
    assert learner.window.examples[0].score == 0.5
