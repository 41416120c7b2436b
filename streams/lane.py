"""The way out of one partition: a receipt is acknowledged, then its decision is sent, then its source is settled.

Two stages run at once, so that receipts of the next payments travel while decisions of the last ones do. Whatever is waiting when
a stage is free goes out as one batch: under load batches grow by themselves, when idle nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from streams.outbox import Headers, Outbox, Record
from streams.source import Source

STAGE_ROWS = 256
"""Of receipts that go out at once: decisions of the first must not wait for receipts of the last."""


class Written(NamedTuple):
    """One decided payment on its way out."""

    key: bytes | None
    receipt: bytes
    decision: bytes
    headers: Headers
    source: Source
    offset: int
    appended_ms: int


class DeadLetter(NamedTuple):
    """One record that could not be read, on its way out."""

    value: bytes
    headers: Headers
    source: Source
    offset: int


class Lane:
    """Writes receipts, decisions and dead letters of one partition.

    ``on_error`` ends the worker: what cannot be written is not lost, it comes again.
    """

    def __init__(
        self,
        outbox: Outbox,
        topics: dict[str, str],
        partition: int,
        on_error: Callable[[BaseException], None],
        on_decided: Callable[[list[Written]], None],
    ) -> None:
        self._outbox = outbox
        self._topics = topics
        self._partition = partition
        self._on_error = on_error
        self._on_decided = on_decided
        self._receipts: list[Written] = []
        self._decisions: list[Written] = []
        self._letters: list[DeadLetter] = []
        self._wake = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
        self._busy = [False, False, False]
        stages = (self._send_receipts, self._send_decisions, self._send_letters)
        self._tasks = [asyncio.create_task(self._run(i, stage)) for i, stage in enumerate(stages)]

    def put(self, rows: list[Written]) -> None:
        self._receipts.extend(rows)
        self._wake[0].set()

    def put_letter(self, letter: DeadLetter) -> None:
        self._letters.append(letter)
        self._wake[2].set()

    @property
    def idle(self) -> bool:
        return not (self._receipts or self._decisions or self._letters or any(self._busy))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _run(self, number: int, stage: Callable[[], asyncio.Future[None] | object]) -> None:
        wake = self._wake[number]
        try:
            while True:
                await wake.wait()
                wake.clear()
                self._busy[number] = True
                await stage()  # type: ignore[misc]
                self._busy[number] = False
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            self._on_error(error)

    async def _send_receipts(self) -> None:
        rows, self._receipts = self._receipts[:STAGE_ROWS], self._receipts[STAGE_ROWS:]
        if self._receipts:
            self._wake[0].set()
        if rows:
            records: list[Record] = [(row.key, row.receipt, row.headers) for row in rows]
            await self._outbox.send(self._topics["receipts"], self._partition, records)
            self._decisions.extend(rows)
            self._wake[1].set()

    async def _send_decisions(self) -> None:
        rows, self._decisions = self._decisions, []
        if rows:
            records: list[Record] = [(row.key, row.decision, row.headers) for row in rows]
            await self._outbox.send(self._topics["decisions"], self._partition, records)
            for row in rows:
                row.source.settle(row.offset)
            self._on_decided(rows)

    async def _send_letters(self) -> None:
        letters, self._letters = self._letters, []
        if letters:
            records: list[Record] = [(None, letter.value, letter.headers) for letter in letters]
            await self._outbox.send(self._topics["dead_letters"], self._partition, records)
            for letter in letters:
                letter.source.settle(letter.offset)
