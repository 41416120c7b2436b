"""Is a partition still ours alone? What lies between our own records tells.

A worker that was paused while it took a partition over may wake up and claim it although the group has given it to another: from its
marker on the rightful owner's records are void, and he cannot know. But Kafka says at which offset each record landed, and an owner is the
only one who writes: a gap is somebody else's, and is read before anything counts as safe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiokafka.structs import ConsumerRecord

from streams.outbox import Place

Look = Callable[[int, "int | None"], Awaitable[list[ConsumerRecord]]]
"""Reads the records of the partition from an offset up to another (None: its end)."""


class Replaced(Exception):
    """Another worker has claimed the partition with a higher epoch: nothing of ours counts from there on."""


class Fence:
    """One partition of a topic that only its owner writes.

    ``start``: it was read up to there; ``epoch_of``: the epoch of a marker, 0 for any other record.
    """

    def __init__(self, name: str, epoch: int, start: int, look: Look, epoch_of: Callable[[ConsumerRecord], int]) -> None:
        self._name, self._epoch, self._next = name, epoch, start
        self._look, self._epoch_of = look, epoch_of

    async def check(self, places: Iterable[Place]) -> None:
        """Our records landed there. Raises Replaced when somebody claimed the partition before them."""
        for first, end in places:
            if first < 0:  # acknowledged at the second try: where the first landed is not told
                await self._read(None)
                continue
            if first > self._next:
                await self._read(first)
            self._next = max(self._next, end)

    async def _read(self, end: int | None) -> None:
        for record in await self._look(self._next, end):
            claimed = self._epoch_of(record)
            if claimed > self._epoch:
                raise Replaced(f"{self._name} was claimed with epoch {claimed} at offset {record.offset}; ours is {self._epoch}")
            self._next = max(self._next, record.offset + 1)
