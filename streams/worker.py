"""One worker: the partitions it owns, and the beat at which their work goes out, is made safe and is committed.

It is the ``Gate`` of the transport: it says which partitions may be fetched, where they start, and what may be committed. Agents put
work in (``take_in``); everything else happens in ``work`` and on the pulse. What happens to one record is told in route.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.types import TP

from risk.decisions import Outcome
from risk.engine import Engine, Plan
from risk.events import BadEvent, Event
from streams.courier import Courier
from streams.decide import decide_waiting
from streams.lane import Lane, Written
from streams.ledger import Ledger
from streams.metrics import Metrics
from streams.outbox import NO_HEADERS, Outbox
from streams.pending import Pending
from streams.reader import Reader
from streams.route import route
from streams.settings import Settings
from streams.source import Heads, Source
from streams.store import Store
from streams.takeover import take_over
from streams.teach import Teaching
from streams.transport import Batch, Consumer
from streams.wire import INPUT_TOPICS, partition_of

log = logging.getLogger(__name__)

SLICE = 128
PULSE_SECONDS = 0.005
DRAIN_SECONDS = 5.0


class Stoppable(Protocol):
    async def stop(self) -> None: ...


Begin = Callable[[], Awaitable[Stoppable]]


@dataclass(slots=True)
class Shard:
    """What a worker holds of one partition that it owns."""

    store: Store
    ledger: Ledger
    lane: Lane
    out: list[Written] = field(default_factory=list)


class Worker:
    """State and beat of one worker. ``fail`` ends the process: what is not committed comes again."""

    def __init__(
        self, settings: Settings, engine: Engine, topics: dict[str, str], instance: str, begin: Begin, fail: Callable[[BaseException], None]
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.topics = topics
        self.instance = instance
        self.fail = fail
        self._begin = begin
        self._begun: Stoppable | None = None
        self.partitions = settings.partitions
        self.mildest = engine.ruleset.policy.actions[0]
        self.metrics = Metrics()
        self.heads = Heads()
        self.sources: dict[TP, Source] = {}
        self.shards: dict[int, Shard] = {}
        self.pending = Pending()
        self.unsafe: list[tuple[Source, int]] = []
        self.touched_locally = self.touched_remotely = 0
        self.consumer: Consumer
        self.outbox: Outbox
        self.courier: Courier
        self.teaching: Teaching
        self._phase = "closed"
        self._generation = -1
        self._closed_at = 0.0
        self._touch_ends: dict[TP, int] = {}
        self._lost: list[tuple[int, int, int, frozenset[int]]] = []
        self._working = False
        self._last_flush = self._last_commit = 0.0
        self._beats: list[asyncio.Task[None]] = []
        self._settling: asyncio.Task[None] | None = None
        self._topic_index = {topics[role]: i for i, role in enumerate(INPUT_TOPICS)}

    def connect(self, consumer: Consumer, outbox: Outbox) -> None:
        """The Kafka clients have started: work can begin."""
        self.consumer = consumer
        self.outbox = outbox
        self.courier = Courier(outbox, self.topics, self.engine.ruleset.hash, self.fail)
        self.teaching = Teaching(outbox, self.topics["learn"], self.engine.ruleset.model, self.fail)
        self._beats = [asyncio.create_task(self._forever(beat)) for beat in (self._pulse, self._flush_when_due, self._commit_when_due)]

    async def _forever(self, beat: Callable[[], object]) -> None:
        try:
            while True:
                await asyncio.sleep(PULSE_SECONDS)
                await beat()  # type: ignore[misc]
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            self.fail(error)

    # ------------------------------------------------------------------ the transport's questions

    def open(self) -> tuple[set[TP], int]:
        """Partitions with room above their committed offset; at first only risk.touches, until all it held at takeover is applied."""
        if self._phase == "closed":
            return set(), 0
        limit = max(1, self.settings.in_flight // 4)
        room = self.settings.in_flight - limit
        free = {tp for tp, source in self.sources.items() if source.in_flight <= room or tp.topic not in self._topic_index}
        if self._phase == "touches":
            if all(self.sources[tp].received >= end for tp, end in self._touch_ends.items()):
                self._phase = "open"
            else:
                free = {tp for tp in free if tp in self._touch_ends}
        return free, limit

    def delivered(self, tp: TP, next_offset: int) -> None:
        self.sources[tp].delivered = next_offset

    async def assigned(self, tps: set[TP], generation: int) -> None:
        self._settling = asyncio.create_task(self._settle_in(tps, generation))

    async def revoked(self, tps: set[TP]) -> None:
        if self._settling is not None:
            self._settling.cancel()
        if self._phase != "closed":
            self._closed_at = time.monotonic()
        self._phase = "closed"
        await self._drain(DRAIN_SECONDS / 2)

    async def close(self) -> None:
        """Finish what was begun and commit it; what only waits comes again at the next owner."""
        self._phase = "closed"
        for source in self.heads.sources.values():
            source.waiting.clear()
        await self._drain(DRAIN_SECONDS)
        for beat in self._beats:
            beat.cancel()
        if self._begun is not None:
            await self._begun.stop()
        for shard in self.shards.values():
            shard.lane.stop()

    # ------------------------------------------------------------------ ownership

    async def _settle_in(self, tps: set[TP], generation: int) -> None:
        """Take over what is new, keep what we held one generation ago, start every partition at its right place."""
        try:
            if self._begun is None:
                self._begun = await self._begin()
            owned = {tp.partition for tp in tps if tp.topic == self.topics["payments"]}
            kept = set(self.shards) & owned if generation == self._generation + 1 else set()
            self._let_go(set(self.shards) - kept)
            self._generation = generation
            async with Reader(self.settings.brokers) as reader:
                for partition in sorted(owned - kept):
                    store, ledger = await take_over(self, reader, partition)
                    lane = Lane(self.outbox, self.topics, partition, self.fail, self._decided)
                    self.shards[partition] = Shard(store, ledger, lane)
                    self.metrics.add("risk_takeovers_total")
                await self._start_sources(tps, kept, reader)
            self.metrics.set("risk_partitions", len(self.shards))
            if self._closed_at:
                self.pending.postpone((time.monotonic() - self._closed_at) * 1000)
            self._phase = "touches" if self._touch_ends else "open"
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            self.fail(error)

    def _let_go(self, partitions: set[int]) -> None:
        """Forget partitions; what was touched here and not committed is remembered, for it comes again from the next owner."""
        here = frozenset(self.shards) - partitions
        for tp in [tp for tp in self.sources if tp.partition in partitions]:
            source = self.sources.pop(tp)
            self.heads.sources.pop(tp, None)
            if tp.topic in self._topic_index:
                self._lost.append((source.code, source.committed, source.received - len(source.waiting), here))
        for partition in partitions:
            self.shards.pop(partition).lane.stop()
        self.pending.drop({index * 4096 + p for index in range(len(INPUT_TOPICS)) for p in partitions})

    def applied_here(self, source: int, offset: int, partition: int) -> bool:
        """Whether a source that another worker sends again was applied to this profile partition in process, before it moved away."""
        return any(code == source and low <= offset < high and partition in here for code, low, high, here in self._lost)

    async def _start_sources(self, tps: set[TP], kept: set[int], reader: Reader) -> None:
        self._touch_ends = {}
        for tp in tps:
            source = self.sources.get(tp) if tp.partition in kept else None
            if source is None:
                source = self.sources[tp] = Source(tp, self._topic_index.get(tp.topic, 0), await self._start_of(tp, reader))
            source.delivered = source.received
            self.consumer.kafka.seek(TopicPartition(tp.topic, tp.partition), source.received)
            if tp.topic in self._topic_index:
                self.heads.sources[tp] = source
            elif tp.topic == self.topics["touches"] and tp.partition not in kept:
                end = (await reader.range(tp.topic, tp.partition))[1]
                if source.received < end:
                    self._touch_ends[tp] = end

    async def _start_of(self, tp: TP, reader: Reader) -> int:
        """Inputs and touches go on at their committed offset; the learn log is read whole; answers of the past are of no use."""
        first, last = await reader.range(tp.topic, tp.partition)
        if tp.topic == self.topics["learn"]:
            if tp.partition == 0:
                self.teaching.start_over(last)
            return first
        if tp.topic == self.topics["values"]:
            return last
        found = await self.consumer.committed(tp)
        return first if found is None else max(first, found)

    async def committed(self, role: str, partition: int) -> int | None:
        return await self.consumer.committed(TP(self.topics[role], partition))

    # ------------------------------------------------------------------ work

    def take_in(self, batch: Batch) -> None:
        """Decode a batch of payments, activity or labels and queue it."""
        source = self.sources.get(batch.tp)
        if source is None or batch.records[0].offset != source.received:
            return  # fetched before a rebalance: it comes again from where we stand
        self.metrics.add("risk_events_total", batch.tp.topic, by=len(batch.records))
        schema, decoded = self.engine.schema, []
        before = schema.extra_fields
        for record in batch.records:
            event: Event | BadEvent
            try:
                event = schema.decode(record.value or b"", record.timestamp)
            except BadEvent as error:
                event = error
            after = schema.extra_fields
            decoded.append((record, event, after != before))
            before = after
        source.add(decoded)

    def fresh(self, batch: Batch) -> Iterator[tuple[Source, ConsumerRecord]]:
        """The records of a private topic that are next, one by one; what a rebalance overtook is left out."""
        source = self.sources.get(batch.tp)
        for record in batch.records if source is not None else ():
            assert source is not None
            if record.offset >= source.received and self.sources.get(batch.tp) is source:
                yield source, record
                source.received = record.offset + 1

    async def work(self) -> None:
        """Route everything that is due, a slice at a time; between slices the loop is free for Kafka."""
        if self._working:
            return
        self._working = True
        try:
            more = True
            while more and self._phase == "open":
                more = False
                for count, (source, item) in enumerate(self.heads.take(self._at_end), 1):
                    route(self, source, item)
                    if count >= SLICE:
                        more = True
                        break
                self.end_slice()
                if more:
                    await asyncio.sleep(0)
        finally:
            self._working = False

    def _at_end(self, source: Source) -> bool:
        """Whether all that this partition holds has come to us."""
        if source.delivered != source.received:
            return False
        high = self.consumer.highwater(source.tp)
        return high is not None and source.received >= high

    def end_slice(self) -> None:
        """What the slice made goes out."""
        for shard in self.shards.values():
            if shard.out:
                shard.lane.put(shard.out)
                shard.out = []
        self.courier.send(self._epoch_of, self._committed_by_source)
        self.teaching.send()

    def _epoch_of(self, partition: int) -> int:
        shard = self.shards.get(partition)
        return shard.ledger.stamp.epoch if shard is not None else 0

    def _committed_by_source(self) -> dict[int, int]:
        return {source.code: source.committed for source in self.heads.sources.values()}

    def settle_quota(self, kind: str, key: str, tid: int, released: bool, source: Source, offset: int, homes: set[int]) -> None:
        """Release or restore quota, here or where the profile lives; ``homes`` collects where it was sent."""
        home = partition_of(kind, key, self.partitions) if self.partitions > 1 else 0
        shard = self.shards.get(home)
        if shard is not None:
            shard.store.settle_quota(kind, key, tid, released, source.code, offset, -1)
        else:
            self.courier.quota(home, kind, key, tid, released, source.code, offset)
            homes.add(home)

    def learn_offer(self, payment_id: str, inputs: list[float | None], at_ms: int, let_through: bool) -> None:
        self.teaching.offer(payment_id, inputs, at_ms, let_through)

    def learn_label(self, label: Event, source: Source, offset: int) -> None:
        self.metrics.add("risk_labels_total", label.verdict)
        if self.teaching.label(label, source, offset):
            source.more(offset, 1)

    # ------------------------------------------------------------------ the beat

    async def _pulse(self) -> None:
        if self._phase != "open":
            return
        if self.heads.waiting():
            await self.work()
        late = self.pending.due(time.monotonic() * 1000)
        for waiting in late:
            decide_waiting(self, waiting)
        if late:
            self.end_slice()

    async def _flush_when_due(self) -> None:
        waited = time.monotonic() - self._last_flush
        if self.unsafe and (waited * 1000 >= self.settings.flush_ms or len(self.unsafe) >= self.settings.in_flight // 4):
            await self.flush()

    async def flush(self) -> None:
        """Write changed profiles to the changelog; when that is acknowledged, everything touched until now is safe."""
        self._last_flush = time.monotonic()
        settled, self.unsafe = self.unsafe, []
        writes, size = [], 0
        for partition, shard in self.shards.items():
            changes = shard.ledger.take_changes() + shard.store.take_changes()
            if changes:
                records = [(key, value, NO_HEADERS) for key, value in changes]
                for key, value in changes:
                    size += len(key) + len(value or b"")
                writes.append(self.outbox.send(self.topics["profiles"], partition, records))
        if writes:
            await asyncio.gather(*writes)
        for source, offset in settled:
            source.settle(offset)
        self.metrics.add("risk_changelog_bytes_total", by=size)

    async def _commit_when_due(self) -> None:
        waited = (time.monotonic() - self._last_commit) * 1000 >= self.settings.commit_ms
        quarter = self.settings.in_flight // 4
        if waited or any(source.committable() - source.committed >= quarter for source in self.sources.values()):
            await self.commit()

    async def commit(self) -> None:
        """Commit what is done, where that moves an offset."""
        self._last_commit = time.monotonic()
        private = (self.topics["values"], self.topics["learn"])
        done = {tp: source.committable() for tp, source in self.sources.items() if tp.topic not in private}
        moved = {tp: offset for tp, offset in done.items() if offset > self.sources[tp].committed}
        if moved and await self.consumer.commit_offsets(moved):
            self.metrics.add("risk_commits_total")
            for tp, offset in moved.items():
                if tp in self.sources:
                    self.sources[tp].committed = offset
            for shard in self.shards.values():
                shard.store.forget_applied(self._committed_by_source())

    async def _drain(self, seconds: float) -> None:
        """Let what is on its way out arrive, make it safe, and commit it; give up after so long."""
        until = time.monotonic() + seconds
        if not self.shards:
            return
        self.end_slice()
        while time.monotonic() < until:
            lanes = all(shard.lane.idle for shard in self.shards.values())
            if lanes and self.courier.idle and not self.unsafe and self.teaching.idle:
                break
            await asyncio.sleep(PULSE_SECONDS)
        await asyncio.wait([asyncio.ensure_future(self.commit())], timeout=max(0.1, until - time.monotonic()))

    # ------------------------------------------------------------------ counting

    @property
    def ready(self) -> bool:
        """Whether payments are being decided."""
        return self._phase == "open"

    def measure(self) -> None:
        """Bring the gauges up to date, for a scrape."""
        metrics = self.metrics
        for tp, source in self.heads.sources.items():
            high = self.consumer.highwater(tp)
            metrics.set("risk_consumer_lag", max(0, (high or 0) - source.received), tp.topic, str(tp.partition))
            metrics.set("risk_in_flight", source.in_flight, tp.topic, str(tp.partition))
        kinds: dict[str, int] = {}
        for shard in self.shards.values():
            for kind, count in shard.store.counts():
                kinds[kind] = kinds.get(kind, 0) + count
        for kind, count in kinds.items():
            metrics.set("risk_profiles", count, kind)
        metrics.set("risk_pending", len(self.pending))
        metrics.set("risk_extra_fields_total", self.engine.schema.extra_fields)
        metrics.set("risk_touches_total", self.touched_locally, "local")
        metrics.set("risk_touches_total", self.touched_remotely, "remote")
        if self.shards and self.teaching.learner is not None:
            for name, value in self.teaching.learner.quality().items():
                if value is not None:
                    metrics.set("risk_model_quality", float(value), name)

    def _decided(self, rows: list[Written]) -> None:
        now = time.time()
        size = 0
        for row in rows:
            self.metrics.observe("risk_answer_seconds", now - row.appended_ms / 1000)
            size += len(row.receipt)
        self.metrics.add("risk_receipt_bytes_total", by=size)

    def count(self, plan: Plan, outcome: Outcome, late: bool, occurred_ms: int, decided_ms: int, seconds: float) -> None:
        """One payment decided."""
        metrics, rules = self.metrics, outcome.rules
        metrics.add("risk_decisions_total", outcome.ruling.action)
        for i in outcome.fired:
            metrics.add("risk_rule_hits_total", rules[i].name, rules[i].mode)
        for i in outcome.unknown_rules:
            metrics.add("risk_rule_unknowns_total", rules[i].name)
        for name, cause in outcome.unknown.items():
            metrics.add("risk_values_unknown_total", name, cause)
        if outcome.degraded:
            metrics.add("risk_decisions_degraded_total")
        if late:
            metrics.add("risk_decisions_late_total")
        if outcome.failed:
            metrics.add("risk_decisions_failed_total")
        if outcome.model_score is None:
            metrics.add("risk_model_scores_missing_total")
        metrics.observe("risk_decide_seconds", seconds)
        metrics.observe("risk_event_lag_seconds", max(0.0, (decided_ms - occurred_ms) / 1000))
