"""The stage on which customers and attackers act: each verb here is one message of the public schema.

Belongs here: the shapes of messages, and what a gateway can see of an act. Never: who does what and why (honest,
attacks), what became of it (issuer, labels). The truth rides beside the message, never in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2s
from random import Random
from typing import Any

from risk.world.clock import SECOND, stamp
from risk.world.people import Card, Device, Person, Town, foreign_ip, hexed, ip_country, mobile_ip
from risk.world.shops import Market, Shop, price

SHORTEST_GAP_MS = 15
SMALL_FEN = 20_000
LARGE_FEN = 200_000
ONLINE = ("online", "live")


@dataclass(slots=True)
class Happening:
    """One message to be. ``outcome``, ``reason``, ``own_fault``: what the issuer will say, ``answer_ms`` later; ``attack``: the truth."""

    at_ms: int
    topic: str
    key: str
    body: dict[str, Any]
    attack: str | None = None
    episode: int = 0
    outcome: str = "approved"
    reason: str | None = None
    own_fault: bool = False
    answer_ms: int = 0

    @property
    def answered_ms(self) -> int:
        """When whoever pays knows what the issuer said; nobody tries again before."""
        return self.at_ms + self.answer_ms


def money(fen: int) -> dict[str, Any]:
    return {"currency": "CNY", "value": fen}


def _seen(device: Device) -> dict[str, Any]:
    seen: dict[str, Any] = {"id": device.id, "first_seen_at": stamp(device.first_seen_ms)}
    if device.flags:
        seen["flags"] = list(device.flags)
    return seen


class Stage:
    """Collects what happens. ``squeeze`` shortens the gaps inside a scene, so that a busy, short run holds whole scenes."""

    def __init__(self, seed: int, start_ms: int, town: Town, market: Market, squeeze: float) -> None:
        self.rng = Random(f"{seed}/{start_ms}/stage")
        self.town, self.market, self.squeeze = town, market, squeeze
        self.attack: str | None = None
        self.episode = 0
        self._said: list[Happening] = []
        # Letters only: an id is then never mistaken for a card number. Another start gives other payments, the same people.
        digest = blake2s(f"{seed}/{start_ms}".encode(), digest_size=8).digest()
        self._tag = "".join("bcdfghjkmnpqrstvwxz"[byte % 19] for byte in digest)
        self._payments = 0

    def take(self) -> list[Happening]:
        said, self._said = self._said, []
        return said

    def gap(self, low_s: float, high_s: float) -> int:
        """A pause of so many seconds, shortened by ``squeeze``, in ms."""
        return max(SHORTEST_GAP_MS, int(self.rng.uniform(low_s, high_s) * SECOND * self.squeeze))

    # ---- payments

    def buy(
        self,
        who: Person,
        shop: Shop,
        at_ms: int,
        *,
        amount: int | None = None,
        device: Device | None = None,
        card: Card | None = None,
        funding: str | None = None,
        auth: str | None = None,
        ip: str | None = None,
        address: str | None = None,
        coupon: str | None = None,
        discount: int = 0,
        remote: bool | None = None,
        code: str | None = None,
        dwell_ms: int | None = None,
        outcome: str | None = None,
        reason: str | None = None,
    ) -> Happening:
        """Pay a shop at once. What is left out is chosen as an ordinary customer would."""
        rng, trade = self.rng, shop.trade
        fen = price(rng, trade, who.wealth) if amount is None else amount
        if funding is None and card is None and who.cards and rng.random() < 0.55:
            card = rng.choice(who.cards)
        if funding is None:
            funding = "balance" if card is None else "credit_qp" if card.credit else "debit_qp"
        online = trade.place in ONLINE
        body = self._payment("payment", who, shop.payee, at_ms, fen, device, ip, auth)
        body["funding"] = funding
        body["cross_border"] = who.abroad is not None and not online
        if remote is not None:
            body["remote"] = remote
        elif not online:
            body["remote"] = False
        body["code"] = code if code is not None else self._code(shop)
        body["channel"] = trade.place if trade.place == "live" else rng.choice(("app", "app", "h5")) if online else "qr"
        if card is not None:
            body["card"] = {"id": card.id, "bin": card.bin, "country": card.country}
        if online and not trade.virtual:
            body["address"] = {"id": address or who.address}
        order: dict[str, Any] = {"id": self._name("ord"), "items": 1 + int(rng.random() ** 3 * 5), "category": trade.category}
        order |= {"virtual": trade.virtual, "discount": money(discount)}
        if coupon is not None:
            order["coupon"] = coupon
        body["order"] = order
        self._content(body, shop, online, dwell_ms)
        return self._say("payments", who.id, body, at_ms, outcome, reason)

    def borrow(self, who: Person, shop: Shop, at_ms: int, amount: int, *, device: Device | None = None, address: str | None = None,
               ip: str | None = None, dwell_ms: int | None = None) -> Happening:
        """An order on instalment credit. The line must exist; what is used grows by the order."""
        credit = who.credit
        assert credit is not None, "an instalment needs a line of credit"
        body = self._payment("instalment", who, shop.payee, at_ms, amount, device, ip, None)
        body |= {"funding": "instalment", "code": "none", "channel": self.rng.choice(("app", "app", "live"))}
        if not shop.trade.virtual:
            body["address"] = {"id": address or who.address}
        body["order"] = {"id": self._name("ord"), "items": 1, "category": shop.trade.category, "virtual": shop.trade.virtual}
        body["order"]["discount"] = money(0)
        body["instalment"] = {
            "terms": self.rng.choice((3, 6, 6, 12)),
            "lender": credit.lender,
            "limit": money(credit.limit),
            "used": money(credit.used),
            "activated_at": stamp(credit.activated_ms),
        }
        credit.used = min(credit.limit, credit.used + amount)
        self._content(body, shop, True, dwell_ms)
        return self._say("payments", who.id, body, at_ms, None, None)

    def send(self, who: Person, to: Mapping[str, Any], at_ms: int, amount: int, *, same_name: bool = False,
             device: Device | None = None, ip: str | None = None, auth: str | None = None) -> Happening:
        """A transfer from wallet to wallet."""
        body = self._payment("transfer", who, to, at_ms, amount, device, ip, auth)
        body |= {"funding": "balance", "code": "none", "channel": "app", "same_name": same_name}
        return self._say("payments", who.id, body, at_ms, None, None)

    def withdraw(self, who: Person, at_ms: int, amount: int, *, bank: str | None = None, owner: str | None = None,
                 device: Device | None = None, ip: str | None = None) -> Happening:
        """A payout to a bank account: one's own, unless ``bank`` and its ``owner`` say otherwise."""
        account = bank or who.bank
        holder = owner or who.person
        to = {"id": account, "type": "bank", "person": holder, "account": f"acc_{account}"}
        body = self._payment("payout", who, to, at_ms, amount, device, ip, None)
        body |= {"funding": "balance", "code": "none", "channel": "app", "same_name": holder == who.person}
        return self._say("payments", who.id, body, at_ms, None, None)

    # ---- activity

    def login(self, who: Person, at_ms: int, *, device: Device | None = None, ip: str | None = None, ok: bool = True) -> None:
        body = {"event": "login", "payer": {"id": who.id}, "device": {"id": (device or who.device).id}}
        self._act(who.id, at_ms, body | {"ip": ip or self.whereabouts(who), "ok": ok})

    def change(self, who: Person, at_ms: int, what: str) -> None:
        self._act(who.id, at_ms, {"event": "profile_change", "payer": {"id": who.id}, "what": what})

    def register(self, who: Person, at_ms: int, *, device: Device | None = None, inviter: str | None = None) -> None:
        body = {"event": "registration", "payer": {"id": who.id}, "device": {"id": (device or who.device).id}, "ip": who.ip}
        if inviter is not None:
            body["inviter"] = inviter
        self._act(who.id, at_ms, body)

    def watch(self, who: Person, shop: Shop, at_ms: int, kind: str, dwell_ms: int) -> None:
        content = {"live_room": shop.room} if kind == "live_watch" else {"note": f"note_{shop.id[5:]}", "creator": shop.creator}
        body: dict[str, Any] = {"event": "behaviour", "payer": {"id": who.id}, "kind": kind, "content": content}
        if kind in ("view", "live_watch"):
            body["dwell_ms"] = dwell_ms
        self._act(who.id, at_ms, body)

    def whereabouts(self, who: Person) -> str:
        if who.abroad:
            return foreign_ip(self.rng)
        lot = self.rng.random()
        return who.ip if lot < 0.6 else mobile_ip(self.rng) if lot < 0.988 else foreign_ip(self.rng)  # the last is a VPN

    # ---- inside

    def _payment(self, event: str, who: Person, payee: Mapping[str, Any], at_ms: int, fen: int, device: Device | None,
                 ip: str | None, auth: str | None) -> dict[str, Any]:
        where = ip or self.whereabouts(who)
        body: dict[str, Any] = {
            "event": event,
            "payment_id": self._name("pay"),
            "occurred_at": stamp(at_ms),
            "amount": money(fen),
            "payer": who.payer,
            "payee": payee,
            "same_name": False,
            "cross_border": False,
            "auth_level": auth or self._auth(fen),
            "stepup_available": self.rng.random() < 0.93,
            "remote": True,
            "device": _seen(device or who.device),
            "ip": where,
            "ip_country": ip_country(self.rng, where, who.abroad or "CN"),
        }
        if who.abroad is None:
            body["province"] = who.province
        if who.consents:
            body["consents"] = list(who.consents)
        return body

    def _auth(self, fen: int) -> str:
        """Small payments go without a second factor, large ones with a certificate, mostly."""
        if fen <= SMALL_FEN and self.rng.random() < 0.55:
            return "C"
        return "A" if fen > LARGE_FEN or self.rng.random() < 0.35 else "B"

    def _code(self, shop: Shop) -> str:
        if shop.trade.place == "stall":
            return "static_personal" if shop.personal else "static_merchant"
        return "dynamic" if shop.trade.place == "counter" else "none"

    def _content(self, body: dict[str, Any], shop: Shop, online: bool, dwell_ms: int | None) -> None:
        """The note or live room that led to an order: most online orders have one."""
        if not online or (dwell_ms is None and self.rng.random() < 0.3):
            return
        dwell = int(self.rng.lognormvariate(10.3, 0.9)) if dwell_ms is None else dwell_ms
        if shop.trade.place == "live":
            body["content"] = {"live_room": shop.room, "creator": shop.creator, "dwell_ms": dwell}
        else:
            body["content"] = {"note": f"note_{shop.id[5:]}", "creator": shop.creator, "dwell_ms": dwell}

    def _name(self, kind: str) -> str:
        self._payments += 1
        return f"{kind}_{self._tag}{self._payments:x}"

    def _say(self, topic: str, key: str, body: dict[str, Any], at_ms: int, outcome: str | None, reason: str | None) -> Happening:
        said = Happening(at_ms, topic, key, body, self.attack, self.episode, outcome or "approved", reason)
        said.answer_ms = int(self.rng.lognormvariate(6.6, 0.6))
        self._said.append(said)
        return said

    def _act(self, key: str, at_ms: int, body: dict[str, Any]) -> None:
        self._said.append(Happening(at_ms, "activity", key, {"event": body.pop("event"), "occurred_at": stamp(at_ms), **body}))


def unseen_ids(rng: Random, kind: str) -> str:
    """An id of something nobody used before (an address, a bank account)."""
    return f"{kind}_{hexed(rng, 10)}"
