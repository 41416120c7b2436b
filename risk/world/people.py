"""Customers as a gateway sees them: households, their devices, cards, wallets and lines of credit.

Belongs here: who exists and what they own. Never: what they do (see honest and attacks).
A household is made when first looked at, from the seed and its own number, so a town of any size costs nothing to found
and is the same town whoever asks first. All names are made up of numbers; a card is a token and a published test prefix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from risk.world.clock import DAY, stamp

PROVINCES = ("GD", "SH", "BJ", "ZJ", "JS", "SC", "HB", "FJ", "SD", "HN", "SN", "CQ")
HOSTING = ("US", "SG", "JP", "NL", "HK")
BINS = ("62148300", "62148301", "62148310", "62148322", "62148345", "62148399")


@dataclass(slots=True)
class Device:
    """A phone or tablet; ``first_seen_ms`` is when we first saw it at all, whoever used it."""

    id: str
    first_seen_ms: int
    flags: tuple[str, ...] = ()


@dataclass(slots=True)
class Card:
    id: str
    bin: str
    country: str
    credit: bool


@dataclass(slots=True)
class Credit:
    """A line of instalment credit: limit and used in fen."""

    lender: str
    limit: int
    used: int
    activated_ms: int


@dataclass(slots=True)
class Person:
    """One customer account. ``person`` is the holder's identity: two accounts of one holder share it."""

    id: str
    person: str
    account: str
    account_class: str
    age_band: str
    opened_ms: int
    device: Device
    cards: list[Card]
    address: str
    ip: str
    province: str
    bank: str
    wealth: float
    credit: Credit | None = None
    tablet: Device | None = None
    consents: tuple[str, ...] = ()
    abroad: str | None = None
    friends: list[Person] = field(default_factory=list)
    _payer: dict[str, Any] | None = None

    @property
    def payer(self) -> dict[str, Any]:
        """The payer part of a message; made once, so callers must not change it."""
        if self._payer is None:
            self._payer = {
                "id": self.id,
                "person": self.person,
                "natural": True,
                "age_band": self.age_band,
                "account": self.account,
                "account_class": self.account_class,
                "opened_at": stamp(self.opened_ms),
            }
        return self._payer

    @property
    def payee(self) -> dict[str, Any]:
        """The same person as somebody who is sent money."""
        return {
            "id": self.id,
            "type": "person",
            "person": self.person,
            "account": self.account,
            "opened_at": stamp(self.opened_ms),
        }


@dataclass(slots=True)
class Household:
    members: list[Person]
    address: str


def hexed(rng: Random, letters: int) -> str:
    """Random hexadecimal digits; at most 12, so that no id can hold a run of digits as long as a card number."""
    assert letters <= 12
    return f"{rng.getrandbits(4 * letters):0{letters}x}"


def home_ip(rng: Random) -> str:
    return f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def mobile_ip(rng: Random) -> str:
    """An address of a mobile network: few, each shared by many customers."""
    return f"100.64.{rng.randrange(8)}.{rng.randrange(1, 255)}"


def foreign_ip(rng: Random) -> str:
    """An address outside the country, or of a hosting company (the range kept for benchmarks)."""
    return f"198.18.{rng.randrange(64)}.{rng.randrange(1, 255)}"


def new_device(rng: Random, first_seen_ms: int, flags: tuple[str, ...] = ()) -> Device:
    return Device(f"dev_{hexed(rng, 10)}", first_seen_ms, flags)


def usual_flags(rng: Random) -> tuple[str, ...]:
    """What honest people's phones say of themselves: some tinker, some test apps."""
    lot = rng.random()
    return ("rooted",) if lot < 0.03 else ("emulator",) if lot < 0.034 else ()


def ip_country(rng: Random, ip: str, home: str) -> str:
    """Where an address seems to be: that of a hosting company anywhere, any other where its user is."""
    return rng.choice(HOSTING) if ip.startswith("198.18.") and home == "CN" else home


def new_card(rng: Random, country: str | None = None) -> Card:
    """A card; without a ``country`` mostly one of this country, some are those of visitors and returners."""
    if country is None:
        country = "CN" if rng.random() < 0.97 else rng.choice(("US", "BR", "JP", "KR", "GB"))
    return Card(f"card_{hexed(rng, 10)}", rng.choice(BINS), country, rng.random() < 0.35)


def unusual_place(rng: Random, who: Person) -> None:
    """Send somebody travelling: abroad, or to another province."""
    if rng.random() < 0.35:
        who.abroad = rng.choice(("JP", "TH", "SG", "FR", "KR"))
    else:
        who.province = rng.choice(PROVINCES)


