"""The order in which a learner takes its log: by the time labels became known, the same in every process; and how long it waits."""

from __future__ import annotations

import itertools
import random

import pytest

from risk.learning import Entry, Known, Learner, Mark, Offer, Ordered, Version, record, signature_of
from tests.learning_streams import DAY, X, drawn, entries, model, offered

HOUR = 3_600_000
SIGNATURE = signature_of(model())


class Taught(Learner):
    """A learner that notes what it is taught, in order."""

    def _learn(self, lessons) -> None:  # type: ignore[no-untyped-def]
        self.order = [*getattr(self, "order", []), *((each.payment.payment_id, each.fraud, each.presumed, each.at_ms) for each in lessons)]
        super()._learn(lessons)


def read(log: list[list[Entry]], **settings: float) -> Ordered:
    ordered = Ordered(Taught(model(**settings)))
    for each in log:
        for _ in ordered.take(record(SIGNATURE, each)):
            pass
    return ordered


def lessons(ordered: Ordered) -> list[tuple[str, bool, bool, int]]:
    return getattr(ordered.learner, "order", [])


OFFERS: list[Entry] = [Offer(f"p{i}", tuple(X), 0, True) for i in range(4)]


def known(payment: int, at: int, version: int = 1, verdict: str = "fraud") -> Known:
    return Known(f"p{payment}", verdict, "claim", version, at)


def test_labels_are_learned_by_the_time_they_became_known_and_not_as_workers_sent_them() -> None:
    two: list[Entry] = [Mark(0, 2, 0, True), Mark(1, 2, 0, False)]
    sent = [known(3, 9 * HOUR), known(1, 5 * HOUR), known(2, 5 * HOUR), known(0, 7 * HOUR)]
    for shuffled in itertools.permutations(sent):
        ordered = read([OFFERS, two, list(shuffled), [Mark(0, 2, 10 * HOUR, False)], [Mark(1, 2, 6 * HOUR, False)]])
        assert [pid for pid, *_ in lessons(ordered)] == ["p1", "p2"], "the slower partition says how far it goes"
        for _ in ordered.take(record(SIGNATURE, [Mark(1, 2, 6 * HOUR, True), Mark(0, 2, 20 * HOUR, False)])):
            pass
        assert [pid for pid, *_ in lessons(ordered)] == ["p1", "p2", "p0", "p3"], "one read to its end holds nobody up"


def test_versions_of_one_moment_are_taken_in_their_order() -> None:
    log = [OFFERS, [Mark(0, 1, 0, True)], [known(0, HOUR, 2, "legitimate"), known(0, HOUR, 1, "fraud")], [Mark(0, 1, HOUR, True)]]
    assert [fraud for _, fraud, *_ in lessons(read(log))] == [True, False]


def test_a_presumption_is_learned_before_a_label_that_became_known_after_it() -> None:
    log = [OFFERS[:2], [Mark(0, 1, 0, False)], [known(1, 3 * DAY)], [Mark(0, 1, 9 * DAY, True)]]
    presumed = [("p0", False, True, 2 * DAY), ("p1", False, True, 2 * DAY)]
    assert lessons(read(log, presume_after_days=2)) == [*presumed, ("p1", True, False, 3 * DAY)]


def test_a_label_behind_the_watermark_is_learned_on_arrival_and_counted() -> None:
    ordered = read([OFFERS, [Mark(0, 1, 10 * HOUR, True)], [known(0, 4 * HOUR)]])
    assert [pid for pid, *_ in lessons(ordered)] == ["p0"]
    assert ordered.learner.quality()["labels_late"] == 1


def test_nothing_is_ordered_until_every_partition_has_said_how_far_it_is() -> None:
    ordered = read([OFFERS, [Mark(0, 2, 10 * HOUR, True)], [known(0, 4 * HOUR)]])
    assert (ordered.watermark_ms, len(lessons(ordered))) == (None, 1)
    read([OFFERS, [Mark(3, 4, 1, True)], [Mark(0, 1, 5, True)]])  # fewer partitions than before: a new installation under an old log


