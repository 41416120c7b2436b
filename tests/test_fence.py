"""The fence: whatever lies between an owner's own records is looked at before they count as safe."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streams.fence import Fence, Replaced
from streams.outbox import Place


class Partition:
    """Epochs of markers by offset, 0 where the record is none; notes what was looked at."""

    def __init__(self, *epochs: int) -> None:
        self.epochs = epochs
        self.looked: list[tuple[int, int | None]] = []

    async def look(self, first: int, end: int | None) -> list[Any]:
        self.looked.append((first, end))
        return [SimpleNamespace(offset=i, epoch=epoch) for i, epoch in enumerate(self.epochs)][first:end]

    def fence(self, epoch: int, start: int) -> Fence:
        return Fence("decisions/3", epoch, start, self.look, lambda record: record.epoch)


async def test_records_without_a_gap_are_never_read_again() -> None:
    partition = Partition()
    fence = partition.fence(2, start=5)
    await fence.check([Place(5, 8), Place(8, 9)])
    await fence.check([Place(9, 20)])
    assert partition.looked == []


async def test_a_claim_with_a_higher_epoch_before_our_records_ends_the_owner() -> None:
    fence = Partition(1, 0, 2, 0, 3, 0).fence(2, start=3)
    await fence.check([Place(3, 4)])
    with pytest.raises(Replaced, match=r"decisions/3 was claimed with epoch 3 at offset 4; ours is 2"):
        await fence.check([Place(5, 6)])


async def test_what_a_stale_owner_wrote_between_ours_is_no_claim() -> None:
    partition = Partition(2, 0, 0, 1, 0, 0)
    fence = partition.fence(2, start=1)
    await fence.check([Place(1, 2), Place(4, 5)])
    await fence.check([Place(5, 6)])
    assert partition.looked == [(2, 4)]


async def test_a_claim_at_the_place_of_the_takeover_is_seen_with_the_first_record() -> None:
    with pytest.raises(Replaced):
        await Partition(2, 3, 0).fence(2, start=1).check([Place(2, 3)])


async def test_records_whose_place_is_not_told_are_looked_for() -> None:
    partition = Partition(2, 0, 0, 3)
    fence = partition.fence(2, start=1)
    with pytest.raises(Replaced):
        await fence.check([Place(-1, 1)])
    assert partition.looked == [(1, None)]


async def test_after_records_whose_place_is_not_told_nothing_is_read_twice() -> None:
    partition = Partition(2, 0, 0, 0)
    fence = partition.fence(2, start=1)
    await fence.check([Place(-1, 1), Place(4, 6)])
    assert partition.looked == [(1, None)]
