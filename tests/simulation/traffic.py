"""What customers do in a story: few of them, so that everybody meets often; repeats, conflicts, bad messages, results, log-ins.

Belongs here: messages and when they come. Never: what must come of them (accounts.py).
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple

from risk.decisions import rfc3339

PAYERS, DEVICES, CARDS, PAYEES = 5, 4, 4, 3
TOO_MUCH = 90_000
BAD_AMOUNT = {"currency": "CNY", "value": -1}
Json = dict[str, Any]


class Sent(NamedTuple):
    """One message; ``key`` is the payer, as the contract says."""

    role: str
    key: str
    value: bytes


class Traffic:
    """An endless supply of messages."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.bodies: list[tuple[str, Json]] = []
        self.count = 0

    def next(self, now_ms: int) -> Sent:
        """A payment, more often than not; else something that has to do with an earlier one, or nothing with any."""
        drawn = self.random.random()
        if drawn < 0.72 or not self.bodies:
            return self._payment(now_ms)
        if drawn < 0.78:
            key, body = self.random.choice(self.bodies[-12:])
            return Sent("payments", key, json.dumps(body).encode())
        if drawn < 0.80:
            key, body = self.random.choice(self.bodies[-12:])
            return Sent("payments", key, json.dumps(body | {"note": f"changed {self.count}"}).encode())
        if drawn < 0.82:
            return self._bad(now_ms)
        return self._login(now_ms) if drawn < 0.90 else self._result(now_ms)

    def _payment(self, now_ms: int) -> Sent:
        random = self.random
        self.count += 1
        payer = f"usr_{random.randrange(PAYERS)}"
        at = now_ms - (random.randrange(3_000) if random.random() < 0.2 else 0)
        large = random.random() < 0.15
        body: Json = {
            "event": "payment",
            "payment_id": f"pay_{self.count}",
            "occurred_at": rfc3339(at),
            "amount": {"currency": "CNY", "value": random.randrange(1, 9_000) + (TOO_MUCH if large else 0)},
            "payer": {"id": payer},
            "payee": {"id": f"shop_{random.randrange(PAYEES)}"},
        }
        if random.random() < 0.9:
            body["device"] = {"id": f"dev_{random.randrange(DEVICES)}"}
        if random.random() < 0.8:
            body["card"] = {"id": f"card_{random.randrange(CARDS)}"}
        self.bodies.append((payer, body))
        return Sent("payments", payer, json.dumps(body).encode())

    def _bad(self, now_ms: int) -> Sent:
        sent = self._payment(now_ms)
        _, body = self.bodies.pop()
        return Sent("payments", sent.key, json.dumps(body | {"amount": BAD_AMOUNT}).encode())

    def _login(self, now_ms: int) -> Sent:
        random = self.random
        payer, device = f"usr_{random.randrange(PAYERS)}", {"id": f"dev_{random.randrange(DEVICES)}"}
        body = {"event": "login", "occurred_at": rfc3339(now_ms), "payer": {"id": payer}, "device": device, "ok": random.random() < 0.8}
        return Sent("activity", payer, json.dumps(body).encode())

    def _result(self, now_ms: int) -> Sent:
        key, paid = self.random.choice(self.bodies[-12:])
        body = {name: paid[name] for name in ("payment_id", "payer", "payee", "device", "card") if name in paid}
        outcome = self.random.choice(["declined", "reversed", "refunded"])
        body |= {"event": "payment_result", "occurred_at": rfc3339(now_ms), "outcome": outcome}
        return Sent("activity", key, json.dumps(body).encode())


def probes(now_ms: int) -> list[Sent]:
    """One payment for every payer, device, card and payee, each asked about once: where the small tables end, ids are new."""
    sent = []
    for number in range(max(PAYERS, DEVICES, CARDS, PAYEES)):
        ids = {"payer": f"usr_{number}", "payee": f"shop_{number}", "device": f"dev_{number}", "card": f"card_{number}"}
        body: Json = {"event": "payment", "payment_id": f"probe_{number}", "occurred_at": rfc3339(now_ms + number)}
        body |= {"amount": {"currency": "CNY", "value": 1}} | {name: {"id": key} for name, key in ids.items()}
        sent.append(Sent("payments", ids["payer"], json.dumps(body).encode()))
    return sent
