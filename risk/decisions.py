"""What leaves: the decision that a gateway may see, and the receipt that shows how it was reached.

Rule 1: the JSON of both is made here and nowhere else; its shape is the public contract (docs/messages.md).
Rule 2: a confidential reason never reaches the decision; whatever is needed to reach the same answer again is on the receipt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec
import orjson

from risk.declared import InForce, Rule

SCHEMA_VERSION = 1
AS_WRITTEN: Mapping[int, InForce] = MappingProxyType({})
"""No override holds."""
NO_MESSAGES: Mapping[int, str] = MappingProxyType({})
NO_BOUNDS: Mapping[str, float] = MappingProxyType({})


class Ruling(msgspec.Struct):
    """What the policy made of the hits.

    ``acting``: indexes of live rules that counted; ``would_be``: indexes of rules that fired in shadow or outside their
    rollout; ``overridden_by``: names of the trust rules that cleared others; ``reasons``: public ones.
    """

    action: str
    score: int
    acting: list[int]
    would_be: list[int] = []
    overridden_by: list[str] = []
    reasons: list[str] = []
    obligations: list[dict[str, Any]] = []
    reports: list[dict[str, Any]] = []


def _plain(value: Any) -> Any:
    """A value that knows its bound, as the number that it is: the bound stands beside the values."""
    return int(value) if isinstance(value, int) else float(value)


class Outcome(msgspec.Struct):
    """One payment decided: the ruling, and everything it was made from.

    ``in_force``: parameters and mode of the rules that an override holds for. ``values`` are aligned with ``names``; ``unknown``
    gives the cause of each value that is None; ``inputs`` is what the model read; ``failed`` says that a rule or the model raised;
    ``bounds`` says of values that are not exact how far from the truth they may be;
    ``unknown_rules`` are indexes into ``rules``; ``messages`` are what rules say to reviewers, by their index.
    """

    ruling: Ruling
    rules: tuple[Rule, ...]
    names: tuple[str, ...]
    values: Sequence[Any]
    unknown: Mapping[str, str]
    fired: list[int]
    unknown_rules: list[int]
    model_score: float | None = None
    inputs: list[float | None] | None = None
    degraded: bool = False
    failed: bool = False
    in_force: Mapping[int, InForce] = AS_WRITTEN
    messages: Mapping[int, str] = NO_MESSAGES
    control: Mapping[str, Any] | None = None
    """The draw of the control group, where there was one."""
    bounds: Mapping[str, float] = NO_BOUNDS

    @property
    def action(self) -> str:
        return self.ruling.action

    @property
    def fired_names(self) -> list[str]:
        return [self.rules[i].name for i in self.fired]


_seconds: dict[int, str] = {}
SECONDS_REMEMBERED = 64


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339, UTC, with milliseconds. The text of a second is made once: payments come many a second."""
    second, rest = divmod(ms, 1000)
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) >= SECONDS_REMEMBERED:
            _seconds.clear()
        text = _seconds[second] = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z"


def rule_fragment(rule: Rule, held: InForce | None = None, message: str | None = None, *, unknown: bool = False) -> bytes:
    """A rule as it stands on a receipt; with ``held``, as overrides made it, and which.

    ``message``: what it says to reviewers; ``unknown``: it could not be decided, and acts as `on_missing` says.
    """
    more: dict[str, Any] = {} if held is None else {"overrides": [dict(note) for note in held.notes]}
    if message is not None:
        more["message"] = message
    if unknown:
        more |= {"action": rule.then if rule.on_missing == "fire" else rule.on_missing, "unknown": True}
    return orjson.dumps(
        {
            "rule": rule.name,
            "version": rule.version,
            "mode": rule.mode if held is None else held.mode,
            "action": rule.then,
            "score": rule.score,
            "params": dict(rule.params if held is None else held.params),
            "reasons": list(rule.reasons),
            "confidential": rule.confidential,
            "duty": rule.duty,
            **more,
        },
        default=str,
    )


class _Model(msgspec.Struct):
    version: str | None
    score: float | None
    top: Sequence[tuple[str, float]]
    reasons: list[str] | msgspec.UnsetType = msgspec.UNSET


def model_reasons(top: Sequence[tuple[str, float]], reasons: Mapping[str, str]) -> list[str]:
    """The public reasons of what raised the score most, each once; a cross gives those of both its inputs."""
    found: dict[str, None] = {}
    for label, adds in top:
        for part in label.split(" x ") if adds > 0.0 else ():
            code = reasons.get(part.partition(" (")[0])
            if code is not None:
                found[code] = None
    return list(found)


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Receipt(msgspec.Struct):
    """A receipt in the order of its keys; Raw is JSON already."""

    payment_id: str
    event: msgspec.Raw
    ruleset: str
    lists: msgspec.Raw
    model: _Model
    values: Any
    bounds: msgspec.Raw
    unknown: Mapping[str, str]
    rules: msgspec.Raw
    would_be: msgspec.Raw
    overridden_by: list[str]
    reports: list[dict[str, Any]]
    control: Mapping[str, Any] | None
    action: str
    score: int
    reasons: list[str]
    obligations: list[dict[str, Any]]
    degraded: bool
    failed: bool
    late: bool
    source: _Source
    received_at: str
    decided_at: str


