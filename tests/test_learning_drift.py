"""A watched learner: it finds what changes, says nothing of what does not, and learns exactly what it learns unwatched."""

from __future__ import annotations

import random

from risk.learning import Learner
from risk.learning.drift import SCORE, Watched
from tests.learning_streams import DAY, drawn, entries, model, told


def watched(change: int, payments: int = 6_000) -> Watched:
    """At payment ``change`` the amounts rise and the channel is no longer told."""
    rng, learner = random.Random(2), Watched(model(presume_after_days=0))
    for number in range(payments):
        x = drawn(rng)
        if number >= change:
            x[0], x[2] = 9.0 + rng.random(), None
        learner.offer(f"p{number}", x, number, True)
    return learner


def test_inputs_that_change_or_vanish_are_found_and_the_others_are_not() -> None:
    found = {name for name, count in watched(change=3_000).drifts.items() if count}
    assert {"amount", "channel"} <= found
    assert not found & {"tries", "total"}
    assert not any(watched(change=10**9).drifts.values())


def test_a_score_that_changes_is_found() -> None:
    rng, learner = random.Random(2), Watched(model(presume_after_days=0))
    for number in range(3_000):
        learner.offer(f"p{number}", drawn(rng), number, True)
        if number >= 1_500:
            learner.label(f"p{number}", "fraud", "claim", 1, number + 1)
    assert learner.drifts[SCORE] >= 1


def test_watching_changes_nothing_that_is_learned() -> None:
    sequence = entries(3, 300)
    assert told(Watched(model()), sequence).version() == told(Learner(model()), sequence).version()


def test_delay_and_share_are_of_the_newest() -> None:
    learner = Watched(model(presume_after_days=1))
    assert (learner.label_delay_ms, learner.unlabelled_share) == (None, None)
    for number in range(10):
        learner.offer(f"p{number}", drawn(random.Random(number)), 0, True)
    for number, days in enumerate((1, 3, 20)):
        learner.label(f"p{number}", "fraud", "claim", 1, days * DAY)
        learner.label(f"p{number}", "fraud", "claim", 1, 99 * DAY)
    assert learner.label_delay_ms == 3 * DAY
    learner.offer("late", drawn(random.Random(1)), 2 * DAY, False)
    assert learner.unlabelled_share == 0.7
