"""Touching profiles: those of this worker in process, those of others over Kafka; at once, or when their turn comes.

Whatever makes an event of the profiles' world goes through here: a payment, an activity, a decision that features count.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from risk.engine import Plan, decision_tid
from risk.events import Event
from risk.labelled import Labelled
from risk.profiles import Touch
from streams.courier import SentTouch
from streams.crashes import Crashed
from streams.pending import HERE, Waiting
from streams.source import Item, Source
from streams.store import Store
from streams.wire import mark_of, partition_of

if TYPE_CHECKING:
    from streams.worker import Worker


class Held:
    """What an event does to profiles here, when its turn comes; a payment whose last answers these are is then decided."""

    __slots__ = ("worker", "source", "offset", "t", "tid", "touches", "quotas", "waiting")

    def __init__(self, worker: Worker, source: Source, offset: int, t: int, tid: int) -> None:
        self.worker, self.source, self.offset, self.t, self.tid = worker, source, offset, t, tid
        self.touches: list[tuple[int, Store, Touch, str, tuple[Any, ...]]] = []
        self.quotas: list[tuple[str, str, int, bool]] = []
        self.waiting: Waiting | None = None

    def apply(self, _: None) -> None:
        """Raises Crashed."""
        try:
            self._touch()
        except Exception as error:
            raise Crashed(self.source, self.offset) from error
        worker, waiting = self.worker, self.waiting
        worker.keeping.unsafe.append((self.source, self.offset))
        if waiting is not None and waiting.missing.pop(HERE, None) is not None and worker.pending.complete(waiting):
            worker.answered(waiting)

    def _touch(self) -> None:
        worker, source, waiting = self.worker, self.source, self.waiting
        mark = mark_of(self.t, self.tid, source.code, self.offset, -1)
        for number, store, touch, key, row in self.touches:
            values = _observe(worker, store, touch, key, self.t, self.tid, row, mark, source.code, self.offset)
            if waiting is not None:
                waiting.values[waiting.plan.slices[number]] = values
        for kind, key, tid, released in self.quotas:
            settle_quota(worker, kind, key, tid, released, source, self.offset, set())


def touch_here(
    worker: Worker, source: Source, offset: int, event: Event | Labelled, plan: Plan, tid: int, values: list[Any]
) -> bool:
    """Touch every profile of an event where all profiles are here; returns whether none lacked its key."""
    t, shards, complete = event.occurred_at, worker.shards, True
    mark = mark_of(t, tid, source.code, offset, -1)
    worker.touched_locally += len(plan.touches)
    if worker.partitions == 1:
        return shards[0].store.observe_all(plan.touches, plan.route(event), t, tid, mark, values)
    partitions = worker.partitions
    for touch, (key, row) in zip(plan.touches, plan.route(event), strict=True):
        if key is None:
            values += [None] * len(touch.features)
            complete = False
        else:
            values += shards[partition_of(touch.kind, key, partitions)].store.observe(touch, key, t, tid, row, mark)
    return complete


def touch_everywhere(
    worker: Worker,
    source: Source,
    offset: int,
    event: Event | Labelled,
    plan: Plan,
    tid: int,
    values: list[Any],
    homes: set[int],
    want: bool,
    order_ms: int = 0,
) -> tuple[dict[int, list[int]], Held | None]:
    """Touch every profile of an event wherever it lives, and put the answers into ``values``.

    ``homes`` collects the partitions that touches were sent to; with ``order_ms`` what is here waits for its turn too. Returns, for each
    partition whose answer is still to come, the numbers of the touches asked; and what is held here.
    """
    t, code, partitions, shards = event.occurred_at, source.code, worker.partitions, worker.shards
    held = Held(worker, source, offset, t, tid) if order_ms else None
    mark = mark_of(t, tid, code, offset, -1) if held is None else b""
    values += [None] * len(plan.names)
    missing: dict[int, list[int]] = {}
    sent: dict[int, list[SentTouch]] = {}
    for number, (key, row) in enumerate(plan.route(event)):
        if key is None:
            continue
        touch = plan.touches[number]
        home = partition_of(touch.kind, key, partitions) if partitions > 1 else 0
        owner = shards.get(home)
        asked = want and bool(touch.features)
        if owner is None:
            if asked or touch.records:
                if home not in sent:
                    sent[home] = worker.courier.event(home, order_ms, t, tid, code, offset, want)
                    homes.add(home)
                sent[home].append((worker.courier.shape(home, touch), key, row))
                worker.touched_remotely += 1
            if asked:
                missing.setdefault(home, []).append(number)
            continue
        worker.touched_locally += 1
        if held is None:
            values[plan.slices[number]] = _observe(worker, owner.store, touch, key, t, tid, row, mark, code, offset)
            continue
        held.touches.append((number, owner.store, touch, key, row))
        if asked:
            missing.setdefault(HERE, []).append(number)
    return missing, held


def _observe(
    worker: Worker, store: Store, touch: Touch, key: str, t: int, tid: int, row: tuple[Any, ...], mark: bytes, code: int, offset: int
) -> list[Any]:
    if worker.ownership.lost and worker.ownership.applied_here(code, offset, store.partition):
        store.remember(tid, touch.kind, key, touch.role, code, offset)
    return store.observe(touch, key, t, tid, row, mark)


def hold(worker: Worker, item: Item, held: Held) -> None:
    """Let what an event does here wait for its turn."""
    appended_ms = item.record.timestamp
    worker.standing.behind(appended_ms)
    rank = (item.order_ms, worker.standing.place_of(held.source.code), item.offset)
    worker.order.hold_here(rank, held, time.monotonic(), appended_ms)


def settle_quota(
    worker: Worker,
    kind: str,
    key: str,
    tid: int,
    released: bool,
    source: Source,
    offset: int,
    homes: set[int],
    held: Held | None = None,
    order_ms: int = 0,
) -> None:
    """Release or restore quota: here, with what is ``held`` of the same event if any, or where the profile lives, told in ``homes``."""
    home = partition_of(kind, key, worker.partitions) if worker.partitions > 1 else 0
    shard = worker.shards.get(home)
    if shard is None:
        worker.courier.quota(home, kind, key, tid, released, source.code, offset, order_ms)
        homes.add(home)
    elif held is not None:
        held.quotas.append((kind, key, tid, released))
    else:
        shard.store.settle_quota(kind, key, tid, released, source.code, offset, -1)


def remember_decision(worker: Worker, source: Source, offset: int, event: Event, action: str) -> None:
    """Where features count decisions, this one enters their profiles, at the payment's own time; at a redelivery it is there already."""
    decisions = worker.engine.decisions
    if decisions is None:
        return
    homes: set[int] = set()
    decided, tid = worker.engine.decided(event, action), decision_tid(event.payment_id)
    _remember(worker, source, offset, decided, decisions, tid, homes)
    source.more(offset, 1 + len(homes))
    worker.keeping.unsafe.append((source, offset))
    worker.courier.tie(homes, source, offset)


def remember_labelled(worker: Worker, source: Source, offset: int, labelled: Sequence[Labelled]) -> None:
    """Verdicts enter the profiles that count labels, at the time at which they became known; the source waits until that is safe.

    So it waits with nothing to enter: what is held of the payment must be in the changelog too.
    """
    plan = worker.engine.labels
    if plan is None:
        return
    homes: set[int] = set()
    for each in labelled:
        _remember(worker, source, offset, each, plan, each.tid, homes)
    source.more(offset, 1 + len(homes))
    worker.keeping.unsafe.append((source, offset))
    worker.courier.tie(homes, source, offset)


def _remember(worker: Worker, source: Source, offset: int, event: Event | Labelled, plan: Plan, tid: int, homes: set[int]) -> None:
    """What decisions feed back is observed as it comes."""
    if worker.alone:
        touch_here(worker, source, offset, event, plan, tid, [])
    else:
        touch_everywhere(worker, source, offset, event, plan, tid, [], homes, want=False)
