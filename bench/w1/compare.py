"""Which answers differ from the reference, and in what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.w1.reference import Answer
from bench.w1.task import VALUES


@dataclass(slots=True)
class Differences:
    """Counts of payments; ``first`` describes the first few. ``repeated``: further decisions of a payment that had one."""

    expected: int = 0
    missing: int = 0
    unasked: int = 0
    other_answer: int = 0
    repeated: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.missing + self.unasked + self.other_answer + self.repeated


def differences(expected: Mapping[str, Answer], found: Mapping[str, Answer], repeated: int = 0, shown: int = 3) -> Differences:
    """Every payment whose answer is not exactly the expected one."""
    result = Differences(len(expected), repeated=repeated, unasked=len(found.keys() - expected.keys()))
    for payment_id, wanted in expected.items():
        got = found.get(payment_id)
        if got is None:
            result.missing += 1
        elif got != wanted:
            result.other_answer += 1
            if len(result.first) < shown:
                result.first.append(f"{payment_id}: {_told(wanted, got)}")
    return result


def _told(wanted: Answer, got: Answer) -> str:
    parts = [f"{name} {w}, not {g}" for name, w, g in zip(VALUES, wanted.values, got.values, strict=True) if w != g][:4]
    parts += [f"{name} {w}, not {g}" for name, w, g in zip(("action", "score", "rules"), wanted[:3], got[:3], strict=True) if w != g]
    return "; ".join(parts)
