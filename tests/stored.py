"""A store that is fed as route and observe feed it, with its changelog: for tests of recovery.

Belongs here: the rule set, the log and the owner. Never: what must be true of them.
"""

from __future__ import annotations

from typing import Any

from risk.engine import Engine, Plan, payment_tid
from risk.language import load
from streams.store import Store
from streams.wire import PARTITIONS_MAX, mark_of

EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, card.id: optional id card}
  login: {fields: {occurred_at: time, payer.id: id user, ok: bool}}
features:
  n:      {count: payment, per: payer.id, over: 1h}
  total:  {sum: amount, of: payment, per: payer.id, over: lifetime}
  top:    {max: amount, of: payment, per: payer.id, over: 1d}
  cards:  {distinct: card.id, of: payment, per: payer.id, over: 1d}
  logins: {count: login, per: payer.id, over: 1d, where: ok}
  card_n: {count: payment, per: card.id, over: 1h}
  used:   {sum: amount, of: payment, per: payer.id, over: lifetime, counts: passed}
  recent: {count: payment, per: payer.id, over: 1h, counts: passed}
rules:
  all:
    title: Reads everything
    owner: tests
    event: payment
    mode: shadow
    when: at_least(8, n > 0, total > CNY 0.00, top > CNY 0.00, cards > 0, logins > 0, card_n > 0, used > CNY 0.00, recent > 0)
    score: 1
"""
NOTHING_UNSAFE = {0: 10**9, PARTITIONS_MAX: 10**9}
START_MS = 1_793_491_200_000
ENGINE = Engine(load([("e.yaml", EVENTS)]))


class Log:
    """A compacted changelog of one partition: the newest value of each key, and everything that was ever written."""

    def __init__(self) -> None:
        self.live: dict[bytes, bytes] = {}
        self.all: list[tuple[bytes, bytes | None]] = []

    def take(self, store: Store) -> None:
        for key, value in store.take_changes():
            self.all.append((key, value))
            if value is None:
                self.live.pop(key, None)
            else:
                self.live[key] = value

    def chunks(self) -> list[bytes]:
        return [key for key in self.live if key[:1] == b"c"]


class Owner:
    """Feeds a store as route and observe do, and keeps its log."""

    def __init__(self, engine: Engine = ENGINE, epoch: int = 1, log: Log | None = None) -> None:
        self.engine = engine
        self.store = Store(engine, 0, epoch)
        self.log = log or Log()

    def pay(self, number: int, payer: str = "u", at: int = 0, amount: int = 100, card: str | None = None, via: int = -1) -> dict[str, Any]:
        event = self.engine.schema.build(
            "payment",
            {"payment_id": f"p{number}", "occurred_at": START_MS + at, "amount": amount, "payer.id": payer, "card.id": card},
        )
        return self._touch(self.engine.plans["payment"], event, payment_tid(f"p{number}"), 0, number, via)

    def login(self, number: int, payer: str = "u", at: int = 0, ok: bool = True) -> None:
        event = self.engine.schema.build("login", {"occurred_at": START_MS + at, "payer.id": payer, "ok": ok})
        self._touch(self.engine.plans["login"], event, (PARTITIONS_MAX << 44) | number, PARTITIONS_MAX, number, -1)

    def _touch(self, plan: Plan, event: Any, tid: int, source: int, offset: int, via: int) -> dict[str, Any]:
        values: list[Any] = []
        mark = mark_of(event.occurred_at, tid, source, offset, via)
        for touch, (key, row) in zip(plan.touches, plan.route(event), strict=True):
            if key is None:
                values.extend([None] * len(touch.features))
            else:
                values.extend(self.store.observe(touch, key, event.occurred_at, tid, row, mark))
        return dict(zip(plan.names, values, strict=True))

    def settle(
        self, number: int, payer: str = "u", released: bool = True, source: int = PARTITIONS_MAX, offset: int = 0, via: int = -1
    ) -> None:
        self.store.settle_quota("user", payer, payment_tid(f"p{number}"), released, source, offset, -1)

    def flush(self) -> None:
        self.log.take(self.store)

    def successor(self, epoch: int, unsafe: dict[int, int] | None = None, touches: int = -1, engine: Engine | None = None) -> Owner:
        other = Owner(engine or self.engine, epoch, self.log)
        other.store.restore(dict(self.log.live), NOTHING_UNSAFE if unsafe is None else unsafe, touches)
        return other


PROBE = 10**6


def probe(owner: Owner, payer: str = "u", at: int = 0, card: str | None = None) -> dict[str, Any]:
    return owner.pay(PROBE, payer, at, 0, card)
