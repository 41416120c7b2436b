"""The order in which a learner takes the labels of its log: by the time they became known, not by the worker that was faster.

Rule 1: labels and horizons merge by (known or horizon time, payment id, version), released by a watermark over all input partitions.
Rule 2: a label that comes after the watermark has passed it is learned on arrival, and counted.
Rule 3: the order follows from the log alone, marks included: whoever reads the same log learns in the same order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from risk.learning.log import Entry, Known, Mark, Pupil, taught_by, tell

P = TypeVar("P", bound=Pupil)

STEP = 32
"""So many lessons at most, nearly, before whoever reads the log may turn to something else."""


class Ordered(Generic[P]):
    """A learner, told by a log."""

    def __init__(self, learner: P) -> None:
        self.learner = learner
        self._marks: dict[int, tuple[int, bool]] = {}
        self._waiting: list[tuple[int, str, int, str, str]] = []
        self.watermark_ms: int | None = None
        """Up to here in event time every input partition was routed; None as long as one has never said how far it is."""

    def take(self, raw: bytes) -> Iterator[None]:
        """Tell the learner a record of the log, in steps: after each, a version may be due. Raises BadRecord, with nothing taken."""
        for entry in taught_by(self.learner, raw):
            yield from self._take(entry)
        yield

    def _take(self, entry: Entry) -> Iterator[None]:
        if isinstance(entry, Mark):
            yield from self._mark(entry)
        elif isinstance(entry, Known) and self.watermark_ms is not None:
            if entry.known_ms < self.watermark_ms:
                self.learner.ledger.counts["labels_late"] += 1
                tell(self.learner, entry)
            else:
                heapq.heappush(self._waiting, (entry.known_ms, entry.payment_id, entry.version, entry.verdict, entry.kind))
        else:
            tell(self.learner, entry)

    def _mark(self, mark: Mark) -> Iterator[None]:
        self._marks = {p: held for p, held in self._marks.items() if p < mark.partitions}
        self._marks[mark.partition] = (mark.order_ms, mark.at_end)
        if len(self._marks) < mark.partitions:
            return
        behind = [order_ms for order_ms, at_end in self._marks.values() if not at_end]
        reached = min(behind) if behind else max(order_ms for order_ms, _ in self._marks.values())
        if self.watermark_ms is None or reached > self.watermark_ms:
            self.watermark_ms = reached
            yield from self._release(reached)

    def _release(self, until_ms: int) -> Iterator[None]:
        """Everything that is due by then, in order: what is presumed before a label became known is learned before it."""
        learner, count = self.learner, 0
        while self._waiting and self._waiting[0][0] <= until_ms:
            known_ms, payment_id, version, verdict, kind = heapq.heappop(self._waiting)
            while learner.advance(known_ms, STEP):
                yield
            learner.label(payment_id, verdict, kind, version, known_ms)
            count += 1
            if count % STEP == 0:
                yield
        while learner.advance(until_ms, STEP):
            yield

    # ------------------------------------------------------------------ snapshots

    def state(self) -> dict[str, Any]:
        """What waits here, as plain values; the learner's state is its own."""
        return {"marks": [(p, *held) for p, held in self._marks.items()], "waiting": list(self._waiting), "watermark_ms": self.watermark_ms}

    def restore(self, state: dict[str, Any]) -> None:
        """What ``state`` said."""
        self._marks = {p: (order_ms, at_end) for p, order_ms, at_end in state["marks"]}
        self._waiting = [tuple(each) for each in state["waiting"]]
        self.watermark_ms = state["watermark_ms"]
