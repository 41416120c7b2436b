"""From log-odds to a probability that means what it says: a straight line over the margin (Platt), so that the order never changes.

Rule 1: fitted on margins made before anything was learned of the payment, of payments that were let through and whose verdict is
known, each weighted by how many it stands for (1 / propensity, cut by who labels).
Rule 2: bounded: verdicts are counted in narrow ranges of the margin, and old ones fade.
Rule 3: too few verdicts calibrate nothing: the line is then the identity.
"""

from __future__ import annotations

import math

RANGE = 0.125
"""Width of a range, in log-odds."""
REACH = 160
"""Ranges on either side of 0."""
NEEDED = 25.0
"""Frauds, and others, that a line needs."""
STRENGTH = 1.0
"""Pull towards the identity, in payments."""
FADES = 32
"""Times within ``memory`` that the counts are faded."""
SLOPE_MIN, SLOPE_MAX = 0.1, 10.0
ROUNDS = 12


class Calibrator:
    """``memory``: verdicts after which one counts 1 / e of what it did."""

    def __init__(self, memory: int) -> None:
        self.slope = 1.0
        self.offset = 0.0
        self._verdicts = 0
        self._fade_every = max(memory // FADES, 1)
        self._others = [0.0] * (2 * REACH + 1)
        self._frauds = [0.0] * (2 * REACH + 1)

    def add(self, margin: float, fraud: bool, weight: float = 1.0) -> None:
        """A verdict on a payment whose ``margin`` was made before it was known."""
        (self._frauds if fraud else self._others)[_range_of(margin)] += weight
        self._verdicts += 1
        if self._verdicts % self._fade_every == 0:
            fade = math.exp(-1.0 / FADES)
            self._others = [n * fade for n in self._others]
            self._frauds = [n * fade for n in self._frauds]

    def correct(self, margin: float, fraud: bool, weight: float = 1.0) -> None:
        """The verdict was the other one, and is now ``fraud``."""
        at = _range_of(margin)
        now, before = (self._frauds, self._others) if fraud else (self._others, self._frauds)
        before[at] = max(before[at] - weight, 0.0)
        now[at] += weight

    def fit(self) -> None:
        """Find the line anew, by Newton's method."""
        if min(math.fsum(self._frauds), math.fsum(self._others)) < NEEDED:
            self.slope, self.offset = 1.0, 0.0
            return
        counted = [
            ((i - REACH) * RANGE, self._frauds[i], self._others[i])
            for i in range(2 * REACH + 1)
            if self._frauds[i] > 0.0 or self._others[i] > 0.0
        ]
        slope, offset = 1.0, 0.0
        for _ in range(ROUNDS):
            slope, offset = _step(counted, slope, offset)
        self.slope, self.offset = slope, offset

    def apply(self, margin: float) -> float:
        """The probability that leaves."""
        z = self.slope * margin + self.offset
        return 1.0 / (1.0 + math.exp(-z)) if z >= -700.0 else 0.0


def _range_of(margin: float) -> int:
    return round(max(-REACH, min(REACH, margin / RANGE))) + REACH


def _step(counted: list[tuple[float, float, float]], slope: float, offset: float) -> tuple[float, float]:
    gs, go = STRENGTH * (slope - 1.0), STRENGTH * offset
    hss, hso, hoo = STRENGTH, 0.0, STRENGTH
    for margin, frauds, others in counted:
        p = 1.0 / (1.0 + math.exp(-max(-35.0, min(35.0, slope * margin + offset))))
        n = frauds + others
        error, curve = n * p - frauds, n * p * (1.0 - p)
        gs, go = gs + error * margin, go + error
        hss, hso, hoo = hss + curve * margin * margin, hso + curve * margin, hoo + curve
    room = hss * hoo - hso * hso
    if not room > 0.0:
        return slope, offset
    by_slope, by_offset = (hoo * gs - hso * go) / room, (hss * go - hso * gs) / room
    return max(SLOPE_MIN, min(SLOPE_MAX, slope - max(-1.0, min(1.0, by_slope)))), offset - max(-2.0, min(2.0, by_offset))
