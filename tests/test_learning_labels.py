"""What labels teach: once each, corrected when they change, presumed when they never come."""

from __future__ import annotations

import pytest

from risk.learning import (
    Learner,
)
from tests.learning_streams import DAY, X, model, offered

# ----------------------------------------------------------------------------------------------------------------------------------- labels


def test_a_label_teaches_once() -> None:
    learner = offered()
    for _ in range(3):
        learner.label("p1", "fraud", "claim", 1, 5)
    assert learner.lessons == 1
    assert learner.quality()["labels_repeated"] == 2


def test_a_repeated_offer_changes_nothing() -> None:
    learner = offered()
    learner.label("p1", "fraud", "claim", 1, 5)
    before = learner.version()
    learner.offer("p1", [0.0] * 6, 9, True)
    assert learner.version() == before
    assert learner.quality()["offers_repeated"] == 1


def test_a_higher_version_that_says_otherwise_is_a_corrective_step() -> None:
    learner = offered()
    learner.offer("p2", [7.0, 2.0, 1.0, 3.0, 1.0, 0.1], 0, True)
    learner.label("p2", "legitimate", "claim", 1, 5)
    learner.label("p1", "fraud", "claim", 1, 5)
    high = learner.version().score(X)
    learner.label("p1", "legitimate", "review", 2, 6)
    low = learner.version().score(X)
    assert high is not None and low is not None and low < high
    assert learner.quality()["corrections"] == 1
    assert learner.quality()["frauds"] == 0, "the example in the window takes the newest verdict"
    counts = learner.version().arrays["count"]
    assert counts == (2.0,) * len(counts), "the scaler saw each payment once"


def test_a_higher_version_that_says_the_same_teaches_nothing() -> None:
    learner = offered()
    learner.label("p1", "fraud", "claim", 1, 5)
    learner.label("p1", "fraud", "police", 2, 6)
    assert (learner.lessons, learner.quality()["labels_confirmed"]) == (1, 1)


def test_a_lower_version_that_comes_later_is_outdated() -> None:
    learner = offered()
    learner.label("p1", "legitimate", "claim", 2, 5)
    learner.label("p1", "fraud", "claim", 1, 6)
    assert (learner.lessons, learner.quality()["labels_outdated"]) == (1, 1)


def test_unsure_teaches_nothing_and_ends_the_waiting() -> None:
    learner = offered(presume_after_days=1)
    learner.label("p1", "unsure", "review", 1, 5)
    learner.offer("p2", X, 3 * DAY, False)
    assert learner.lessons == 0
    assert learner.quality()["labels_unsure"] == 1


def test_a_kind_that_does_not_train_is_counted_and_teaches_nothing() -> None:
    learner = offered(presume_after_days=1)
    learner.label("p1", "fraud", "promo", 1, 5)
    learner.offer("p2", X, 3 * DAY, False)
    assert (learner.lessons, learner.quality()["labels_other_kind"]) == (0, 1)


@pytest.mark.parametrize(("verdict", "version"), [("maybe", 1), ("fraud", 0), ("fraud", -3)])
def test_a_malformed_label_is_counted(verdict: str, version: int) -> None:
    learner = offered()
    learner.label("p1", verdict, "claim", version, 5)
    assert (learner.lessons, learner.quality()["labels_malformed"]) == (0, 1)


def test_a_label_before_its_payment_waits_for_it_and_the_highest_version_wins() -> None:
    learner = Learner(model())
    learner.label("p1", "fraud", "claim", 1, 5)
    learner.label("p1", "legitimate", "claim", 3, 7)
    learner.label("p1", "fraud", "claim", 2, 6)
    assert (learner.lessons, learner.quality()["waiting"]) == (0, 1)
    learner.offer("p1", X, 0, True)
    assert learner.lessons == 1
    assert (learner.quality()["labels_legitimate"], learner.quality()["labels_fraud"], learner.quality()["waiting"]) == (1, 0, 0)