class Town:
    """Everybody who may pay. ``customers`` is about how many accounts there are; ``now`` arguments are event time in ms."""

    def __init__(self, seed: int, start_ms: int, customers: int) -> None:
        self._seed = seed
        self._start_ms = start_ms
        self._size = max(8, round(customers / 2.3))
        self._homes: dict[int, Household] = {}
        # Numbers of those who join while the world runs; far from the others, and from those of a run at another time.
        self._next_id = 100_000_000 + Random(f"{seed}/{start_ms}/joiners").randrange(800) * 1_000_000

    def household(self, number: int) -> Household:
        home = self._homes.get(number)
        if home is None:
            home = self._homes[number] = self._found(number)
        return home

    def anybody(self, rng: Random) -> Person:
        """Someone with an account; some are far more active than others."""
        home = self.household(int(self._size * rng.random() ** 1.5))
        return home.members[int(len(home.members) * rng.random())]

    def family(self, rng: Random, at_least: int) -> Household:
        """A household of so many members; the largest that a few looks find, when none has."""
        best = self.household(rng.randrange(self._size))
        for _ in range(30):
            if len(best.members) >= at_least:
                break
            other = self.household(rng.randrange(self._size))
            best = other if len(other.members) > len(best.members) else best
        return best

    def join(self, rng: Random, opened_ms: int, device: Device, ip: str | None = None, address: str | None = None) -> Person:
        """A new account, honest or not: they look the same from outside."""
        self._next_id += 1
        number = self._next_id
        return Person(
            id=f"usr_{number}",
            person=f"prs_{hexed(rng, 12)}",
            account=f"acc_{number}",
            account_class=rng.choices(("I", "II", "III"), (2, 76, 22))[0],
            age_band="adult",
            opened_ms=opened_ms,
            device=device,
            cards=[new_card(rng)],
            address=address or f"adr_{hexed(rng, 8)}",
            ip=ip or home_ip(rng),
            province=rng.choice(PROVINCES),
            bank=f"bank_{hexed(rng, 10)}",
            wealth=rng.lognormvariate(0.0, 0.5),
            consents=("behaviour_for_credit",) if rng.random() < 0.5 else (),
        )

    def _found(self, number: int) -> Household:
        rng = Random(f"{self._seed}/home/{number}")
        address, ip, province = f"adr_{hexed(rng, 8)}", home_ip(rng), rng.choice(PROVINCES)
        tablet = new_device(rng, self._start_ms - rng.randrange(30, 700) * DAY) if rng.random() < 0.35 else None
        wealth = rng.lognormvariate(0.0, 0.5)
        members = []
        for place in range(rng.choices((1, 2, 3, 4), (28, 34, 24, 14))[0]):
            person = self._grow_up(rng, number * 4 + place, place, address, ip, province, wealth)
            person.tablet = tablet
            members.append(person)
        return Household(members, address)

    def _grow_up(self, rng: Random, number: int, place: int, address: str, ip: str, province: str, wealth: float) -> Person:
        young = rng.random() < 0.04
        opened_ms = self._start_ms - int((rng.uniform(0.2, 25) if young else rng.uniform(40, 1900)) * DAY)
        minor = place >= 2 and rng.random() < 0.5
        adult_class = rng.choices(("I", "II", "III"), (0.5, 55.5, 44))[0]
        person = Person(
            id=f"usr_{number}",
            person=f"prs_{hexed(rng, 12)}",
            account=f"acc_{number}",
            account_class="II" if minor else adult_class,
            age_band=rng.choice(("8_13", "14_15", "16_17")) if minor else "adult",
            opened_ms=opened_ms,
            device=new_device(rng, max(opened_ms, self._start_ms - rng.randrange(5, 800) * DAY), usual_flags(rng)),
            cards=[new_card(rng) for _ in range(rng.choices((0, 1, 2, 3), (15, 45, 30, 10))[0])],
            address=address,
            ip=ip,
            province=province,
            bank=f"bank_{hexed(rng, 10)}",
            wealth=wealth * rng.uniform(0.6, 1.3),
            consents=("behaviour_for_credit",) if not minor and rng.random() < 0.4 else (),
        )
        if not minor and rng.random() < 0.4:
            limit = rng.choice((200_000, 500_000, 800_000, 1_200_000, 2_000_000))
            activated_ms = opened_ms + int((self._start_ms - opened_ms) * rng.random())
            person.credit = Credit(f"len_{rng.randrange(1, 5)}", limit, int(limit * rng.random() * 0.5), activated_ms)
        return person
