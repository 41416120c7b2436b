"""What a score and a lesson of the default learner cost at forty inputs, on one core.

Rule 1: CPU time of this process, the best of several rounds: other programs of the machine do not count, and no round is left out of the
count of rounds that is printed.
Rule 2: a score is what a decider pays for inputs that are there (`Version.score`), and for the whole way from event and values (`scorer`).
A lesson is one `learn` of a payment that the sampling keeps, refits of the edges included.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from risk.declared import EventType, Field, FieldType, ModelDecl, ModelInput
from risk.learning import Learner, scorer
from risk.learning.estimators import estimator_of

CURVES, CATEGORIES, HOURS, MISSING = 33, 4, 1, 2
INPUTS = CURVES + CATEGORIES + HOURS + MISSING
CROSSES = (("f0", "c0"), ("f0", "occurred_at"), ("f1", "c1"))
ROWS, ROUNDS = 4_000, 7
WARM_UP = 40_000
"""Lessons before anything is timed: edges are there, and refits come as seldom as they do in the long run."""


class Speed(NamedTuple):
    """Microseconds of CPU."""

    score: float
    score_from_event: float
    learn: float
    refit: float
    """Of `learn`, what refits of the edges take, spread over all lessons."""


def declared(learner: str = "hybrid") -> ModelDecl:
    """Forty inputs of the usual kinds, and three crosses."""
    inputs = [ModelInput(f"f{i}", "log") for i in range(CURVES)]
    inputs += [ModelInput(f"c{i}", "category", buckets=32) for i in range(CATEGORIES)]
    inputs += [ModelInput("occurred_at", "hour", zone="UTC")] + [ModelInput(f"f{i}", "missing") for i in range(MISSING)]
    kind: Any = learner
    return ModelDecl("bench", tuple(inputs), kind, crosses=CROSSES if learner != "logistic" else ())


def drawn(rng: random.Random, n: int) -> list[list[float | None]]:
    """Rows of inputs: one in twenty values is missing."""
    rows: list[list[float | None]] = []
    for _ in range(n):
        row: list[float | None] = [None if rng.random() < 0.05 else rng.expovariate(0.3) for _ in range(CURVES)]
        row += [float(rng.randrange(32)) for _ in range(CATEGORIES)]
        row += [rng.random() * 24.0] + [1.0 if row[i] is None else 0.0 for i in range(MISSING)]
        rows.append(row)
    return rows


def measured(learner: str = "hybrid", seed: int = 0) -> Speed:
    """The figures of one learner."""
    rng = random.Random(seed)
    model = declared(learner)
    rows = drawn(rng, ROWS)
    verdicts = [rng.random() < 0.01 + 0.2 * ((row[0] or 0.0) > 8.0) for row in rows]
    estimator = estimator_of(learner, model)
    for i in range(WARM_UP):
        estimator.learn(rows[i % ROWS], verdicts[i % ROWS])

    def learn() -> None:
        for row, fraud in zip(rows, verdicts, strict=True):
            estimator.learn(row, fraud)

    def step() -> None:
        for row, fraud in zip(rows, verdicts, strict=True):
            estimator.correct(row, fraud)

    whole, plain = _average(learn, ROUNDS), _best(step)
    version = Learner(model).contenders[learner].version() if learner == "logistic" else _version(model, estimator)
    assert version is not None
    events, values = [SimpleNamespace(occurred_at=i * 977_777) for i in range(ROWS)], [_raw(row) for row in rows]
    scored = scorer(model, PAYMENT, {f"f{i}": i for i in range(CURVES)} | {f"c{i}": CURVES + i for i in range(CATEGORIES)}, version)

    def score() -> None:
        for row in rows:
            version.score(row)

    def from_event() -> None:
        for event, value in zip(events, values, strict=True):
            scored(event, value)

    refit = max(whole - plain, 0.0) if learner != "logistic" else 0.0  # its scaler has no schedule
    return Speed(_best(score), _best(from_event), whole, refit)


def _version(model: ModelDecl, estimator: Any) -> Any:
    contender = Learner(model).contenders[model.learner]
    contender.estimator = estimator
    return contender.version()


PAYMENT = EventType("payment", {"occurred_at": Field("occurred_at", "occurred_at", FieldType("time"), ("occurred_at",))}, decide=True)


def _raw(row: Sequence[float | None]) -> list[Any]:
    """Values as profiles answer them."""
    curves = [None if value is None else int(value * 100.0) for value in row[:CURVES]]
    return [*curves, *(f"category {value}" for value in row[CURVES : CURVES + CATEGORIES])]


def _best(run: Callable[[], None]) -> float:
    return min(_timed(run) for _ in range(ROUNDS))


def _average(run: Callable[[], None], rounds: int) -> float:
    """A mean, because refits come now and then."""
    took = 0.0
    for _ in range(rounds):
        took += _timed(run)
    return took / rounds


def _timed(run: Callable[[], None]) -> float:
    started = time.process_time()
    run()
    return (time.process_time() - started) / ROWS * 1e6


def main() -> None:
    """Print the figures of each learner."""
    for learner in ("hybrid", "binned", "logistic"):
        speed = measured(learner)
        print(
            f"{learner}: {INPUTS} inputs, {ROUNDS} rounds: score {speed.score:.1f} us, from event and values "
            f"{speed.score_from_event:.1f} us, learn {speed.learn:.1f} us (refits {speed.refit:.1f} us of it)"
        )


if __name__ == "__main__":
    main()
