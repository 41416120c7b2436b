"""The `model` section: what the model reads and how each input becomes numbers.

Inputs are fields of the events that are decided (an event that lacks one has it missing) and features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args, get_type_hints

from risk.declared import EventType, Feature, FieldType, ModelDecl, ModelInput
from risk.language.problems import did_you_mean, nearest, one_of
from risk.language.sections.keys import Keys, as_block, number
from risk.language.sections.model_learner import CROSS_BINS, challengers_of, crosses_of, learner_of, reasons_of
from risk.language.sections.policy import is_zone
from risk.language.source import Block, Items, Node, Problems, Scalar
from risk.language.values import described

MODEL_KEYS = (
    "name", "learner", "challengers", "bias", "decimals", "settings", "trains_on", "inputs", "crosses", "reasons", "about",
)  # fmt: skip
INPUT_KEYS = ("read", "as", "half", "buckets", "zone", "weight", "about")
ENCODINGS: tuple[str, ...] = get_args(get_type_hints(ModelInput)["encoding"])
NUMERIC = ("int", "number", "bool", "time", "duration", "money")  # a time is read as its age
READS: Mapping[str, tuple[str, ...]] = {
    "number": NUMERIC,
    "log": NUMERIC,
    "saturating": NUMERIC,
    "category": ("text", "id", "enum", "country", "bool", "int"),
    "hour": ("time",),
    "missing": get_args(get_type_hints(FieldType)["kind"]),
}
NEEDS: Mapping[str, str] = {"saturating": "half", "category": "buckets", "hour": "zone"}
LABEL_KINDS = ("review", "claim", "police", "issuer", "chargeback", "refund_abuse", "promo", "default", "merchant", "minor")
BUCKETS_MAX = 1_024
NOT_WEIGHED = ("category", "hour")
"""Encodings that are several columns: a fixed model has one weight for an input."""
MODEL_SETTINGS: Mapping[str, tuple[float, float]] = {
    "step": (0.0, 10.0),
    "line_step": (0.0, 10.0),
    "bins": (2, 256),
    "cross_bins": (2, 64),
    "refit_every": (64, 10_000_000),
    "keep": (0.001, 1.0),
    "challenger_keep": (0.001, 1.0),
    "seed": (0, 2**31 - 1),
    "rate": (0.0, 10.0),
    "intercept_rate": (0.0, 10.0),
    "l2": (0.0, 1.0),
    "clip": (1.0, 1_000.0),
    "calibration_memory": (100, 100_000_000),
    "publish_every": (1, 10_000_000),
    "presume_after_days": (0.0, 400.0),
    "balance_horizon_days": (0.001, 400.0),
    "card_horizon_days": (0.001, 400.0),
    "default_horizon_days": (0.001, 400.0),
    "review_weight": (1.0, 20.0),
    "pending": (1, 10_000_000),
    "waiting": (1, 10_000_000),
    "mean_score_max": (0.0, 1.0),
    "baseline_margin": (0.0, 1.0),
    "window": (10, 1_000_000),
}
"""Settings of a model that learns, and their bounds; a test holds them against those of `risk.learning`, which uses them."""
DECIMALS_MAX = 15


def read_model(
    entries: list[tuple[Scalar, Node]], types: Mapping[str, EventType], features: Mapping[str, Feature], problems: Problems
) -> ModelDecl | None:
    if not entries:
        return None
    before = problems.errors
    first = entries[0][0]
    block = Block(first.file, {key.text: (key, node) for key, node in entries}, first.start, first.end)
    keys = Keys(block, "the model", MODEL_KEYS, problems)
    keys.require("inputs", at=first)
    learner, known = learner_of(keys, problems)
    meant = learner if known else ""  # of a learner that is none, nothing more is said
    inputs = _inputs(keys, meant, types, features, problems)
    settings = _settings(keys, problems)
    if meant not in ("fixed", "") and "bias" in keys:
        problems.error("E440", block.key("bias"), "`bias` is for a fixed model; one that learns finds its own")
    kinds = _trains_on(keys, types, problems)
    model = ModelDecl(
        name=keys.text("name") or "model",
        inputs=inputs,
        learner=cast("Any", learner),
        settings=settings,
        bias=keys.number("bias", 0.0) or 0.0,
        **({"trains_on": kinds} if kinds else {}),
        decimals=keys.whole("decimals", 0, DECIMALS_MAX) if "decimals" in keys else None,
        place=first.place,
        challengers=challengers_of(keys, meant, problems),
        crosses=crosses_of(keys, meant, inputs, int(settings.get("cross_bins", CROSS_BINS)), problems),
        reasons=reasons_of(keys, inputs, problems),
    )
    return model if problems.errors == before else None


def _settings(keys: Keys, problems: Problems) -> dict[str, float]:
    """How the model learns."""
    settings: dict[str, float] = {}
    for key, node in keys.mapping("settings") or ():
        if key.text not in MODEL_SETTINGS:
            hint = did_you_mean(key.text, MODEL_SETTINGS) or f"settings are {', '.join(MODEL_SETTINGS)}"
            problems.error("E440", key, f"`{key.text}` is not a setting of the model", hint)
            continue
        if not isinstance(node, Scalar):
            problems.error("E005", node, f"setting `{key.text}` of the model is one number")
            continue
        value = number(node, f"setting `{key.text}` of the model", problems)
        low, high = MODEL_SETTINGS[key.text]
        if value is not None and not low <= value <= high:
            problems.error("E440", node, f"setting `{key.text}` of the model is from {_plain(low)} to {_plain(high)}, not `{node.text}`")
        elif value is not None:
            settings[key.text] = value
    return settings


def _plain(number_: float) -> str:
    return f"{int(number_):,}" if number_ == int(number_) else str(number_)


def _trains_on(keys: Keys, types: Mapping[str, EventType], problems: Problems) -> tuple[str, ...]:
    label = types.get("label")
    kind = label.fields.get("kind") if label is not None else None
    known = kind.type.values if kind is not None and kind.type.values else LABEL_KINDS
    for scalar in keys.scalars("trains_on"):
        if scalar.text not in known:
            problems.error("E440", scalar, f"`{scalar.text}` is not a kind of label", did_you_mean(scalar.text, known))
    return tuple(scalar.text for scalar in keys.scalars("trains_on"))


def _inputs(
    keys: Keys, learner: str, types: Mapping[str, EventType], features: Mapping[str, Feature], problems: Problems
) -> tuple[ModelInput, ...]:
    node = keys.node("inputs")
    if node is not None and not isinstance(node, Items):
        problems.error("E005", node, "`inputs` is a list", "write `- {read: amount, as: log}`")
    elif isinstance(node, Items) and not node.items:
        problems.error("E440", keys.block.key("inputs"), "a model reads at least one input", "write `- {read: amount, as: log}`")
    readable = _readable(types, features)
    inputs: list[ModelInput] = []
    for item in node.items if isinstance(node, Items) else ():
        block = as_block(item, "an input of the model", problems)
        found = _input(block, learner, readable, problems) if block is not None else None
        if found is not None and block is not None:
            if any((other.name, other.encoding) == (found.name, found.encoding) for other in inputs):
                problems.error("E441", block, f"`{found.name}` as {found.encoding} is an input twice")
            inputs.append(found)
    return tuple(inputs)


def _readable(types: Mapping[str, EventType], features: Mapping[str, Feature]) -> dict[str, list[FieldType]]:
    """Every name with its types: a field may be another thing in another event."""
    readable: dict[str, list[FieldType]] = {}
    for event in types.values():
        if event.decide:
            for name, field in event.fields.items():
                kinds = readable.setdefault(name, [])
                if field.type not in kinds:
                    kinds.append(field.type)
    return {**readable, **{name: [feature.type] for name, feature in features.items()}}


def _input(block: Block, learner: str, readable: Mapping[str, list[FieldType]], problems: Problems) -> ModelInput | None:
    keys = Keys(block, "an input of the model", INPUT_KEYS, problems)
    before = problems.errors
    keys.require("read", "as", at=block)
    read, encoding = keys.scalar("read"), keys.scalar("as")
    if read is None or encoding is None:
        return None
    if read.text not in readable:
        match = nearest(read.text, readable)
        problems.error(
            "E202",
            read,
            f"unknown name `{read.text}`",
            f"did you mean `{match}`?" if match else "an input is a field of a decided event, or a feature",
        )
    if encoding.text not in ENCODINGS:
        problems.error(
            "E440", encoding, f"an input is read as {one_of(ENCODINGS)}, not as `{encoding.text}`", did_you_mean(encoding.text, ENCODINGS)
        )
    elif misfit := next((kind for kind in readable.get(read.text, ()) if kind.kind not in READS[encoding.text]), None):
        told = f"`{read.text}` is {described(misfit)}, which cannot be read as {encoding.text}"
        problems.error("E441", encoding, told, _instead(misfit))
    elif learner == "fixed" and encoding.text in NOT_WEIGHED:
        told = f"a fixed model cannot weigh an input read as {encoding.text}: it becomes several numbers"
        problems.error("E441", encoding, told, f"read it as {one_of(each for each in ENCODINGS if each not in NOT_WEIGHED)}")
    if learner not in ("fixed", "") and "weight" in keys:
        problems.error("E441", block.key("weight"), "`weight` is for a fixed model; one that learns finds its own")
    needed = NEEDS.get(encoding.text)
    for setting in ("half", "buckets", "zone"):
        if setting in keys and setting != needed:
            problems.error("E441", block.key(setting), f"`{setting}` has no meaning for an input read as {encoding.text}")
    if needed and needed not in keys:
        problems.error(
            "E441",
            encoding,
            f"`as: {encoding.text}` needs `{needed}:`",
            {"half": "`half: 1200`", "buckets": "`buckets: 64`", "zone": "`zone: Asia/Shanghai`"}[needed],
        )
    half, weight = keys.number("half"), keys.number("weight")
    if half is not None and half <= 0:
        problems.error("E441", block.key("half"), "`half` is above zero: the value at which the input reaches one half")
    if learner == "fixed" and weight is None and "weight" not in keys:
        problems.error("E441", block, f"a fixed model needs the weight of `{read.text}`", "write `weight: 0.3`")
    zone = keys.scalar("zone")
    if zone is not None and not is_zone(zone.text):
        problems.error("E225", zone, f"unknown time zone `{zone.text}`", "write it as in `Asia/Shanghai`, or `UTC`")
    buckets = keys.whole("buckets", 2, BUCKETS_MAX) if "buckets" in keys else 0
    if problems.errors > before:
        return None
    return ModelInput(read.text, cast("Any", encoding.text), half, buckets, zone.text if zone is not None else None, weight, block.place)


def _instead(kind: FieldType) -> str | None:
    possible = [encoding for encoding, kinds in READS.items() if kind.kind in kinds]
    return f"read it as {one_of(possible)}"
