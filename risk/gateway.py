"""Reading decisions: what a gateway needs between its Kafka client and its own work.

Rule 1: this knows the public contract only (docs/messages.md). It needs no Kafka client and shares no code with the worker that writes
decisions, so that whoever counts with it counts as an outsider.
Rule 2: it never raises for what is on the topic; what does not count is counted by its cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

SCHEMA_MAX = 1
"""A field that changes its meaning raises a decision's ``schema``: what is newer cannot be read by this."""

EPOCH = re.compile(rb"([0-9]{1,18})/(.+)", re.DOTALL)

Headers = Sequence[tuple[str, "bytes | None"]]


class Record(Protocol):
    """One record of the topic, in the words of aiokafka and kafka-python; ``offset`` is its place in its partition."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Held(NamedTuple):
    """What is known of one partition: the next offset, the epoch that counts, and whose it is.

    ``instance`` is empty where the partition was not read from offset 0 on: then nobody knows whose marker came first.
    """

    next_offset: int
    epoch: int = 0
    instance: str = ""


class Decision(msgspec.Struct, frozen=True):
    """A decision that counts; its fields are those of the message (docs/messages.md). ``score`` is 0 to 100, ``decided_at`` RFC 3339."""

    payment_id: str
    action: str
    score: int = 0
    reasons: list[str] = []
    obligations: list[dict[str, Any]] = []
    degraded: bool = False
    late: bool = False
    decided_at: str = ""
    receipt: str = ""
    schema: int = SCHEMA_MAX


_decode = msgspec.json.Decoder(Decision).decode
_UNSEEN = Held(-1)


class DecisionReader:
    """Tells which records of `decisions` are decisions that count, each once.

    Feed it every record of a partition in offset order, from as many partitions as you like. It keeps one small fact a partition
    (``held``). Whoever goes on later from where he stood, in another process, hands that fact over again; without it, and not from offset
    0, a void decision may be met before the marker that voids it was seen.

    ``decisions``, ``markers``, ``void``, ``again`` (an offset fed twice) and ``undecodable`` count what was fed.
    """

    __slots__ = ("held", "decisions", "markers", "void", "again", "undecodable")

    def __init__(self, held: Mapping[int, Held] | None = None) -> None:
        self.held: dict[int, Held] = dict(held or {})
        self.decisions = self.markers = self.void = self.again = self.undecodable = 0

    def feed(self, partition: int, offset: int, value: bytes | None, headers: Headers) -> Decision | None:
        """The decision in one record, None where it does not count."""
        held = self.held.get(partition, _UNSEEN)
        if offset < held.next_offset:
            self.again += 1
            return None
        epoch, instance, is_marker = _stamp(headers)
        if epoch > held.epoch:  # whoever holds an epoch writes his marker first, so any record of it tells of the marker
            held = Held(offset, epoch, instance if offset == 0 or held.instance else "")
        self.held[partition] = Held(offset + 1, held.epoch, held.instance)
        if epoch < 0:
            self.undecodable += 1
        elif is_marker:
            self.markers += 1
        elif epoch < held.epoch or (held.instance and instance != held.instance):
            self.void += 1
        else:
            return self._decoded(value)
        return None

    def _decoded(self, value: bytes | None) -> Decision | None:
        try:
            found = _decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if found is None or found.schema > SCHEMA_MAX:
            self.undecodable += 1
            return None
        self.decisions += 1
        return found

    def read(self, records: Iterable[Record]) -> Iterator[Decision]:
        """The decisions among these records, in their order."""
        for record in records:
            decision = self.feed(record.partition, record.offset, record.value, record.headers)
            if decision is not None:
                yield decision

    def forget(self, partition: int) -> None:
        """A partition went to another reader, or is read anew from an earlier offset."""
        self.held.pop(partition, None)


def _stamp(headers: Headers) -> tuple[int, str, bool]:
    """Number and instance of the header ``epoch`` (-1 where it cannot be read), and whether there is a header ``marker``."""
    number, instance, is_marker = -1, "", False
    for name, value in headers:
        if name == "epoch":
            found = EPOCH.fullmatch(value or b"")
            number, instance = (int(found[1]), found[2].decode("ascii", "replace")) if found else (-1, "")
        elif name == "marker":
            is_marker = True
    return number, instance, is_marker
