"""Decided payments and labels on their way to the one learner of the group, over risk.learn, partition 0.

What the decision read goes along: it is never computed again when the label comes. A label's source settles when its record is safe.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from aiokafka.structs import ConsumerRecord

from risk.declared import ModelDecl
from risk.events import Event
from risk.learning import BadRecord, Entry, Known, Learner, Offer, Settled, Version, apply, record, signature_of
from streams.line import Line
from streams.outbox import NO_HEADERS, Outbox, Record
from streams.source import Source, settle_all

log = logging.getLogger(__name__)

LEARN_PARTITION = 0
QUALITY_SECONDS = 5.0
ENTRIES_MAX = 32
"""Of one record of the learn log: the learner takes it in one go, and payments wait so long."""
SETTLING = frozenset({"approved", "declined", "reversed", "expired"})


class Teaching:
    """The way to the learner, and the learner itself where this worker owns it."""

    def __init__(self, outbox: Outbox, topic: str, model: ModelDecl | None, fail: Callable[[BaseException], None]) -> None:
        self._line = Line(outbox, topic, LEARN_PARTITION, fail)
        self._model = model if model is not None and model.learner != "fixed" else None
        self._signature = signature_of(model) if self._model is not None and model is not None else ""
        self._entries: list[Entry] = []
        self._tied: list[tuple[Source, int]] = []
        self.learner: Learner | None = None
        self._quality: dict[str, float | int | None] = {}
        self._quality_at = -QUALITY_SECONDS
        self._caught_up_at = 0

    def offer(self, payment_id: str, inputs: Sequence[float | None], at_ms: int, let_through: bool) -> None:
        """What a decision read, kept for the day its label comes."""
        if self._model is not None:
            self._entries.append(Offer(payment_id, tuple(inputs), at_ms, let_through))

    def label(self, label: Event, source: Source, offset: int) -> bool:
        """A label; True when its source has to wait until it is safe."""
        if self._model is None:
            return False
        self._entries.append(Known(label.payment_id, label.verdict, label.kind, label.version, label.known_at))
        self._tied.append((source, offset))
        return True

    def settled(self, result: Event) -> None:
        """What became of a payment: only one that went through may later be presumed legitimate."""
        if self._model is not None and result.outcome in SETTLING:
            self._entries.append(Settled(result.payment_id, result.outcome == "approved"))

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

    # ------------------------------------------------------------------ the learner

    def start_over(self, end: int) -> None:
        """This worker owns the learner now: the learn log, read whole up to ``end``, makes it what it was."""
        self.learner = Learner(self._model) if self._model is not None else None
        self._caught_up_at = end

    def quality(self) -> dict[str, float | int | None]:
        """Measures of the learner, a few seconds old: they sort a window of thousands, and payments wait meanwhile. Empty without one."""
        if self.learner is None:
            return {}
        now = time.monotonic()
        if now - self._quality_at >= QUALITY_SECONDS:
            self._quality, self._quality_at = self.learner.quality(), now
        return self._quality

    def learn(self, entry: ConsumerRecord) -> Version | None:
        """One record of the log; returns a version that is due. None while the past is replayed: it was published then."""
        if self.learner is None:
            return None
        try:
            apply(self.learner, entry.value)
        except BadRecord as error:
            log.warning("a record of the learn log at offset %d cannot be read: %s", entry.offset, error)
        if entry.offset + 1 < self._caught_up_at or not self.learner.due():
            return None
        return self.learner.publish()
