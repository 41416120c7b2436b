"""How well rules do on a world whose truth is known: precision and recall of each rule, and how much of each attack is met.

Belongs here: counting and the figures. Never: deciding (the engine does), printing.

A rule's *precision* is the share of the payments it fired on that belong to any attack. Its *recall* is over the attack it
meets most often, its ``target``: the share of that attack's payments, and of its episodes (one ring, one mule) of which
it met at least one payment. Most payments of an episode look harmless, so episodes say more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """One row for one rule; shares are None where there is nothing to divide by."""

    rule: str
    fired: int
    right: int
    precision: float | None
    target: str | None
    recall: float | None
    episodes_met: float | None


@dataclass(frozen=True, slots=True)
class AttackFigures:
    """One row for one attack: ``stopped`` is the share of its payments with another action than the mildest."""

    attack: str
    payments: int
    episodes: int
    stopped: float
    episodes_met: float
    best_rules: tuple[str, ...]


class Report:
    """Fed with one decided payment after the other."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        self.payments = self.fraud = self.stopped = self.stopped_fraud = 0
        self.actions: Counter[str] = Counter()
        self._fired: Counter[str] = Counter(dict.fromkeys(rules, 0))
        self._hits: Counter[tuple[str, str]] = Counter()
        self._met: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._paid: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._episodes: dict[str, set[int]] = defaultdict(set)
        self._episodes_held: dict[str, set[int]] = defaultdict(set)

    def add(self, attack: str | None, episode: int | None, fired: Iterable[str], action: str, *, stopped: bool) -> None:
        """One payment: what it really was, the rules that fired, and what came of it."""
        self.payments += 1
        self.actions[action] += 1
        self.stopped += stopped
        rules = list(fired)
        self._fired.update(rules)
        if attack is None:
            return
        self.fraud += 1
        self.stopped_fraud += stopped
        self._paid[attack] += 1
        self._held[attack] += stopped
        number = episode or 0
        self._episodes[attack].add(number)
        if stopped:
            self._episodes_held[attack].add(number)
        for rule in rules:
            self._hits[rule, attack] += 1
            self._met[rule, attack].add(number)

    def rules(self) -> list[RuleFigures]:
        """A row for each rule, those that fired most first."""
        return [self._rule(rule, fired) for rule, fired in sorted(self._fired.items(), key=lambda each: (-each[1], each[0]))]

    def attacks(self) -> list[AttackFigures]:
        """A row for each attack, by name."""
        return [
            AttackFigures(
                attack,
                paid,
                len(self._episodes[attack]),
                self._held[attack] / paid,
                len(self._episodes_held[attack]) / len(self._episodes[attack]),
                tuple(rule for rule, _ in Counter({r: n for (r, a), n in self._hits.items() if a == attack}).most_common(3)),
            )
            for attack, paid in sorted(self._paid.items())
        ]

    def precision(self) -> float | None:
        """Of the payments that were not simply let through, how many were fraud."""
        return self.stopped_fraud / self.stopped if self.stopped else None

    def recall(self) -> float | None:
        """Of the fraudulent payments, how many were not simply let through."""
        return self.stopped_fraud / self.fraud if self.fraud else None

    def _rule(self, rule: str, fired: int) -> RuleFigures:
        hits: Mapping[str, int] = {attack: n for (name, attack), n in self._hits.items() if name == rule}
        right = sum(hits.values())
        if not hits:
            return RuleFigures(rule, fired, 0, 0.0 if fired else None, None, None, None)
        target = max(hits, key=lambda attack: (hits[attack], attack))
        met = len(self._met[rule, target]) / len(self._episodes[target])
        return RuleFigures(rule, fired, right, right / fired, target, hits[target] / self._paid[target], met)
