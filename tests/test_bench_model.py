"""The models that the online one is compared with are what they are said to be."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from river import linear_model, optim, preprocessing

from bench.model.online import prequential, shipped_policy
from bench.model.pattern import NEWEST, met
from bench.model.plain import Plain, expanded
from bench.model.rows import LABEL_DELAY_MS, Hits, Payment, Rows, _with_labels, ruleset_at
from bench.model.streams import SPARKOV, simulated
from risk.engine import Engine
from risk.learning.inputs import Coding, codings_of
from risk.world import World
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
    rows = Rows("r", codings, x, np.zeros(2, np.int64), np.zeros(2, np.bool_), np.zeros(2, np.int32), ["a", "b"], [None, None], [])
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


def _rows(n: int, attacks: list[str | None], hits: list[Hits]) -> Rows:
    """A payment every hour; the first input is 5 for frauds, 1 for others; all else is missing."""
    model = ruleset_at(SPARKOV / "rules").model
    assert model is not None
    codings = codings_of(model)
    fraud = np.array([attack is not None for attack in attacks])
    x = np.full((n, len(codings)), np.nan)
    x[:, 0] = np.where(fraud, 5.0, 1.0)
    t = np.arange(n) * 3_600_000
    return Rows("r", codings, x, t, fraud, np.zeros(n, np.int32), [f"p{i}" for i in range(n)], attacks, hits)


def test_what_the_policy_blocks_gets_no_verdict_and_teaches_nothing() -> None:
    ruleset = ruleset_at(SPARKOV / "rules")
    attacks: list[str | None] = ["theft" if i % 10 == 0 else None for i in range(1_500)]
    rules = [rule.name for rule in _plan_rules(ruleset)]
    both = Hits("payment", (rules.index("night_spree"), rules.index("out_of_character")), ())  # 80 points: block
    rows = _rows(1_500, attacks, [both if i % 20 == 0 else Hits("payment", (), ()) for i in range(1_500)])
    _, seen, learner = prequential(rows, ruleset, shipped_policy(ruleset), lambda n: None)
    assert not seen[::20].any()
    assert seen[np.arange(1_500) % 20 != 0].mean() > 0.9  # the model itself may block some
    assert learner.ledger.counts["labels_fraud"] == (rows.fraud & seen & (rows.known_ms <= rows.t_ms[-1])).sum()


def _plan_rules(ruleset: Any) -> Any:
    return Engine(ruleset).plans["payment"].rules


def test_a_new_attack_is_met_when_half_of_its_newest_payments_stand_out() -> None:
    attacks: list[str | None] = ["new" if i % 5 == 0 and i >= 500 else None for i in range(2_000)]
    rows = _rows(2_000, attacks, [])
    learned_at = 1_000  # index: from here on its payments score above all others
    scores = np.where(rows.fraud & (np.arange(2_000) >= learned_at), 0.9, 0.1)
    found = met(rows, scores, "new")
    tenth = learned_at + 5 * (NEWEST // 2 - 1)
    assert found.days == (rows.t_ms[tenth] - rows.t_ms[500]) / 86_400_000
    assert found.labelled == (rows.fraud & (rows.known_ms <= rows.t_ms[tenth])).sum()
    assert met(rows, np.full(2_000, 0.1), "new").days is None


def test_an_attack_can_be_kept_out_of_the_world_until_a_day() -> None:
    def world() -> World:
        return World(5, 1_780_272_000_000, rate=1.0, payments=3_000, fraud_share=0.2, tail_ms=0)

    plain = [each for each in simulated(world()) if isinstance(each, Payment)]
    middle = plain[len(plain) // 2].occurred_ms
    kept = [each for each in simulated(world(), "card_testing", middle) if isinstance(each, Payment)]
    assert any(p.attack == "card_testing" and p.occurred_ms < middle for p in plain)
    assert kept == [p for p in plain if not (p.attack == "card_testing" and p.occurred_ms < middle)]
    assert any(p.attack == "card_testing" for p in kept)
