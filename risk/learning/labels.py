"""What labels teach: payments wait here for their verdict, and each verdict becomes at most one lesson.

Rule 1: a payment is learned once, and once more for each change of its verdict: learned once per (payment, version).
Rule 2: everything that waits is bounded; the oldest goes first and is counted.
Rule 3: time is the log's: the newest ``decided_ms`` seen. There is no clock.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from risk.learning.inputs import Inputs

VERDICTS = ("fraud", "legitimate", "unsure")


class Lesson(NamedTuple):
    """One step to learn. ``correction``: the payment was learned before, with the other verdict."""

    payment: Held
    fraud: bool
    correction: bool
    presumed: bool


class Held:
    """A payment that was decided: what its decision read, and what is known of it."""

    __slots__ = ("decided_ms", "example", "let_through", "open", "payment_id", "taught", "version", "x")

    def __init__(self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool) -> None:
        self.payment_id = payment_id
        self.x = array("d", [float("nan") if value is None else value for value in x])
        self.decided_ms = decided_ms
        self.let_through = let_through
        self.open = True
        self.version = 0
        self.taught: bool | None = None
        self.example: Any = None
        """The scored example in the quality window, for corrections."""

    def inputs(self) -> Inputs:
        """``x`` as it was offered."""
        return [None if value != value else value for value in self.x]


class Label(NamedTuple):
    """What became known of a payment, and when (``known_ms``). A higher version replaces a lower one."""

    payment_id: str
    verdict: str
    kind: str
    version: int
    known_ms: int


class Ledger:
    """Joins labels to payments. ``presume_after_ms``: None presumes nobody legitimate."""

    def __init__(self, trains_on: Sequence[str], pending_max: int, waiting_max: int, presume_after_ms: int | None) -> None:
        self.trains_on = frozenset(trains_on)
        self.pending_max = pending_max
        self.waiting_max = waiting_max
        self.presume_after_ms = presume_after_ms
        self.held: OrderedDict[str, Held] = OrderedDict()
        self.waiting: OrderedDict[str, Label] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self._due: list[tuple[int, str]] = []
        self._newest_ms = -(2**63)

    def offer(self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool) -> list[Lesson]:
        """A decided payment. The lessons that fall due by it: its own, if its label came first, and presumptions."""
        if payment_id in self.held:
            self.counts["offers_repeated"] += 1
            return []
        self.counts["offers"] += 1
        held = self.held[payment_id] = Held(payment_id, x, decided_ms, let_through)
        if len(self.held) > self.pending_max:
            _, oldest = self.held.popitem(last=False)
            self.counts["pending_dropped" if oldest.taught is None else "taught_dropped"] += 1
        if let_through:
            self._expect(held)
        early = self.waiting.pop(payment_id, None)
        lessons = [] if early is None else self._judge(held, early)
        self._newest_ms = max(self._newest_ms, decided_ms)
        return lessons + self._presumed()

    def settle(self, payment_id: str, let_through: bool) -> None:
        """What became of a payment after its decision: declined, reversed or expired (False), or released and approved (True)."""
        held = self.held.get(payment_id)
        if held is None:
            self.counts["settlements_unknown"] += 1
            return
        if let_through and not held.let_through:
            self._expect(held)
        held.let_through = let_through

    def _expect(self, held: Held) -> None:
        if self.presume_after_ms is None:
            return
        heapq.heappush(self._due, (held.decided_ms + self.presume_after_ms, held.payment_id))
        if len(self._due) > 2 * len(self.held) + 64:
            self._due = sorted({due for due in self._due if self._is_presumable(due[1])})

    def label(self, label: Label) -> list[Lesson]:
        """A verdict. One that comes before its payment waits for it."""
        if label.verdict not in VERDICTS or label.version < 1:
            self.counts["labels_malformed"] += 1
            return []
        held = self.held.get(label.payment_id)
        if held is not None:
            return self._judge(held, label)
        early = self.waiting.get(label.payment_id)
        if early is not None and early.version >= label.version:
            self.counts["labels_repeated" if early.version == label.version else "labels_outdated"] += 1
            return []
        self.waiting[label.payment_id] = label
        if len(self.waiting) > self.waiting_max:
            self.waiting.popitem(last=False)
            self.counts["waiting_dropped"] += 1
        return []

    def _judge(self, held: Held, label: Label) -> list[Lesson]:
        if label.version <= held.version:
            self.counts["labels_repeated" if label.version == held.version else "labels_outdated"] += 1
            return []
        held.version = label.version
        held.open = False  # whatever it says, somebody looked: nobody presumes this payment legitimate any more
        if label.kind not in self.trains_on:
            self.counts["labels_other_kind"] += 1
            return []
        self.counts[f"labels_{label.verdict}"] += 1
        if label.verdict == "unsure":
            return []
        return self._lesson(held, label.verdict == "fraud", presumed=False)

    def _is_presumable(self, payment_id: str) -> bool:
        held = self.held.get(payment_id)
        return held is not None and held.open and held.let_through

    def _presumed(self) -> list[Lesson]:
        lessons: list[Lesson] = []
        while self._due and self._due[0][0] <= self._newest_ms:
            payment_id = heapq.heappop(self._due)[1]
            if self._is_presumable(payment_id):
                held = self.held[payment_id]
                held.open = False
                self.counts["presumed_legitimate"] += 1
                lessons += self._lesson(held, False, presumed=True)
        return lessons

    def _lesson(self, held: Held, fraud: bool, presumed: bool) -> list[Lesson]:
        if held.taught is fraud:
            self.counts["labels_confirmed"] += 1
            return []
        correction = held.taught is not None
        held.taught = fraud
        self.counts["corrections"] += correction
        return [Lesson(held, fraud, correction, presumed)]
