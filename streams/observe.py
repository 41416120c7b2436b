"""The observe agent's work: touches that came over Kafka are applied to the profiles of this worker, and answered.

``risk.touches`` is a log: an acknowledged touch is safe, and its owner commits it only when the changelog has it. The same touch may
come more than once, from a sender that crashed: it is applied once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiokafka.structs import ConsumerRecord

from streams.crashes import Crashed
from streams.ledger import partition_in
from streams.source import Source
from streams.store import Store
from streams.wire import RELEASE, RESTORE, Answer, RemoteTouch, TouchEnvelope, decode_touches, mark_of

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from streams.worker import Worker


def apply_touches(worker: Worker, source: Source, record: ConsumerRecord) -> None:
    """Apply one envelope of touches. Raises Crashed."""
    try:
        _apply_envelope(worker, source, record)
    except Exception as error:
        raise Crashed(source, record.offset) from error


def _apply_envelope(worker: Worker, source: Source, record: ConsumerRecord) -> None:
    envelope = decode_touches(record.value)
    store, crashes = worker.shards[source.tp.partition].store, worker.shards[source.tp.partition].ledger.crashes
    apply = _apply_or_not if crashes and crashes.gives_up(source.tp.topic, record.offset) else _apply
    store.forget_applied(envelope.committed)
    answered: set[int] = set()
    for touch in envelope.touches:
        values = apply(worker, store, envelope, touch, record.offset)
        if touch.want:
            asker = partition_in(touch.source)
            worker.courier.answer(asker, Answer(touch.source, touch.offset, touch.number, values))
            answered.add(asker)
    source.begin(record.offset, 1 + len(answered))
    worker.courier.tie_answers(answered, source, record.offset)
    worker.keeping.unsafe.append((source, record.offset))


def _apply_or_not(worker: Worker, store: Store, envelope: TouchEnvelope, touch: RemoteTouch, via: int) -> list[object] | None:
    """Of an envelope that crashed its owner twice: what cannot be applied is left out, and answered as nobody knows."""
    try:
        return _apply(worker, store, envelope, touch, via)
    except Exception:
        log.exception("left out: touch %d of source %d/%d: it crashed the worker twice", touch.number, touch.source, touch.offset)
        worker.metrics.add("risk_gave_up_total", worker.topics["touches"])
        return None


def _apply(worker: Worker, store: Store, envelope: TouchEnvelope, touch: RemoteTouch, via: int) -> list[object] | None:
    if touch.shape in (RELEASE, RESTORE):
        store.settle_quota(touch.kind, touch.key, touch.tid, touch.shape == RELEASE, touch.source, touch.offset, via)
        return None
    shape = envelope.shapes[touch.shape]
    ours = store.touch_of(shape.event, shape.role)
    if ours is None:
        return None  # a rule set that we do not run asks for a profile that we do not keep
    row = tuple(touch.row)
    if tuple(ours.columns) != shape.columns:
        adopt = worker.engine.layout.adopt(shape.event, shape.role, shape.columns)
        if adopt is None:
            return None
        row = adopt(row)
    if worker.ownership.applied_here(touch.source, touch.offset, store.partition):
        store.remember(touch.tid, touch.kind, touch.key, shape.role, touch.source, touch.offset)
    mark = mark_of(touch.t, touch.tid, touch.source, touch.offset, via)
    if ours.records and (touch.tid, touch.kind, touch.key, shape.role) in store.applied:
        store.note_again(ours, touch.key, mark)
    values = store.observe(ours, touch.key, touch.t, touch.tid, row, mark)
    store.remember(touch.tid, touch.kind, touch.key, shape.role, touch.source, touch.offset, via)
    # values are told by their place: they mean the same only under the same rule set
    return values if envelope.ruleset == worker.engine.ruleset.hash else None
