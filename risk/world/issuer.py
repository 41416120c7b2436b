"""What became of a payment: the issuer's answer and what follows it. It does not know our decision.

Belongs here: ``payment_result`` events. Never: a verdict on fraud (labels).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from risk.world.clock import stamp
from risk.world.stage import Happening

_COPIED = ("amount", "payer", "payee")


def results(rng: Random, paid: Happening, squeeze: float) -> Iterator[Happening]:
    """The answer within seconds; a few approved payments are later reversed, refunded or expire (gaps shortened by ``squeeze``)."""
    answered_ms = paid.answered_ms
    yield _result(paid, answered_ms, paid.outcome, paid.reason, paid.own_fault)
    if paid.outcome != "approved" or paid.body["event"] not in ("payment", "instalment"):
        return
    fate = rng.random()
    if fate < 0.012:
        yield _result(paid, answered_ms + int(rng.uniform(3600, 400_000) * 1000 * squeeze), "refunded", "customer_return", False)
    elif fate < 0.016:
        yield _result(paid, answered_ms + int(rng.uniform(20, 900) * 1000 * squeeze), "reversed", "timeout", fate < 0.014)
    elif fate < 0.017:
        yield _result(paid, answered_ms + int(rng.uniform(900, 1800) * 1000 * squeeze), "expired", "not_captured", False)


def _result(paid: Happening, at_ms: int, outcome: str, reason: str | None, own_fault: bool) -> Happening:
    said = paid.body
    body = {"event": "payment_result", "payment_id": said["payment_id"], "occurred_at": stamp(at_ms)}
    body |= {"outcome": outcome, "own_fault": own_fault}
    if reason is not None:
        body["reason_code"] = reason
    body |= {name: said[name] for name in _COPIED}
    if "card" in said:
        body["card"] = {"id": said["card"]["id"]}
    body["device"] = {"id": said["device"]["id"]}
    body["ip"] = said["ip"]
    return Happening(at_ms, "activity", paid.key, body)
