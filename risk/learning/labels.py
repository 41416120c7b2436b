"""What labels teach: payments wait here for their verdict, and each verdict becomes at most one lesson.

Rule 1: a payment is learned once, and once more for each change of its verdict: learned once per (payment, version).
Rule 2: everything that waits is bounded, by number and by time; what goes unlearned is counted.
Rule 3: time is told: by ``advance``, or by the newest ``decided_ms`` as long as nobody tells it. There is no clock.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from risk.learning.inputs import Inputs

VERDICTS = ("fraud", "legitimate", "unsure")
HORIZONS = ("balance", "card", "default")
"""What a payment was paid by, which says how long a verdict may take: an offer names it by its number here."""
DAY_MS = 86_400_000
WEIGHT_MAX = 20.0
UNCLAIMED_MS = 7 * DAY_MS
"""So long a label waits for its payment; then the payment is unknown."""


class Lesson(NamedTuple):
    """One step to learn. ``correction``: the payment was learned before, with the other verdict.

    ``weight``: how many payments it stands for, 1 to ``WEIGHT_MAX``; ``at_ms``: when it became known, or was presumed.
    """

    payment: Held
    fraud: bool
    correction: bool
    presumed: bool
    weight: float = 1.0
    at_ms: int = 0


class Held:
    """A payment that was decided: what its decision read, and what is known of it."""

    __slots__ = (
        "decided_ms", "example", "let_through", "open", "payment_id", "presumed", "propensity", "taught", "until_ms", "verdict", "version",
        "x",
    )  # fmt: skip

    def __init__(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, until_ms: int, propensity: float = 1.0
    ) -> None:
        self.payment_id = payment_id
        self.read(x)
        self.decided_ms = decided_ms
        self.let_through = let_through
        self.until_ms = until_ms
        self.propensity = propensity
        self.open = True
        self.version = 0
        self.verdict = ""
        self.taught: bool | None = None
        self.presumed = False
        self.example: Any = None
        """What was said of it before it was learned (``learner.Shown``), for corrections."""

    def read(self, x: Sequence[float | None]) -> None:
        """What its decision read."""
        self.x = array("d", [float("nan") if value is None else value for value in x])

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
    """Joins labels to payments.

    ``presume_after_ms``: None presumes nobody legitimate. ``horizons_ms``: how long each of ``HORIZONS`` is waited for.
    ``review_weight``: how many payments an analyst's verdict stands for, 1/P(reviewed): what analysts look at is no fair sample.
    """

    def __init__(
        self,
        trains_on: Sequence[str],
        pending_max: int,
        waiting_max: int,
        presume_after_ms: int | None,
        horizons_ms: Sequence[int] = (45 * DAY_MS, 120 * DAY_MS, 60 * DAY_MS),
        review_weight: float = 1.0,
    ) -> None:
        self.trains_on = frozenset(trains_on)
        self.pending_max = pending_max
        self.waiting_max = waiting_max
        self.presume_after_ms = presume_after_ms
        self.horizons_ms = tuple(horizons_ms)
        self.review_weight = review_weight
        self.held: OrderedDict[str, Held] = OrderedDict()
        self.waiting: OrderedDict[str, Label] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self.now_ms = -(2**63)
        self._told = False
        self._due: list[tuple[int, str]] = []

    def offer(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, propensity: float = 1.0, horizon: int = 0
    ) -> list[Lesson]:
        """A decided payment. The lessons that fall due by it: its own, if its label came first, and presumptions.

        ``propensity``: the chance with which it was let through (below 1 in the control group); ``horizon``: a place in ``HORIZONS``.
        """
        before = self.held.get(payment_id)
        if before is not None:
            # An offer of an attempt that was never decided; the one that was decided comes last.
            self.counts["offers_repeated"] += 1
            if before.taught is None:
                before.read(x)
                before.let_through, before.propensity = let_through, propensity
            return []
        self.counts["offers"] += 1
        until_ms = decided_ms + self.horizons_ms[horizon if 0 <= horizon < len(self.horizons_ms) else 0]
        held = self.held[payment_id] = Held(payment_id, x, decided_ms, let_through, until_ms, propensity)
        if len(self.held) > self.pending_max:
            _, oldest = self.held.popitem(last=False)
            self.counts["pending_dropped" if oldest.taught is None else "taught_dropped"] += 1
        self._expect(held)
        early = self.waiting.pop(payment_id, None)
        lessons = [] if early is None else self._judge(held, early)
        if not self._told:
            self.now_ms = max(self.now_ms, decided_ms)
        return lessons + self._fall_due()

    def advance(self, now_ms: int, at_most: int | None = None) -> list[Lesson]:
        """It is so late in the stream: horizons are reckoned by this from now on, no longer by what is offered.

        With ``at_most`` lessons at a time, call again while ``behind``.
        """
        self._told = True
        self.now_ms = max(self.now_ms, now_ms)
        return self._fall_due(at_most)

    @property
    def behind(self) -> bool:
        """Whether more is due."""
        return bool(self._due) and self._due[0][0] <= self.now_ms

    def settle(self, payment_id: str, let_through: bool) -> None:
        """What became of a payment after its decision: declined, reversed or expired (False), or released and approved (True)."""
        held = self.held.get(payment_id)
        if held is None:
            self.counts["settlements_unknown"] += 1
            return
        held.let_through = let_through
        if let_through:
            self._expect(held)

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
            self._count_old(label, early.version, early.verdict)
            return []
        self.waiting[label.payment_id] = label
        self.waiting.move_to_end(label.payment_id)
        if len(self.waiting) > self.waiting_max:
            self.waiting.popitem(last=False)
            self.counts["waiting_dropped"] += 1
        return []

    def _count_old(self, label: Label, version: int, verdict: str) -> None:
        """A version that was there before changes nothing, whatever it says now."""
        if label.version < version:
            self.counts["labels_outdated"] += 1
        else:
            self.counts["labels_repeated" if label.verdict == verdict else "labels_contradicting"] += 1

    def _judge(self, held: Held, label: Label) -> list[Lesson]:
        if label.version <= held.version:
            self._count_old(label, held.version, held.verdict)
            return []
        held.version, held.verdict = label.version, label.verdict
        held.open = False  # whatever it says, somebody looked: nobody presumes this payment legitimate any more
        if label.kind not in self.trains_on:
            self.counts["labels_other_kind"] += 1
            return []
        self.counts[f"labels_{label.verdict}"] += 1
        if label.verdict == "unsure":
            return []
        weight = self.review_weight if label.kind == "review" else 1.0
        return self._lesson(held, label.verdict == "fraud", False, weight, label.known_ms)

    def _expect(self, held: Held) -> None:
        """Come back to this payment when it may be presumed legitimate, or at its horizon."""
        presumable = self.presume_after_ms is not None and held.let_through and held.open
        at_ms = held.until_ms if not presumable else min(held.until_ms, held.decided_ms + (self.presume_after_ms or 0))
        heapq.heappush(self._due, (at_ms, held.payment_id))
        if len(self._due) > 2 * len(self.held) + 64:
            self._due = sorted({due for due in self._due if due[1] in self.held})

    def _fall_due(self, at_most: int | None = None) -> list[Lesson]:
        lessons: list[Lesson] = []
        while self.behind and (at_most is None or len(lessons) < at_most):
            at_ms, payment_id = heapq.heappop(self._due)
            held = self.held.get(payment_id)
            if held is None:
                continue
            if held.open and held.let_through and self.presume_after_ms is not None:
                held.open = False
                self.counts["presumed_legitimate"] += 1
                lessons += self._lesson(held, False, True, 1.0, at_ms)
            if held.until_ms > self.now_ms:
                if at_ms < held.until_ms:
                    heapq.heappush(self._due, (held.until_ms, payment_id))
            else:
                del self.held[payment_id]
                self.counts["horizons_reached"] += 1
        while self.waiting and next(iter(self.waiting.values())).known_ms + UNCLAIMED_MS <= self.now_ms:
            self.waiting.popitem(last=False)
            self.counts["labels_unknown"] += 1
        return lessons

    def _lesson(self, held: Held, fraud: bool, presumed: bool, weight: float, at_ms: int) -> list[Lesson]:
        if held.taught is fraud:
            self.counts["labels_confirmed"] += 1
            held.presumed = held.presumed and presumed
            return []
        correction = held.taught is not None
        held.taught, held.presumed = fraud, presumed
        self.counts["corrections"] += correction
        if held.propensity < 1.0:
            weight /= max(held.propensity, 1.0 / WEIGHT_MAX)
        return [Lesson(held, fraud, correction, presumed, min(weight, WEIGHT_MAX), at_ms)]

    # ------------------------------------------------------------------ snapshots

    def state(self, number_of: Any) -> dict[str, Any]:
        """All that it knows, as plain values; ``number_of`` tells the number of a payment's example in the quality window, or None."""
        held = [
            (h.payment_id, h.x.tobytes(), h.decided_ms, h.let_through, h.until_ms, h.propensity, h.open, h.version, h.verdict, h.taught,
             h.presumed, number_of(h.example))
            for h in self.held.values()
        ]  # fmt: skip
        told = {"now_ms": self.now_ms, "told": self._told, "due": list(self._due), "counts": dict(self.counts)}
        return {"held": held, "waiting": [tuple(label) for label in self.waiting.values()], **told}

    def restore(self, state: dict[str, Any], examples: Sequence[Any]) -> None:
        """What ``state`` said, on a fresh ledger of the same settings; ``examples``: the quality window's, by number."""
        for pid, x, decided_ms, let_through, until_ms, propensity, is_open, version, verdict, taught, presumed, number in state["held"]:
            held = self.held[pid] = Held(pid, (), decided_ms, let_through, until_ms, propensity)
            held.x.frombytes(x)
            held.open, held.version, held.verdict, held.taught, held.presumed = is_open, version, verdict, taught, presumed
            held.example = None if number is None else examples[number]
        self.waiting.update((label[0], Label(*label)) for label in state["waiting"])
        self.counts.update(state["counts"])
        self.now_ms, self._told = state["now_ms"], state["told"]
        self._due = [(at_ms, pid) for at_ms, pid in state["due"]]
