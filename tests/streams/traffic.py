"""Seeded payments and activity for the rule set `rules/probes`: few customers, devices, cards and payees, so that everybody meets often.

Belongs here: what is sent, and at what pace. Never: what must come of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from random import Random
from typing import Any, Self

from risk.decisions import rfc3339
from tests.streams.harness import Stage, now_ms

PAYERS, DEVICES, CARDS, PAYEES = 70, 50, 60, 25
LATE_MS_MAX = 5_000
TICK_SECONDS = 0.01
BAD_AMOUNT = {"currency": "CNY", "value": -1}
Sent = tuple[str, str, bytes]


class Traffic:
    """An endless supply of records (role, key, value), as if they happened now."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.seed = seed
        self.payments = 0
        self.last: list[tuple[str, bytes]] = []

    def next(self) -> list[Sent]:
        """One payment, and what comes with it now and then: a log-in, the result or a repeat of an earlier payment, a bad message."""
        random = self.random
        key, body = self._payment()
        value = json.dumps(body).encode()
        self.last = [*self.last[-400:], (key, value)]
        found = [("payments", key, value)]
        if random.random() < 0.01:
            found.append(("payments", key, json.dumps(body | {"payment_id": f"bad_{self.payments}", "amount": BAD_AMOUNT}).encode()))
        if random.random() < 0.15:
            found.append(self._login())
        if random.random() < 0.15:
            found.append(self._result())
        if random.random() < 0.02:
            found.append(("payments", *random.choice(self.last)))
        return found

    def _payment(self) -> tuple[str, dict[str, Any]]:
        random = self.random
        self.payments += 1
        at = now_ms() - (random.randrange(LATE_MS_MAX) if random.random() < 0.05 else 0)
        payer = f"usr_{random.randrange(PAYERS)}"
        body: dict[str, Any] = {
            "event": "payment",
            "payment_id": f"pay_{self.seed}_{self.payments}",
            "occurred_at": rfc3339(at),
            "amount": {"currency": "CNY", "value": random.randrange(1, 100_000)},
            "payer": {"id": payer},
            "payee": {"id": f"shop_{random.randrange(PAYEES)}"},
        }
        if random.random() < 0.9:
            body["device"] = {"id": f"dev_{random.randrange(DEVICES)}"}
        if random.random() < 0.8:
            body["card"] = {"id": f"card_{random.randrange(CARDS)}"}
        return payer, body

    def _login(self) -> Sent:
        random = self.random
        payer = f"usr_{random.randrange(PAYERS)}"
        device = {"id": f"dev_{random.randrange(DEVICES)}"}
        body = {"event": "login", "occurred_at": rfc3339(now_ms()), "payer": {"id": payer}, "device": device, "ok": random.random() < 0.8}
        return "activity", payer, json.dumps(body).encode()

    def _result(self) -> Sent:
        random = self.random
        key, value = random.choice(self.last)
        paid = json.loads(value)
        body = {name: paid[name] for name in ("payment_id", "payer", "payee", "device", "card") if name in paid}
        outcome = random.choice(["declined", "reversed", "refunded"])
        body |= {"event": "payment_result", "occurred_at": rfc3339(now_ms()), "outcome": outcome}
        return "activity", key, json.dumps(body).encode()


class Pour:
    """Traffic put on the topics in the background at a steady pace, until it is stopped. `async with`."""

    def __init__(self, stage: Stage, traffic: Traffic, rate: float) -> None:
        self.stage, self.traffic, self.wanted = stage, traffic, rate
        self.payments = 0
        self.seconds = 0.0
        self._stop = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        await self._task

    @property
    def rate(self) -> float:
        """Payments a second that were really sent."""
        return self.payments / self.seconds if self.seconds else 0.0

    async def _run(self) -> None:
        started = time.monotonic()
        while not self._stop:
            self.seconds = time.monotonic() - started
            while self.payments < self.seconds * self.wanted:
                for role, key, value in self.traffic.next():
                    await self.stage.put(role, key, value)
                self.payments += 1
            await asyncio.sleep(TICK_SECONDS)
        await self.stage.producer.flush()


async def spurt(stage: Stage, traffic: Traffic, payments: int) -> None:
    """So many payments at once; they are on the topics when this returns."""
    await stage.put_at_once([record for _ in range(payments) for record in traffic.next()])
