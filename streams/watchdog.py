"""The watchdog: a worker that stands still ends, so that its supervisor starts it again.

It stands still when records wait for it, more and more of them, and none of a partition is committed for ``RISK_STUCK_MS``. What waits is
asked of Kafka by a client of its own, for the worker's client may be what hangs. While Kafka is away nobody is to blame, and while
partitions are taken over the worker is at work. A loop that does not turn at all is noticed from a thread.

Never here: what is wrong. Whoever ends for this says where it stood, and comes back by recovery.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError
from faust.types import TP

from streams.reader import Reader

if TYPE_CHECKING:
    from streams.worker import Worker

log = logging.getLogger(__name__)
LOOKS = 8
"""So often a limit is looked at: what stands still is noticed at most an eighth of it late."""
ASK_SECONDS = 10.0
TICK_SECONDS = 1.0


class StandsStill(Exception):
    """Records wait and nothing is committed. The text names partition, offset and how many wait."""


class Stood(NamedTuple):
    """Since when (monotonic seconds) a partition stands at an offset with records waiting, and where it ended then."""

    since: float
    offset: int
    end: int


class Watchdog:
    """Looks after one worker; ``look`` raises StandsStill."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._limit_seconds = worker.settings.stuck_ms / 1000
        self._stood: dict[TP, Stood] = {}
        self._turns = 0

    async def watch(self) -> None:
        """Look again and again, until something stands still: then raise it."""
        threading.Thread(target=self._watch_loop, name="watchdog", args=(os._exit,), daemon=True).start()
        looked = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS / 4)
            self._turns += 1
            if time.monotonic() - looked >= self._limit_seconds / LOOKS:
                await self.look()
                looked = time.monotonic()

    async def look(self) -> None:
        """Compare what is committed with where the partitions end."""
        worker = self._worker
        ends = await self._ends() if worker.ready else None
        if ends is None:  # taking over, or Kafka is away
            self._stood.clear()
            worker.metrics.set("risk_standing_still_seconds", 0)
            return
        now, longest = time.monotonic(), 0.0
        for tp, end in ends.items():
            source = worker.sources.get(tp)
            if source is None or source.committed >= end:
                self._stood.pop(tp, None)
                continue
            stood = self._stood.get(tp)
            if stood is None or stood.offset != source.committed:
                stood = self._stood[tp] = Stood(now, source.committed, end)
            longest = max(longest, now - stood.since)
            if now - stood.since >= self._limit_seconds and end > stood.end:
                raise StandsStill(
                    f"{tp.topic}/{tp.partition} has stood at offset {stood.offset} for {now - stood.since:.0f} s while {end} came in"
                )
        worker.metrics.set("risk_standing_still_seconds", longest)

    async def _ends(self) -> dict[TP, int] | None:
        """Where our input partitions end now; None where Kafka does not say."""
        try:
            async with asyncio.timeout(ASK_SECONDS), Reader(self._worker.settings.brokers) as reader:
                return {tp: (await reader.range(tp.topic, tp.partition))[1] for tp in list(self._worker.heads.sources)}
        except (KafkaError, OSError, TimeoutError):
            return None

    def _watch_loop(self, end: Callable[[int], object]) -> None:
        """From a thread: end the process when the loop has not turned for the limit. Ticks are counted, for a pause is no fault."""
        turns, ticks = -1, 0
        while ticks * TICK_SECONDS < self._limit_seconds:
            time.sleep(TICK_SECONDS)
            ticks = ticks + 1 if self._turns == turns else 0
            turns = self._turns
        log.critical("the worker ends: its loop has not turned for %.0f s", self._limit_seconds)
        end(1)
