"""Messages as they stand in files: producers' events, lines of `risk simulate`, receipts of the topic `risk.receipts`.

Belongs here: telling them apart, and making of a receipt what the engine was given. Never: opening a file, deciding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from risk.declared import NEVER
from risk.engine import Plan
from risk.events import BadEvent, Event, Schema

Message = dict[str, Any]


class BadMessage(ValueError):
    """A line that is no message; says which line."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A message and the line it stands on, from 1."""

    line: int
    message: Message


def messages(lines: Iterable[bytes]) -> Iterator[Numbered]:
    """The messages in JSON lines; blank lines are passed over. Raises BadMessage."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Numbered(number, message_of(line, f"line {number}"))


def message_of(raw: bytes, where: str = "the message") -> Message:
    """One message. A line of `risk simulate` or of a dump of a topic has it under `value`. Raises BadMessage."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise BadMessage(f"{where} is not JSON: {problem}") from None
    if isinstance(found, dict) and isinstance(found.get("value"), dict) and "topic" in found:
        found = found["value"]
    if not isinstance(found, dict):
        raise BadMessage(f"{where} is JSON, but no object")
    return found


def is_receipt(message: Message) -> bool:
    return isinstance(message.get("event"), dict) and "ruleset" in message


def decoded(schema: Schema, message: Message) -> Event:
    """The event in a producer's message. Raises BadEvent."""
    return schema.decode(orjson.dumps(message))


def payment_id_of(message: Message) -> str | None:
    """The payment that a message is about, as a producer of our schema names it."""
    event = message["event"] if is_receipt(message) else message
    found = event.get("payment_id")
    return found if isinstance(found, str) else None


def values_of(plan: Plan, receipt: Message) -> list[Any]:
    """The values that the profiles had answered, in the plan's order; None is unknown.

    JSON has no NaN, so a value that was never is null on the receipt, like an unknown one, but has no cause there.
    """
    values = _mapping(receipt, "values")
    causes = _mapping(receipt, "unknown")
    return [NEVER if name in values and values[name] is None and name not in causes else values.get(name) for name in plan.names]


def withheld_of(receipt: Message) -> Iterator[str]:
    """Names of values that a profile withheld, for want of rows that it has let go."""
    return (name for name, cause in _mapping(receipt, "unknown").items() if cause == "bounded")


def late_touches_of(plan: Plan, receipt: Message) -> Sequence[int]:
    """Indexes of touches whose answer came too late. A degraded receipt has at least one, if only one that answers nothing."""
    causes = _mapping(receipt, "unknown")
    late = [index for index, touch in enumerate(plan.touches) if any(causes.get(name) == "late" for name in touch.features)]
    return late if late or not receipt.get("degraded") else [-1]


def score_of(receipt: Message) -> float | None:
    """The model's score on the receipt."""
    found = _mapping(receipt, "model").get("score")
    return float(found) if isinstance(found, int | float) else None


def model_version_of(receipt: Message) -> str | None:
    found = _mapping(receipt, "model").get("version")
    return found if isinstance(found, str) else None


def _mapping(receipt: Message, key: str) -> Mapping[str, Any]:
    found = receipt.get(key)
    return found if isinstance(found, dict) else {}


__all__ = [
    "BadEvent",
    "BadMessage",
    "Message",
    "Numbered",
    "decoded",
    "is_receipt",
    "late_touches_of",
    "message_of",
    "messages",
    "model_version_of",
    "payment_id_of",
    "score_of",
    "values_of",
]
