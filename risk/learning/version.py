"""A version of the model: immutable, addressed by the hash of its bytes, and able to score.

Rule 1: a version is named arrays of finite floats in canonical msgpack. No pickle: unpickling runs code.
Rule 2: its score is one sum, from left to right in the order of the declared inputs, by generated code. The same version gives the same
score, to the last bit, in any process. A missing input adds 0 (what the input adds on average); a score that cannot be made is None,
never 0.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from risk.declared import ModelDecl
from risk.learning.additive_terms import Arrays
from risk.learning.inputs import ADDING, BUCKETS_MAX, ENCODINGS, Coding, ModelError, codings_of, compiled, labels_of
from risk.learning.terms import SHAPES, terms_of

FORMAT = 1
BYTES_MAX = 4_000_000
SUM = "z = BIAS"
"""How the statements of a score begin."""
LEARNED = tuple(kind for kind in SHAPES if kind != "fixed")
"""Kinds of versions that a model that learns may be scored by: its champion may change."""


class VersionError(ValueError):
    """These bytes or arrays are no version: corrupt, not finite, or of another format."""


class _Packed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    kind: str
    model: str
    inputs: tuple[Coding, ...]
    decimals: int | None
    arrays: dict[str, list[float]]


class Version:
    """One state of a model. Make it with ``fixed_version``, ``Learner.version`` or ``Version.from_bytes``."""

    def __init__(self, kind: str, model: str, inputs: Sequence[Coding], arrays: Arrays, decimals: int | None = None) -> None:
        """``arrays``: see ``terms.SHAPES`` for the names and lengths of each kind. Raises VersionError."""
        self.kind = kind
        self.model = model
        self.inputs = tuple(inputs)
        self.decimals = decimals
        if any(c.encoding not in ENCODINGS or not 0 <= c.buckets <= BUCKETS_MAX for c in self.inputs):
            raise VersionError("an input of unknown encoding, or with too many buckets")
        self.arrays: Mapping[str, tuple[float, ...]] = {name: tuple(float(f) for f in arrays[name]) for name in sorted(arrays)}
        for name, values in self.arrays.items():
            if not all(map(math.isfinite, values)):
                raise VersionError(f"{name} holds a number that is not finite")
        try:
            self.bias, self.terms, self.crosses = terms_of(kind, self.inputs, self.arrays)
        except (KeyError, ModelError, ValueError, OverflowError) as error:
            raise VersionError(f"arrays of a {kind} model do not fit its inputs: {error}") from error
        if not math.isfinite(self.bias):
            raise VersionError("the bias is not finite")
        names = labels_of(self.inputs)
        self.labels = (*names, *(f"{names[cross.a]} x {names[cross.b]}" for cross in self.crosses))
        named = {name: list(values) for name, values in self.arrays.items()}
        self._bytes = msgspec.msgpack.encode(_Packed(FORMAT, kind, model, self.inputs, decimals, named))
        self.hash = "sha256:" + hashlib.sha256(self._bytes).hexdigest()
        self._score: Callable[[Sequence[float | None]], float | None] | None = None

    def __repr__(self) -> str:
        return f"Version({self.kind} {self.model} {self.hash[:19]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[Callable[[bytes], Version], tuple[bytes]]:
        return Version.from_bytes, (self._bytes,)

    def to_bytes(self) -> bytes:
        """The canonical bytes that ``hash`` is the sha256 of."""
        return self._bytes

    @classmethod
    def from_bytes(cls, raw: bytes) -> Version:
        """Raises VersionError for bytes that ``to_bytes`` did not make."""
        if len(raw) > BYTES_MAX:
            raise VersionError(f"{len(raw)} bytes; at most {BYTES_MAX} expected")
        try:
            packed = msgspec.msgpack.decode(raw, type=_Packed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VersionError(f"not a version: {error}") from error
        if packed.format != FORMAT:
            raise VersionError(f"format {packed.format}; {FORMAT} expected")
        made = cls(packed.kind, packed.model, packed.inputs, packed.arrays, packed.decimals)
        if made.to_bytes() != raw:
            raise VersionError("the bytes are not in canonical form")
        return made

    def fits(self, model: ModelDecl) -> bool:
        """Whether this version reads what the model declares; one that does not must not score its payments."""
        kinds = ("fixed",) if model.learner == "fixed" else LEARNED
        return self.kind in kinds and self.model == model.name and self.inputs == codings_of(model)

    def score(self, x: Sequence[float | None]) -> float | None:
        """Probability of fraud; None when no input is present or the sum is not a number."""
        if len(x) != len(self.inputs):
            raise ValueError(f"{len(x)} inputs given, {len(self.inputs)} expected")
        if self._score is None:
            lines = ["(" + "".join(f"x{i}, " for i in range(len(self.inputs))) + ") = x", *self.score_lines()]
            self._score = compiled("score", [*lines, "return s"], "x", self.score_names())
        try:
            return self._score(x)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None

    def score_lines(self) -> list[str]:
        """Statements that set ``s`` from ``x0``, ``x1`` ... (missing ones are None)."""
        lines = [SUM]
        for i in range(len(self.terms)):
            lines += [f"if x{i} is not None:", *(f"    {line}" for line in self.term_lines(i))]
        return [*lines, *self.end_lines()]

    def term_lines(self, i: int) -> list[str]:
        """Statements that add input ``i`` to the sum where it is present."""
        return self.terms[i].lines(f"x{i}", str(i))

    def end_lines(self) -> list[str]:
        """Statements that add the crosses, and set ``s``."""
        lines = [line for c, cross in enumerate(self.crosses) for line in cross.lines(f"c{c}")]
        nothing = " and ".join(f"x{i} is None" for i in range(len(self.inputs))) or "True"
        rounded = "" if self.decimals is None else f"s = s if s is None else round(s, {self.decimals})"
        return [*lines, f"s = None if {nothing} else logistic(z)", *([rounded] if rounded else [])]

    def score_names(self) -> dict[str, Any]:
        """What the names in ``score_lines`` stand for."""
        names: dict[str, Any] = {"logistic": logistic, "sin": math.sin, "cos": math.cos, "bisect": bisect_right, "BIAS": self.bias}
        for i, term in enumerate(self.terms):
            names |= term.constants(str(i))
        for c, cross in enumerate(self.crosses):
            names |= cross.constants(f"c{c}")
        return names

    def contributions(self, x: Sequence[float | None]) -> list[float]:
        """What each input, then each cross, adds to the log-odds: exact, 0 for a missing one."""
        adds = [0.0 if value is None or value != value else term.value(value) for term, value in zip(self.terms, x, strict=True)]
        for cross in self.crosses:
            a, b = x[cross.a], x[cross.b]
            adds.append(0.0 if a is None or b is None or a != a or b != b else cross.value(a, b))
        return adds

    def top(self, x: Sequence[float | None], n: int = 3) -> list[tuple[str, float]]:
        """The ``n`` inputs and crosses that move the score most, either way, with what they add to the log-odds."""
        ranked = sorted(zip(self.labels, self.contributions(x), strict=True), key=lambda pair: -abs(pair[1]))
        return [(name, round(c, 6)) for name, c in ranked[:n] if c != 0.0]


def logistic(z: float) -> float | None:
    """1 / (1 + e^-z); None when z is not a number."""
    if z != z:
        return None
    if z < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-z))


def fixed_version(model: ModelDecl) -> Version:
    """The version of a ``fixed`` model: its declared bias and weights. Raises ModelError."""
    codings = codings_of(model)
    for given, coding in zip(model.inputs, codings, strict=True):
        if given.weight is None:
            raise ModelError(f"{given.name}: an input of a `fixed` model needs `weight`")
        if coding.encoding not in ADDING:
            raise ModelError(f"{given.name}: a `fixed` model cannot weigh `{coding.encoding}`; use one of {', '.join(sorted(ADDING))}")
    arrays = {"bias": [float(model.bias)], "weight": [float(i.weight or 0.0) for i in model.inputs]}
    return Version("fixed", model.name, codings, arrays, model.decimals)
