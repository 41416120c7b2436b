"""The route agent's work: from a record to the touches it makes, and to its decision where all its profiles live on this worker.

What happens to one record, in this order: it is valid or a dead letter; it is new, a redelivery, a repeat or a conflict; every profile
concerned is touched; and then it is decided, or waits for answers, or is done.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from risk.cards import holds_card
from risk.engine import Plan, payment_tid
from risk.events import BadEvent, Event, content_hash
from streams.crashes import Crashed
from streams.decide import decide, release
from streams.lane import DeadLetter
from streams.pending import Waiting
from streams.source import Item, Source
from streams.touching import Held, hold, remember_decision, remember_labelled, settle_quota, touch_everywhere, touch_here

if TYPE_CHECKING:
    from streams.worker import Shard, Worker

DEAD_LETTER_BYTES_MAX = 65_536
UNREAD = frozenset({"bad_json", "bad_utf8", "too_large"})
OFFSET_BITS = 44


def route(worker: Worker, source: Source, item: Item) -> None:
    """Everything that one input record sets off. Raises Crashed."""
    try:
        _route(worker, source, item)
    except Crashed:
        raise
    except Exception as error:
        raise Crashed(source, item.offset) from error


def _route(worker: Worker, source: Source, item: Item) -> None:
    event = item.event
    shard = worker.shards[source.tp.partition]
    if isinstance(event, BadEvent):
        dead_letter(worker, shard, source, item, event)
        worker.keeping.unsafe.append((source, item.offset))
        return
    plan = worker.engine.plans[event.event_type]
    if event.occurred_at < item.order_ms:
        worker.metrics.add("risk_late_events_total", source.tp.topic)
    if plan.decide:
        held = _route_payment(worker, shard, source, item, event, plan)
    elif shard.ledger.crashes and shard.ledger.crashes.gives_up(source.tp.topic, item.offset):
        held = None
        worker.metrics.add("risk_gave_up_total", source.tp.topic)
        dead_letter(worker, shard, source, item, BadEvent("gave_up", "event: it was expected to be counted, and crashed a worker twice"))
    else:
        held = _route_activity(worker, shard, source, item, event, plan)
    if held is None:
        worker.keeping.unsafe.append((source, item.offset))
    else:
        hold(worker, item, held)


def _order_ms(worker: Worker, item: Item) -> int:
    """The order time of an event that keeps its place among those of other workers: one of a backlog. What just came does not wait."""
    return item.order_ms if worker.order.on and _behind(worker, item) else 0


def _behind(worker: Worker, item: Item) -> bool:
    return bool(time.time() * 1000 - item.record.timestamp > worker.settings.deadline_ms)


def _route_activity(worker: Worker, shard: Shard, source: Source, item: Item, event: Event, plan: Plan) -> Held | None:
    tid, offset, order_ms = (source.code << OFFSET_BITS) | item.offset, item.offset, _order_ms(worker, item)
    homes: set[int] = set()
    held = None
    if worker.alone:
        touch_here(worker, source, offset, event, plan, tid, [])
    else:
        _, held = touch_everywhere(worker, source, offset, event, plan, tid, [], homes, want=False, order_ms=order_ms)
    if event.event_type == "payment_result":
        for kind, key, payment_id, released in worker.engine.settlements(event):
            settled = payment_tid(payment_id)
            shard.untold.discard(settled)
            _note_result(worker, shard, settled)
            settle_quota(worker, kind, key, settled, released, source, offset, homes, held, order_ms)
    source.begin(offset, 1 + len(homes))
    worker.courier.tie(homes, source, offset)
    if event.event_type == "payment_result":
        worker.teaching.settled(event, source, offset)
    elif event.event_type == "label":
        worker.learn_label(event, source, offset)
        if shard.ledger.labelling is not None:
            remember_labelled(worker, source, offset, shard.ledger.labelling.label(event, source.code, offset))
    return held


def _note_result(worker: Worker, shard: Shard, tid: int) -> None:
    """A result beats the decision, also one that is still to come."""
    seen = shard.ledger.seen.get(tid)
    if seen is not None and worker.pending.waits(seen[1], seen[2]):
        shard.resolved.add(tid)


def _route_payment(worker: Worker, shard: Shard, source: Source, item: Item, event: Event, plan: Plan) -> Held | None:
    ledger, offset = shard.ledger, item.offset
    tid, content = payment_tid(event.payment_id), content_hash(event)
    seen = ledger.seen.get(tid)
    if seen is None:
        ledger.enter(tid, content, source.code, offset, item.order_ms)
        ledger.forget(item.order_ms)
    elif seen[1] == source.code and seen[2] == offset:
        worker.metrics.add("risk_redeliveries_total")
    elif seen[0] == content:
        worker.metrics.add("risk_repeats_total")
        source.begin(offset, 1)
        return None
    else:
        conflict = BadEvent("conflicting_repeat", f"payment_id: {event.payment_id[:80]} was seen with other content at another offset")
        dead_letter(worker, shard, source, item, conflict)
        return None
    answered = ledger.answer_to(source.tp.topic, offset, event.payment_id) if ledger.answered else None
    if answered is None and worker.alone and not ledger.crashes:
        values: list[Any] = []
        complete = touch_here(worker, source, offset, event, plan, tid, values)
        source.begin(offset, 2)
        decide(worker, shard, source, item, plan, tid, values, complete=complete)
        return None
    return _touch_and_wait(worker, shard, source, item, event, plan, tid, answered)


def _touch_and_wait(
    worker: Worker, shard: Shard, source: Source, item: Item, event: Event, plan: Plan, tid: int, answered: str | None
) -> Held | None:
    """A payment some of whose profiles live elsewhere, or that comes again; ``answered``: the action already given to it."""
    offset, values = item.offset, list[Any]()
    homes: set[int] = set()
    missing: dict[int, list[int]] = {}
    held = None
    if shard.ledger.crashes and shard.ledger.crashes.untouchable(source.tp.topic, offset):
        values += [None] * len(plan.names)
    else:
        missing, held = touch_everywhere(
            worker, source, offset, event, plan, tid, values, homes, want=answered is None, order_ms=_order_ms(worker, item)
        )
    source.begin(offset, (1 if answered is not None else 2) + len(homes))
    if homes:
        worker.courier.tie(homes, source, offset)
    if answered is not None:
        if worker.group is not None and worker.group.count_answered(shard.ledger.spent, source.tp.partition, event, tid, answered):
            worker.keeping.unsafe.append((source, offset))
            source.more(offset, 1)
        worker.reoffer.add(event, source, offset)
        remember_decision(worker, source, offset, event, answered)
        if shard.ledger.labelling is not None:
            remember_labelled(worker, source, offset, shard.ledger.labelling.payment(event, answered, source.code, offset))
        if answered != worker.mildest:
            release(worker, source, offset, plan, event, tid)
    elif missing:
        waiting = Waiting(source, item, plan, tid, values, missing, time.monotonic() * 1000)
        _wait(worker, waiting)
        if held is not None:
            held.waiting = waiting
    else:
        decide(worker, shard, source, item, plan, tid, values)
    return held


def _wait(worker: Worker, waiting: Waiting) -> None:
    """A payment of a backlog is late already: it waits for its values longer than one that just came."""
    settings = worker.settings
    wait_ms = settings.drain_wait_ms if _behind(worker, waiting.item) else settings.deadline_ms
    worker.pending.add(waiting, waiting.routed_ms + wait_ms)


def dead_letter(worker: Worker, shard: Shard, source: Source, item: Item, error: BadEvent) -> None:
    """Put the record aside with the reason and the place; it touches no profile. One already put aside is not put aside again."""
    if shard.ledger.answered.get((source.tp.topic, item.offset)) == ("", ""):
        source.begin(item.offset, 1)
    else:
        source.begin(item.offset, 2)
        raw = item.record.value or b""
        headers = [
            ("reason", error.reason.encode()),
            ("detail", error.detail.encode()),
            ("src", f"{source.tp.topic}/{source.tp.partition}/{item.offset}".encode()),
            shard.ledger.epoch_header,
        ]
        kept = b"" if _holds_card(error, raw) else raw[:DEAD_LETTER_BYTES_MAX]
        if len(kept) < len(raw):
            headers += [("size", str(len(raw)).encode()), ("sha256", hashlib.sha256(raw).hexdigest().encode())]
        worker.metrics.add("risk_dead_letters_total", error.reason)
        shard.lane.put_letter(DeadLetter(kept, headers, source, item.offset))


def _holds_card(error: BadEvent, raw: bytes) -> bool:
    """A card number must not be kept anywhere, not even as evidence; what cannot be read as an event is searched as plain text."""
    if error.reason in UNREAD:
        return holds_card(raw.decode("utf-8", "replace"))
    return error.reason == "card_number"
