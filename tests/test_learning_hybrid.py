"""The additive logit: what it can learn, that its versions say what it learned, and that they are the same anywhere."""

from __future__ import annotations

import itertools
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from risk.declared import ModelDecl, ModelInput
from risk.learning import Learner, ModelError, Version, VersionError
from risk.learning.additive import FIRST_REFIT, Additive, Part, Tuning
from risk.learning.bins import Values, carried, coarse, np
from risk.learning.estimators import estimator_of
from risk.learning.quality import auc
from risk.learning.version import logistic
from tests.learning_streams import X, drawn, entries, hybrid, told

CROSSES = (("amount", "channel"), ("occurred_at", "tries"))

# ------------------------------------------------------------------------------------------------------------------------ what it can learn


def separation(model: Additive, rows: list[tuple[list[float | None], bool]]) -> float:
    """AUC over the second half, each scored before it is learned."""
    pairs = []
    for i, (x, fraud) in enumerate(rows):
        if i >= len(rows) // 2:
            pairs.append((model.margin(x), fraud))
        model.learn(x, fraud)
    return auc(pairs)


def test_bins_learn_what_no_line_can() -> None:
    rng = random.Random(1)
    rows: list[tuple[list[float | None], bool]] = []
    for _ in range(4000):
        a = rng.uniform(0, 1)
        rows.append(([a], rng.random() < (0.6 if 0.4 < a < 0.5 else 0.03)))
    binned = separation(Additive([Part("curve")], (), Tuning(refit_every=500)), rows)
    unbinned = separation(Additive([Part("curve")], (), Tuning(refit_every=500, bins=2)), rows)
    assert binned > 0.75 > 0.6 > unbinned


def test_a_line_carries_the_model_before_there_is_much_in_any_bin() -> None:
    rng = random.Random(2)
    rows: list[tuple[list[float | None], bool]] = []
    for _ in range(600):
        fraud = rng.random() < 0.2
        rows.append(([rng.gauss(0.6 * fraud, 1.0) for _ in range(12)], fraud))
    parts = [Part("curve")] * 12
    assert separation(Additive(parts, (), Tuning(line_step=0.05)), rows) > separation(Additive(parts, (), Tuning(linear=False)), rows)


def test_a_cross_learns_what_two_inputs_only_say_together() -> None:
    rng = random.Random(3)
    rows: list[tuple[list[float | None], bool]] = []
    for _ in range(4000):
        a, b = rng.uniform(0, 1), float(rng.randrange(4))
        rows.append(([a, b], rng.random() < (0.5 if (a > 0.5) == (b > 1) else 0.02)))
    parts = [Part("curve"), Part("table", buckets=4)]
    assert separation(Additive(parts, [(0, 1)], Tuning()), rows) > 0.75
    assert separation(Additive(parts, (), Tuning()), rows) < 0.6


def test_a_missing_input_adds_nothing_and_bins_are_centred_so_that_nothing_is_the_average() -> None:
    rng = random.Random(4)
    model = Additive([Part("curve"), Part("curve")], (), Tuning(refit_every=100))
    for _ in range(1000):
        model.learn([rng.uniform(0, 1), rng.uniform(0, 1)], rng.random() < 0.1)
    assert model.margin([None, None]) == model.bias[0]
    assert 1 / (1 + math.exp(-model.margin([None, None]))) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("value", [1e308, -1e308, math.inf, -math.inf])
def test_a_monstrous_value_is_cut_and_the_model_stays_finite(value: float) -> None:
    rng = random.Random(5)
    model = Additive([Part("curve")], (), Tuning(refit_every=100))
    for i in range(500):
        model.learn([value if i % 50 == 7 else rng.uniform(0, 1)], rng.random() < 0.2)
    assert math.isfinite(model.margin([value])) and math.isfinite(model.margin([0.5]))


# --------------------------------------------------------------------------------------------------------------------------------- the bins


def values(others: list[float], frauds: list[float] | None = None) -> Values:
    return Values(np.array(frauds or [], dtype=float), np.array(others, dtype=float))


def test_small_counts_have_a_bin_each() -> None:
    assert values([0.0, 1.0, 1.0, 2.0, 5.0] * 3).edges(8) == [0.5, 1.5, 3.5]