def test_the_same_log_gives_the_same_versions_however_it_is_cut_into_records() -> None:
    rng = random.Random(4)
    told = entries(3, 300)
    for at in range(0, len(told), 40):
        told.insert(at, Mark(rng.randrange(2), 2, at * HOUR, rng.random() < 0.5))

    def versions(size: int) -> set[str]:
        ordered = Ordered(Learner(model(publish_every=40, mean_score_max=1.0)))
        steps = (ordered.take(record(SIGNATURE, told[at : at + size])) for at in range(0, len(told), size))
        found = [ordered.learner.publish() for step in steps for _ in step]
        return {version.hash for version in (*found, ordered.learner.version()) if version is not None}

    assert versions(7) == versions(7)
    last: list[Version] = [read([told[at : at + size] for at in range(0, len(told), size)]).learner.version() for size in (1, 11, 500)]
    assert len({version.hash for version in last}) == 1


# ---------------------------------------------------------------------------------------------------------------- horizons


@pytest.mark.parametrize(("kind", "days"), [(0, 45), (1, 120), (2, 60)])
def test_a_payment_is_held_until_its_horizon_and_then_no_longer(kind: int, days: int) -> None:
    offer = Offer("p0", tuple(X), 0, False, 1.0, kind)
    for at, held in ((days * DAY - 1, 1), (days * DAY, 0)):
        ordered = read([[offer, Mark(0, 1, at, True)]])
        assert ordered.learner.quality()["pending"] == held
    ordered = read([[offer, Mark(0, 1, days * DAY, True), known(0, days * DAY + 1), Mark(0, 1, days * DAY + 2, True)]])
    assert (lessons(ordered), ordered.learner.quality()["horizons_reached"]) == ([], 1)


def test_a_horizon_that_ends_before_the_presumption_presumes() -> None:
    ordered = read([[*OFFERS[:1], Mark(0, 1, DAY, True)]], presume_after_days=9, balance_horizon_days=1)
    assert lessons(ordered) == [("p0", False, True, DAY)]


def test_a_presumed_payment_is_still_corrected_until_its_horizon() -> None:
    ordered = read([[*OFFERS[:1], Mark(0, 1, 8 * DAY, True), known(0, 44 * DAY), Mark(0, 1, 44 * DAY, True)]])
    assert [(fraud, presumed) for _, fraud, presumed, _ in lessons(ordered)] == [(False, True), (True, False)]


# --------------------------------------------------------------------------------------------------------------- bad input


def test_a_label_of_an_unknown_payment_waits_a_week_and_is_then_counted_as_such() -> None:
    ordered = read([[Mark(0, 1, 0, True), known(9, HOUR), Mark(0, 1, 7 * DAY, True)]])
    assert (ordered.learner.quality()["waiting"], ordered.learner.quality()["labels_unknown"]) == (1, 0)
    for _ in ordered.take(record(SIGNATURE, [Mark(0, 1, 7 * DAY + HOUR, True)])):
        pass
    assert (ordered.learner.quality()["waiting"], ordered.learner.quality()["labels_unknown"]) == (0, 1)
    assert lessons(ordered) == []


def test_the_same_version_that_says_otherwise_is_contradicting_and_the_first_stands() -> None:
    learner = offered()
    learner.label("p1", "fraud", "claim", 1, 5)
    learner.label("p1", "legitimate", "claim", 1, 6)
    learner.label("p2", "fraud", "claim", 1, 5)
    learner.label("p2", "legitimate", "claim", 1, 6)
    assert (learner.lessons, learner.quality()["labels_contradicting"], learner.quality()["labels_repeated"]) == (1, 2, 0)


# ----------------------------------------------------------------------------------------------------------------- weights


def test_a_payment_of_the_control_group_stands_for_those_that_were_stopped() -> None:
    """Learned with 1/propensity, at most 20: the same as nothing else, and as no other share."""
    versions = set()
    for propensity in (1.0, 0.5, 0.05, 0.001):
        learner = Learner(model())
        learner.offer("p0", drawn(random.Random(1)), 0, False)
        learner.offer("p1", drawn(random.Random(2)), 0, True, propensity)
        learner.label("p1", "fraud", "claim", 1, 5)
        versions.add(learner.version().hash)
    assert len(versions) == 3, "0.05 and below are clipped at 20"


def test_a_verdict_of_an_analyst_stands_for_those_that_were_not_reviewed() -> None:
    def taught(kind: str, **settings: float) -> str:
        learner = offered(**settings)
        learner.label("p1", "fraud", kind, 1, 5)
        return learner.version().hash

    assert taught("review") == taught("claim") == taught("claim", review_weight=4) != taught("review", review_weight=4)
