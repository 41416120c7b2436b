"""What we later learn of a payment, late, incomplete and sometimes wrong.

Belongs here: who tells us, when, and how reliably (``SOURCES``). Never: the truth itself in a message. Delays are given in
days as in life; the world multiplies them by ``label_delay``, so that a short run sees some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from risk.world.clock import DAY, stamp
from risk.world.stage import Happening


@dataclass(frozen=True, slots=True)
class Source:
    """One way to learn about an attack: the label's kind, its weight among the ways, earliest and latest delay in days."""

    kind: str
    weight: float
    low_days: float
    high_days: float


_REVIEW = Source("review", 0.35, 0.02, 2.0)
_CLAIM = Source("claim", 0.45, 0.05, 7.0)
_ISSUER = Source("issuer", 0.35, 0.2, 14.0)
_CHARGEBACK = Source("chargeback", 0.3, 30.0, 90.0)
_POLICE = Source("police", 0.5, 0.1, 14.0)

SOURCES: dict[str, tuple[Source, ...]] = {
    "card_testing": (_ISSUER, _CHARGEBACK, _REVIEW),
    "account_takeover": (_CLAIM, _REVIEW, Source("police", 0.2, 0.1, 14.0)),
    "promo_ring": (Source("promo", 0.6, 1.0, 7.0), _REVIEW, Source("refund_abuse", 0.1, 1.0, 14.0)),
    "mule": (_POLICE, _CLAIM, _REVIEW),
    "instalment_first_order": (Source("default", 0.6, 31.0, 60.0), _REVIEW, Source("claim", 0.15, 1.0, 30.0)),
    # Paying past a limit is forbidden, but nobody is robbed: hardly anybody reports it.
    "limit_evasion": (_REVIEW,),
}
FOUND = {"limit_evasion": 0.15, "promo_ring": 0.7, "mule": 0.8}
FOUND_ELSE = 0.85
FOUND_OF_DECLINED = 0.4


def verdicts(rng: Random, paid: Happening, label_delay: float) -> Iterator[Happening]:
    """All labels that one payment will ever get, at the times they become known."""
    if paid.attack is not None:
        yield from _of_fraud(rng, paid, label_delay)
    else:
        yield from _of_honest(rng, paid, label_delay)


def _of_fraud(rng: Random, paid: Happening, label_delay: float) -> Iterator[Happening]:
    assert paid.attack is not None
    found = FOUND.get(paid.attack, FOUND_ELSE)
    if rng.random() > (found if paid.outcome == "approved" else found * FOUND_OF_DECLINED):
        return
    sources = SOURCES[paid.attack]
    source = rng.choices(sources, [source.weight for source in sources])[0]
    known_days = _late(rng, source)
    first = rng.random()
    if first < 0.09:  # somebody looked too early, and was wrong or not sure
        early_days = known_days * rng.uniform(0.2, 0.8)
        yield _label(paid, early_days, label_delay, "legitimate" if first < 0.05 else "unsure", "review", 1)
        yield _label(paid, known_days, label_delay, "fraud", source.kind, 2)
        return
    yield _label(paid, known_days, label_delay, "fraud", source.kind, 1)
    if first > 0.985:  # and sometimes the second look is the wrong one
        yield _label(paid, known_days + rng.uniform(0.5, 10), label_delay, "legitimate", "review", 2)


def _of_honest(rng: Random, paid: Happening, label_delay: float) -> Iterator[Happening]:
    lot = rng.random()
    if lot < 0.025:
        yield _label(paid, rng.uniform(0.02, 2), label_delay, "unsure" if lot < 0.001 else "legitimate", "review", 1)
    elif lot < 0.0264:  # a customer forgot, or a child paid: first called fraud, mostly set right later
        kind = "minor" if lot < 0.0254 else rng.choice(("claim", "chargeback"))
        known_days = rng.uniform(30, 90) if kind == "chargeback" else rng.uniform(0.1, 7)
        yield _label(paid, known_days, label_delay, "fraud", kind, 1)
        if rng.random() < 0.6:
            yield _label(paid, known_days + rng.uniform(0.5, 14), label_delay, "legitimate", "review", 2)
    elif lot < 0.029:  # the goods never came: the merchant's fault, not the payer's
        yield _label(paid, rng.uniform(3, 30), label_delay, "legitimate", "merchant", 1)
    elif lot < 0.031 and paid.body["event"] == "instalment":
        yield _label(paid, rng.uniform(31, 60), label_delay, "legitimate", "default", 1)


def _late(rng: Random, source: Source) -> float:
    """Days, more often early than late in the source's span."""
    share = float(rng.random() ** 1.8)
    return source.low_days + (source.high_days - source.low_days) * share


def _label(paid: Happening, days: float, label_delay: float, verdict: str, kind: str, version: int) -> Happening:
    known_ms = paid.at_ms + max(1, int(days * DAY * label_delay))
    body = {"event": "label", "payment_id": paid.body["payment_id"], "verdict": verdict, "kind": kind, "version": version}
    body["known_at"] = stamp(known_ms)
    return Happening(known_ms, "labels", paid.key, body)