def test_a_value_that_many_share_has_a_bin_of_its_own_among_quantiles() -> None:
    rng = random.Random(6)
    edges = values([7.0] * 400 + [rng.uniform(0, 10) for _ in range(600)]).edges(8)
    assert len(edges) <= 7
    around = [(low, high) for low, high in itertools.pairwise(edges) if low < 7.0 < high]
    assert len(around) == 1 and around[0][1] - around[0][0] < 0.1


def test_edges_are_fine_where_the_frauds_are() -> None:
    rng = random.Random(7)
    edges = values([rng.uniform(0, 1) for _ in range(2000)], [rng.uniform(0.9, 1.0) for _ in range(20)]).edges(16)
    assert sum(edge > 0.9 for edge in edges) >= 6


def test_what_was_learned_is_carried_over_when_edges_move() -> None:
    held = np.array([0.1, 0.2, 0.6, 0.7, 0.8, 0.9])
    assert carried(held, [0.5], [0.5, 0.75], [1.0, 2.0]) == [1.0, 2.0, 2.0]
    assert carried(held, [0.5, 0.75], [0.65], [1.0, 2.0, 3.0]) == pytest.approx([4 / 3, 8 / 3])
    assert carried(held, [0.5], [2.0], [1.0, 2.0])[1] == 2.0, "a bin that nothing fell into"


def test_a_refit_changes_the_edges_and_hardly_the_scores() -> None:
    rng = random.Random(8)
    model = Additive([Part("curve"), Part("table", buckets=3)], [(0, 1)], Tuning())
    rows: list[list[float | None]] = []
    for _ in range(4 * FIRST_REFIT - 1):
        rows.append([rng.gauss(0, 1), float(rng.randrange(3))])
        model.learn(rows[-1], (rows[-1][0] or 0.0) > 1)
    edges, before = list(model.edges[0]), [model.margin(x) for x in rows]
    rows.append([0.0, 1.0])
    model.learn(rows[-1], False)
    assert model.edges[0] != edges
    moved = [abs(model.margin(x) - z) for x, z in zip(rows, before, strict=False)]
    assert math.fsum(moved) / len(moved) < 0.1 * math.fsum(map(abs, before)) / len(before)


def test_a_line_is_the_same_line_about_another_mean_and_in_other_units() -> None:
    model = Additive([Part("curve")], (), Tuning())
    for i in range(2 * FIRST_REFIT - 1):
        model.learn([i / 10.0], i > FIRST_REFIT)
    before = [model.margin([x]) for x in (4.0, 5.0, 6.0)]
    model._move_line(0, values([3.0, 4.0, 9.0, 9.5]))
    assert model.lines[2] == [6.375]
    assert [model.margin([x]) for x in (4.0, 5.0, 6.0)] == pytest.approx(before)


def test_cells_of_a_cross_are_carried_over_when_edges_move() -> None:
    rng = random.Random(9)
    model = Additive([Part("curve"), Part("table", buckets=2)], [(0, 1)], Tuning())
    grid = [[a / 20.0, b] for a in range(1, 20) if a != 10 for b in (0.0, 1.0)]

    def gap() -> float:
        return math.fsum(model.margin(x) * (1.0 if (x[0] > 0.5) == (x[1] > 0) else -1.0) for x in grid) / len(grid)

    for _ in range(16 * FIRST_REFIT - 1):
        a, b = rng.uniform(0, 1), float(rng.randrange(2))
        model.learn([a, b], (a > 0.5) == (b > 0))
    edges, before = list(model.coarse[0]), gap()
    model.learn([0.5, 0.0], False)
    assert model.coarse[0] != edges
    assert before > 0.7 and gap() > 0.9 * before


def test_coarse_edges_are_some_of_the_edges() -> None:
    edges = [float(i) for i in range(31)]
    assert len(coarse(edges, 12)) == 11 and set(coarse(edges, 12)) <= set(edges)
    assert coarse([1.0, 2.0], 12) == [1.0, 2.0]


# ----------------------------------------------------------------------------------------------------------------------------- its versions


@pytest.fixture(scope="module")
def learned() -> Learner:
    return told(Learner(hybrid(*CROSSES, publish_every=200)), entries(3, 2500))


