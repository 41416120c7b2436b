"""What is done to the workers and the broker, and when: made from a seed alone, so that a schedule can be played again.

Belongs here: which fault follows which, and its lengths. Never: carrying it out (faults.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Literal, NamedTuple

Kind = Literal["kill", "stale", "pause", "broker", "leave", "join", "compact"]
BESIDES: dict[Kind, int] = {"stale": 6, "pause": 12, "broker": 12, "leave": 12, "join": 12, "compact": 16}
"""One of these faults comes with so many kills."""
PROVING: dict[Kind, int] = {"stale": 2}
"""What is enough to find a broken safeguard."""
UNSETTLED_SHARE = 0.3
TWO_AT_ONCE_SHARE = 0.15
BURST_MIN, BURST_MAX = 60, 300


class Fault(NamedTuple):
    """One disturbance.

    ``settled``: wait first until every partition is being decided; else it hits workers that are still taking over. ``burst``: payments
    sent at once just before. ``after_seconds``: between the burst and the fault. ``seconds``: how long it lasts (a pause: beyond the
    session timeout for ``stale``). ``victims``: how many workers it hits.
    """

    kind: Kind
    settled: bool
    burst: int
    after_seconds: float
    seconds: float
    victims: int


def schedule(seed: int, kills: int, besides: Mapping[Kind, int] = BESIDES) -> list[Fault]:
    """So many kills and what belongs between them, in an order drawn from the seed."""
    random = Random(f"torture/{seed}")
    kinds: list[Kind] = ["kill"] * kills
    for kind, rarity in besides.items():
        kinds += [kind] * max(1, round(kills / rarity))
    random.shuffle(kinds)
    return [_fault(random, kind, first=number == 0) for number, kind in enumerate(kinds)]


def _fault(random: Random, kind: Kind, *, first: bool) -> Fault:
    settled = first or kind != "kill" or random.random() >= UNSETTLED_SHARE
    lasts: dict[Kind, tuple[float, float]] = {"stale": (0.5, 2.0), "pause": (0.3, 1.5), "broker": (0.5, 4.0), "leave": (0.5, 2.0)}
    return Fault(
        kind,
        settled,
        burst=random.randrange(BURST_MIN, BURST_MAX) if settled else 0,
        after_seconds=random.uniform(0.02, 0.15) if settled else random.uniform(0.2, 4.0),
        seconds=random.uniform(*lasts.get(kind, (0.0, 0.0))),
        victims=2 if kind == "kill" and random.random() < TWO_AT_ONCE_SHARE else 1,
    )
