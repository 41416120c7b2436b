"""Where money goes: shops, live rooms and market stalls, with what they sell and how they are paid.

Belongs here: who sells. Never: who buys. A few shops take most of the payments, as in life.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Literal

from risk.world.clock import DAY, stamp
from risk.world.people import hexed

Place = Literal["online", "live", "counter", "stall"]


@dataclass(frozen=True, slots=True)
class Trade:
    """A line of business; ``median_fen`` and ``spread`` (log normal) say what a basket costs, ``share`` how many shops there are."""

    category: str
    mcc: str
    median_fen: int
    spread: float
    place: Place
    share: int
    virtual: bool = False


TRADES = (
    Trade("apparel", "5691", 12_900, 0.7, "online", 18),
    Trade("cosmetics", "5977", 9_900, 0.7, "online", 12),
    Trade("household", "5719", 5_900, 0.8, "online", 9),
    Trade("books", "5942", 3_900, 0.5, "online", 5),
    Trade("electronics", "5732", 69_900, 0.9, "online", 6),
    Trade("phones", "4812", 199_900, 0.5, "online", 3),
    Trade("games", "5816", 2_400, 0.8, "online", 5, virtual=True),
    Trade("gift_cards", "5815", 7_500, 0.9, "online", 3, virtual=True),
    Trade("jewelry", "5944", 8_800, 0.8, "live", 6),
    Trade("gold", "5944", 88_000, 0.6, "live", 2),
    Trade("snacks", "5441", 3_600, 0.6, "live", 6),
    Trade("grocery", "5411", 4_200, 0.7, "counter", 10),
    Trade("restaurant", "5812", 5_600, 0.6, "counter", 10),
    Trade("cafe", "5814", 1_900, 0.4, "counter", 8),
    Trade("transit", "4111", 350, 0.4, "counter", 3),
    Trade("market", "5499", 1_500, 0.7, "stall", 12),
)


@dataclass(frozen=True, slots=True)
class Shop:
    id: str
    trade: Trade
    payee: dict[str, Any]
    creator: str
    room: str
    personal: bool


class Market:
    """All shops. ``any`` picks by popularity, ``of`` among those of some categories."""

    def __init__(self, seed: int, start_ms: int, shops: int) -> None:
        rng = Random(f"{seed}/market")
        trades = rng.choices(TRADES, [trade.share for trade in TRADES], k=max(0, shops - len(TRADES)))
        self.shops = [_open(rng, number, trade, start_ms) for number, trade in enumerate((*TRADES, *trades), start=1)]
        rng.shuffle(self.shops)
        self._cumulative = list(accumulate(1.0 / (place + 3) for place in range(len(self.shops))))
        self._by_category: dict[str, list[Shop]] = {}
        for shop in self.shops:
            self._by_category.setdefault(shop.trade.category, []).append(shop)

    def any(self, rng: Random) -> Shop:
        return self.shops[bisect(self._cumulative, rng.random() * self._cumulative[-1])]

    def of(self, rng: Random, *categories: str) -> Shop:
        return rng.choice(self._by_category[rng.choice(categories)])


def price(rng: Random, trade: Trade, wealth: float = 1.0) -> int:
    """A basket in fen, at least one; prices end in whole yuan or in .90 more often than chance."""
    fen = max(100.0, rng.lognormvariate(0.0, trade.spread) * trade.median_fen * wealth)
    ending = rng.random()
    if ending < 0.5:
        return round(fen / 100) * 100
    return int(fen) // 100 * 100 + 90 if ending < 0.75 else int(fen)


def _open(rng: Random, number: int, trade: Trade, start_ms: int) -> Shop:
    age_days = rng.uniform(5, 60) if rng.random() < 0.12 else rng.uniform(60, 1500)
    opened_ms = start_ms - int(age_days * DAY)
    personal = trade.place == "stall" and rng.random() < 0.4
    payee = {
        "id": f"shop_{number}",
        "type": "person" if personal else "merchant",
        "person": f"prs_{hexed(rng, 12)}",
        "account": f"acc_s{number}",
        "mcc": trade.mcc,
        "opened_at": stamp(opened_ms),
        "trading_since": stamp(opened_ms + int(min(age_days, 10) * rng.random() * DAY)),
    }
    if personal:
        # A private person who sells has neither a category code nor a first day of trade.
        del payee["mcc"], payee["trading_since"]
    return Shop(f"shop_{number}", trade, payee, f"usr_c{number}", f"room_{number}", personal)
