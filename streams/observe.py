"""The observe agent's work: touches that came over Kafka are applied to the profiles of this worker, and answered.

``risk.touches`` is a log: an acknowledged touch is safe, and its owner commits it only when the changelog has it. The same touch may
come more than once, from a sender that crashed: it is applied once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiokafka.structs import ConsumerRecord

from risk.profiles import Touch
from streams.crashes import Crashed
from streams.ledger import partition_in
from streams.source import Source
from streams.store import Store
from streams.wire import RELEASE, RESTORE, Answer, RemoteEvent, TouchEnvelope, TouchShape, decode_touches, mark_of

if TYPE_CHECKING:
    from streams.worker import Worker

log = logging.getLogger(__name__)
Adopt = Callable[[tuple[Any, ...]], tuple[Any, ...]]


def apply_touches(worker: Worker, source: Source, record: ConsumerRecord) -> None:
    """Apply one envelope of touches: at once what may come as it comes, the rest when its turn comes. Raises Crashed."""
    try:
        _take(worker, source, record)
    except Crashed:
        raise
    except Exception as error:
        raise Crashed(source, record.offset) from error


def _take(worker: Worker, source: Source, record: ConsumerRecord) -> None:
    envelope, order, home = decode_touches(record.value), worker.order, source.tp.partition
    passed = worker.shards[home].ledger.sieve.passed(envelope, record.offset)
    if len(passed) < len(envelope.events):
        worker.metrics.add("risk_touches_void_total", by=len(envelope.events) - len(passed))
        envelope.events = passed
    received = Received(worker, source, record.offset, envelope)
    source.begin(record.offset, 1)
    worker.shards[home].received.append(received)
    ordered = order.on and record.offset >= worker.ownership.first_to_wait(source.tp)
    held = []
    for event in envelope.events:
        if worker.ownership.stale(event.source, event.offset, home, record.offset):
            received.passed_over()
        elif ordered and event.order_ms:
            held.append(((event.order_ms, worker.standing.place_of(event.source), event.offset), event))
        else:
            received.apply(event)
    now = time.monotonic()
    if held:
        order.hold(held, received, now, envelope.routed.newest_ms if envelope.routed is not None else 0)
    elif not envelope.events:
        received.done()
    routed = envelope.routed
    if routed is not None:
        order.heard(home, routed.places, (routed.order_ms, routed.place, routed.offset), now, routed.at_ms)
        if routed.ask:
            worker.standing.asked()


class Received:
    """One envelope that is not yet applied whole; ``left`` counts its events that are still to come."""

    __slots__ = ("worker", "source", "offset", "envelope", "store", "left", "given_up", "_shapes", "_asked", "_slice")

    def __init__(self, worker: Worker, source: Source, offset: int, envelope: TouchEnvelope) -> None:
        self.worker, self.source, self.offset, self.envelope = worker, source, offset, envelope
        self.store = worker.shards[source.tp.partition].store
        self.left = len(envelope.events)
        crashes = worker.shards[source.tp.partition].ledger.crashes
        self.given_up = bool(crashes) and crashes.gives_up(source.tp.topic, offset)
        self._shapes = [_ours(worker, self.store, shape) for shape in envelope.shapes]
        self._asked: set[int] = set()
        self._slice = -1

    def apply(self, event: RemoteEvent) -> None:
        """Touch the profiles of one event, and answer. Raises Crashed."""
        try:
            values = self._touch_or_not(event) if self.given_up else self._touch(event)
        except Exception as error:
            raise Crashed(self.source, self.offset) from error
        if event.want:
            # values are told by their place: they mean the same only under the same rule set
            same = self.envelope.ruleset == self.worker.engine.ruleset.hash
            self._answer(event, values if same else None)
        self.left -= 1
        if not self.left:
            self.done()

    def passed_over(self) -> None:
        """One event is not to be applied."""
        self.left -= 1
        if not self.left:
            self.done()

    def done(self) -> None:
        """All is applied: the flush makes it safe. What senders have committed is forgotten only when no earlier envelope is left."""
        self.worker.keeping.unsafe.append((self.source, self.offset))
        shard = self.worker.shards.get(self.source.tp.partition)
        if shard is not None and shard.store is self.store:
            while shard.received and not shard.received[0].left:
                self.store.forget_applied(shard.received.popleft().envelope.committed)

    def _answer(self, event: RemoteEvent, values: list[Any] | None) -> None:
        courier, asker = self.worker.courier, partition_in(event.source)
        courier.answer(asker, Answer(event.source, event.offset, self.store.partition, values))
        if self._slice != courier.slices:
            self._slice = courier.slices
            self._asked.clear()
        if asker not in self._asked:
            self._asked.add(asker)
            self.source.more(self.offset, 1)
            courier.tie_answers((asker,), self.source, self.offset)

    def _touch_or_not(self, event: RemoteEvent) -> list[Any] | None:
        """Of an envelope that crashed its owner twice: what cannot be applied is left out, and answered as nobody knows."""
        try:
            return self._touch(event)
        except Exception:
            log.exception("left out: touches of source %d/%d: they crashed the worker twice", event.source, event.offset)
            self.worker.metrics.add("risk_gave_up_total", self.worker.topics["touches"])
            return None

    def _touch(self, event: RemoteEvent) -> list[Any] | None:
        """The answers of all touches; None where one has none, under another rule set."""
        store, via, code, offset, t, tid = self.store, self.offset, event.source, event.offset, event.t, event.tid
        applied_here = self.worker.ownership.applied_here(code, offset, store.partition)
        mark = mark_of(t, tid, code, offset, via)
        values: list[Any] | None = []
        for shape, key, row in event.touches:
            if shape in (RELEASE, RESTORE):
                store.settle_quota(row[0], key, tid, shape == RELEASE, code, offset, via)
                continue
            ours, adopt = self._shapes[shape]
            if ours is None:
                values = None
                continue
            if adopt is not None:
                row = adopt(row)
            if applied_here:
                store.remember(tid, ours.kind, key, ours.role, code, offset)
            if ours.records and (tid, ours.kind, key, ours.role) in store.applied:
                store.note_again(ours, key, mark)
            answers = store.observe(ours, key, t, tid, row, mark)
            store.remember(tid, ours.kind, key, ours.role, code, offset, via)
            if values is not None:
                values += answers
        return values


def _ours(worker: Worker, store: Store, shape: TouchShape) -> tuple[Touch | None, Adopt | None]:
    """Today's touch for rows of a shape, and how they become its rows; None: we keep no such profile."""
    ours = store.touch_of(shape.event, shape.role)
    if ours is None or tuple(ours.columns) == shape.columns:
        return ours, None
    adopt = worker.engine.layout.adopt(shape.event, shape.role, shape.columns)
    return (ours, adopt) if adopt is not None else (None, None)
