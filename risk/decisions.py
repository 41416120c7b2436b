"""What leaves: the decision that a gateway may see, and the receipt that shows how it was reached.

Rule 1: the JSON of both is made here and nowhere else; its shape is the public contract (docs/messages.md).
Rule 2: a confidential reason never reaches the decision; whatever is needed to reach the same answer again is on the receipt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson

from risk.declared import InForce, Rule

SCHEMA_VERSION = 1
AS_WRITTEN: Mapping[int, InForce] = MappingProxyType({})
"""No override holds."""


@dataclass(slots=True)
class Ruling:
    """What the policy made of the hits.

    ``acting``: indexes of live rules that counted; ``would_be``: indexes of rules that fired in shadow or outside their
    rollout; ``overridden_by``: names of the trust rules that cleared others; ``reasons``: public ones.
    """

    action: str
    score: int
    acting: list[int]
    would_be: list[int] = field(default_factory=list)
    overridden_by: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    obligations: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """One payment decided: the ruling, and everything it was made from.

    ``values`` are aligned with ``names``; ``unknown`` gives the cause of each value that is None; ``inputs`` is what the
    model read; ``failed`` says that a rule or the model raised; ``unknown_rules`` are indexes into ``rules``;
    ``in_force``: parameters and mode of the rules that an override holds for.
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

    @property
    def action(self) -> str:
        return self.ruling.action

    @property
    def fired_names(self) -> list[str]:
        return [self.rules[i].name for i in self.fired]


_second = (-1, "")


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339, UTC, with milliseconds."""
    global _second
    second, rest = divmod(ms, 1000)
    held, text = _second
    if held != second:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = (second, text)
    return f"{text}.{rest:03d}Z"


def rule_fragment(rule: Rule, held: InForce | None = None) -> bytes:
    """A rule as it stands on a receipt; with ``held``, as overrides made it, and which."""
    overrides = {} if held is None else {"overrides": [dict(note) for note in held.notes]}
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
            **overrides,
        },
        default=str,
    )


class Writer:
    """Writes decisions and receipts under one rule set and one model version."""

    def __init__(self, ruleset_hash: str, lists: Mapping[str, str], fragments: Mapping[str, bytes]) -> None:
        self._ruleset = ruleset_hash
        self._lists = orjson.Fragment(orjson.dumps(dict(lists)))
        self._fragments = fragments

    def _rules(self, outcome: Outcome, indexes: Sequence[int]) -> orjson.Fragment:
        rules, fragments, held = outcome.rules, self._fragments, outcome.in_force
        if held:
            parts = [rule_fragment(rules[i], held[i]) if i in held else fragments[rules[i].name] for i in indexes]
            return orjson.Fragment(b"[" + b",".join(parts) + b"]")
        return orjson.Fragment(b"[" + b",".join([fragments[rules[i].name] for i in indexes]) + b"]")

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
        return orjson.dumps(
            {
                "payment_id": payment_id,
                "event": orjson.Fragment(event_json),
                "ruleset": self._ruleset,
                "lists": self._lists,
                "model": {"version": model_version, "score": outcome.model_score, "top": [list(t) for t in top]},
                "values": dict(zip(outcome.names, outcome.values, strict=True)),
                "bounds": {},
                "unknown": outcome.unknown,
                "rules": self._rules(outcome, ruling.acting),
                "would_be": self._rules(outcome, ruling.would_be),
                "overridden_by": ruling.overridden_by,
                "reports": ruling.reports,
                "control": None,
                "action": ruling.action,
                "score": ruling.score,
                "reasons": ruling.reasons,
                "obligations": ruling.obligations,
                "degraded": outcome.degraded,
                "failed": outcome.failed,
                "late": late,
                "source": {"topic": source[0], "partition": source[1], "offset": source[2]},
                "received_at": rfc3339(received_ms),
                "decided_at": rfc3339(decided_ms),
            }
        )

    @staticmethod
    def decision(payment_id: str, outcome: Outcome, receipt: bytes, decided_ms: int, *, late: bool) -> bytes:
        """The decision as JSON: public reasons only, and the hash of the receipt that it rests on."""
        ruling = outcome.ruling
        return orjson.dumps(
            {
                "payment_id": payment_id,
                "action": ruling.action,
                "score": ruling.score,
                "reasons": ruling.reasons,
                "obligations": ruling.obligations,
                "degraded": outcome.degraded,
                "late": late,
                "decided_at": rfc3339(decided_ms),
                "receipt": "sha256:" + hashlib.sha256(receipt).hexdigest(),
                "schema": SCHEMA_VERSION,
            }
        )
