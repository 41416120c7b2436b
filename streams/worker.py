"""One worker: what it holds, and the beat at which its work goes on.

Agents put work in (``take_in``, ``fresh``); ``work`` routes what is due. Which partitions are ours is ownership.py; how work becomes safe
and committed is keeping.py; what happens to one record is route.py. The worker is the ``Gate`` that the transport asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka.structs import ConsumerRecord
from faust.types import TP

from risk.engine import Engine
from risk.events import BadEvent, Event
from streams.control import Group, read_secret
from streams.counting import RuleTally, count_written
from streams.courier import Courier
from streams.crashes import Crashed
from streams.decide import decide_waiting
from streams.fence import Fence
from streams.heartbeat import Heartbeat
from streams.keeping import Keeping
from streams.lane import Lane, Written
from streams.learning import Learning
from streams.ledger import Ledger
from streams.metrics import Metrics
from streams.observe import Received
from streams.order import Order
from streams.outbox import Outbox
from streams.ownership import Ownership
from streams.pending import Pending, Waiting
from streams.reoffer import Reoffer
from streams.route import route
from streams.settings import Settings
from streams.source import Heads, Source
from streams.standing import Standing
from streams.store import Store
from streams.teach import Progress, Teaching, learns
from streams.transport import Batch, Consumer
from streams.watchdog import Watchdog
from streams.wire import INPUT_TOPICS

SLICE = 512
PULSE_SECONDS = 0.005
REVOKE_SECONDS, CLOSE_SECONDS = 2.5, 5.0


class Stoppable(Protocol):
    async def stop(self) -> None: ...


@dataclass(slots=True)
class Shard:
    """What a worker holds of one partition that it owns."""

    store: Store
    ledger: Ledger
    lane: Lane
    fence: Fence
    """That of the changelog."""
    out: list[Written] = field(default_factory=list)
    untold: set[int] = field(default_factory=set)
    """Payments whose refusal is on its way out; a result that comes first has the last word on their quota."""
    resolved: set[int] = field(default_factory=set)
    """Payments that still wait for their decision and have their result already: a refusal gives back nothing any more."""
    received: deque[Received] = field(default_factory=deque)
    """Envelopes of touches that are not applied whole, and those behind them."""


class Worker:
    """State and beat of one worker.

    ``begin`` runs once, before the first partition is taken over; ``fail`` ends the process: what is not committed comes again.
    """

    consumer: Consumer
    outbox: Outbox
    changelog: Outbox
    courier: Courier
    teaching: Teaching

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        topics: dict[str, str],
        instance: str,
        begin: Callable[[], Awaitable[Stoppable]],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.topics = topics
        self.topic_index = {topics[role]: i for i, role in enumerate(INPUT_TOPICS)}
        self.instance = instance
        self._fail = fail
        self.partitions = settings.partitions
        self.mildest = engine.ruleset.policy.actions[0]
        self.metrics = Metrics()
        control, secret = engine.ruleset.policy.control, read_secret(settings.control_secret_file)
        self.group = Group(control, secret, settings.partitions, self.mildest) if control is not None and secret is not None else None
        ours = settings.learn_in == "worker" and learns(engine.ruleset.model)
        self.learning = Learning(engine.ruleset.model if ours else None, self.metrics)
        self.heads = Heads()
        self.sources: dict[TP, Source] = {}
        self.shards: dict[int, Shard] = {}
        self.pending = Pending()
        self.heartbeat = Heartbeat(settings.session_ms / 1000)
        # A payment waits for values as long again as its touches wait for their turn: both together stay below drain_wait_ms.
        self.order = Order(settings.drain_wait_ms / 2000)
        self.standing = Standing(self)
        self.alone = False  # every profile is here, and nothing that was applied here can come again from elsewhere
        self.ownership = Ownership(self)
        self.keeping = Keeping(self)
        self.reoffer = Reoffer(self)
        self.tallies = {plan.event: RuleTally(plan.rules) for plan in engine.plans.values()}
        self.touched_locally = self.touched_remotely = 0
        self._begin = begin
        self._begun: Stoppable | None = None
        self._working = False
        self._beats: list[asyncio.Task[None]] = []

    def connect(self, consumer: Consumer, outbox: Outbox, changelog: Outbox) -> None:
        """The Kafka clients have started: work can begin."""
        self.consumer = consumer
        self.heartbeat.listen(consumer.kafka._coordinator)
        self.outbox = outbox
        self.changelog = changelog
        self.courier = Courier(outbox, self.topics, self.engine.ruleset.hash, self.fail)
        self.teaching = Teaching(outbox, self.topics["learn"], self.engine.ruleset.model, self.fail)
        beats = (self._pulse, self.keeping.flush_when_due, self.keeping.commit_when_due, self.keeping.make_room)
        self._beats = [asyncio.create_task(self._forever(beat)) for beat in beats]
        self._beats.append(asyncio.create_task(self._guarded(Watchdog(self).watch())))

    def fail(self, error: BaseException) -> None:
        """End the process. Nothing is begun, flushed or committed any more: what is not committed comes again."""
        self.ownership.phase = "closed"
        for beat in self._beats:
            beat.cancel()
        self._fail(error)

    async def begin_once(self) -> None:
        if self._begun is None:
            self._begun = await self._begin()

    def add_shard(self, partition: int, store: Store, ledger: Ledger, lane: Lane, fence: Fence) -> None:
        """A partition was taken over."""
        self.shards[partition] = Shard(store, ledger, lane, fence)

    async def _forever(self, beat: Callable[[], Awaitable[None]]) -> None:
        async def again() -> None:
            while True:
                await asyncio.sleep(PULSE_SECONDS)
                await beat()

        await self._guarded(again())

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            self.fail(error)

    # ------------------------------------------------------------------ the transport's questions

    def open(self) -> tuple[set[TP], int]:
        return self.ownership.open()

    def delivered(self, tp: TP, next_offset: int) -> None:
        source = self.sources.get(tp)
        if source is not None:  # else it is being taken over, and starts where that says
            source.delivered = next_offset

    async def assigned(self, tps: set[TP], generation: int) -> None:
        await self.ownership.assigned(tps, generation)

    async def revoked(self, tps: set[TP]) -> None:
        await self.ownership.revoked(REVOKE_SECONDS)

    async def close(self) -> None:
        """Finish what was begun and commit it; what only waits comes again at the next owner."""
        await self.ownership.revoked(CLOSE_SECONDS)
        for beat in self._beats:
            beat.cancel()
        if self._begun is not None:
            await self._begun.stop()
        for shard in self.shards.values():
            shard.lane.stop()

    @property
    def ready(self) -> bool:
        """Whether payments are being decided."""
        return self.ownership.phase == "open"

    # ------------------------------------------------------------------ work

    def take_in(self, batch: Batch) -> None:
        """Decode a batch of payments, activity or labels and queue it."""
        source = self.sources.get(batch.tp)
        if source is None or batch.generation != self.ownership.generation:
            return  # fetched before a rebalance: it comes again from where we stand
        self.metrics.add("risk_events_total", batch.tp.topic, by=len(batch.records))
        schema, late_ms_max = self.engine.schema, self.settings.late_ms_max
        before = schema.extra_fields
        for record in batch.records:
            if record.offset < source.received:
                continue
            event: Event | BadEvent
            try:
                event = schema.decode(record.value or b"", record.timestamp)
                if late_ms_max is not None and record.timestamp - event.occurred_at > late_ms_max:
                    event = BadEvent("too_old", f"occurred_at: expected at most {late_ms_max} ms before it was received")
            except BadEvent as error:
                event = error
            except Exception as error:  # noqa: BLE001 - ours to answer for: noted, and given up when it comes back
                event = self._undecodable(source, record.offset, error)
            after = schema.extra_fields
            source.add(record, event, after != before)
            before = after

    def _undecodable(self, source: Source, offset: int, error: Exception) -> BadEvent:
        """Raises Crashed, unless this very record did so often enough."""
        shard = self.shards.get(source.tp.partition)
        if shard is None or not shard.ledger.crashes.gives_up(source.tp.topic, offset):
            raise Crashed(source, offset) from error
        self.metrics.add("risk_gave_up_total", source.tp.topic)
        return BadEvent("gave_up", f"event: expected one that can be decoded; it crashed a worker twice: {error!r}")

    def fresh(self, batch: Batch) -> Iterator[tuple[Source, ConsumerRecord]]:
        """The records of a private topic that are next, one by one; what a rebalance overtook is left out."""
        source = self.sources.get(batch.tp)
        for record in batch.records if source is not None else ():
            assert source is not None
            current = batch.generation == self.ownership.generation and self.sources.get(batch.tp) is source
            if current and record.offset >= source.received:
                yield source, record
                source.received = record.offset + 1

    async def work(self) -> None:
        """Route everything that is due, a slice at a time; between slices the loop is free for Kafka."""
        if self._working:
            return
        self._working = True
        try:
            more = True
            while more and self.ready:
                more = self._route_slice(min(SLICE, self.order.room()))
                self.apply_due()
                self.end_slice()
                if more:
                    await asyncio.sleep(0)
        finally:
            self._working = False

    def _route_slice(self, limit: int) -> bool:
        """Route so many records; returns whether there may be more to route now."""
        count = 0
        for source, item in self.heads.take(self.at_end) if limit else ():
            route(self, source, item)
            count += 1
            if count >= limit:
                break
        if count:
            self.standing.moved(source, item)
        return 0 < count == limit

    def apply_due(self) -> None:
        """Touches whose turn has come."""
        if self.order.waiting:
            for *_, who, what in self.order.due(self.standing.now(), time.monotonic()):
                who.apply(what)

    def apply_all(self) -> None:
        """A rebalance begins: touches that wait for those of other workers wait no longer."""
        for *_, who, what in self.order.all():
            who.apply(what)

    def answered(self, waiting: Waiting) -> None:
        """The last answer to a payment is in."""
        decide_waiting(self, waiting)

    def at_end(self, source: Source) -> bool:
        """Whether all that this partition holds has come to us."""
        if source.delivered != source.received or not self.consumer.caught_up(source.tp):
            return False
        wait_ms = self.settings.order_wait_ms
        return wait_ms == 0 or time.time() * 1000 - self.heads.oldest_ms() >= wait_ms

    def end_slice(self) -> None:
        """What the slice made goes out."""
        for shard in self.shards.values():
            if shard.out:
                shard.lane.put(shard.out)
                shard.out = []
        self._send()
        self.teaching.send()

    def _send(self) -> None:
        """What is for other workers goes out, and how far we are."""
        said, listeners = self.standing.news()
        self.standing.told(self.courier.send(self._epoch_of, self.committed_by_source, said, listeners), said)

    def _epoch_of(self, partition: int) -> int:
        shard = self.shards.get(partition)
        return shard.ledger.stamp.epoch if shard is not None else 0

    def committed_by_source(self) -> dict[int, int]:
        """What the group has committed of our inputs, by source code."""
        return {source.code: source.committed for source in self.heads.sources.values()}

    async def committed(self, role: str, partition: int) -> int | None:
        """What the group has committed of any partition."""
        return await self.consumer.committed(TP(self.topics[role], partition))

    def learn_label(self, label: Event, source: Source, offset: int) -> None:
        """Pass a label on to the learner; its source waits until it is safe there."""
        self.metrics.add("risk_labels_total", label.verdict)
        self.teaching.label(label, source, offset)

    def _progress(self) -> Iterator[Progress]:
        """How far each partition of ours was routed: as far as its slowest input that has more to come."""
        for partition in self.shards:
            sources = [source for tp, source in self.heads.sources.items() if tp.partition == partition]
            behind = [source for source in sources if source.waiting or not self.at_end(source)]
            order_ms = max((source.order_ms for source in sources), default=0)
            routed = [source.waiting[0].order_ms if source.waiting else source.order_ms for source in behind]
            yield Progress(partition, min(routed, default=order_ms), not behind)

    def written(self, rows: list[Written]) -> None:
        count_written(self.metrics, rows)
        self._send()  # releases of what was refused

    async def _pulse(self) -> None:
        """What time alone brings: waiting records whose turn came, and deadlines."""
        if not self.ready:
            return
        self.teaching.mark(self.partitions, self._progress())
        self.reoffer.work()
        if self.heads.waiting():
            await self.work()
        if self.order.waiting or self.standing.to_tell:
            self.apply_due()
            self.end_slice()
        late = self.pending.due(time.monotonic() * 1000)
        for waiting in late:
            decide_waiting(self, waiting)
        if late:
            self.end_slice()