class _Decision(msgspec.Struct):
    """A decision in the order of its keys."""

    payment_id: str
    action: str
    score: int
    reasons: list[str]
    obligations: list[dict[str, Any]]
    degraded: bool
    late: bool
    decided_at: str
    receipt: str
    schema: int


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
_NO_BOUNDS, _NO_RULES = msgspec.Raw(b"{}"), msgspec.Raw(b"[]")


class Writer:
    """Writes decisions and receipts under one rule set. A receipt is one struct, its unchanging parts are JSON already: one pass."""

    def __init__(
        self, ruleset_hash: str, lists: Mapping[str, str], fragments: Mapping[str, bytes], reasons: Mapping[str, str] | None = None
    ) -> None:
        """``reasons``: the public reason of each of the model's inputs that has one."""
        self._ruleset = ruleset_hash
        self._reasons = reasons or {}
        self.use_lists(lists)
        self._fragments = fragments
        self._named: dict[tuple[str, ...], Callable[..., Any]] = {}

    def use_lists(self, versions: Mapping[str, str]) -> None:
        """From now on receipts name these versions of lists."""
        self._lists = msgspec.Raw(orjson.dumps(dict(versions)))

    def _rules(self, outcome: Outcome, indexes: Sequence[int]) -> msgspec.Raw:
        if not indexes:
            return _NO_RULES
        rules, fragments = outcome.rules, self._fragments
        held, messages, unknown = outcome.in_force, outcome.messages, outcome.unknown_rules
        if held or messages or unknown:
            parts = [
                rule_fragment(rules[i], held.get(i), messages.get(i), unknown=i in unknown)
                if i in held or i in messages or i in unknown
                else fragments[rules[i].name]
                for i in indexes
            ]
        else:
            parts = [fragments[rules[i].name] for i in indexes]
        return msgspec.Raw(b"[" + b",".join(parts) + b"]")

    def _values(self, names: tuple[str, ...]) -> Callable[..., Any]:
        """A struct with the names of the values: encoded three times as fast as a mapping made for each payment."""
        made = self._named.get(names)
        if made is None:
            fields = [(f"v{i}", Any) for i in range(len(names))]
            made = msgspec.defstruct("Values", fields, rename={f"v{i}": name for i, name in enumerate(names)})
            self._named[names] = made
        return made

    def receipt(
        self,
        payment_id: str,
        event_json: bytes,
        outcome: Outcome,
        source: tuple[str, int, int],
        received_ms: int,
        decided_ms: int,
        *,
        late: bool,
        model_version: str | None,
        top: Sequence[tuple[str, float]] = (),
    ) -> bytes:
        """The receipt as JSON. ``source`` is topic, partition, offset; ``event_json`` the payment as it was decoded."""
        ruling = outcome.ruling
        return _encode(
            _Receipt(
                payment_id,
                msgspec.Raw(event_json),
                self._ruleset,
                self._lists,
                _Model(model_version, outcome.model_score, top, model_reasons(top, self._reasons) if self._reasons else msgspec.UNSET),
                self._values(outcome.names)(*outcome.values),
                msgspec.Raw(orjson.dumps(outcome.bounds)) if outcome.bounds else _NO_BOUNDS,
                outcome.unknown,
                self._rules(outcome, ruling.acting),
                self._rules(outcome, ruling.would_be),
                ruling.overridden_by,
                ruling.reports,
                outcome.control,
                ruling.action,
                ruling.score,
                ruling.reasons,
                ruling.obligations,
                outcome.degraded,
                outcome.failed,
                late,
                _Source(*source),
                rfc3339(received_ms),
                rfc3339(decided_ms),
            )
        )

    @staticmethod
    def decision(payment_id: str, outcome: Outcome, receipt: bytes, decided_ms: int, *, late: bool) -> bytes:
        """The decision as JSON: public reasons only, and the hash of the receipt that it rests on."""
        ruling = outcome.ruling
        return _encode(
            _Decision(
                payment_id,
                ruling.action,
                ruling.score,
                ruling.reasons,
                ruling.obligations,
                outcome.degraded,
                late,
                rfc3339(decided_ms),
                "sha256:" + hashlib.sha256(receipt).hexdigest(),
                SCHEMA_VERSION,
            )
        )