def test_a_version_scores_what_the_learner_scores(learned: Learner) -> None:
    rng, contender, version = random.Random(3), learned.contenders["hybrid"], learned.version()
    assert version.crosses and any(edges for edges in contender.estimator.edges)  # type: ignore[attr-defined]
    for _ in range(1000):
        x = drawn(rng)
        if any(value is not None for value in x):
            assert version.score(x) == pytest.approx(contender.score(x).score, rel=0, abs=1e-12)


def test_contributions_of_inputs_and_crosses_explain_the_whole_score(learned: Learner) -> None:
    rng, version = random.Random(4), learned.version()
    assert version.labels[-2:] == ("amount x channel", "occurred_at x tries")
    for _ in range(300):
        x = drawn(rng)
        z = version.bias
        for part in version.contributions(x):
            z += part
        if any(value is not None for value in x):
            assert version.score(x) == logistic(z)


def test_a_version_survives_its_bytes(learned: Learner) -> None:
    version = learned.version()
    again = Version.from_bytes(version.to_bytes())
    assert again == version and again.score(X) == version.score(X)


KINDS: tuple[Literal["hybrid", "binned"], ...] = ("hybrid", "binned")
TWO = f"""
for learner in ("hybrid", "binned"):
    model = hybrid({CROSSES[0]}, learner=learner, keep=0.5)
    print(told(Learner(model), entries(11, 700)).version().hash)
"""


def test_the_same_calls_give_the_same_version_in_any_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.learning_streams import *\n{TWO}"], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parent.parent, env={**os.environ, "PYTHONHASHSEED": "4711"},
    )  # fmt: skip
    assert done.stdout.split() == [
        told(Learner(hybrid(CROSSES[0], learner=kind, keep=0.5)), entries(11, 700)).version().hash
        for kind in KINDS
    ]


ARRAYS = ("edge_count", "edge", "weight", "slope", "mean", "low", "high", "pair", "coarse_count", "coarse_edge", "cell", "calibration")


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("change", ["shorter", "longer", "not finite", "missing", "negative count"])
def test_arrays_that_do_not_fit_together_are_no_version(learned: Learner, name: str, change: str) -> None:
    good = learned.version()
    arrays: dict[str, Any] = {key: list(numbers) for key, numbers in good.arrays.items()}
    if change == "missing":
        del arrays[name]
        if name == "calibration":
            return  # a version without one is uncalibrated
    elif change == "negative count":
        arrays[name] = [-1.0, *arrays[name][1:]]
        if name not in ("edge_count", "coarse_count", "pair"):
            return
    else:
        arrays[name] = {"shorter": arrays[name][:-1], "longer": [*arrays[name], 1.0], "not finite": [math.nan, *arrays[name][1:]]}[change]
    with pytest.raises(VersionError):
        Version(good.kind, good.model, good.inputs, arrays)


def test_edges_that_do_not_rise_and_a_calibration_that_turns_the_order_are_refused(learned: Learner) -> None:
    good = learned.version()
    with pytest.raises(VersionError, match="does not rise"):
        Version(good.kind, good.model, good.inputs, {**good.arrays, "edge": tuple(reversed(good.arrays["edge"]))})
    with pytest.raises(VersionError, match="above 0"):
        Version(good.kind, good.model, good.inputs, {**good.arrays, "calibration": (0.0, -1.0, 0.0)})


@pytest.mark.parametrize(
    ("crosses", "message"),
    [((("amount", "amount"),), "two inputs"), ((("amount", "nothing"),), "no input"), ((("amount", "tries"),) * 17, "at most 16")],
)
def test_crosses_that_cannot_be_are_refused(crosses: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Learner(hybrid(*crosses))


def test_a_cross_with_too_many_cells_is_refused() -> None:
    inputs = (ModelInput("a", "category", buckets=1024), ModelInput("b", "category", buckets=5))
    with pytest.raises(ModelError, match="5120 cells"):
        estimator_of("hybrid", ModelDecl("m", inputs, "hybrid", crosses=(("a", "b"),)))


def test_bytes_that_were_tampered_with_are_no_version_or_score_within_bounds(learned: Learner) -> None:
    rng, raw = random.Random(1), learned.version().to_bytes()
    refused = 0
    for _ in range(300):
        broken = bytearray(raw)
        for _ in range(rng.randrange(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            score = Version.from_bytes(bytes(broken)).score(drawn(rng))
        except VersionError:
            refused += 1
        else:
            assert score is None or 0.0 <= score <= 1.0
    assert refused > 50
