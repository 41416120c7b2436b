"""Making safe what was done: changed profiles go to the changelog, and what is safe and decided is committed, always as a prefix."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from faust.types import TP

from streams.outbox import NO_HEADERS, Record
from streams.source import Source

if TYPE_CHECKING:
    from streams.worker import Shard, Worker

DRAIN_TICK_SECONDS = 0.005


class Keeping:
    """The flushes and commits of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        # sources whose touches are in memory only
        self.unsafe: list[tuple[Source, int]] = []
        self._flushing = False
        self._last_flush = self._last_commit = 0.0
        self._quarter = max(1, worker.settings.in_flight // 4)

    async def flush_when_due(self) -> None:
        """At the beat of RISK_FLUSH_MS, and before the gate closes for want of commits."""
        waited_ms = (time.monotonic() - self._last_flush) * 1000
        if self.unsafe and (waited_ms >= self._worker.settings.flush_ms or len(self.unsafe) >= self._quarter):
            await self._flush()

    async def _flush(self) -> None:
        """When the changelog has acknowledged, everything touched until now is safe."""
        worker = self._worker
        self._last_flush = time.monotonic()
        self._flushing = True
        settled, self.unsafe = self.unsafe, []
        writes, size = [], 0
        stores = [shard.store for shard in worker.shards.values()]
        for partition, shard in worker.shards.items():
            changes = shard.ledger.take_changes() + shard.store.take_changes()
            if changes:
                for key, value in changes:
                    size += len(key) + len(value or b"")
                mine = [shard.ledger.epoch_header]  # a tombstone's key is an older owner's
                records: list[Record] = [(key, value, NO_HEADERS if value is not None else mine) for key, value in changes]
                writes.append(self._write(shard, partition, records))
        if writes:
            await asyncio.gather(*writes)
        for store in stores:
            store.forgetting.acknowledged()
        for source, offset in settled:
            source.settle(offset)
        worker.metrics.add("risk_changelog_bytes_total", by=size)
        self._flushing = False

    async def _write(self, shard: Shard, partition: int, records: list[Record]) -> None:
        worker = self._worker
        await shard.fence.check(await worker.changelog.send(worker.topics["profiles"], partition, records))

    async def commit_when_due(self) -> None:
        """At the latest every RISK_COMMIT_MS, and whenever a quarter of what may be in flight is done."""
        waited_ms = (time.monotonic() - self._last_commit) * 1000
        if waited_ms >= self._worker.settings.commit_ms or any(
            source.committable() - source.committed >= self._quarter for source in self._worker.sources.values()
        ):
            await self.commit()

    async def commit(self) -> None:
        """Commit what is done, where that moves an offset. Answers and the learn log are read anew by every owner: never committed."""
        worker = self._worker
        self._last_commit = time.monotonic()
        private = (worker.topics["values"], worker.topics["learn"])
        done = {tp: source.committable() for tp, source in worker.sources.items() if tp.topic not in private}
        moved = {tp: offset for tp, offset in done.items() if offset > worker.sources[tp].committed}
        standing = [(shard.store.forgetting, shard.store.forgetting.standing()) for shard in worker.shards.values()]
        if moved and await worker.consumer.commit_offsets(moved):
            for forgetting, steps in standing:
                forgetting.stands(steps)
            worker.metrics.add("risk_commits_total")
            for tp, offset in moved.items():
                if tp in worker.sources:
                    worker.sources[tp].committed = offset
            committed = worker.committed_by_source()
            for partition, shard in worker.shards.items():
                touches = worker.sources.get(TP(worker.topics["touches"], partition))
                if touches is not None:
                    shard.store.forget_applied(committed, touches.committed)
                if worker.ready:  # else what stood in risk.touches at the takeover may not be read yet
                    shard.ledger.sieve.told(committed)

    async def make_room(self) -> None:
        """A piece of work towards the limits of profiles in memory and of their history, at every beat."""
        worker = self._worker
        for shard in worker.shards.values():
            places, settings, shards = shard.store.places, worker.settings, len(worker.shards)
            shard.store.make_room(settings.profiles_live // shards, settings.profiles_packed // shards)
            shard.store.forget(worker.heads.now_ms())
            for where, count in places.take_moves().items():
                if count:
                    worker.metrics.add("risk_profiles_moved_total", where, by=count)
            for cause, count in shard.store.forgetting.take_counts().items():
                if count:
                    worker.metrics.add("risk_profile_rows_gone_total", cause, by=count)

    def start_over(self) -> None:
        """All partitions are taken over anew: what was not safe comes again."""
        self.unsafe = []

    async def drain(self, seconds: float) -> bool:
        """Let what is on its way out arrive, make it safe, and commit it; give up after so long. Returns whether all is safe."""
        worker = self._worker
        if not worker.shards:
            return True
        until = time.monotonic() + seconds
        worker.end_slice()
        safe = False
        while not safe and time.monotonic() < until:
            quiet = all(shard.lane.idle for shard in worker.shards.values()) and worker.courier.idle and worker.teaching.idle
            safe = quiet and not self.unsafe and not self._flushing
            if not safe:
                await asyncio.sleep(DRAIN_TICK_SECONDS)
        await asyncio.wait([asyncio.ensure_future(self.commit())], timeout=max(0.1, until - time.monotonic()))
        return safe
