"""What was decided: epochs, markers, the read-back after a takeover, and the payments already seen.

Rule: decided never means recorded, and recorded never means decided. What was decided is read from ``decisions`` only; what was
recorded from the changelog only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import orjson
from aiokafka.structs import ConsumerRecord

from streams.control import Spent
from streams.crashes import Crashes
from streams.labelling import Labelling
from streams.sieve import Sieve
from streams.wire import PARTITIONS_MAX, encode_row

_decode_seen = msgspec.msgpack.Decoder(list[tuple[int, int, int, int, int]]).decode


@dataclass(frozen=True, slots=True)
class Stamp:
    """The ``epoch`` header: which takeover of the partition wrote a record, and which worker."""

    epoch: int
    instance: str

    def encode(self) -> bytes:
        return f"{self.epoch}/{self.instance}".encode()

    @classmethod
    def of(cls, record: ConsumerRecord) -> Stamp | None:
        for name, value in record.headers:
            if name == "epoch":
                number, _, instance = value.decode("ascii", "replace").partition("/")
                return cls(int(number), instance) if number.isdigit() else None
        return None


def header(record: ConsumerRecord, name: str) -> bytes | None:
    for key, value in record.headers:
        if key == name:
            return bytes(value)
    return None


def answered_offset(record: ConsumerRecord) -> int | None:
    """The offset of the source that a decision answers; None for a marker."""
    source = header(record, "src")
    return int(source.rsplit(b"/", 1)[1]) if source else None


def is_marker(record: ConsumerRecord) -> bool:
    return any(name == "marker" for name, _ in record.headers)


def marker_epoch(record: ConsumerRecord) -> int:
    """The epoch of a marker; 0 for any other record."""
    stamp = Stamp.of(record) if is_marker(record) else None
    return stamp.epoch if stamp is not None else 0


def valid(records: Iterable[ConsumerRecord]) -> list[ConsumerRecord]:
    """The records that count: no markers, and none with a lower epoch after a marker (a stale owner wrote it)."""
    held, kept = 0, []
    for record in records:
        stamp = Stamp.of(record)
        if is_marker(record):
            held = max(held, stamp.epoch if stamp else 0)
        elif stamp is None or stamp.epoch >= held:
            kept.append(record)
    return kept


class Ledger:
    """The ledger of one partition: which sources have their answer, and which payments were seen in the last day."""

    def __init__(self, stamp: Stamp, repeat_window_ms: int) -> None:
        self.stamp = stamp
        self._window_ms = repeat_window_ms
        self.epoch_header = ("epoch", stamp.encode())
        # source (topic, offset) -> payment id ("" for a dead letter) and action; only what may come again after a takeover
        self.answered: dict[tuple[str, int], tuple[str, str]] = {}
        # payment's tid -> (content hash, source code, offset)
        self.seen: dict[int, tuple[int, int, int]] = {}
        self.crashes = Crashes({})
        self.sieve = Sieve()
        self._order: deque[tuple[int, int]] = deque()
        self._fresh: list[tuple[int, int, int, int, int]] = []
        self._records: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self.labelling: Labelling | None = None
        """Payments and their labels, where features count labels."""
        self.spent = Spent(stamp.epoch)
        self.read_to = self.changelog_read_to = 0  # how far `decisions` and the changelog were read when the partition was taken over

    # ------------------------------------------------------------------ answers read back

    def read_back(self, decisions: Iterable[ConsumerRecord], dead_letters: Iterable[ConsumerRecord]) -> None:
        """Remember the answers that stand at the end of both topics."""
        for record in valid(decisions):
            source = header(record, "src")
            if source and record.value:
                answer = orjson.loads(record.value)
                topic, _, offset = source.decode().split("/")
                self.answered[(topic, int(offset))] = (answer["payment_id"], answer["action"])
        for record in valid(dead_letters):
            source = header(record, "src")
            if source:
                topic, _, offset = source.decode().split("/")
                self.answered[(topic, int(offset))] = ("", "")

    def answer_to(self, topic: str, offset: int, payment_id: str) -> str | None:
        """The action already given to this very source and payment, None if there is none. ("" for a dead letter.)"""
        found = self.answered.get((topic, offset))
        if found is None or found[0] != payment_id:
            return None
        return found[1]

    # ------------------------------------------------------------------ payments seen

    def enter(self, tid: int, content: int, source: int, offset: int, t: int) -> None:
        """A payment is seen for the first time."""
        self.seen[tid] = (content, source, offset)
        self._order.append((t, tid))
        self._fresh.append((tid, content, source, offset, t))

    def forget(self, order_ms: int) -> None:
        """Drop what is older than the repeat window, counted in event time."""
        edge = order_ms - self._window_ms
        order = self._order
        if self.labelling is not None:
            self.labelling.forget(order_ms)
        while order and order[0][0] <= edge:
            self.seen.pop(order.popleft()[1], None)

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Changelog records for the payments seen since the last call, and tombstones for records all of whose payments are forgotten."""
        changes: list[tuple[bytes, bytes | None]] = []
        if self._fresh:
            self._number += 1
            key = b"s" + self.stamp.epoch.to_bytes(4, "big") + self._number.to_bytes(4, "big")
            changes.append((key, encode_row(self._fresh)))
            self._records.append((max(entry[4] for entry in self._fresh), key))
            self._fresh = []
        if self.labelling is not None:
            changes += self.labelling.take_changes()
        changes += self.spent.take_changes()
        newest = self._records[-1][0] if self._records else 0
        while self._records and self._records[0][0] <= newest - self._window_ms:
            changes.append((self._records.popleft()[1], None))
        return changes

    def restore(self, records: dict[bytes, bytes]) -> None:
        """Payments seen, from the changelog; and what is known of them."""
        if self.labelling is not None:
            self.labelling.restore(records)
        self.spent.restore(records)
        entries: list[tuple[int, int, int, int, int]] = []
        for key in sorted(key for key in records if key[:1] == b"s"):
            found = _decode_seen(records[key])
            entries.extend(found)
            if found:
                self._records.append((max(entry[4] for entry in found), key))
        entries.sort(key=lambda entry: entry[4])
        newest = {entry[0]: entry for entry in entries}  # a payment id may come once more after its window
        for tid, content, source, offset, t in sorted(newest.values(), key=lambda entry: entry[4]):
            self.seen[tid] = (content, source, offset)
            self._order.append((t, tid))
        if entries:
            self.forget(entries[-1][4])


def partition_in(source: int) -> int:
    """The partition in a source code."""
    return source % PARTITIONS_MAX
