"""Records that crash a worker: noted in the changelog before it ends, and given up once they did so twice.

A bug that one record meets would come back with it at every start. So whoever crashes says first of what; the next owner reads that at its
takeover, and does not try a third time: a payment is decided by the policy's ``on_error``, what wants no decision becomes a dead letter,
a touch from another worker is left out. Each is counted (``risk_gave_up_total``), for somebody must look.

Never here: exceptions of a rule or the model, which the engine answers for; crashes that leave no time to write (a kill, no memory).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from streams.outbox import NO_HEADERS
from streams.wire import INPUT_TOPICS, encode_row

if TYPE_CHECKING:
    from streams.source import Source
    from streams.worker import Worker

CRASHES_MAX = 2
NOTE = b"x"
ROLES = (*INPUT_TOPICS, "touches")
ERROR_CHARS_MAX = 300


class Crashed(Exception):
    """Working on one record raised. ``deciding``: its touches were made, and its decision was not."""

    def __init__(self, source: Source, offset: int, deciding: bool = False) -> None:
        super().__init__(f"{source.tp.topic}/{source.tp.partition}/{offset} crashed the worker {'deciding' if deciding else 'routing'}")
        self.source, self.offset, self.deciding = source, offset, deciding


class Crashes:
    """How often each record of one partition has crashed a worker, from the notes in the changelog. ``topics``: name -> role."""

    def __init__(self, topics: Mapping[str, str], notes: Mapping[bytes, bytes] | None = None) -> None:
        self._topics = topics
        self._counts: dict[tuple[str, int], list[bool]] = {}
        for key, value in (notes or {}).items():
            if key[:1] == NOTE:
                role, offset = _place_of(key)
                deciding, _error = msgspec.msgpack.decode(value)
                self._counts.setdefault((role, offset), []).append(bool(deciding))

    def __bool__(self) -> bool:
        return bool(self._counts)

    def gives_up(self, topic: str, offset: int) -> bool:
        """Whether this record is not worked on as others are any more."""
        return len(self._counts.get((self._topics[topic], offset), ())) >= CRASHES_MAX

    def untouchable(self, topic: str, offset: int) -> bool:
        """Whether it is given up, and crashed before it was only to be decided."""
        return self.gives_up(topic, offset) and not all(self._counts[self._topics[topic], offset])


def done_with(notes: Iterable[bytes], committed: Mapping[str, int]) -> list[bytes]:
    """Keys of notes whose record is committed, by role: it never comes again."""
    return [key for key in notes if key[:1] == NOTE and _place_of(key)[1] < committed.get(_place_of(key)[0], 0)]


async def note(worker: Worker, error: BaseException) -> None:
    """Write down of which record the worker dies, if it is one's fault."""
    if not isinstance(error, Crashed):
        return
    tp = error.source.tp
    shard = worker.shards.get(tp.partition)
    role = next(role for role in ROLES if worker.topics[role] == tp.topic)
    if shard is not None:
        key = key_of(role, error.offset, shard.ledger.stamp.epoch)
        value = encode_row((error.deciding, repr(error.__cause__)[:ERROR_CHARS_MAX]))
        await worker.changelog.send(worker.topics["profiles"], tp.partition, [(key, value, NO_HEADERS)])


def key_of(role: str, offset: int, epoch: int) -> bytes:
    """The changelog key of one crash; each owner of a partition dies of a record once."""
    return NOTE + bytes([ROLES.index(role)]) + offset.to_bytes(8, "big") + epoch.to_bytes(4, "big")


def _place_of(key: bytes) -> tuple[str, int]:
    return ROLES[key[1]], int.from_bytes(key[2:10], "big")
