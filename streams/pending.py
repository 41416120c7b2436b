"""Payments that wait for values of profiles on other workers, until the last answer or their deadline."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from risk.engine import Plan
from streams.source import Item, Source


@dataclass(slots=True)
class Waiting:
    """One payment, routed and observed, with the touches (by number) that were not answered yet."""

    source: Source
    item: Item
    plan: Plan
    tid: int
    values: list[Any]
    missing: set[int]
    routed_ms: float
    refused: set[int] = field(default_factory=set)

    @property
    def unanswered(self) -> list[int]:
        """Touches without an answer: not yet there, or of an owner that could not say."""
        return sorted(self.missing | self.refused)


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

    def answer(self, source: int, offset: int, number: int, values: list[Any] | None) -> tuple[bool, Waiting | None]:
        """Enter an answer. Returns (was it awaited?, the payment if this was its last missing answer).

        An owner that cannot say (None: it runs another rule set) leaves the values unknown and the decision degraded, but the payment
        waits no longer for it.
        """
        waiting = self._held.get((source, offset))
        if waiting is None or number not in waiting.missing:
            return False, None
        waiting.missing.discard(number)
        if values is not None:
            waiting.values[waiting.plan.answers_of(number)] = values
        else:
            waiting.refused.add(number)
        if waiting.missing:
            return True, None
        return True, self._held.pop((source, offset))

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
