"""Following a compacted topic of one partition outside the group: whole to its end before the first decision, then as it grows.

Belongs here: reading on and on. Never: what a record means, and who uses it (models.py, lists.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.security import kafka_at

Take = Callable[[list[ConsumerRecord]], None]
WAIT_MS = 1_000


class Follower:
    """``take`` gets the records in order; ``fail`` is told when the topic can no longer be followed.

    ``each_time``, if given, is awaited once at the end of the topic and then after every wait for more, whether or not more came.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        take: Take,
        fail: Callable[[BaseException], None],
        each_time: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._consumer = AIOKafkaConsumer(
            **kafka_at(brokers), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=500
        )
        self._tp = TopicPartition(topic, 0)
        self._take, self._fail, self._each_time = take, fail, each_time
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when everything that the topic holds has been taken."""
        await self._consumer.start()
        self._consumer.assign([self._tp])
        await self._consumer.seek_to_beginning(self._tp)
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        while await self._consumer.position(self._tp) < end:
            await self._read()
            await asyncio.sleep(0)
        if self._each_time is not None:
            await self._each_time()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Also for one that was never started."""
        if self._task is not None:
            self._task.cancel()
        await self._consumer.stop()

    async def _follow(self) -> None:
        try:
            while True:
                await self._read()
                if self._each_time is not None:
                    await self._each_time()
        except Exception as error:  # noqa: BLE001 - whatever it is: a worker must not go on with what stands still
            self._fail(error)

    async def _read(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=WAIT_MS)).values():
            self._take(records)
