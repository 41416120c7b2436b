"""A double of our own outbox: it holds what is sent until the test acknowledges or refuses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from streams.outbox import Place, Record

TURNS = 12
"""Turns of the event loop after which everything that can happen has happened."""


class HeldOutbox:
    """``sent``: what waits for its acknowledgement, as (topic, partition, records)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, list[Record]]] = []
        self._waits: list[asyncio.Future[None]] = []

    async def send(self, topic: str, partition: int, records: Iterable[Record]) -> list[Place]:
        wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((topic, partition, list(records)))
        self._waits.append(wait)
        await wait
        return []

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.sent]

    def values(self, topic: str) -> list[Any]:
        """Values of the oldest send to a topic."""
        return [value for _, value, _ in self.sent[self.topics().index(topic)][2]]

    async def settled(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def ack(self, topic: str) -> None:
        """The oldest send to a topic is safe."""
        wait = self._take(topic)
        if not wait.done():
            wait.set_result(None)
        await self.settled()

    async def refuse(self, topic: str, error: BaseException) -> None:
        wait = self._take(topic)
        if not wait.done():
            wait.set_exception(error)
        await self.settled()

    def _take(self, topic: str) -> asyncio.Future[None]:
        number = self.topics().index(topic)
        self.sent.pop(number)
        return self._waits.pop(number)
