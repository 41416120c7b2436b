"""Deciding, once all values are in or the deadline has passed: the outcome becomes a receipt and a decision on their way out.

How a payment is decided is the engine's; here it gets its times, its source and its epoch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from risk.decisions import Outcome
from risk.engine import Plan
from risk.events import Event
from streams.counting import count_decision
from streams.crashes import Crashed
from streams.lane import Written
from streams.pending import Waiting
from streams.source import Item, Source
from streams.touching import remember_decision, remember_labelled, settle_quota
from streams.wire import partition_of

if TYPE_CHECKING:
    from streams.control import Group
    from streams.worker import Shard, Worker


def decide(
    worker: Worker,
    shard: Shard,
    source: Source,
    item: Item,
    plan: Plan,
    tid: int,
    values: Sequence[Any],
    late_touches: Sequence[int] = (),
    complete: bool = False,
) -> None:
    """Decide one payment and put it on its partition's lane. Raises Crashed."""
    try:
        _decide(worker, shard, source, item, plan, tid, values, late_touches, complete)
    except Exception as error:
        raise Crashed(source, item.offset, deciding=True) from error


def _decide(
    worker: Worker,
    shard: Shard,
    source: Source,
    item: Item,
    plan: Plan,
    tid: int,
    values: Sequence[Any],
    late_touches: Sequence[int],
    complete: bool,
) -> None:
    started = time.perf_counter()
    engine, record, event = worker.engine, item.record, item.event
    assert not isinstance(event, Exception)
    given_up = bool(shard.ledger.crashes) and shard.ledger.crashes.gives_up(source.tp.topic, item.offset)
    if given_up:
        worker.metrics.add("risk_gave_up_total", source.tp.topic)
        outcome = engine.give_up(plan, event)
    else:
        outcome = engine.decide(plan, event, values, late_touches, complete=complete)
    if worker.group is not None:
        _draw(worker, worker.group, shard, source, item.offset, event, tid, outcome)
    decided_ms = int(time.time() * 1000)
    late = decided_ms - record.timestamp > worker.settings.deadline_ms
    raw = engine.schema.to_json(event) if item.extras else record.value
    version, ruling = engine.version, outcome.ruling
    top = version.top(outcome.inputs) if version is not None and outcome.inputs is not None and ruling.action != worker.mildest else ()
    receipt = engine.writer.receipt(
        event.payment_id, raw, outcome, (source.tp.topic, source.tp.partition, item.offset), record.timestamp, decided_ms,
        late=late, model_version=version.hash if version is not None else None, top=top,
    )  # fmt: skip
    decision = engine.writer.decision(event.payment_id, outcome, receipt, decided_ms, late=late)
    headers = [("src", f"{source.tp.topic}/{source.tp.partition}/{item.offset}".encode()), shard.ledger.epoch_header]
    told = None
    resolved = tid in shard.resolved
    shard.resolved.discard(tid)
    if plan.quotas and ruling.action != worker.mildest and not resolved:
        _release_here(worker, plan, event, tid)
        shard.untold.add(tid)
        told = partial(_refused, worker, shard, source, item.offset, plan, event, tid)
    shard.out.append(Written(record.key, receipt, decision, headers, source, item.offset, record.timestamp, told))
    if not given_up:
        remember_decision(worker, source, item.offset, event, ruling.action)
        if shard.ledger.labelling is not None:
            remember_labelled(worker, source, item.offset, shard.ledger.labelling.payment(event, ruling.action, source.code, item.offset))
    if outcome.inputs is not None:
        propensity = outcome.control["propensity"] if outcome.control is not None and outcome.control["let_through"] else 1.0
        worker.teaching.offer(event, outcome.inputs, ruling.action == worker.mildest, propensity, source, item.offset)
    count_decision(worker.metrics, worker.tallies[plan.event], outcome, late, event.occurred_at, decided_ms, time.perf_counter() - started)


def _draw(worker: Worker, group: Group, shard: Shard, source: Source, offset: int, event: Event, tid: int, outcome: Outcome) -> None:
    """A few of the payments that would be stopped are let through, to learn from them; what it costs is safe before the commit."""
    how = group.consider(shard.ledger.spent, source.tp.partition, event, tid, outcome)
    if how is not None:
        worker.metrics.add("risk_control_payments_total", how)
    if how == "let_through":
        source.more(offset, 1)
        worker.keeping.unsafe.append((source, offset))


def decide_waiting(worker: Worker, waiting: Waiting) -> None:
    """A payment whose last answer came, or whose deadline passed: then what is still missing stays unknown."""
    shard = worker.shards.get(waiting.source.tp.partition)
    if shard is not None:
        decide(worker, shard, waiting.source, waiting.item, waiting.plan, waiting.tid, waiting.values, waiting.unanswered)


def _release_here(worker: Worker, plan: Plan, event: Event, tid: int) -> None:
    """A refused payment gives back the quota it reserved before the next payment is observed, where its profiles are here: in memory only.

    A release that outlives a decision which never got out would leave quota free for a payment that, decided again, passes.
    """
    for touch in plan.quotas:
        key = touch.key(event)
        if key is not None and (shard := worker.shards.get(partition_of(touch.kind, key, worker.partitions))) is not None:
            shard.store.release_here(touch.kind, key, tid)


def _refused(worker: Worker, shard: Shard, source: Source, offset: int, plan: Plan, event: Event, tid: int) -> None:
    """A refusal is out: unless a result has had its say by then, its release may follow."""
    if tid in shard.untold:
        shard.untold.discard(tid)
        release(worker, source, offset, plan, event, tid)


def release(worker: Worker, source: Source, offset: int, plan: Plan, event: Event, tid: int) -> None:
    """Give back the quota of a payment whose refusal is out, in the changelog and wherever its profiles live."""
    homes: set[int] = set()
    for touch in plan.quotas:
        key = touch.key(event)
        if key is not None:
            settle_quota(worker, touch.kind, key, tid, True, source, offset, homes)
    source.more(offset, 1 + len(homes))
    worker.keeping.unsafe.append((source, offset))
    worker.courier.tie(homes, source, offset)
