"""The control group: a small share of what the policy would stop is let through, to learn what it would have been.

Rule 1: who is let through follows from a secret and the payment id alone: nobody outside can tell, and everybody inside can tell again.
Rule 2: never where a rule that acts is `final` or says `control: never`, and never where something was missing or broke.
Rule 3: how likely a payment was to be let through stands on its receipt, and is told to nobody who judges payments.
Never here: how much of the day's money is spent; whoever decides keeps that count and passes it in.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from risk.decisions import Outcome
from risk.declared import Control

SHANGHAI_MS = 8 * 3_600_000
DAY_MS = 86_400_000
SECRET_BYTES_MIN = 16


def draw(secret: bytes, text: str) -> float:
    """A number from 0 up to, not including, 1: always the same for the same secret and text."""
    return int.from_bytes(hmac.new(secret, text.encode(), hashlib.sha256).digest()[:6], "big") / 2**48


def shanghai_day(ms: int) -> int:
    """Days since 1970 on a clock in Shanghai."""
    return (ms + SHANGHAI_MS) // DAY_MS


def share_of(control: Control, payment: Any) -> float:
    """The share of payments of this amount that is let through; 0 for one in another currency."""
    share = 0.0
    currency = getattr(payment, "amount_currency", None)
    if currency is None or currency == control.currency:
        for from_minor, its in control.bands:
            if payment.amount >= from_minor:
                share = its
    return share


def may_be_let_through(outcome: Outcome, mildest: str) -> bool:
    """Whether a decision is one that the control group may turn."""
    if outcome.action == mildest or outcome.degraded or outcome.failed:
        return False
    acting = [outcome.rules[i] for i in outcome.ruling.acting]
    return not any(rule.final or rule.control == "never" for rule in acting)


def apply(outcome: Outcome, mildest: str, propensity: float, let_through: bool) -> None:
    """Write down the draw, and with ``let_through`` turn the decision: reports stay, for the law asks for them."""
    outcome.control = {"propensity": propensity, "let_through": let_through, "instead_of": outcome.action if let_through else None}
    if let_through:
        ruling = outcome.ruling
        ruling.action = mildest
        ruling.reasons = []
        ruling.obligations = []


def again(outcome: Outcome, mildest: str, control: Any) -> None:
    """The same for a decision that is executed again; ``control`` is what its receipt says."""
    if isinstance(control, dict):
        apply(outcome, mildest, float(control["propensity"]), bool(control["let_through"]))
