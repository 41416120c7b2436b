"""The one learner of a group: it takes the learn log in order and publishes versions of the model.

It runs on the worker that owns partition 0 of risk.learn, between two slices of work, or in a process of its own (`risk learner`). All
that it is follows from the log. Belongs here: reading records, publishing, telling its quality. Never: what is learned (`risk.learning`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

from aiokafka.structs import ConsumerRecord

from risk.declared import ModelDecl
from risk.learning import BadRecord, Learner, Ordered, Version
from risk.learning.drift import Watched
from streams.metrics import Metrics

log = logging.getLogger(__name__)
QUALITY_SECONDS = 5.0
OF_THE_LEARNER = ("risk_model_quality", "risk_drift_total", "risk_label_delay_seconds", "risk_unlabelled_share")

Publish = Callable[[Version], Awaitable[None]]


class Learning:
    """The learner, where this process owns it. ``model``: None where there is nothing to learn."""

    def __init__(self, model: ModelDecl | None, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._ordered: Ordered[Watched] | None = None
        self._caught_up_at = 0
        self._refused = 0
        self._quality_at = -QUALITY_SECONDS

    @property
    def learner(self) -> Watched | None:
        return self._ordered.learner if self._ordered is not None else None

    def start_over(self, end: int) -> None:
        """This process owns the learner now: the learn log, read whole up to ``end``, makes it what it was."""
        self._ordered = Ordered(Watched(self._model)) if self._model is not None else None
        for name in self._ordered.learner.drifts if self._ordered is not None else ():
            self._metrics.add("risk_drift_total", name, by=0)
        self._caught_up_at = end
        self._refused = 0

    def go_on(self, ordered: Ordered[Watched], end: int) -> None:
        """The same from a state that was put aside; the rest of the log follows."""
        self.start_over(end)
        self._ordered = ordered
        self._refused = ordered.learner.refused

    @property
    def state(self) -> Ordered[Watched] | None:
        """What may be put aside."""
        return self._ordered

    def stop(self) -> None:
        """Another process owns the learner now."""
        self._ordered = None

    async def take(self, record: ConsumerRecord, publish: Publish) -> None:
        """Learn what one record of the log says, and publish what is due; between two steps payments have their turn."""
        for version in self._versions(record):
            if version is not None:
                await publish(version)
            await asyncio.sleep(0)

    def _versions(self, record: ConsumerRecord) -> Iterator[Version | None]:
        """A version where one is due. None while the past is replayed: it was published then."""
        ordered = self._ordered
        if ordered is None:
            return
        steps = ordered.take(record.value or b"")
        while True:
            try:
                next(steps)
            except StopIteration:
                return
            except BadRecord as error:
                self._metrics.add("risk_learn_records_refused_total")
                log.warning("a record of the learn log at offset %d cannot be read: %s", record.offset, error)
                return
            past = record.offset + 1 < self._caught_up_at
            self._tell_refusals(ordered.learner, past)
            yield None if past else ordered.learner.publish()
            if not past:
                yield from ordered.learner.publish_beside()

    def _tell_refusals(self, learner: Learner, past: bool) -> None:
        """A version that failed its checks is not published, and somebody must hear of it."""
        if learner.refused > self._refused:
            if not past:
                self._metrics.add("risk_model_versions_refused_total", by=learner.refused - self._refused)
                log.warning("a version of the model is not published: %s", learner.unfit)
            self._refused = learner.refused

    def measure(self) -> None:
        """Bring the gauges up to date, at most every few seconds: they sort a window of thousands, and payments wait meanwhile."""
        if self._ordered is None:
            for name in OF_THE_LEARNER:
                self._metrics.clear(name)  # it went elsewhere
            return
        now = time.monotonic()
        if now - self._quality_at >= QUALITY_SECONDS:
            self._quality_at = now
            for name, value in self._ordered.learner.quality().items():
                if value is not None:
                    self._metrics.set("risk_model_quality", float(value), name)
            learner = self._ordered.learner
            for name, count in learner.drifts.items():
                self._metrics.set("risk_drift_total", count, name)
            if learner.label_delay_ms is not None:
                self._metrics.set("risk_label_delay_seconds", learner.label_delay_ms / 1000)
            if learner.unlabelled_share is not None:
                self._metrics.set("risk_unlabelled_share", learner.unlabelled_share)
