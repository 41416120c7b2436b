"""Decided payments, labels and results on their way to the one learner of the group, over risk.learn, partition 0.

What the decision read goes along: it is never computed again when the label comes. A payment, a label and a result are committed only
when their records are safe there; and marks say how far each input partition was routed, so that labels can be learned in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from risk.declared import ModelDecl
from risk.events import Event
from risk.learning import Entry, Known, Mark, Offer, Settled, record, signature_of
from streams.line import Line
from streams.outbox import NO_HEADERS, Outbox, Record
from streams.source import Source, settle_all

LEARN_PARTITION = 0
ENTRIES_MAX = 32
"""Of one record of the learn log: the learner takes it in one go, and payments wait so long."""
MARK_SECONDS = 0.25
SETTLING = frozenset({"approved", "declined", "reversed", "expired"})
BALANCE, CARD, DEFAULT = range(3)


def learns(model: ModelDecl | None) -> bool:
    """Whether there is anything to teach."""
    return model is not None and model.learner != "fixed"


def horizon_of(payment: Event) -> int:
    """What a payment was paid by, as the learner's horizons are named: a credit-funded order, a card, or the balance."""
    if payment.event_type == "instalment" or getattr(payment, "funding", None) == "instalment":
        return DEFAULT
    return CARD if getattr(payment, "card_id", None) is not None else BALANCE


class Progress(NamedTuple):
    """How far an input partition was routed."""

    partition: int
    order_ms: int
    at_end: bool


class Teaching:
    """The way to the learner."""

    def __init__(self, outbox: Outbox, topic: str, model: ModelDecl | None, fail: Callable[[BaseException], None]) -> None:
        self._line = Line(outbox, topic, LEARN_PARTITION, fail)
        self.model = model if learns(model) else None
        self._signature = signature_of(model) if self.model is not None and model is not None else ""
        self._entries: list[Entry] = []
        self._tied: list[tuple[Source, int]] = []
        self._marked: dict[int, tuple[int, bool]] = {}
        self._marked_at = 0.0

    def offer(
        self, payment: Event, inputs: Sequence[float | None], let_through: bool, propensity: float, source: Source, offset: int
    ) -> None:
        """What a decision read, kept for the day its label comes; the payment is not committed before."""
        if self.model is not None:
            source.more(offset, 1)
            self.offer_again(payment, inputs, let_through, propensity, source, offset)

    def offer_again(
        self, payment: Event, inputs: Sequence[float | None], let_through: bool, propensity: float, source: Source, offset: int
    ) -> None:
        """The same for a payment that waits for it already."""
        self._entries.append(Offer(payment.payment_id, tuple(inputs), payment.occurred_at, let_through, propensity, horizon_of(payment)))
        self._tied.append((source, offset))

    def label(self, label: Event, source: Source, offset: int) -> None:
        """A label."""
        if self.model is not None:
            self._entries.append(Known(label.payment_id, label.verdict, label.kind, label.version, label.known_at))
            self._tie(source, offset)

    def settled(self, result: Event, source: Source, offset: int) -> None:
        """What became of a payment: only one that went through may later be presumed legitimate."""
        if self.model is not None and result.outcome in SETTLING:
            self._entries.append(Settled(result.payment_id, result.outcome == "approved"))
            self._tie(source, offset)

    def _tie(self, source: Source, offset: int) -> None:
        source.more(offset, 1)
        self._tied.append((source, offset))

    def mark(self, partitions: int, progress: Iterable[Progress]) -> None:
        """How far the partitions of this worker were routed, where that has changed; seldom enough to cost nothing."""
        now = time.monotonic()
        if self.model is None or now - self._marked_at < MARK_SECONDS:
            return
        self._marked_at = now
        for partition, order_ms, at_end in progress:
            if self._marked.get(partition) != (order_ms, at_end):
                self._marked[partition] = (order_ms, at_end)
                self._entries.append(Mark(partition, partitions, order_ms, at_end))
        self.send()

    def forget_marks(self) -> None:
        """Partitions came or went: whoever owns one now says anew how far it is."""
        self._marked.clear()

    def send(self) -> None:
        """End of a slice."""
        if self._entries:
            entries, tied = self._entries, self._tied
            self._entries, self._tied = [], []
            parts = (entries[at : at + ENTRIES_MAX] for at in range(0, len(entries), ENTRIES_MAX))
            records: list[Record] = [(None, record(self._signature, part), NO_HEADERS) for part in parts]
            self._line.put(records, partial(settle_all, tied))

    @property
    def idle(self) -> bool:
        return self._line.idle
