"""W1's payments, made from a seed: the same bytes for every processor that is measured, which the tests pin by a hash.

Three streams: ``drain`` (1 ms of event time a payment), ``gold`` (4.5 s a payment and a hundredth of the customers, so that every window
fills and empties), ``lat`` (2 ms a payment). One in a hundred repeats a recent payment; one in two hundred is late.

Rule 1: draws are made in a fixed order, whole columns at a time. Another order is another stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

STARTS_MS = 1_790_000_000_000
CHANNELS = ("ecom", "pos", "app", "moto")
CURRENCIES = ("EUR", "USD", "GBP", "PLN")
COUNTRIES = ("DE", "FR", "GB", "US", "NL", "ES", "IT", "PL", "BR", "NG", "RO", "SE")
COUNTRY_SHARES = (0.2, 0.15, 0.15, 0.12, 0.08, 0.08, 0.07, 0.05, 0.04, 0.02, 0.02, 0.02)
CATEGORIES = (5411, 5812, 5999, 4829, 7995, 5732, 5541, 4111, 6051, 5311, 5912, 7011)
REPEATABLE = 1000
"""A repeat is of one of so many payments before it."""

Column = Any
"""A numpy array with an entry for each payment."""


@dataclass(frozen=True, slots=True)
class Mode:
    """``scale`` divides the populations; ``step_ms`` lies between two payments on average; ``late_ms`` is how late one can be."""

    name: str
    seed: int
    scale: int
    step_ms: float
    late_ms: int


DRAIN = Mode("drain", 11, 1, 1.0, 5_000)
GOLD = Mode("gold", 22, 100, 4_500.0, 30_000)
LAT = Mode("lat", 33, 1, 2.0, 5_000)


class Message(NamedTuple):
    """A payment as it is produced: keyed by its card. ``payment_id`` is that of the value."""

    key: bytes
    value: bytes
    payment_id: str


class _Columns(NamedTuple):
    """All draws of a stream; field order is the order of the JSON where a field is of it."""

    at: Column
    amount: Column
    currency: Column
    customer: Column
    card: Column
    device: Column
    ip: Column
    merchant: Column
    country: Column
    channel: Column
    noise: Column
    repeats: Column
    back: Column


def messages(mode: Mode, count: int) -> Iterator[Message]:
    """A stream of ``count`` payments, in the order of their arrival. One of another length is another stream from the start."""
    columns = _draw(mode, count)
    sent: list[Message] = []
    for i in range(count):
        again = columns.repeats[i] and i > REPEATABLE
        message = sent[i - int(columns.back[i])] if again else _message(mode.name[0], i, columns)
        sent.append(message)
        yield message


def _draw(mode: Mode, n: int) -> _Columns:
    rng = np.random.default_rng(mode.seed)
    customers, cards, devices, merchants, ips = (size // mode.scale for size in (200_000, 250_000, 150_000, 5_000, 100_000))
    customer = _ranks(rng, customers, n, 0.95, 8)
    has_second = (customer < cards - customers) & (rng.random(n) < 0.3)
    card = np.where(has_second, customers + customer, customer)
    card = np.where(rng.random(n) < 0.02, _ranks(rng, cards, n, 0.6, 50), card)
    device = np.where(rng.random(n) < 0.05, _ranks(rng, devices, n, 0.9, 5), customer * 7 % devices)
    ip = np.where(rng.random(n) < 0.25, _ranks(rng, ips, n, 1.0, 5), customer * 13 % ips)
    merchant = _ranks(rng, merchants, n, 1.05, 5)
    amount = np.exp(rng.normal(7.6, 1.2, n)).astype(np.int64) + 1
    country = _places(np.array(COUNTRY_SHARES), rng.random(n))
    channel = rng.choice(len(CHANNELS), n, p=[0.5, 0.3, 0.15, 0.05])
    currency = rng.choice(len(CURRENCIES), n, p=[0.6, 0.15, 0.15, 0.1])
    at = STARTS_MS + np.cumsum(rng.exponential(mode.step_ms, n)).astype(np.int64)
    at = at - (rng.random(n) < 0.005) * rng.integers(1, mode.late_ms + 1, n)
    noise = rng.integers(0, 2**63, (n, 3))
    repeats = rng.random(n) < 0.01
    back = rng.integers(1, REPEATABLE, n)
    return _Columns(at, amount, currency, customer, card, device, ip, merchant, country, channel, noise, repeats, back)


def _ranks(rng: np.random.Generator, population: int, n: int, steepness: float, flat: float) -> Column:
    """Members of a population of whom few do much, as Zipf found; ``flat`` evens out the first ones."""
    shares = 1.0 / (np.arange(population) + flat) ** steepness
    shares /= shares.sum()
    return _places(shares, rng.random(n))


def _places(shares: Column, drawn: Column) -> Column:
    """Where numbers between 0 and 1 fall on shares laid end to end."""
    return np.searchsorted(np.cumsum(shares), drawn).clip(0, len(shares) - 1)


def _message(letter: str, i: int, of: _Columns) -> Message:
    first, second, third = (int(number) for number in of.noise[i])
    payment_id, card = f"p{letter}{i:09d}{first & 0xFFFFFFFF:08x}", f"card_{of.card[i]:07d}"
    ip, merchant = int(of.ip[i]), int(of.merchant[i])
    address = f"10.{ip >> 16}.{ip >> 8 & 255}.{ip & 255}"
    value = (
        f'{{"payment_id":"{payment_id}","occurred_at_ms":{of.at[i]},"amount_minor":{of.amount[i]},'
        f'"currency":"{CURRENCIES[of.currency[i]]}","customer_id":"cust_{of.customer[i]:07d}","card_id":"{card}",'
        f'"device_id":"dev_{of.device[i]:07d}","ip":"{address}","merchant_id":"mer_{merchant:05d}",'
        f'"mcc":{CATEGORIES[merchant % len(CATEGORIES)]},"country":"{COUNTRIES[of.country[i]]}","channel":"{CHANNELS[of.channel[i]]}",'
        f'"terminal_id":"t{second & 0xFFFFFF:06x}","acquirer":"acq_{second % 17:02d}","issuer_bin":"{400000 + second % 90000}",'
        f'"auth_code":"{third & 0xFFFFFF:06X}","entry_mode":"{second % 9:02d}","user_agent":"Mozilla/5.0 (id {third:016x})",'
        f'"trace_id":"{second:016x}{third:016x}","is_recurring":{"true" if third & 1 else "false"}}}'
    )
    return Message(card.encode(), value.encode(), payment_id)
