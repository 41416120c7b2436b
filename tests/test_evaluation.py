"""Every figure of the evidence equals its plain definition, said here as loops; intervals are over whole cards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.learning.evaluation import (
    FIGURES,
    Draws,
    Examples,
    by_maturity,
    difference,
    evidence,
)
from risk.learning.evaluation_measures import (
    Ranked,
    calibration_slope,
    card_precisions,
    fifths_of_frauds,
    log_losses,
    ranking,
)

DAY = 86_400_000
SCORES = (0.0, 0.001, 0.01, 0.2, 0.2, 0.5, 0.9, 1.0)  # few, so that there are ties
Row = tuple[float, bool, int]
FEW = settings(max_examples=40, deadline=None)
ROWS = st.lists(st.tuples(st.sampled_from(SCORES), st.booleans(), st.integers(1, 4)), min_size=1, max_size=25)


def measured(rows: list[Row], rate: float = 0.1) -> Any:
    score, fraud, weight = (np.array(column) for column in zip(*rows, strict=True))
    ranked = Ranked(score, fraud.astype(bool))
    return ranking(ranked.curve(weight.astype(float)[ranked.order]), rate)


def examples(rows: list[Row], block: list[int] | None = None) -> Examples:
    score, fraud, weight = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    t = np.arange(n) * (DAY // 3)
    blocks = np.array(block if block is not None else range(n))
    return Examples(score, fraud.astype(bool), t, t + DAY, blocks, weight.astype(float), np.zeros(n, bool))


def copies(rows: list[Row]) -> list[tuple[float, bool]]:
    """A weight of three is three examples."""
    return [(score, fraud) for score, fraud, weight in rows for _ in range(weight)]


def close(a: float | None, b: float | None) -> bool:
    return a is b is None or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12))


@FEW
@given(ROWS)
def test_auc_is_the_share_of_pairs_that_stand_right(rows: list[Row]) -> None:
    frauds = [s for s, fraud in copies(rows) if fraud]
    others = [s for s, fraud in copies(rows) if not fraud]
    won = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in frauds for b in others)
    assert close(measured(rows).auc, won / (len(frauds) * len(others)) if frauds and others else None)


@FEW
@given(ROWS)
def test_average_precision_is_the_mean_precision_at_each_fraud(rows: list[Row]) -> None:
    pairs = copies(rows)
    precisions = []
    for score, fraud in pairs:
        if fraud:
            above = [other for s, other in pairs if s >= score]
            precisions.append(sum(above) / len(above))
    assert close(measured(rows).average_precision, sum(precisions) / len(precisions) if precisions else None)


@FEW
@given(ROWS, st.sampled_from([0.0, 0.1, 0.34, 1.0]))
def test_recall_is_the_largest_of_any_threshold_with_few_enough_false_alarms(rows: list[Row], rate: float) -> None:
    pairs = copies(rows)
    frauds, others = sum(f for _, f in pairs), sum(not f for _, f in pairs)
    best = None
    if frauds and others:
        best = 0.0
        for threshold in {s for s, _ in pairs}:
            alarms = sum(s >= threshold and not f for s, f in pairs)
            if alarms / others <= rate + 1e-12:
                best = max(best, sum(s >= threshold and f for s, f in pairs) / frauds)
    assert close(measured(rows, rate).recall, best)


@FEW
@given(ROWS)
def test_log_loss_and_skill_are_as_defined(rows: list[Row]) -> None:
    pairs = copies(rows)
    loss = -sum(math.log(max(s if f else 1 - s, 1e-15)) for s, f in pairs) / len(pairs)
    rate = sum(f for _, f in pairs) / len(pairs)
    skill = None if rate in (0.0, 1.0) else 1 - loss / -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    figures = evidence(examples(rows), resamples=0).figures
    assert close(figures["log_loss"].value, loss)
    assert close(figures["skill"].value, skill)


@FEW
@given(ROWS)
def test_fifths_hold_a_fifth_of_the_frauds_each_and_sum_to_all(rows: list[Row]) -> None:
    found = evidence(examples(rows), resamples=0)
    frauds = [weight for _, fraud, weight in rows if fraud]
    assert close(math.fsum(fifth.frauds for fifth in found.fifths), float(sum(frauds)))
    distinct = np.linspace(0.01, 0.99, 50)
    assert np.bincount(fifths_of_frauds(distinct, np.ones(50, bool), np.ones(50))).tolist() == [10] * 5


def test_expected_over_observed_and_the_error_are_plain_sums() -> None:
    rows: list[Row] = [(0.1, True, 1), (0.1, False, 3), (0.3, True, 1), (0.5, True, 2), (0.5, False, 1), (0.8, True, 1), (0.9, True, 1)]
    found = evidence(examples(rows), resamples=0)
    # the six frauds are .1 .3 .5 .5 .8 .9: the edges stand at .3 .5 .5 .8
    assert [fifth.frauds for fifth in found.fifths] == [2, 2, 0, 1, 1]
    shares = [fifth.expected_over_observed.value for fifth in found.fifths]
    assert all(map(close, shares, [(0.4 + 0.3) / 2, 1.5 / 2, None, 0.8, 0.9]))
    assert close(found.figures["calibration_error"].value, (1.3 + 0.5 + 0.2 + 0.1) / 6)


@FEW
@given(ROWS.filter(lambda rows: len({f for _, f, _ in rows}) == 2 and len({s for s, _, _ in rows if 0 < s < 1}) > 1))
def test_the_slope_is_where_the_likelihood_is_highest(rows: list[Row]) -> None:
    inner = [row for row in rows if 0 < row[0] < 1]
    score, fraud, weight = (np.array(column) for column in zip(*inner, strict=True))
    found = calibration_slope(score, fraud.astype(bool), weight.astype(float))
    if found is None:
        return

    def likelihood(a: float, b: float) -> float:
        z = [a + b * math.log(s / (1 - s)) for s in score]
        return -sum(w * (math.log1p(math.exp(-v)) if f else math.log1p(math.exp(v))) for v, f, w in zip(z, fraud, weight, strict=True))

    best = likelihood(*found)
    assert all(likelihood(found.intercept + da, found.slope + db) <= best + 1e-9 for da in (-0.01, 0, 0.01) for db in (-0.01, 0, 0.01))


def test_scores_that_are_the_chances_have_slope_one_and_scores_too_extreme_less() -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(-3, 1.5, 40_000)
    fraud = rng.random(40_000) < 1 / (1 + np.exp(-z))
    weight = np.ones(40_000)
    right = calibration_slope(1 / (1 + np.exp(-z)), fraud, weight)
    doubled = calibration_slope(1 / (1 + np.exp(-2 * z)), fraud, weight)
    assert right is not None and abs(right.slope - 1) < 0.05
    assert doubled is not None and abs(doubled.slope - 0.5) < 0.03


@FEW
@given(st.lists(st.tuples(st.sampled_from(SCORES), st.booleans(), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30))
def test_card_precision_looks_at_the_top_cards_of_each_day(rows: list[tuple[float, bool, int, int]]) -> None:
    shares = []
    for day in sorted({d for *_, d in rows}):
        cards = {c: [(s, f) for s, f, card, d in rows if d == day and card == c] for _, _, c, d in rows if d == day}
        ranked = sorted(cards, key=lambda c: (-max(s for s, _ in cards[c]), c))[:2]
        shares.append(sum(any(f for _, f in cards[c]) for c in ranked) / len(ranked))
    score, fraud, block, day = (np.array(column) for column in zip(*rows, strict=True))
    assert np.allclose(card_precisions(score, fraud.astype(bool), day * DAY + 5, block, 2), shares)


@FEW
@given(ROWS)
def test_a_weight_is_so_many_examples(rows: list[Row]) -> None:
    once = evidence(examples(rows), resamples=0).figures
    many = evidence(examples([(s, f, 1) for s, f in copies(rows)]), resamples=0).figures
    for name in set(FIGURES) - {"card_precision", "calibration_error"}:
        assert close(once[name].value, many[name].value) or abs((once[name].value or 0) - (many[name].value or 0)) < 1e-6


def test_no_measure_depends_on_the_order_of_the_examples() -> None:
    rng = np.random.default_rng(5)
    rows = [(float(rng.choice(SCORES)), bool(rng.random() < 0.3), int(rng.integers(1, 4))) for _ in range(200)]
    given_, turned = examples(rows), examples(rows).where(np.arange(200)[::-1])
    for name in set(FIGURES):
        assert close(evidence(given_, resamples=0).figures[name].value, evidence(turned, resamples=0).figures[name].value)


def noisy(n: int = 2_000, cards: int = 40) -> Examples:
    rng = np.random.default_rng(11)
    risky = rng.normal(0, 1.5, cards)
    block = rng.integers(0, cards, n)
    z = rng.normal(-3, 1, n) + risky[block]
    t = np.sort(rng.integers(0, 60 * DAY, n))
    return Examples.of(1 / (1 + np.exp(-z)), rng.random(n) < 1 / (1 + np.exp(-z)), t, t + 7 * DAY, block)


def test_an_interval_holds_its_figure_and_is_the_same_for_the_same_seed() -> None:
    found, again, other = evidence(noisy(), 1, 200), evidence(noisy(), 1, 200), evidence(noisy(), 2, 200)
    assert found == again != other
    for name, figure in found.figures.items():
        assert figure.value is not None and figure.low is not None and figure.high is not None, name
        assert figure.low <= figure.value <= figure.high, name
        assert figure.low < figure.high, name


def test_payments_of_one_card_are_drawn_together() -> None:
    """40 cards whose 50 payments are all alike say as much as 40 payments."""
    one = noisy(40, 40)
    fifty = Examples(*(np.repeat(getattr(one, name), 50) for name in one.__dataclass_fields__))
    by_card = Examples.of(fifty.score, fifty.fraud, fifty.t_ms, fifty.known_ms, np.repeat(np.arange(40), 50))
    by_payment = Examples.of(fifty.score, fifty.fraud, fifty.t_ms, fifty.known_ms, np.arange(2_000))
    wide, narrow = (evidence(each, 1, 300).figures["log_loss"] for each in (by_card, by_payment))
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)  # type: ignore[operator]
    draws = Draws(np.array([7, 7, 9, 9, 9]), 3, 50)
    assert all(often.sum() == 2 for often in draws.often)
    assert np.allclose(draws.sums(np.ones(5)), draws.often @ np.array([2.0, 3.0]))


def test_the_difference_is_paired() -> None:
    """Two scores that are nearly the same differ by little for sure, however uncertain each of them is."""
    given_ = noisy()
    same = difference(given_, given_.score, 1, 200)
    assert same == (0.0, 0.0, 0.0)
    rng = np.random.default_rng(1)
    nearly = difference(given_, given_.score * np.exp(rng.normal(0, 0.02, len(given_.score))), 1, 200)
    alone = evidence(given_, 1, 200).figures["average_precision"]
    assert nearly.high - nearly.low < 0.3 * (alone.high - alone.low)  # type: ignore[operator]
    worse = difference(given_, rng.random(len(given_.score)), 1, 200)
    assert worse.low is not None and worse.low > 0.1


def test_labels_are_given_time_to_arrive() -> None:
    rows: list[Row] = [(0.9, True, 1), (0.8, True, 1), (0.1, False, 1), (0.2, False, 1)]
    given_ = examples(rows)
    given_ = Examples(
        given_.score, given_.fraud, np.zeros(4, int), np.array([2, 20, 1, 40]) * DAY, given_.block, given_.weight, given_.reviewed
    )
    found = by_maturity(given_, now_ms=31 * DAY, days=(1, 7, 30, 45), resamples=0)
    assert {days: each.frauds for days, each in found.items()} == {1: 0, 7: 1, 30: 2}  # nobody is 45 days old


def test_verdicts_of_analysts_stand_apart_with_weights_cut_at_twenty_and_only_theirs() -> None:
    given_ = examples([(0.9, True, 1), (0.8, True, 1), (0.1, False, 1)])
    given_ = Examples(*(getattr(given_, n) for n in ("score", "fraud", "t_ms", "known_ms", "block")), np.array([100.0, 100.0, 1.0]),
                      np.array([False, True, False]))  # fmt: skip
    life, analysts = given_.apart()
    assert life.weight.tolist() == [100.0, 1.0]
    assert analysts.weight.tolist() == [20.0]


def test_payments_without_a_score_are_left_out_and_nothing_at_all_gives_no_figures() -> None:
    given_ = examples([(math.nan, True, 1), (0.5, False, 1)])
    assert evidence(given_).examples == 1
    empty = evidence(given_.where(np.zeros(2, bool)))
    assert empty.examples == 0 and all(figure.value is None for figure in empty.figures.values())


def test_log_losses_stay_finite() -> None:
    assert np.isfinite(log_losses(np.array([0.0, 1.0]), np.array([True, False]))).all()
