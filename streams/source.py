"""One input partition as its worker sees it: what waits, how far it was read, and what may be committed.

Order inside a partition is never changed. The order *between* partitions is decided here too (``Heads``): next is the head
with the smallest (order time, topic, partition, offset); a partition that was read to its end holds nobody up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from aiokafka.structs import ConsumerRecord
from faust.types import TP

from risk.events import BadEvent, Event
from streams.wire import source_code


class Item(NamedTuple):
    """A decoded record that waits for its turn; ``order_ms`` is its order time."""

    order_ms: int
    offset: int
    event: Event | BadEvent
    record: ConsumerRecord
    extras: bool


class Source:
    """Positions and duties of one input partition."""

    __slots__ = ("tp", "code", "waiting", "order_ms", "received", "delivered", "committed", "_order", "_open", "_done")

    def __init__(self, tp: TP, topic_index: int, start: int) -> None:
        self.tp = tp
        self.code = source_code(topic_index, tp.partition)
        self.waiting: deque[Item] = deque()
        self.order_ms = 0  # highest event time so far, capped at the broker's append time
        self.received = self.delivered = self.committed = start
        self._order: deque[int] = deque()
        self._open: dict[int, int] = {}
        self._done = start

    def add(self, record: ConsumerRecord, event: Event | BadEvent, extras: bool) -> None:
        """Queue a decoded record; order time never goes back and no clock of a producer runs ahead of the broker's."""
        if not isinstance(event, BadEvent):
            at = min(event.occurred_at, record.timestamp)
            if at > self.order_ms:
                self.order_ms = at
        self.waiting.append(Item(self.order_ms, record.offset, event, record, extras))
        self.received = record.offset + 1

    def begin(self, offset: int, duties: int) -> None:
        """Offset ``offset`` is in work and has so many things to wait for before it may be committed."""
        self._order.append(offset)
        self._open[offset] = duties

    def more(self, offset: int, duties: int) -> None:
        """``offset``, still in work, has so many more things to wait for."""
        self._open[offset] += duties

    def settle(self, offset: int) -> None:
        """One of the things that ``offset`` waited for is safe."""
        left = self._open.get(offset, 0) - 1
        if left > 0:
            self._open[offset] = left
        else:
            self._open.pop(offset, None)

    def committable(self) -> int:
        """The offset up to which all is done: always a prefix."""
        order, still = self._order, self._open
        while order and order[0] not in still:
            self._done = order.popleft() + 1
        return self._done

    @property
    def in_flight(self) -> int:
        """Records read and not confirmed as committed."""
        return self.delivered - self.committed


def settle_all(tied: Iterable[tuple[Source, int]]) -> None:
    """One thing that each of these offsets waited for is safe."""
    for source, offset in tied:
        source.settle(offset)


class Heads:
    """The waiting records of all sources of a worker, merged."""

    def __init__(self) -> None:
        self.sources: dict[TP, Source] = {}

    def take(self, at_end: Callable[[Source], bool]) -> Iterator[tuple[Source, Item]]:
        """Yield what is due, until nothing waits or a partition that has more to come must be waited for."""
        while True:
            first: Source | None = None
            best = bound = None
            for source in self.sources.values():
                if not source.waiting:
                    if not at_end(source):
                        return
                    continue
                head = source.waiting[0]
                rank = (head.order_ms, source.tp.topic, source.tp.partition, head.offset)
                if best is None or rank < best:
                    first, best, bound = source, rank, best
                elif bound is None or rank < bound:
                    bound = rank
            if first is None:
                return
            waiting, topic, partition = first.waiting, first.tp.topic, first.tp.partition
            while waiting:
                head = waiting[0]
                if bound is not None and (head.order_ms, topic, partition, head.offset) > bound:
                    break
                yield first, waiting.popleft()

    def now_ms(self) -> int:
        """How far event time has come, as far as it was routed."""
        waiting = [source.waiting[0].order_ms for source in self.sources.values() if source.waiting]
        return min(waiting) if waiting else max((source.order_ms for source in self.sources.values()), default=0)

    def oldest_ms(self) -> float:
        """The broker's time of the record that has waited longest."""
        return min((source.waiting[0].record.timestamp for source in self.sources.values() if source.waiting), default=0)

    def waiting(self) -> int:
        return sum(len(source.waiting) for source in self.sources.values())
