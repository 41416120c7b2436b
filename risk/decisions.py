"""What leaves: the decision that a gateway may see, and the receipt that shows how it was reached.

Rule 1: the JSON of both is made here and nowhere else; its shape is the public contract (docs/messages.md).
Rule 2: a confidential reason never reaches the decision; whatever is needed to reach the same answer again is on the receipt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec
import orjson

from risk.declared import InForce, Rule

SCHEMA_VERSION = 1
AS_WRITTEN: Mapping[int, InForce] = MappingProxyType({})
"""No override holds."""
WHOLE = {int}


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


class Outcome(msgspec.Struct):
    """One payment decided: the ruling, and everything it was made from.

    ``in_force``: parameters and mode of the rules that an override holds for. ``values`` are aligned with ``names``; ``unknown``
    gives the cause of each value that is None; ``inputs`` is what the model read; ``failed`` says that a rule or the model raised;
    ``unknown_rules`` are indexes into ``rules``.
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
    """Writes decisions and receipts under one rule set.

    JSON is put together from parts that are JSON already: encoding one big mapping costs three times as much.
    """

    def __init__(self, ruleset_hash: str, lists: Mapping[str, str], fragments: Mapping[str, bytes]) -> None:
        self._fixed = b',"ruleset":' + orjson.dumps(ruleset_hash) + b',"lists":' + orjson.dumps(dict(lists)) + b',"model":'
        self._fragments = fragments
        self._templates: dict[tuple[str, ...], str] = {}

    def _rules(self, outcome: Outcome, indexes: Sequence[int]) -> bytes:
        if not indexes:
            return b"[]"
        rules, fragments = outcome.rules, self._fragments
        if outcome.in_force:
            held = outcome.in_force
            parts = [rule_fragment(rules[i], held[i]) if i in held else fragments[rules[i].name] for i in indexes]
            return b"[" + b",".join(parts) + b"]"
        return b"[" + b",".join([fragments[rules[i].name] for i in indexes]) + b"]"

    def _values(self, names: tuple[str, ...], values: Sequence[Any]) -> bytes:
        """The values by name. Where all are whole numbers, and they mostly are, they are put into a text made once."""
        if set(map(type, values)) == WHOLE:
            template = self._templates.get(names)
            if template is None:
                template = self._templates[names] = "{" + ",".join(f'"{name}":%d' for name in names) + "}"
            return (template % tuple(values)).encode()
        return orjson.dumps(dict(zip(names, values, strict=True)))

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
        ruling, dumps = outcome.ruling, orjson.dumps
        model = {"version": model_version, "score": outcome.model_score, "top": [list(pair) for pair in top]}
        rest = {
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
        return b"".join(
            (
                b'{"payment_id":', dumps(payment_id), b',"event":', event_json, self._fixed, dumps(model),
                b',"values":', self._values(outcome.names, outcome.values), b',"bounds":{},"unknown":', dumps(outcome.unknown),
                b',"rules":', self._rules(outcome, ruling.acting), b',"would_be":', self._rules(outcome, ruling.would_be),
                b",", dumps(rest)[1:],
            )
        )  # fmt: skip

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
