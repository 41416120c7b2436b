"""The score on the decision path: from an event and its values to (score, x) in one generated function.

Rule 1: it gives what ``version.score(inputs_of(...)(e, v))`` gives, to the last bit; where generated code raises, that is what it does.
Rule 2: a fixed model learns nothing, so its ``x`` is not built (None).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from risk.declared import EventType, ModelDecl
from risk.learning.inputs import (
    ENCODING_NAMES,
    Coding,
    Inputs,
    ModelError,
    Source,
    careful_inputs,
    codings_of,
    compiled,
    encode_lines,
    inputs_of,
    sources_of,
)
from risk.learning.version import SUM, Version

Score = Callable[[Any, Sequence[Any]], tuple[float | None, Inputs | None]]

RAISED = (TypeError, ValueError, OverflowError, OSError, ZeroDivisionError)
CHUNK = 32
"""Terms in one expression: the compiler nests them."""


def scorer(model: ModelDecl, event_type: EventType, slots: Mapping[str, int], version: Version | None) -> Score:
    """The function (event, values) -> (score, x) of one event type.

    The score is None without a version, with no input present, or when it is not a number. ``x`` is what ``Learner.offer`` keeps.
    Raises ModelError for a version that reads other inputs than the model declares.
    """
    if version is None:
        encode = inputs_of(model, event_type, slots)
        return lambda e, v: (None, encode(e, v))
    if not version.fits(model):
        raise ModelError(f"{version!r} does not read what the model {model.name!r} declares")
    codings = codings_of(model)
    sources = sources_of(codings, event_type, slots)
    careful = careful_inputs(codings, sources)
    fast = _fused(version, codings, sources) if version.kind == "fixed" else _encoding(version, codings, sources)
    fixed = version.kind == "fixed"

    def score(e: Any, v: Sequence[Any]) -> tuple[float | None, Inputs | None]:
        try:
            answer: tuple[float | None, Inputs | None] = fast(e, v)
        except RAISED:
            x = careful(e, v)
            return version.score(x), None if fixed else x
        return answer

    return score


def _encoding(version: Version, codings: Sequence[Coding], sources: Sequence[Source | None]) -> Callable[..., Any]:
    lines = [SUM]
    for i, coding in enumerate(codings):
        lines += encode_lines(i, coding, sources[i], version.term_lines(i))
    lines += version.end_lines()
    lines.append("return s, [" + ", ".join(f"x{i}" for i in range(len(codings))) + "]")
    return compiled("score", lines, "e, v", {**ENCODING_NAMES, **version.score_names()})


def _fused(version: Version, codings: Sequence[Coding], sources: Sequence[Source | None]) -> Callable[..., Any]:
    """A fixed model, all inputs present: one sum. A None raises TypeError, a NaN or infinity makes ``z`` one: the careful way answers."""
    weights = version.arrays["weight"]
    terms = [f"{weights[i]!r} * {_entry(c, s)}" for i, (c, s) in enumerate(zip(codings, sources, strict=True)) if s is not None]
    if not terms:
        return compiled("score", ["return None, None"], "e, v", {})
    lines = [f"z = {version.bias!r}"]
    lines += ["z = z + " + " + ".join(terms[at : at + CHUNK]) for at in range(0, len(terms), CHUNK)]
    lines += ["if z - z != 0: raise ValueError", "s = 1.0 / (1.0 + exp(-z)) if z >= -700.0 else 0.0"]
    answer = "s" if version.decimals is None else f"round(s, {version.decimals})"
    return compiled("score", [*lines, f"return {answer}, None"], "e, v", {**ENCODING_NAMES, "exp": math.exp})


def _entry(coding: Coding, found: Source) -> str:
    source = f"(e.occurred_at - {found.text})" if found.age else found.text
    if coding.encoding == "saturating":
        return f"((a := {source}) / (a + {coding.half!r}))"
    if coding.encoding == "log":
        return f"(log1p(a) if (a := {source}) >= 0 else -log1p(-a))"
    if coding.encoding == "missing":
        return f"(1.0 if (a := {source}) is None or a != a or a in INFINITE else 0.0)"
    return f"({source} * 1.0)"
