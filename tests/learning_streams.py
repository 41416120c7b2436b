"""A small model, and streams of payments and labels for it: late, early, repeated, contradicting. For the tests of learning."""

from __future__ import annotations

import random
from typing import Literal

from risk.declared import ModelDecl, ModelInput
from risk.learning import Entry, Known, Learner, Offer, Settled

DAY = 86_400_000
INPUTS = (
    ModelInput("amount", "log"),
    ModelInput("tries", "number"),
    ModelInput("channel", "category", buckets=4),
    ModelInput("occurred_at", "hour", zone="Asia/Shanghai"),
    ModelInput("device.id", "missing"),
    ModelInput("total", "saturating", half=1200.0),
)


def model(**settings: float) -> ModelDecl:
    return ModelDecl("fraud", INPUTS, "logistic", settings=settings)


def hybrid(*crosses: tuple[str, str], learner: Literal["hybrid", "binned"] = "hybrid", **settings: float) -> ModelDecl:
    return ModelDecl("fraud", INPUTS, learner, settings={"refit_every": 300, **settings}, crosses=crosses)


def drawn(rng: random.Random, fraud: bool = False) -> list[float | None]:
    x: list[float | None] = [
        rng.gauss(6.0 if fraud else 5.0, 1.0), float(rng.randrange(5) + 3 * fraud), float(rng.randrange(4)), rng.random() * 24,
        float(rng.random() < 0.2), rng.random(),
    ]  # fmt: skip
    return [None if rng.random() < 0.1 else value for value in x]


def entries(seed: int, n: int) -> list[Entry]:
    """Offers, and labels that are late, early, repeated, contradicting, unsure and of other kinds."""
    rng = random.Random(seed)
    found: list[Entry] = []
    for i in range(n):
        fraud = rng.random() < 0.2
        found.append(Offer(f"p{i}", tuple(drawn(rng, fraud)), i * 3_600_000, rng.random() < 0.9))
        for _ in range(rng.randrange(3)):
            verdict = rng.choice(["fraud", "legitimate", "unsure", "fraud" if fraud else "legitimate"])
            kind = rng.choice(["chargeback", "claim", "promo"])
            if rng.random() < 0.2:
                found.append(Settled(f"p{max(0, i - rng.randrange(40))}", rng.random() < 0.5))
            found.append(Known(f"p{max(0, i + rng.randrange(-200, 20))}", verdict, kind, rng.randrange(1, 4), i * 3_600_000))
    return found


def told(learner: Learner, sequence: list[Entry]) -> Learner:
    for entry in sequence:
        if isinstance(entry, Offer):
            learner.offer(entry.payment_id, entry.x, entry.decided_ms, entry.let_through)
        elif isinstance(entry, Settled):
            learner.settle(entry.payment_id, entry.let_through)
        else:
            learner.label(entry.payment_id, entry.verdict, entry.kind, entry.version, entry.known_ms)
    return learner


X = [5.0, 1.0, 2.0, 12.0, 0.0, 0.5]


def offered(payment_id: str = "p1", at: int = 0, let_through: bool = True, **settings: float) -> Learner:
    learner = Learner(model(**settings))
    learner.offer(payment_id, X, at, let_through)
    return learner
