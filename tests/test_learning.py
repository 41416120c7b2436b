"""What labels teach: once each, in the log's order, the same in any process."""

from __future__ import annotations

import importlib.util
import math
import os
import random
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import checks, linear_model, optim, preprocessing

from risk.declared import ModelDecl, ModelInput
from risk.learning import (
    BadRecord,
    Entry,
    Known,
    Learner,
    ModelError,
    Offer,
    Settled,
    Version,
    apply,
    label_record,
    offer_record,
    record,
    signature_of,
)
from risk.learning.logistic import OnlineLogistic
from risk.learning.quality import Window, auc, average_precision, log_loss

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


# ---------------------------------------------------------------------------------------------------------------------- the same weights


def test_a_version_scores_what_river_scores() -> None:
    rng = random.Random(3)
    learner = told(Learner(model()), entries(3, 1500))
    version = learner.version()
    for _ in range(1000):
        x = drawn(rng)
        expected = learner.logistic.predict_proba_one(learner._expand(x))[True]
        if any(value is not None for value in x):
            assert version.score(x) == pytest.approx(expected, rel=0, abs=1e-12)


def test_without_cut_and_missing_inputs_it_is_rivers_scaler_and_logistic_regression_and_nothing_else() -> None:
    rng = random.Random(4)
    plain = preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(0.02), l2=0.001)
    learner = Learner(model(rate=0.02, l2=0.001, clip=1000.0))
    for i in range(800):
        fraud = rng.random() < 0.3
        x = [value if value is not None else 1.0 for value in drawn(rng, fraud)]
        learner.offer(f"p{i}", x, i, False)
        learner.label(f"p{i}", "fraud" if fraud else "legitimate", "claim", 1, i)
        plain.learn_one(learner._expand(x), fraud)
    version = learner.version()
    for _ in range(300):
        x = [value if value is not None else 1.0 for value in drawn(rng)]
        assert version.score(x) == pytest.approx(plain.predict_proba_one(learner._expand(x))[True], rel=0, abs=1e-12)


def test_before_any_lesson_a_version_scores_one_half() -> None:
    assert Learner(model()).version().score(X) == 0.5


def test_the_learner_learns() -> None:
    learner = told(Learner(model()), [])
    rng = random.Random(9)
    for i in range(3000):
        fraud = rng.random() < 0.1
        learner.offer(f"p{i}", drawn(rng, fraud), i, True)
        learner.label(f"p{i}", "fraud" if fraud else "legitimate", "claim", 1, i)
    quality = learner.quality()
    assert quality["auc"] is not None and quality["auc"] > 0.85
    assert quality["examples"] == quality["lessons"] == 3000


def test_a_bucket_first_seen_late_does_not_run_away() -> None:
    learner = Learner(model())
    rng = random.Random(1)
    for i in range(4000):
        x = drawn(rng)
        x[2] = 3.0 if i == 3999 else 1.0
        learner.offer(f"p{i}", x, i, True)
        learner.label(f"p{i}", "fraud" if i in (3999, 77, 501) else "legitimate", "claim", 1, i)
    scored = learner.version().score([5.0, 1.0, 3.0, 12.0, 0.0, 0.5])
    assert scored is not None and scored < 0.1


# --------------------------------------------------------------------------------------------------------------------------- determinism


def test_the_same_calls_give_the_same_version() -> None:
    assert told(Learner(model()), entries(7, 900)).version() == told(Learner(model()), entries(7, 900)).version()


SCRIPT = "from tests.test_learning import *; print(told(Learner(model()), entries(11, 700)).version().hash)"


