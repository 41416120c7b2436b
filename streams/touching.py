"""Touching profiles: those of this worker in process, those of others over Kafka.

Whatever makes an event of the profiles' world goes through here: a payment, an activity, a decision that features count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from risk.engine import Plan, decision_tid
from risk.events import Event
from risk.labelled import Labelled
from streams.source import Source
from streams.wire import mark_of, partition_of

if TYPE_CHECKING:
    from streams.worker import Worker


def touch_all(
    worker: Worker,
    source: Source,
    offset: int,
    event: Event | Labelled,
    plan: Plan,
    tid: int,
    values: list[Any],
    homes: set[int],
    want: bool,
) -> tuple[set[int], bool]:
    """Touch every profile of the event and put the answers into ``values``.

    ``homes`` collects the partitions that touches were sent to. Returns the numbers of the touches whose answer is still to come, and
    whether every profile was here to answer.
    """
    t, code, partitions = event.occurred_at, source.code, worker.partitions
    shards, complete, lost = worker.shards, True, worker.ownership.lost
    missing: set[int] = set()
    mark = mark_of(t, tid, code, offset, -1)
    if partitions == 1 and not lost:
        complete = shards[0].store.observe_all(plan.touches, plan.route(event), t, tid, mark, values)
        worker.touched_locally += len(plan.touches)
        return missing, complete
    for number, (key, row) in enumerate(plan.route(event)):
        touch = plan.touches[number]
        if key is None:
            values.extend([None] * len(touch.features))
            complete = False
            continue
        home = partition_of(touch.kind, key, partitions) if partitions > 1 else 0
        owner = shards.get(home)
        if owner is not None:
            if lost and worker.ownership.applied_here(code, offset, home):
                owner.store.remember(tid, touch.kind, key, touch.role, code, offset)
            values.extend(owner.store.observe(touch, key, t, tid, row, mark))
            worker.touched_locally += 1
            continue
        asked = want and bool(touch.features)
        if asked or touch.records:
            worker.courier.touch(home, touch, key, t, tid, code, offset, number, asked, row)
            homes.add(home)
            worker.touched_remotely += 1
        if asked:
            missing.add(number)
        values.extend([None] * len(touch.features))
        complete = False
    return missing, complete


def remember_decision(worker: Worker, source: Source, offset: int, event: Event, action: str) -> None:
    """Where features count decisions, this one enters their profiles, at the payment's own time; at a redelivery it is there already."""
    decisions = worker.engine.decisions
    if decisions is None:
        return
    homes: set[int] = set()
    decided = worker.engine.decided(event, action)
    touch_all(worker, source, offset, decided, decisions, decision_tid(event.payment_id), [], homes, want=False)
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
        touch_all(worker, source, offset, each, plan, each.tid, [], homes, want=False)
    source.more(offset, 1 + len(homes))
    worker.keeping.unsafe.append((source, offset))
    worker.courier.tie(homes, source, offset)
