"""The way out of one partition: a receipt is acknowledged, then its decision is sent, then its source is settled.

Receipts of the next payments travel while decisions of the last ones do. Whatever is waiting when a line is free goes out as one
batch: under load batches grow by themselves, when idle nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from streams.fence import Fence
from streams.line import Line
from streams.outbox import Headers, Outbox
from streams.source import Source

RECEIPTS_AT_ONCE = 512
"""Decisions of the first must not wait for receipts of the last."""


class Written(NamedTuple):
    """One decided payment on its way out."""

    key: bytes | None
    receipt: bytes
    decision: bytes
    headers: Headers
    source: Source
    offset: int
    appended_ms: int
    told: Callable[[], None] | None = None
    """What is done once the decision is out."""


class DeadLetter(NamedTuple):
    """One record that could not be read, on its way out."""

    value: bytes
    headers: Headers
    source: Source
    offset: int


class Lane:
    """Writes receipts, decisions and dead letters of one partition.

    ``on_error`` ends the worker: what cannot be written is not lost, it comes again. ``fence``: that of decisions.
    """

    def __init__(
        self,
        outbox: Outbox,
        topics: dict[str, str],
        partition: int,
        on_error: Callable[[BaseException], None],
        on_decided: Callable[[list[Written]], None],
        fence: Fence | None = None,
    ) -> None:
        self._on_decided = on_decided
        self._receipts = Line(outbox, topics["receipts"], partition, on_error, RECEIPTS_AT_ONCE)
        self._decisions = Line(outbox, topics["decisions"], partition, on_error, fence=fence)
        self._letters = Line(outbox, topics["dead_letters"], partition, on_error)

    def put(self, rows: list[Written]) -> None:
        """What one slice of work decided."""
        self._receipts.put([(row.key, row.receipt, row.headers) for row in rows], partial(self._decide, rows))

    def put_letter(self, letter: DeadLetter) -> None:
        self._letters.put([(None, letter.value, letter.headers)], partial(letter.source.settle, letter.offset))

    @property
    def idle(self) -> bool:
        return self._receipts.idle and self._decisions.idle and self._letters.idle

    def stop(self) -> None:
        for line in (self._receipts, self._decisions, self._letters):
            line.stop()

    def _decide(self, rows: list[Written]) -> None:
        self._decisions.put([(row.key, row.decision, row.headers) for row in rows], partial(self._settle, rows))

    def _settle(self, rows: list[Written]) -> None:
        for row in rows:
            if row.told is not None:
                row.told()
            row.source.settle(row.offset)
        self._on_decided(rows)