def test_the_same_calls_give_the_same_version_in_any_process() -> None:
    here = told(Learner(model()), entries(11, 700)).version().hash
    for seed in ("0", "1", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent.parent, env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.stdout.strip() == here


@given(st.lists(st.integers(1, 300), max_size=6))
def test_replaying_the_log_gives_the_same_learner_however_it_was_cut_into_records(cuts: list[int]) -> None:
    sequence = entries(2, 150)
    direct = told(Learner(model(publish_every=40, presume_after_days=1, mean_score_max=1)), sequence)
    replayed = Learner(model(publish_every=40, presume_after_days=1, mean_score_max=1))
    at, rest = 0, [*cuts, len(sequence)]
    for size in rest:
        apply(replayed, record(replayed.signature, sequence[at : at + size]))
        at += size
    assert replayed.version() == direct.version()
    assert replayed.quality() == direct.quality()
    assert replayed.publish() == direct.publish() is not None


# -------------------------------------------------------------------------------------------------------------------------------- labels


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
    assert learner.version().arrays["count"] == (2.0,) * len(learner.columns), "the scaler saw each payment once"


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


# ---------------------------------------------------------------------------------------------------------------- presumed legitimate


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
    learner.offer("p2", X, 90 * DAY, False)
    assert (learner.lessons, learner.quality()["settlements_unknown"]) == (0, 1)
    learner.label("p1", "fraud", "claim", 1, 91 * DAY)
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


# ------------------------------------------------------------------------------------------------------------------------------- versions


def test_a_version_is_due_at_every_nth_lesson_and_taken_once() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    due = []
    for i in range(5):
        learner.offer(f"p{i}", X, i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
        due.append(learner.due())
        assert (learner.publish() is not None) == due[-1]
    assert due == [False, True, False, True, False]
    assert learner.publish() is None


def test_a_version_made_at_the_nth_lesson_does_not_depend_on_when_it_is_taken() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    for i in range(3):
        learner.offer(f"p{i}", [float(i), 1.0, 2.0, 3.0, 0.0, 0.2], i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    taken = learner.publish()
    assert taken is not None and taken.arrays["learned"] == (2.0,)
    assert taken != learner.version()


def test_a_version_that_is_not_finite_is_not_published_and_says_so() -> None:
    learner = Learner(model(publish_every=2, mean_score_max=1))
    for i, amount in enumerate((1e200, -1e200, 3.0, 4.0)):
        learner.offer(f"p{i}", [amount, 1.0, 2.0, 3.0, 0.0, 0.2], i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    assert not learner.due()
    assert learner.unfit is not None and "not finite" in learner.unfit
    assert learner.quality()["versions_refused"] == 2


def test_a_version_that_takes_most_payments_for_fraud_is_not_published_and_says_so() -> None:
    learner = Learner(model(publish_every=10))
    for i in range(10):
        learner.offer(f"p{i}", X, i, True)
        learner.label(f"p{i}", "fraud", "claim", 1, i)
    assert not learner.due()
    assert learner.unfit is not None and "at most 0.1 expected" in learner.unfit


def test_a_learned_version_survives_its_bytes() -> None:
    version = told(Learner(model()), entries(5, 400)).version()
    again = Version.from_bytes(version.to_bytes())
    assert again == version and again.score(X) == version.score(X)


@pytest.mark.parametrize(("name", "value"), [("publish_evry", 5.0), ("rate", -1.0), ("pending", 0.0), ("clip", float("nan"))])
def test_a_setting_that_is_unknown_or_out_of_bounds_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ModelError, match=name):
        Learner(model(**{name: value}))


def test_a_fixed_model_does_not_learn() -> None:
    with pytest.raises(ModelError, match="does not learn"):
        Learner(ModelDecl("given", (), "fixed"))


# ------------------------------------------------------------------------------------------------------------------------------- the log


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


# ------------------------------------------------------------------------------------------------------------------------------- quality

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


# -------------------------------------------------------------------------------------------------------------------- River's own checks


@pytest.fixture(scope="module", autouse=True)
def without_scikit_learn() -> Iterator[None]:
    """River's checks import it for data sets of other kinds of models; here it is not installed and not needed."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("sklearn") is None:
            patch.setitem(sys.modules, "sklearn", types.ModuleType("sklearn"))
            sys.modules["sklearn"].datasets = None  # type: ignore[attr-defined]
        yield


def test_the_learner_passes_rivers_checks() -> None:
    model = OnlineLogistic()
    ran = []
    for check in checks.yield_checks(model):
        if check.__name__ not in model._unit_test_skips():
            check(model.clone())
            ran.append(check.__name__)
    wanted = (
        "predict_one_pure",
        "no_state_aliasing_with_input",
        "emerging_features",
        "disappearing_features",
        "pickling",
        "bounded_memory_growth",
    )
    assert {f"check_{name}" for name in wanted} <= set(ran)
