"""What the model reads: how one event and its values become a flat list of numbers, ``x``.

Rule 1: ``x`` has one entry for each declared input, in order: a float, or None where it is missing. A category is the index of its
bucket, an hour is the hour of the day; how many columns a learner makes of an entry is said here too, so that every learner agrees.
Rule 2: missing is missing: unknown (None), never (NaN), infinite, and what the event type lacks. Nothing becomes 0 on the way.
Rule 3: a field that is a time is read as its age: milliseconds before the event occurred (`hour` reads the time itself).
Rule 4: generated code is the fast form of ``encode_value`` and of nothing else; where it raises, ``encode_value`` answers.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import CodeType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from risk.declared import EventType, ModelDecl, ModelInput

Inputs = list[float | None]
Encode = Callable[[Any, Sequence[Any]], Inputs]

QUARTER_MS = 900_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
BUCKETS_MAX = 1_024
KEPT_TEXT_MAX = 64
ADDING = frozenset({"number", "log", "missing", "saturating"})
"""Encodings that are one column: what a ``fixed`` model may weigh."""
ENCODINGS = ADDING | {"category", "hour"}
TURN = 2.0 * math.pi / 24.0
"""Of an hour, on the circle of a day."""
NUMERIC = frozenset({"int", "number", "bool", "time", "duration", "money"})


class ModelError(ValueError):
    """A model that cannot be made: the message names the input and says what was expected."""


class Coding(msgspec.Struct, frozen=True, array_like=True):
    """How one input is encoded. Part of a version, so that a version says what it reads."""

    name: str
    encoding: str
    half: float | None = None
    buckets: int = 0
    zone: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that a learner makes of this input."""
        if self.encoding == "category":
            return tuple(f"{self.name}#{i}" for i in range(self.buckets))
        if self.encoding == "hour":
            return (f"{self.name}:sin", f"{self.name}:cos")
        return (f"{self.name}:{self.encoding}",)


def coding_of(given: ModelInput) -> Coding:
    """Raises ModelError for an encoding that lacks what it needs."""
    half = None if given.half is None else float(given.half)
    if given.encoding == "saturating" and not (half is not None and math.isfinite(half) and half > 0):
        raise ModelError(f"{given.name}: `saturating` needs `half`, a number above 0")
    if given.encoding == "category" and not 1 < given.buckets <= BUCKETS_MAX:
        raise ModelError(f"{given.name}: `category` needs `buckets`, from 2 to {BUCKETS_MAX}")
    if given.encoding == "hour":
        try:
            ZoneInfo(given.zone or "")
        except (KeyError, ValueError, OSError) as error:
            raise ModelError(f"{given.name}: `hour` needs `zone`, a time zone such as Asia/Shanghai") from error
    if given.encoding not in ENCODINGS:
        raise ModelError(f"{given.name}: unknown encoding {given.encoding!r}")
    return Coding(
        given.name,
        given.encoding,
        half if given.encoding == "saturating" else None,
        given.buckets if given.encoding == "category" else 0,
        given.zone if given.encoding == "hour" else None,
    )


def codings_of(model: ModelDecl) -> tuple[Coding, ...]:
    """The model's inputs, checked. Raises ModelError, also for an input declared twice."""
    codings = tuple(coding_of(i) for i in model.inputs)
    seen: set[tuple[str, str]] = set()
    for coding in codings:
        if (coding.name, coding.encoding) in seen:
            raise ModelError(f"{coding.name}: declared twice as `{coding.encoding}`")
        seen.add((coding.name, coding.encoding))
    return codings


def signature_of(model: ModelDecl) -> str:
    """Short id of what ``x`` means: values encoded under another signature are not comparable and are not learned."""
    raw = msgspec.msgpack.encode([model.name, codings_of(model)])
    return hashlib.sha256(raw).hexdigest()[:16]


def labels_of(codings: Sequence[Coding]) -> tuple[str, ...]:
    """What a person calls each input: its name, with the encoding where a name is read more than once."""
    names = [c.name for c in codings]
    return tuple(c.name if names.count(c.name) == 1 else f"{c.name} ({c.encoding})" for c in codings)


