"""The right answers, by definition: for each payment, look through all earlier ones and count.

Slow on purpose. Rule 1: nothing of the product is used here, and nothing that is clever: who doubts an answer reads `values_of`.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bench.w1.task import DISTINCT, ENTITIES, WINDOWS, Model, Task, Term

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

Payment = dict[str, Any]
"""The producer's JSON."""


class Answer(NamedTuple):
    """What W1 compares: the action, the score to six decimals, the rules that fired, the 43 values."""

    action: str
    score: float | None
    rules: list[int]
    values: list[int]


def answers(raw: Iterable[bytes], task: Task) -> Iterator[tuple[str, Answer]]:
    """Payment id and answer for each payment in the order of arrival; a payment id seen before has no answer."""
    seen: set[str] = set()
    history: dict[tuple[str, str], list[Payment]] = {}
    for line in raw:
        payment: Payment = json.loads(line)
        if payment["payment_id"] in seen:
            continue
        seen.add(payment["payment_id"])
        for entity, field in ENTITIES.items():
            history.setdefault((entity, payment[field]), []).append(payment)
        yield payment["payment_id"], _judged(payment, values_of(payment, history), task)


def values_of(payment: Payment, history: Mapping[tuple[str, str], list[Payment]]) -> dict[str, int]:
    """Each entity's payments of the last minute, ten minutes, hour and day as of this one's own time, itself among them."""
    values: dict[str, int] = {}
    within: dict[tuple[str, str], list[Payment]] = {}
    for entity, field in ENTITIES.items():
        nearest = history[entity, payment[field]]
        for window in reversed(WINDOWS):  # what lies in the shorter window lies in the longer
            start, end = payment["occurred_at_ms"] - WINDOWS[window], payment["occurred_at_ms"]
            nearest = within[entity, window] = [each for each in nearest if start < each["occurred_at_ms"] <= end]
        for window in WINDOWS:
            values[f"{entity}_count_{window}"] = len(within[entity, window])
            values[f"{entity}_sum_{window}"] = sum(each["amount_minor"] for each in within[entity, window])
    for name, (entity, other, window) in DISTINCT.items():
        values[name] = len({each[other] for each in within[entity, window]})
    return values


def _judged(payment: Payment, values: dict[str, int], task: Task) -> Answer:
    known = {**payment, **values}
    fired = [rule for rule in task.rules if all(_holds(term, known) for term in rule.terms)]
    score = _score(list(values.values()), task.model)
    if score >= task.model.block or any(rule.action == "block" for rule in fired):
        action = "block"
    else:
        action = "review" if fired or score >= task.model.review else "approve"
    return Answer(action, round(score, 6), [rule.id for rule in fired], list(values.values()))


def _holds(term: Term, known: Mapping[str, Any]) -> bool:
    name, op, constant = term
    return COMPARE[op](known[name], constant)


def _score(values: list[int], model: Model) -> float:
    logit = model.bias
    for value, weight, half in zip(values, model.weights, model.halves, strict=True):
        logit += weight * (value / (value + half))
    return 1.0 / (1.0 + math.exp(-logit))
