"""What the model reads, and what a score is made of: encodings, versions, scorers."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.declared import NEVER, EventType, Field, FieldType, ModelDecl, ModelInput
from risk.language import load
from risk.learning import Learner, ModelError, Version, VersionError, fixed_version, inputs_of, scorer, signature_of
from risk.learning.inputs import bucket_of, codings_of, encode_value, hour_of
from risk.learning.version import logistic

HOUR = 3_600_000


def field(name: str, kind: Any) -> Field:
    return Field(name, name.replace(".", "_"), FieldType(kind), tuple(name.split(".")), optional=True)


KINDS = {
    "amount": "money",
    "channel": "enum",
    "occurred_at": "time",
    "device.id": "id",
    "device.flags": "texts",
    "remote": "bool",
    "opened_at": "time",
}
PAYMENT = EventType("payment", {name: field(name, kind) for name, kind in KINDS.items()}, decide=True)
SLOTS = {"tries": 0, "total": 1, "last_city": 2}
INPUTS = (
    ModelInput("amount", "log"),
    ModelInput("amount", "number"),
    ModelInput("channel", "category", buckets=8),
    ModelInput("last_city", "category", buckets=5),
    ModelInput("occurred_at", "hour", zone="Asia/Shanghai"),
    ModelInput("device.id", "missing"),
    ModelInput("device.flags", "category", buckets=4),
    ModelInput("remote", "number"),
    ModelInput("tries", "number"),
    ModelInput("total", "saturating", half=1200.0),
    ModelInput("total", "missing"),
    ModelInput("elsewhere", "number"),
    ModelInput("opened_at", "log"),
)
MODEL = ModelDecl("fraud", INPUTS, "logistic")


def event(**values: Any) -> SimpleNamespace:
    base = dict.fromkeys((f.attr for f in PAYMENT.fields.values()), None)
    return SimpleNamespace(**{**base, **values})


def fixed(*inputs: ModelInput, bias: float = 0.0, decimals: int | None = None) -> ModelDecl:
    return ModelDecl("given", inputs, "fixed", bias=bias, decimals=decimals)


def learned(model: ModelDecl, seed: int) -> Version:
    rng = random.Random(seed)
    codings = codings_of(model)
    n = sum(len(c.columns) for c in codings)
    arrays = {
        "intercept": [-3.0], "clip": [5.0], "learned": [100.0], "count": [100.0] * n,
        "mean": [rng.gauss(0, 3) for _ in range(n)],
        "var": [rng.choice([0.0, rng.random() * 9]) for _ in range(n)],
        "weight": [rng.gauss(0, 1) for _ in range(n)],
    }  # fmt: skip
    return Version("logistic", model.name, codings, arrays)


def test_every_input_has_its_place_and_what_is_lacking_is_none() -> None:
    encode = inputs_of(MODEL, PAYMENT, SLOTS)
    e = event(amount=19_900, channel="live", occurred_at=4 * HOUR + HOUR // 2, device_flags=("rooted",), remote=True)
    x = encode(e, [3, 400, "SH"])
    assert x == [
        math.log1p(19_900), 19_900.0, bucket_of("live", 8), bucket_of("SH", 5), 12.5, 1.0, bucket_of(("rooted",), 4), 1.0, 3.0,
        400 / 1600.0, 0.0, None, None,
    ]  # fmt: skip
    assert encode(event(), [None, NEVER, None]) == [None, None, None, None, None, 1.0, None, None, None, None, 1.0, None, None]


def test_a_feature_that_this_event_does_not_read_is_missing() -> None:
    encode = inputs_of(ModelDecl("m", (ModelInput("tries", "number"), ModelInput("tries", "missing")), "logistic"), PAYMENT, {})
    assert encode(event(), []) == [None, None]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("encoding", ["number", "log", "saturating", "category", "hour"])
def test_unknown_never_and_infinite_are_missing_in_every_encoding(encoding: Any, value: Any) -> None:
    given = ModelInput("tries", encoding, half=3.0, buckets=4, zone="UTC")
    model = ModelDecl("m", (given, ModelInput("tries", "missing")), "logistic")
    assert inputs_of(model, PAYMENT, SLOTS)(event(), [value]) == [None, 1.0]


VALUES = st.one_of(
    st.none(), st.integers(-(10**18), 10**18), st.floats(), st.booleans(), st.text(max_size=6), st.just(10**400), st.just(-1200),
    st.lists(st.text(max_size=3), max_size=2).map(tuple),
)  # fmt: skip


@given(st.sampled_from(["number", "log", "saturating", "category", "hour", "missing"]), VALUES)
def test_generated_code_encodes_any_value_as_the_reference_does(encoding: Any, value: Any) -> None:
    given = ModelInput("tries", encoding, half=1200.0, buckets=16, zone="Asia/Shanghai")
    model = ModelDecl("m", (given,), "logistic")
    assert inputs_of(model, PAYMENT, SLOTS)(event(), [value]) == [encode_value(codings_of(model)[0], value)]


def test_a_bucket_is_the_same_in_every_process_and_release() -> None:
    assert [bucket_of(v, 1000) for v in ("live", "快递", True, 5411, "true")] == [280, 587, 479, 918, 479]


def test_a_field_that_is_a_time_is_read_as_its_age_in_milliseconds() -> None:
    given = ModelInput("opened_at", "number")
    model = ModelDecl("m", (given, ModelInput("opened_at", "missing")), "logistic")
    encode = inputs_of(model, PAYMENT, SLOTS)
    assert encode(event(occurred_at=5_000, opened_at=2_000), []) == [3_000.0, 0.0]
    assert encode(event(occurred_at=5_000), []) == [None, 1.0]


def test_the_hour_follows_the_zone_through_summer_time() -> None:
    assert hour_of(0, "Asia/Shanghai") == 8.0
    winter, summer = 1_767_225_600_000, 1_782_864_000_000  # 2026-01-01 and 2026-07-01, midnight UTC
    assert (hour_of(winter, "Europe/Berlin"), hour_of(summer, "Europe/Berlin")) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (ModelInput("tries", "saturating"), "`half`"),
        (ModelInput("tries", "saturating", half=-1.0), "`half`"),
        (ModelInput("channel", "category"), "`buckets`"),
        (ModelInput("occurred_at", "hour", zone="Mars/Base"), "time zone"),
        (ModelInput("amount", "hour", zone="UTC"), "reads a time"),
        (ModelInput("channel", "log"), "reads a number"),
    ],
)
def test_an_input_that_cannot_be_read_is_named_with_what_was_expected(given: ModelInput, says: str) -> None:
    with pytest.raises(ModelError, match=f"^{given.name}: .*{says}"):
        inputs_of(ModelDecl("m", (given,), "logistic"), PAYMENT, SLOTS)


def test_the_signature_changes_with_what_an_input_means_and_not_with_settings() -> None:
    same = ModelDecl("fraud", INPUTS, "logistic", settings={"rate": 0.5})
    other = ModelDecl("fraud", (*INPUTS[:9], ModelInput("total", "saturating", half=1201.0), *INPUTS[10:]), "logistic")
    assert signature_of(same) == signature_of(MODEL) != signature_of(other)


def w1_score(values: list[int], bias: float, weight: list[float], half: list[float]) -> float:
    z = bias
    for x, w, h in zip(values, weight, half, strict=True):
        z += w * (x / (x + h))
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize("decimals", [None, 6])
def test_a_fixed_score_is_the_given_formula_to_the_last_bit(decimals: int | None) -> None:
    rng = random.Random(5)
    weight = [round(rng.gauss(0, 0.5), 3) for _ in range(43)]
    half = [float(rng.choice([3, 6, 28469, 1489980])) for _ in range(43)]
    names = [f"f{i}" for i in range(43)]
    inputs = [ModelInput(n, "saturating", half=h, weight=w) for n, w, h in zip(names, weight, half, strict=True)]
    model = fixed(*inputs, bias=-4.5, decimals=decimals)
    version = fixed_version(model)
    slots = {n: 42 - i for i, n in enumerate(names)}
    score = scorer(model, PAYMENT, slots, version)
    encode = inputs_of(model, PAYMENT, slots)
    for _ in range(500):
        values = [rng.choice([1, 2, 17, rng.randrange(2_000_000)]) for _ in range(43)]
        v = values[::-1]
        expected = w1_score(values, -4.5, weight, half)
        assert score(event(), v) == (expected if decimals is None else round(expected, decimals), None)
        assert version.score(encode(event(), v)) == (expected if decimals is None else round(expected, decimals))


@given(st.lists(VALUES, min_size=3, max_size=3), st.one_of(st.none(), st.integers(-5, 10**13)), st.integers(0, 3))
def test_a_scorer_scores_as_its_version_scores_the_inputs(v: list[Any], amount: Any, seed: int) -> None:
    e = event(amount=amount, occurred_at=seed * HOUR, channel="app")
    fixed_inputs = [ModelInput(i.name, i.encoding, half=i.half, weight=0.7) for i in INPUTS if i.encoding not in ("hour", "category")]
    for model, version in ((MODEL, learned(MODEL, seed)), (m := fixed(*fixed_inputs, bias=-1.0), fixed_version(m))):
        x = inputs_of(model, PAYMENT, SLOTS)(e, v)
        score, read = scorer(model, PAYMENT, SLOTS, version)(e, v)
        assert score == version.score(x)
        assert read == (x if model is MODEL else None)


@given(st.integers(0, 50), st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=2, max_size=2))
def test_contributions_explain_the_whole_score(seed: int, values: list[float | None]) -> None:
    model = ModelDecl("m", (*INPUTS[2:5], ModelInput("tries", "number"), ModelInput("total", "log")), "logistic")
    version = learned(model, seed)
    x = inputs_of(model, PAYMENT, SLOTS)(event(channel="qr", occurred_at=HOUR * seed), [*values, "BJ"])
    z = version.bias
    for part in version.contributions(x):
        z += part
    assert version.score(x) == logistic(z)
    assert len(version.top(x, 2)) <= 2


def test_top_names_the_inputs_that_move_the_score_most_either_way() -> None:
    model = fixed(*(ModelInput(n, "number", weight=w) for n, w in (("tries", 2.0), ("total", -3.0), ("amount", 0.0))))
    assert fixed_version(model).top([1.0, 1.0, 1.0], 3) == [("total", -3.0), ("tries", 2.0)]
    assert fixed_version(model).top([1.0, None, 1.0], 3) == [("tries", 2.0)]


def test_a_score_that_cannot_be_made_is_none_and_never_zero() -> None:
    model = fixed(ModelInput("tries", "number", weight=1.0), ModelInput("total", "number", weight=1.0))
    version = fixed_version(model)
    assert scorer(model, PAYMENT, SLOTS, None)(event(), [1, 2, None])[0] is None
    assert scorer(model, PAYMENT, SLOTS, version)(event(), [None, NEVER, None]) == (None, None)
    assert scorer(model, PAYMENT, {}, version)(event(), []) == (None, None)
    assert scorer(model, PAYMENT, SLOTS, version)(event(), [None, 0, None]) == (0.5, None)
    assert version.score([math.nan, 1.0]) is None
    assert scorer(model, PAYMENT, SLOTS, version)(event(), [-(10**9), 0, None]) == (0.0, None)  # a score of 0, honestly made


def test_without_a_version_the_inputs_are_still_read_for_learning() -> None:
    x = scorer(MODEL, PAYMENT, SLOTS, None)(event(amount=1), [1, 2, "SH"])[1]
    assert x == inputs_of(MODEL, PAYMENT, SLOTS)(event(amount=1), [1, 2, "SH"])


def test_a_version_survives_its_bytes_and_is_addressed_by_their_hash() -> None:
    version = learned(MODEL, 1)
    again = Version.from_bytes(version.to_bytes())
    assert again == version and again.hash == version.hash and again.to_bytes() == version.to_bytes()
    assert again.fits(MODEL) and not again.fits(ModelDecl("fraud", INPUTS[1:], "logistic"))
    assert learned(MODEL, 2).hash != version.hash


def test_bytes_that_no_version_made_are_refused() -> None:
    raw = learned(MODEL, 1).to_bytes()
    foreign = msgspec.msgpack.decode(raw)
    for broken in (b"", b"\xc1", raw[:-3], raw + b"\x00", b"\x92\x01\x02", msgspec.msgpack.encode([9, *foreign[1:]])):
        with pytest.raises(VersionError):
            Version.from_bytes(broken)
    for name, values in (("weight", [1.0]), ("intercept", [math.nan]), ("surplus", [1.0])):
        arrays = {**foreign[5], name: values}
        with pytest.raises(VersionError):
            Version.from_bytes(msgspec.msgpack.encode([*foreign[:5], arrays]))
    huge = [["channel", "category", None, 10**9, None]]
    with pytest.raises(VersionError):
        Version.from_bytes(msgspec.msgpack.encode([1, "fixed", "m", huge, None, {"bias": [0.0], "weight": [1.0]}]))


@given(st.binary(max_size=60))
def test_random_bytes_are_no_version(raw: bytes) -> None:
    with pytest.raises(VersionError):
        Version.from_bytes(raw)


def test_a_version_of_another_model_does_not_score() -> None:
    with pytest.raises(ModelError, match="does not read"):
        scorer(ModelDecl("fraud", INPUTS[1:], "logistic"), PAYMENT, SLOTS, learned(MODEL, 1))


@pytest.mark.parametrize("given", [ModelInput("channel", "category", buckets=4, weight=1.0), ModelInput("tries", "number")])
def test_a_fixed_model_weighs_single_columns_and_each_has_its_weight(given: ModelInput) -> None:
    with pytest.raises(ModelError, match=given.name):
        fixed_version(fixed(given))


def test_scoring_and_writing_the_log_do_not_import_river() -> None:
    code = "import sys, risk.learning as l; l.scorer, l.record; assert not any(m.startswith('river') for m in sys.modules); l.Learner"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_the_shipped_model_reads_every_decided_event_and_can_learn() -> None:
    ruleset = load(sorted((Path(__file__).parent.parent / "rules").rglob("*.yaml")))
    model = ruleset.model
    assert model is not None
    learner = Learner(model)
    for name, kind in ruleset.schema.types.items():
        if kind.decide:
            slots = {feature: i for i, feature in enumerate(ruleset.reads(name))}
            e = SimpleNamespace(**{f.attr: None for f in kind.fields.values()} | {"occurred_at": 4 * HOUR, "amount": 19_900})
            score, x = scorer(model, kind, slots, learner.version())(e, [None] * len(slots))
            keep = model.settings["keep"]
            assert score == pytest.approx(keep / (1 + keep)), "nothing was learned: even odds, of which the sampling is taken back"
            assert x is not None and x[:2] == [math.log1p(19_900), 12.0]
            for given in model.inputs:
                assert given.name in kind.fields or given.name in ruleset.features