def bucket_of(value: Any, buckets: int) -> int:
    """The bucket of a category's value: the same in every process and release."""
    if value is True or value is False:
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = value
    elif isinstance(value, (tuple, list, set, frozenset)):
        text = "\n".join(sorted(str(v) for v in value))
    else:
        text = repr(value)
    # long texts are not worth keeping: a stream of them would fill the memory
    return _kept_bucket(text, buckets) if len(text) <= KEPT_TEXT_MAX else _bucket_of_text(text, buckets)


def _bucket_of_text(text: str, buckets: int) -> int:
    # a checksum is faster and puts short words that look alike into one bucket
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % buckets


_kept_bucket = functools.lru_cache(maxsize=16_384)(_bucket_of_text)


@functools.lru_cache(maxsize=4_096)
def _offset_ms(zone: str, quarter: int) -> int:
    offset = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1000)


def hour_of(time_ms: int, zone: str) -> float:
    """Hour of the local day, 0 <= h < 24, with its fraction. Raises OverflowError outside the years 1 to 9999."""
    return (time_ms + _offset_ms(zone, time_ms // QUARTER_MS)) % DAY_MS / HOUR_MS


def encode_value(coding: Coding, value: Any) -> float | None:
    """The entry of ``x`` for one value that the event type has. The reference for generated code."""
    absent = value is None or (isinstance(value, float) and not math.isfinite(value))
    if coding.encoding == "missing":
        return 1.0 if absent else 0.0
    if absent:
        return None
    try:
        return _encode_present(coding, value)
    except (TypeError, ValueError, OverflowError, OSError, ZeroDivisionError):
        return None


def _encode_present(coding: Coding, value: Any) -> float | None:
    if coding.encoding == "category":
        return float(bucket_of(value, coding.buckets))
    if isinstance(value, str):
        return None
    if coding.encoding == "hour":
        assert coding.zone is not None
        return hour_of(value, coding.zone)
    if coding.encoding == "log":
        return math.log1p(value) if value >= 0 else -math.log1p(-value)
    if coding.encoding == "saturating":
        assert coding.half is not None
        x = float(value / (value + coding.half))
        return x if math.isfinite(x) else None
    return float(value)


class Source(NamedTuple):
    """Where generated code finds a value: an expression over ``e`` and ``v``; ``age``: it is a time, read as its age."""

    text: str
    age: bool = False

    def lines(self) -> list[str]:
        """Statements that set ``a``."""
        return [f"a = {self.text}", *(["if a is not None: a = e.occurred_at - a"] if self.age else [])]


def source_of(coding: Coding, event_type: EventType, slots: Mapping[str, int]) -> Source | None:
    """None where this event type has neither such a field nor reads such a feature."""
    field = event_type.fields.get(coding.name)
    if field is not None:
        return Source(f"e.{field.attr}", age=field.type.kind == "time" and coding.encoding in ("number", "log", "saturating"))
    return Source(f"v[{slots[coding.name]}]") if coding.name in slots else None


def sources_of(codings: Sequence[Coding], event_type: EventType, slots: Mapping[str, int]) -> list[Source | None]:
    """Where each input is found. Raises ModelError for a field whose type the encoding cannot read."""
    for coding in codings:
        field = event_type.fields.get(coding.name)
        if field is None or coding.encoding in ("category", "missing"):
            continue
        if coding.encoding == "hour" and field.type.kind != "time":
            raise ModelError(f"{coding.name}: `hour` reads a time, and this field of {event_type.name} is {field.type.kind}")
        if field.type.kind not in NUMERIC:
            raise ModelError(f"{coding.name}: `{coding.encoding}` reads a number, and this field of {event_type.name} is {field.type.kind}")
    return [source_of(c, event_type, slots) for c in codings]


def encode_lines(i: int, coding: Coding, source: Source | None, then: Sequence[str] = ()) -> list[str]:
    """Statements that set ``x{i}`` from the event and its values. ``then``: what follows where it is present."""
    if source is None:
        return [f"x{i} = None"]
    absent = "a is None or a != a or a in INFINITE"
    if coding.encoding == "missing":
        return [*source.lines(), f"x{i} = 1.0 if {absent} else 0.0", *then]
    if coding.encoding == "saturating":
        tested, number = f"a is None or (b := a / (a + {coding.half!r})) - b != 0", "b"
    elif coding.encoding == "category":
        short = f"a.__class__ is str and len(a) <= {KEPT_TEXT_MAX}"  # the usual case of ``bucket_of``, without the call
        tested = "a is None or a.__class__ is not str and (a != a or a in INFINITE)"
        number = f"float(kept_bucket(a, {coding.buckets}) if {short} else bucket_of(a, {coding.buckets}))"
    else:
        log = "log1p(a) if a >= 0 else -log1p(-a)"
        numbers = {"number": "a * 1.0", "log": log, "hour": f"hour_of(a, {coding.zone!r})"}
        tested, number = "a is None or a - a != 0", numbers[coding.encoding]
    if not then:
        return [*source.lines(), f"x{i} = None if {tested} else {number}"]
    return [*source.lines(), f"if {tested}: x{i} = None", "else:", f"    x{i} = {number}", *(f"    {line}" for line in then)]


@functools.lru_cache(maxsize=512)
def _code(text: str, where: str) -> CodeType:
    return compile(text, where, "exec")


def compiled(name: str, lines: Sequence[str], arguments: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """A function of these lines. ``names``: what they refer to."""
    scope = dict(names)
    text = f"def {name}({arguments}):\n" + "\n".join("    " + line for line in lines) + "\n"
    exec(_code(text, f"<{name}>"), scope)  # our own text, from checked declarations
    made: Callable[..., Any] = scope[name]
    return made


ENCODING_NAMES: Mapping[str, Any] = {
    "log1p": math.log1p,
    "bucket_of": bucket_of,
    "kept_bucket": _kept_bucket,
    "hour_of": hour_of,
    "INFINITE": (math.inf, -math.inf),
}


def inputs_of(model: ModelDecl, event_type: EventType, slots: Mapping[str, int]) -> Encode:
    """The function (event, values) -> x for one event type. ``slots``: where each feature stands among the values."""
    codings = codings_of(model)
    sources = sources_of(codings, event_type, slots)
    lines = [line for i, c in enumerate(codings) for line in encode_lines(i, c, sources[i])]
    lines.append("return [" + ", ".join(f"x{i}" for i in range(len(codings))) + "]")
    fast = compiled("encode", lines, "e, v", ENCODING_NAMES)
    slow = careful_inputs(codings, sources)

    def encode(e: Any, v: Sequence[Any]) -> Inputs:
        try:
            x: Inputs = fast(e, v)
        except (TypeError, ValueError, OverflowError, OSError, ZeroDivisionError):
            return slow(e, v)
        return x

    return encode


def careful_inputs(codings: Sequence[Coding], sources: Sequence[Source | None]) -> Encode:
    """The same, value by value: for values that generated code does not expect."""
    getters = [None if s is None else compiled("get", [*s.lines(), "return a"], "e, v", {}) for s in sources]

    def encode(e: Any, v: Sequence[Any]) -> Inputs:
        return [None if get is None else encode_value(c, get(e, v)) for c, get in zip(codings, getters, strict=True)]

    return encode


def expansion_of(codings: Sequence[Coding]) -> Callable[[Sequence[float | None]], dict[str, float]]:
    """The function x -> {column: number} that River learns from; columns of a missing input are left out."""
    lines = ["c = {}"]
    for i, coding in enumerate(codings):
        names = coding.columns
        lines += [f"a = x[{i}]", "if a is not None:"]
        if coding.encoding == "hour":
            lines += [f"    c[{names[0]!r}] = sin(a * TURN)", f"    c[{names[1]!r}] = cos(a * TURN)"]
        elif coding.encoding == "category":
            lines += [f"    c.update(ZEROS_{i})", f"    c[NAMES_{i}[int(a)]] = 1.0"]
        else:
            lines += [f"    c[{names[0]!r}] = a"]
    tables: dict[str, Any] = {f"ZEROS_{i}": dict.fromkeys(c.columns, 0.0) for i, c in enumerate(codings)}
    tables |= {f"NAMES_{i}": c.columns for i, c in enumerate(codings)}
    return compiled("expand", [*lines, "return c"], "x", {**tables, "sin": math.sin, "cos": math.cos, "TURN": TURN})
