"""The `model` section and the schema: whatever would stop a worker at its start stops `risk check`, with a place."""

from __future__ import annotations

import pytest

from risk.engine import Engine
from risk.language import Problem, examine, load
from risk.language.sections import model_learner
from risk.language.sections.model import BUCKETS_MAX, MODEL_SETTINGS
from risk.learning import SETTINGS, Learner, additive_terms, estimators, fixed_version, inputs

EVENTS = """
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: money CNY
      payer.id: id user
      channel: app | web
      place: text
  transfer:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, channel: int, place: number}
"""


def errors(model: str, events: str = EVENTS) -> list[Problem]:
    found = examine([("e.yaml", events), ("m.yaml", f"model:\n{model}")])
    return [problem for problem in found.problems if problem.severity == "error"]


def test_the_settings_and_bounds_are_those_of_the_learner() -> None:
    assert {name: (each.low, each.high) for name, each in SETTINGS.items()} == MODEL_SETTINGS
    assert BUCKETS_MAX == inputs.BUCKETS_MAX


LEARNED = "  inputs: [{read: amount, as: log}]\n"
TWO = "  inputs: [{read: amount, as: log}, {read: channel, as: category, buckets: 8}]\n"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LEARNED + "  settings: {rat: 0.1}", "`rat` is not a setting of the model"),
        (LEARNED + "  settings: {rate: 11}", "setting `rate` of the model is from 0 to 10, not `11`"),
        (LEARNED + "  settings: {pending: 0}", "setting `pending` of the model is from 1 to 10,000,000, not `0`"),
        (LEARNED + "  settings: {rate: 1e999}", "setting `rate` of the model is larger than any number that can be counted with: `1e999`"),
        (LEARNED + "  bias: 1", "`bias` is for a fixed model; one that learns finds its own"),
        ("  inputs: []", "a model reads at least one input"),
        ("  inputs: [{read: payer.id, as: category, buckets: 1025}]", "`buckets` is a whole number from 2 to 1024, not `1025`"),
        ("  inputs: [{read: amount, as: log, weight: 1}]", "`weight` is for a fixed model; one that learns finds its own"),
        ("  inputs: [{read: place, as: number}]", "`place` is text, which cannot be read as number"),
        ("  inputs: [{read: place, as: category, buckets: 8}]", "`place` is a number, which cannot be read as category"),
        ("  inputs: [{read: channel, as: log}]", "`channel` is one of 'app', 'web', which cannot be read as log"),
        ("  inputs: [{read: occurred_at, as: hour}]", "`as: hour` needs `zone:`"),
        ("  inputs: [{read: occurred_at, as: hour, zone: Nowhere/Land}]", "unknown time zone `Nowhere/Land`"),
        ("  inputs: [{read: amount, as: saturating, half: 1e400}]", "`half` is larger than any number that can be counted with: `1e400`"),
        (
            "  learner: fixed\n  inputs: [{read: channel, as: category, buckets: 2, weight: 1}]",
            "a fixed model cannot weigh an input read as category: it becomes several numbers",
        ),
        ("  learner: fixed\n  inputs: [{read: amount, as: log}]", "a fixed model needs the weight of `amount`"),
        (LEARNED + "  learner: hybird", "learner is hybrid, binned, logistic or fixed, not `hybird`"),
        (
            LEARNED + "  learner: hoeffding_tree",
            "`hoeffding_tree` alone never splits where frauds are rare, and raises no error: it scores every payment the same",
        ),
        (
            LEARNED + "  challengers: [forest, ExtremelyFastDecisionTree]",
            "`ExtremelyFastDecisionTree` alone never splits where frauds are rare, and raises no error: it scores every payment the same",
        ),
        (LEARNED + "  challengers: [forest, hybrid]", "`hybrid` is there already"),
        (
            "  learner: fixed\n  challengers: [binned]\n  inputs: [{read: amount, as: log, weight: 1}]",
            "a fixed model learns nothing, so nobody can compete with it",
        ),
        (LEARNED + "  crosses: amount", "`crosses` is a list of pairs"),
        (LEARNED + "  crosses: [[amount]]", "a cross is two inputs"),
        (LEARNED + "  crosses: [[amount, amuont]]", "`amuont` is no input of the model"),
        (LEARNED + "  crosses: [[amount, amount]]", "`amount` is crossed with itself"),
        (TWO + "  crosses: [[amount, channel], [channel, amount]]", "`channel` and `amount` are a cross already"),
        (TWO + "  learner: logistic\n  crosses: [[amount, channel]]", "a logistic model has no crosses"),
        (
            "  inputs: [{read: amount, as: log}, {read: channel, as: category, buckets: 1024}]\n  crosses: [[amount, channel]]",
            "`amount` and `channel` make 16,384 cells; at most 4,096",
        ),
        (TWO + "  crosses: [" + "[amount, channel], " * 17 + "]", "17 crosses; a model has at most 16"),
        (LEARNED + "  reasons: {amuont: UNUSUAL_AMOUNT}", "`amuont` is no input of the model"),
        (LEARNED + "  reasons: {amount: unusual amount}", "a reason is a stable code in capitals, not `unusual amount`"),
    ],
)
def test_a_model_that_no_worker_could_start_with_is_told(model: str, message: str) -> None:
    found = errors(model)
    assert [problem.message for problem in found][:1] == [message]
    assert len(found) == 1 or message.startswith("17 crosses")
    assert (found[0].path, found[0].line >= 2) == ("m.yaml", True)


