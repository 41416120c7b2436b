"""The models that the online one is compared with are what they are said to be."""

from __future__ import annotations

import random

import numpy as np
from river import linear_model, optim, preprocessing

from bench.model.plain import Plain, expanded
from bench.model.rows import LABEL_DELAY_MS, Payment, Rows, _with_labels, ruleset_at
from bench.model.streams import SPARKOV
from risk.learning.inputs import Coding
from risk.world.clock import stamp

DAY = 86_400_000


def test_the_plain_model_is_rivers_to_a_rounding() -> None:
    """Missing columns, rare ones and those that never vary, over 500 examples."""
    rng = random.Random(7)
    river = preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(0.03))
    folded = Plain(4, 0.03)
    for n in range(500):
        row = {0: rng.gauss(5, 2), 1: float(n % 50 == 0), 2: 3.0}
        if rng.random() < 0.7:
            row[3] = rng.expovariate(0.1)
        array = np.array([row.get(i, np.nan) for i in range(4)])
        fraud = rng.random() < (0.6 if row[0] > 6 else 0.05)
        assert abs(river.predict_proba_one(row)[True] - folded.score(array)) < 1e-9
        river.learn_one(row, fraud)
        folded.learn(array, fraud)
    assert abs(river.predict_proba_one(row)[True] - 0.5) > 0.01  # it learned something


def test_a_category_is_a_column_a_bucket_and_an_hour_two() -> None:
    codings = (Coding("c", "category", buckets=3), Coding("t", "hour", zone="UTC"), Coding("a", "log"))
    x = np.array([[2.0, 6.0, 1.5], [np.nan, np.nan, np.nan]])
    rows = Rows("r", codings, x, np.zeros(2, np.int64), np.zeros(2, np.bool_), np.zeros(2, np.int32), ["a", "b"], [None, None])
    columns = expanded(rows)
    assert np.allclose(columns[0], [0, 0, 1, 1, 0, 1.5])
    assert np.isnan(columns[1]).all()


def test_a_verdict_comes_after_seven_days_and_before_the_payments_that_follow() -> None:
    ruleset = ruleset_at(SPARKOV / "rules")
    start = 1_735_689_600_000
    times = [start, start + LABEL_DELAY_MS - 1, start + LABEL_DELAY_MS]
    events = [(e.event_type, e.payment_id) for e, _ in _with_labels(ruleset, [_payment(f"p{i}", t) for i, t in enumerate(times)])]
    assert events == [("payment", "p0"), ("payment", "p1"), ("label", "p0"), ("payment", "p2")]


def _payment(payment_id: str, at_ms: int) -> Payment:
    value = (
        f'{{"event":"payment","payment_id":"{payment_id}","occurred_at":"{stamp(at_ms)}","amount":{{"value":100,"currency":"USD"}},'
        '"payer":{"id":"u"},"payee":{"id":"m"},"card":{"id":"c"},"order":{"category":"travel"}}'
    )
    return Payment(value.encode(), payment_id, at_ms, "c", fraud=False)