def test_what_waits_is_bounded_and_the_oldest_goes_first() -> None:
    learner = Learner(model(pending=2, waiting=2))
    for i in range(4):
        learner.offer(f"p{i}", X, i, True)
        learner.label(f"q{i}", "fraud", "claim", 1, i)
    assert list(learner.ledger.held) == ["p2", "p3"] and list(learner.ledger.waiting) == ["q2", "q3"]
    assert (learner.quality()["pending_dropped"], learner.quality()["waiting_dropped"]) == (2, 2)


# ---------------------------------------------------------------------------------------------------------------------- presumed legitimate


def test_a_payment_let_through_is_presumed_legitimate_when_its_time_is_up() -> None:
    learner = offered(presume_after_days=7)
    learner.offer("p2", X, 7 * DAY - 1, False)
    assert learner.lessons == 0
    learner.offer("p3", X, 7 * DAY, False)
    assert (learner.lessons, learner.quality()["presumed_legitimate"]) == (1, 1)


def test_a_payment_that_was_stopped_is_never_presumed_legitimate() -> None:
    learner = offered(let_through=False, presume_after_days=1)
    learner.offer("p2", X, 90 * DAY, False)
    assert learner.lessons == 0


def test_a_payment_that_was_declined_or_reversed_is_not_presumed_legitimate() -> None:
    learner = offered(presume_after_days=1)
    learner.settle("p1", False)
    learner.settle("p9", False)
    learner.offer("p2", X, 30 * DAY, False)
    assert (learner.lessons, learner.quality()["settlements_unknown"]) == (0, 1)
    learner.label("p1", "fraud", "claim", 1, 31 * DAY)
    assert learner.lessons == 1, "its label still teaches"


def test_a_review_that_was_released_and_approved_is_presumed_legitimate_once() -> None:
    learner = offered(let_through=False, presume_after_days=1)
    learner.settle("p1", True)
    learner.settle("p1", True)
    learner.offer("p2", X, 90 * DAY, False)
    learner.offer("p3", X, 91 * DAY, False)
    assert (learner.lessons, learner.quality()["presumed_legitimate"]) == (1, 1)


def test_a_payment_with_a_label_is_not_presumed_again() -> None:
    learner = offered(presume_after_days=1)
    learner.label("p1", "fraud", "claim", 1, 5)
    learner.offer("p2", X, 90 * DAY, False)
    assert (learner.lessons, learner.quality()["presumed_legitimate"]) == (1, 0)


def test_a_fraud_label_after_the_presumption_is_a_corrective_step() -> None:
    learner = offered(presume_after_days=1)
    learner.offer("p2", X, 2 * DAY, False)
    learner.label("p1", "fraud", "chargeback", 1, 40 * DAY)
    quality = learner.quality()
    assert (learner.lessons, quality["corrections"], quality["frauds"], quality["examples"]) == (2, 1, 1, 1)


def test_presumptions_fall_due_in_order_of_time_whatever_the_order_of_offers() -> None:
    first, second = Learner(model(presume_after_days=1)), Learner(model(presume_after_days=1))
    a, b = [1.0, 2.0, 0.0, 3.0, 0.0, 0.1], [9.0, 4.0, 1.0, 8.0, 1.0, 0.9]
    for learner, order in ((first, (("a", a, 10), ("b", b, 20))), (second, (("b", b, 20), ("a", a, 10)))):
        for payment_id, x, at in order:
            learner.offer(payment_id, x, at, True)
        learner.offer("c", a, 5 * DAY, False)
    assert first.version() == second.version()


def test_nobody_is_presumed_legitimate_when_the_setting_is_zero() -> None:
    learner = offered(presume_after_days=0)
    learner.offer("p2", X, 400 * DAY, True)
    assert learner.lessons == 0


def test_what_waits_to_be_presumed_is_bounded_too() -> None:
    learner = Learner(model(pending=10, presume_after_days=1))
    for i in range(500):
        learner.offer(f"p{i}", X, i, True)
    assert len(learner.ledger._due) <= 2 * 10 + 64
    learner.offer("last", X, 2 * DAY, False)
    assert learner.quality()["presumed_legitimate"] == 9
