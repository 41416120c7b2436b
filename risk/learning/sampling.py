"""Learning from a share of the negatives, by a hash of the payment id: frauds are few, and most of the work is the others.

Rule 1: whether a payment is kept follows from seed, payment id and share alone: the same in any process, and for every contender.
Rule 2: what the sampling does to the odds is undone once: the margin is shifted by ln(share). No weight is given as well.
"""

from __future__ import annotations

import hashlib
import math

SPACE = float(2**64)


def kept(seed: int, payment_id: str, share: float) -> bool:
    """Whether a negative of this id is learned. ``share`` of all ids are."""
    if share >= 1.0:
        return True
    digest = hashlib.blake2b(payment_id.encode("utf-8", "surrogatepass"), digest_size=8, key=b"%d" % seed).digest()
    return int.from_bytes(digest, "big") < share * SPACE


def shift_of(share: float) -> float:
    """What to add to the log-odds of a model that learned ``share`` of the negatives and all frauds."""
    return math.log(share)