@pytest.mark.parametrize(
    "model",
    [
        LEARNED + "  settings: {rate: 10, l2: 1, clip: 1, window: 10, presume_after_days: 0}",
        "  inputs: [{read: channel, as: category, buckets: 1024}, {read: occurred_at, as: hour, zone: UTC}, {read: place, as: missing}]",
        TWO + "  challengers: [binned, forest]\n  crosses: [[amount, channel]]\n  reasons: {amount: HIGH}\n  settings: {keep: 0.1}",
        "  learner: fixed\n  bias: -1.5\n  inputs: [{read: amount, as: saturating, half: 100, weight: -2e3}]",
    ],
)
def test_a_model_that_is_right_starts(model: str) -> None:
    ruleset = load([("e.yaml", EVENTS), ("m.yaml", f"model:\n{model}")])
    assert ruleset.model is not None
    if ruleset.model.learner == "fixed":
        Engine(ruleset, fixed_version(ruleset.model))
    else:
        Engine(ruleset, Learner(ruleset.model).version())


def test_bounds_of_crosses_are_those_of_the_learner() -> None:
    assert (model_learner.CROSSES_MAX, model_learner.CELLS_MAX) == (additive_terms.CROSSES_MAX, additive_terms.CELLS_MAX)
    assert SETTINGS["cross_bins"].default == model_learner.CROSS_BINS
    assert set(model_learner.LEARNERS) == {"fixed", *estimators.VERSIONED}
    assert set(model_learner.CHALLENGERS) == {*estimators.VERSIONED, *estimators.UNVERSIONED}


def test_a_tree_that_never_splits_is_refused_with_what_to_do_instead() -> None:
    (found,) = errors(LEARNED + "  learner: HoeffdingAdaptiveTreeClassifier")
    assert found.hint == "trees compete as `challengers: [forest, bagging]`, which learn a sample of the legitimate payments"


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        (
            "amount: money CNY\n",
            "amount: money CNY\n      sum: {type: text, from: amount}\n",
            "`amount` is an object that holds field",
            (9, 7),
        ),
        ("place: text", "place: {type: int, from: channel}", "`channel` is read as another type by field `channel`", (11, 7)),
        ("place: text", "event: text", "the key `event` says which event type a message is", (11, 7)),
        ("decide: true\n    fields:\n", "decide: true\n    ignore: [channel]\n    fields:\n", "`channel` is read by a field", (3, 3)),
        ("decide: true", "decide: true\n    default: true", "is already the default event type", (13, 3)),
    ],
)
def test_fields_that_make_no_schema_are_told_with_their_place(old: str, new: str, message: str, place: tuple[int, int]) -> None:
    events = EVENTS.replace(old, new)
    found = examine([("e.yaml", events)]).problems
    assert [problem.code for problem in found] == ["E233"]
    assert message in found[0].message
    assert (found[0].line, found[0].column) == place, found[0]
