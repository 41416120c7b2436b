"""Which partitions this worker owns, and where it stands in each: assignment, takeover, revocation, and the gate of the transport.

A partition that stays with us from one generation of the group to the next is kept as it is, and read on from where we stand. Any other
is taken over: what the last owner did is read from the topics (takeover.py), and everything not committed comes again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.types import TP

from streams.chunks import changelog_marker_epoch
from streams.fence import Fence
from streams.lane import Lane
from streams.ledger import marker_epoch
from streams.reader import Reader
from streams.source import Source
from streams.takeover import take_over, uncommitted
from streams.wire import INPUT_TOPICS, PARTITIONS_MAX, source_code

if TYPE_CHECKING:
    from streams.worker import Worker


class Ownership:
    """The phase of a worker and its partitions.

    ``closed``: nothing is fetched; ``touches``: only risk.touches, until all it held at takeover is applied; ``open``: everything.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.phase = "closed"
        self.generation = -1
        self._safe = False  # everything that we touched before the last rebalance is in the changelog
        self._closed_at = 0.0
        self._settling: asyncio.Task[None] | None = None
        self._touch_ends: dict[TP, int] = {}
        # partition -> end of its risk.touches when this generation began, and what each source had committed by then
        self._ends: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        # (source code, first offset, offset after the last, partitions owned then): applied here in process, and not committed
        self._lost: list[tuple[int, int, int, frozenset[int]]] = []

    # ------------------------------------------------------------------ the transport's questions

    def open(self) -> tuple[set[TP], int]:
        """Partitions with room above their committed offset, and how many records a fetch may bring."""
        worker = self._worker
        if self.phase == "closed":
            return set(), 0
        limit = max(1, worker.settings.in_flight // 4)
        room = worker.settings.in_flight - limit
        free = {tp for tp, source in worker.sources.items() if source.in_flight <= room or tp.topic not in worker.topic_index}
        if self.phase == "touches":
            if all(worker.sources[tp].received >= end for tp, end in self._touch_ends.items()):
                self.phase = "open"
            else:
                free = {tp for tp in free if tp in self._touch_ends}
        return free, limit

    async def assigned(self, tps: set[TP], generation: int) -> None:
        self._settling = asyncio.create_task(self._settle_in(tps, generation))

    async def revoked(self, seconds: float) -> None:
        """Nothing new is begun; what is under way has so long to finish."""
        if self._settling is not None:
            self._settling.cancel()
        settled = self.phase == "open" or not self._worker.shards
        if self.phase != "closed":
            self._closed_at = time.monotonic()
        self.phase = "closed"
        self._worker.alone = False
        self._worker.apply_all()
        # Whoever is still taking over does not know of every touch that is on its way: the next time he starts from the topics again.
        self._safe = await self._worker.keeping.drain(seconds) and settled
        if self._worker.shards:
            self._worker.heartbeat.handed_over()

    # ------------------------------------------------------------------ taking over and letting go

    async def _settle_in(self, tps: set[TP], generation: int) -> None:
        """Take over what is new, keep what we held one generation ago, start every partition at its right place."""
        worker = self._worker
        try:
            await worker.begin_once()
            owned = {tp.partition for tp in tps if tp.topic == worker.topics["payments"]}
            # A profile that moves away with rows that are nowhere but here would take them along: then nothing is kept.
            kept = set(worker.shards) & owned if generation == self.generation + 1 and self._safe else set()
            self._let_go(set(worker.shards) - kept)
            if not kept:
                self._lost.clear()
                worker.keeping.start_over()
            self.generation = generation
            worker.heartbeat.assigned()  # not before: what still waits to be sent was ours, and is let go
            await asyncio.gather(*(self._take_over(partition) for partition in sorted(owned - kept)))
            async with Reader(worker.settings.brokers) as reader:
                await self._start_sources(tps, kept, reader)
            worker.metrics.set("risk_partitions", len(worker.shards))
            worker.teaching.forget_marks()
            if 0 not in worker.shards:
                worker.learning.stop()
            worker.alone = len(worker.shards) == worker.partitions and not self.lost
            worker.standing.begin()
            if self._closed_at:
                worker.pending.postpone((time.monotonic() - self._closed_at) * 1000)
            self.phase = "touches" if self._touch_ends else "open"
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            worker.fail(error)

    async def _take_over(self, partition: int) -> None:
        worker = self._worker
        async with Reader(worker.settings.brokers) as reader:
            store, ledger = await take_over(worker, reader, partition)
        epoch = ledger.stamp.epoch
        decided = self._fence("decisions", partition, epoch, ledger.read_to, marker_epoch)
        recorded = self._fence("profiles", partition, epoch, ledger.changelog_read_to, changelog_marker_epoch)
        lane = Lane(worker.outbox, worker.topics, partition, worker.fail, worker.written, decided)
        worker.add_shard(partition, store, ledger, lane, recorded)
        worker.metrics.add("risk_takeovers_total")

    def _fence(self, role: str, partition: int, epoch: int, start: int, epoch_of: Callable[[ConsumerRecord], int]) -> Fence:
        worker, topic = self._worker, self._worker.topics[role]

        async def look(first: int, end: int | None) -> list[ConsumerRecord]:
            async with Reader(worker.settings.brokers) as reader:
                return [record async for records in reader.read(topic, partition, first, end) for record in records]

        return Fence(f"{topic}/{partition}", epoch, start, look, epoch_of)

    def _let_go(self, partitions: set[int]) -> None:
        """Forget partitions; what was touched here and not committed is remembered, for it comes again from the next owner."""
        worker = self._worker
        here = frozenset(worker.shards) - partitions
        for tp in [tp for tp in worker.sources if tp.partition in partitions]:
            source = worker.sources.pop(tp)
            worker.heads.sources.pop(tp, None)
            if tp.topic in worker.topic_index and source.committed < source.received - len(source.waiting):
                self._lost.append((source.code, source.committed, source.received - len(source.waiting), here))
        for partition in partitions:
            worker.shards.pop(partition).lane.stop()
        worker.pending.drop({source_code(index, p) for index in range(len(INPUT_TOPICS)) for p in partitions})

    def first_to_wait(self, touches: TP) -> int:
        """The first record of a partition of risk.touches that came after we took it over: what stood there before waits for nobody."""
        return self._touch_ends.get(touches, 0)

    @property
    def lost(self) -> bool:
        """Whether anything that was applied here may be sent again by another worker, or come back to us."""
        return bool(self._lost)

    def applied_here(self, source: int, offset: int, partition: int) -> bool:
        """Whether a source that another worker sends again was applied to this profile partition in process, before it moved away."""
        return any(code == source and low <= offset < high and partition in here for code, low, high, here in self._lost)

    def stale(self, source: int, offset: int, partition: int, via: int) -> bool:
        """Whether a touch comes from an owner of its source who did not know that he was replaced: it was made by another, or will be.

        Such a one stands in risk.touches (``via``) behind all that was there when this generation began; its source is ours by now, or was
        committed, and what is committed was touched before.
        """
        if via < self._ends.get(partition, 0):
            return False
        committed = self._committed.get(source)  # None: opening balances, which have no owner
        return committed is not None and (offset < committed or source % PARTITIONS_MAX in self._worker.shards)

    async def _start_sources(self, tps: set[TP], kept: set[int], reader: Reader) -> None:
        worker = self._worker
        self._touch_ends = {}
        self._committed, _ = await uncommitted(worker, 0)
        for tp in tps:
            source = worker.sources.get(tp) if tp.partition in kept else None
            if source is None:
                source = worker.sources[tp] = Source(tp, worker.topic_index.get(tp.topic, 0), await self._start_of(tp, reader))
            source.delivered = source.received
            worker.consumer.kafka.seek(TopicPartition(tp.topic, tp.partition), source.received)
            if tp.topic in worker.topic_index:
                worker.heads.sources[tp] = source
            elif tp.topic == worker.topics["touches"]:
                # of a partition that we kept too: a source that came to us may have touched it from where it was before
                end = self._ends[tp.partition] = (await reader.range(tp.topic, tp.partition))[1]
                if source.received < end:
                    self._touch_ends[tp] = end

    async def _start_of(self, tp: TP, reader: Reader) -> int:
        """Inputs and touches go on at their committed offset; the learn log is read whole; answers of the past are of no use."""
        worker = self._worker
        first, last = await reader.range(tp.topic, tp.partition)
        if tp.topic == worker.topics["learn"]:
            if tp.partition == 0:
                worker.learning.start_over(last)
            return first if worker.settings.learn_in == "worker" else last
        if tp.topic == worker.topics["values"]:
            return last
        found = await worker.consumer.committed(tp)
        return first if found is None else max(first, found)
