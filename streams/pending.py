"""Payments that wait for values of profiles: on other workers, or here until their turn comes; until the last answer or their deadline."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from risk.engine import Plan
from streams.source import Item, Source

HERE = -1
"""In place of a partition: profiles of this worker, which the payment's turn has not come to touch."""


@dataclass(slots=True)
class Waiting:
    """One payment that was routed; ``missing``: by partition, the touches (by number) that were not answered yet."""

    source: Source
    item: Item
    plan: Plan
    tid: int
    values: list[Any]
    missing: dict[int, list[int]]
    routed_ms: float
    refused: set[int] = field(default_factory=set)

    @property
    def unanswered(self) -> list[int]:
        """Touches without an answer: not yet there, or of an owner that could not say."""
        return sorted({number for numbers in self.missing.values() for number in numbers} | self.refused)


class Pending:
    """All waiting payments of a worker by (source code, offset), and their deadlines in order."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], Waiting] = {}
        self._deadlines: list[tuple[float, tuple[int, int]]] = []

    def __len__(self) -> int:
        return len(self._held)

    def add(self, waiting: Waiting, deadline_ms: float) -> None:
        key = (waiting.source.code, waiting.item.offset)
        self._held[key] = waiting
        heapq.heappush(self._deadlines, (deadline_ms, key))

    def waits(self, source: int, offset: int) -> bool:
        """Whether the payment from there waits for values."""
        return (source, offset) in self._held

    def answer(self, source: int, offset: int, home: int, values: list[Any] | None) -> tuple[bool, Waiting | None]:
        """Enter what the profiles of a partition answered. Returns (was it awaited?, the payment if this was its last missing answer).

        An owner that cannot say (None: it runs another rule set) leaves the values unknown and the decision degraded, but the payment
        waits no longer for it.
        """
        waiting = self._held.get((source, offset))
        numbers = waiting.missing.pop(home, None) if waiting is not None else None
        if waiting is None or numbers is None:
            return False, None
        if values is None:
            waiting.refused.update(numbers)
        else:
            start, slices = 0, waiting.plan.slices
            for piece in [slices[number] for number in numbers]:
                end = start + piece.stop - piece.start
                waiting.values[piece] = values[start:end]
                start = end
        return True, waiting if self.complete(waiting) else None

    def complete(self, waiting: Waiting) -> bool:
        """Whether a payment has all its answers and is still to be decided; it is then taken out."""
        return not waiting.missing and self._held.pop((waiting.source.code, waiting.item.offset), None) is not None

    def due(self, now_ms: float) -> list[Waiting]:
        """Payments whose deadline has passed, taken out."""
        found = []
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            waiting = self._held.pop(heapq.heappop(self._deadlines)[1], None)
            if waiting is not None:
                found.append(waiting)
        return found

    def postpone(self, ms: float) -> None:
        """Nobody could answer for so long: deadlines move by as much."""
        self._deadlines = [(at + ms, key) for at, key in self._deadlines]

    def drop(self, sources: set[int]) -> None:
        """Forget what came from these source codes: another worker decides it now."""
        for key in [key for key in self._held if key[0] in sources]:
            del self._held[key]
        # a partition that comes back brings the same payments with deadlines of their own
        self._deadlines = [each for each in self._deadlines if each[1][0] not in sources]
        heapq.heapify(self._deadlines)
