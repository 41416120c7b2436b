"""A worker that the group may have given up writes nothing; and what one wrote after its successor's marker is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from streams import heartbeat as module
from streams.chunks import marker_key
from streams.heartbeat import Heartbeat
from streams.ledger import Stamp
from streams.outbox import Outbox
from streams.takeover import _changelog

SESSION_SECONDS = 6.0


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Coordinator:
    answers = True

    async def _do_heartbeat(self) -> bool:
        return self.answers


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


async def test_it_is_fresh_as_long_as_the_group_answers(clock: Clock) -> None:
    beat, coordinator = Heartbeat(SESSION_SECONDS), Coordinator()
    beat.listen(coordinator)
    clock.now += SESSION_SECONDS - 1
    assert await coordinator._do_heartbeat()
    clock.now += SESSION_SECONDS - 1
    assert beat.fresh
    coordinator.answers = False
    assert not await coordinator._do_heartbeat()
    clock.now += 2
    assert not beat.fresh


async def test_between_two_assignments_nothing_is_ours(clock: Clock) -> None:
    beat = Heartbeat(SESSION_SECONDS)
    beat.handed_over()
    assert not beat.fresh
    beat.assigned()
    assert beat.fresh


class Batch:
    def append(self, **_: object) -> object:
        return object()


class Producer:
    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, _batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        self.sent.append((topic, partition))
        acked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        acked.set_result(SimpleNamespace(offset=len(self.sent)))
        return acked


async def test_a_worker_that_slept_past_its_session_sends_nothing_until_the_group_answers(clock: Clock) -> None:
    beat, coordinator, producer = Heartbeat(SESSION_SECONDS), Coordinator(), Producer()
    beat.listen(coordinator)
    outbox = Outbox(producer, beat)
    await outbox.send("decisions", 1, [(None, b"first", [])])
    clock.now += SESSION_SECONDS + 1
    sending = asyncio.create_task(outbox.send("decisions", 1, [(None, b"second", [])]))
    await asyncio.sleep(5 * module.WAIT_SECONDS)
    assert producer.sent == [("decisions", 1)]
    await coordinator._do_heartbeat()
    await sending
    assert producer.sent == [("decisions", 1)] * 2


def chunk(number: int, epoch: int) -> bytes:
    return b"c" + b"profile" + number.to_bytes(4, "big") + epoch.to_bytes(4, "big")


def written(key: bytes, value: bytes | None, epoch: int | None = None) -> ConsumerRecord:
    headers = [("epoch", Stamp(epoch, "w").encode())] if epoch is not None else []
    return ConsumerRecord("t", 0, 0, 0, 0, key, value, None, 0, 0, tuple(headers))


async def live_after(*records: ConsumerRecord) -> dict[bytes, bytes]:
    async def read(*_: object) -> AsyncIterator[list[ConsumerRecord]]:
        yield list(records)

    async def send(*_: object) -> None:
        pass

    worker: Any = SimpleNamespace(topics={"profiles": "t"}, changelog=SimpleNamespace(send=send))
    reader: Any = SimpleNamespace(read=read)
    return (await _changelog(worker, reader, 0, Stamp(3, "me")))[0]


async def test_what_a_stale_owner_wrote_after_the_marker_of_the_next_is_void() -> None:
    live = await live_after(
        written(marker_key(1), b"1/a"),
        written(chunk(0, 1), b"good"),
        written(marker_key(2), b"2/b"),
        written(chunk(0, 1), b"stale"),
        written(chunk(1, 1), b"stale: closed the chunk meanwhile"),
        written(chunk(0, 2), b"good, written again"),
        written(marker_key(3), b"3/me"),
    )
    assert {key: value for key, value in live.items() if key[:1] == b"c"} == {chunk(0, 1): b"good", chunk(0, 2): b"good, written again"}


async def test_a_stale_owner_removes_nothing_and_the_owner_does() -> None:
    live = await live_after(
        written(marker_key(1), b"1/a"),
        written(chunk(0, 1), b"by the first"),
        written(chunk(1, 1), b"by the first, too"),
        written(marker_key(2), b"2/b"),
        written(chunk(0, 2), b"by the second"),
        written(marker_key(3), b"3/me"),
        written(chunk(0, 2), None, epoch=2),
        written(chunk(1, 1), None, epoch=3),
    )
    assert {key for key in live if key[:1] == b"c"} == {chunk(0, 1), chunk(0, 2)}
