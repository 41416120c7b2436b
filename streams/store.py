"""Profiles kept safe: in memory for the engine, in a compacted changelog for the next owner.

A profile is logged in chunks of rows in arrival order. The open chunk is written again at each flush under the same key,
a closed one never; so a payment costs a few short records, and compaction keeps one record a chunk. The epoch is part of the
key: a stale owner's late write can never erase the good record.

Keys, first byte: ``c`` chunk, ``d`` shape of rows, ``k`` since when series are kept, ``m`` marker of an owner, ``s`` payments seen.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from risk.engine import Engine
from risk.profiles import Profile, Touch
from streams.wire import AGAIN, PARTITIONS_MAX, RELEASE, RESTORE, TouchShape, encode_row, mark_of, row_head

Applied = tuple[int, str, str, str]
Routed = tuple["str | None", tuple[Any, ...]]
CHUNK_ROWS = 32
"""The open chunk is written whole at each flush: longer ones cost more changelog a payment, shorter ones more records to recover."""
CHUNK_BYTES_MAX = 256 * 1024
"""Rows with long texts close a chunk early: a record must stay well below what the broker takes."""
_TAIL = struct.Struct(">II")
_decode = msgspec.msgpack.Decoder().decode
_decode_shape = msgspec.msgpack.Decoder(TouchShape).decode


class CorruptChangelog(Exception):
    """The changelog does not hold what its keys promise: recovery stops rather than guess."""


class Kept:
    """A profile and the chunk that is still open."""

    __slots__ = ("profile", "prefix", "open", "rows", "chunk", "epoch", "dirty")

    def __init__(self, profile: Profile, prefix: bytes) -> None:
        self.profile = profile
        self.prefix = prefix
        self.open = bytearray()
        self.rows = 0
        self.chunk = 0
        self.epoch = 0  # under which the open chunk was last written; 0: never
        self.dirty = False


def shape_id(touch: Touch) -> int:
    """A stable number for what a row of this touch holds."""
    return zlib.crc32(f"{touch.event}\x1f{touch.role}\x1f{','.join(touch.columns)}".encode()) & 0x7FFFFFFF


def settlement(released: bool, source: int, offset: int) -> str:
    """What makes a release or a restore the same when it comes again: a payment may be settled more than once, by different events."""
    return f"{RELEASE if released else RESTORE}/{source}/{offset}"


def marker_key(epoch: int) -> bytes:
    """The key under which an owner marks the changelog as its own."""
    return b"m" + epoch.to_bytes(4, "big")


def epoch_in(key: bytes) -> int:
    """The epoch that a changelog key carries; 0 where it carries none."""
    if key[:1] == b"c":
        return int(_TAIL.unpack(key[-8:])[1])
    return int.from_bytes(key[1:5], "big") if key[:1] in (b"m", b"s") else 0


def array_of(count: int, payload: bytes | bytearray) -> bytes:
    """So many msgpack values, one behind the other, as one msgpack array."""
    return b"\xdc" + count.to_bytes(2, "big") + payload


class Store:
    """The profiles of one partition."""

    def __init__(self, engine: Engine, partition: int, epoch: int) -> None:
        self.engine = engine
        self.partition = partition
        self.epoch = epoch
        self.kinds: dict[str, dict[str, Kept]] = {}
        # rows that are in the profiles already and may come again: (tid, kind, key, role) -> their newest offset in risk.touches
        self.applied: dict[Applied, int] = {}
        self._applied_order: dict[int, deque[tuple[int, int, Applied]]] = {}
        self._touches_edge = 0  # what is committed of risk.touches
        self._settled: set[tuple[int, str, str]] = set()  # of those: payments that a result has settled
        self._roles: dict[str, set[str]] = {}
        self.newest_ms = 0
        self._empty: dict[str, Profile] = {}
        self._dirty: list[Kept] = []
        self._changes: list[tuple[bytes, bytes | None]] = []
        self._shape_of: dict[Touch, int] = {}
        self._touch_of: dict[tuple[str, str], Touch] = {}
        for plan in engine.plans.values():
            self.kinds.update((touch.kind, {}) for touch in plan.touches)
            self._shape_of.update((touch, shape_id(touch)) for touch in plan.touches)
            self._touch_of.update(((touch.event, touch.role), touch) for touch in plan.touches)
            for touch in plan.quotas:
                self._roles.setdefault(touch.kind, set()).add(touch.role)
        self._of = {touch: (self.kinds[touch.kind], row_head(shape)) for touch, shape in self._shape_of.items()}
        self._known_shapes: set[int] = set()
        self._shapes_noted = False

    # ------------------------------------------------------------------ asking and recording

    def kept(self, kind: str, key: str) -> Kept:
        held = self.kinds[kind].get(key)
        if held is None:
            held = self.kinds[kind][key] = Kept(self.engine.layout.profile(kind), b"c" + encode_row((kind, key)))
        return held

    def observe(self, touch: Touch, key: str, t: int, tid: int, row: tuple[Any, ...], mark: bytes) -> list[Any]:
        """The profile answers as of ``t``, then records the event, once. ``mark``: where it comes from (``wire.mark_of``)."""
        profiles, head = self._of[touch]
        held = profiles.get(key)
        if held is None:
            if not touch.records:
                return touch.read(self._empty_profile(touch.kind), t, row, tid)
            held = profiles[key] = Kept(touch.empty(), b"c" + encode_row((touch.kind, key)))
        if self.applied and (tid, touch.kind, key, touch.role) in self.applied:
            self._mark(held)  # written again under our epoch: a stale owner may have written the same chunk under its own
            return touch.read_again(held.profile, t, row, tid)
        if not touch.records:
            return touch.read(held.profile, t, row, tid)
        values = touch.observe(held.profile, t, row, tid)
        held.open += head + mark + encode_row(row)
        held.rows += 1
        if not held.dirty:
            held.dirty = True
            self._dirty.append(held)
        if held.rows >= CHUNK_ROWS or len(held.open) >= CHUNK_BYTES_MAX:
            self._close_chunk(held)
        return values

    def observe_all(self, touches: Sequence[Touch], routed: Sequence[Routed], t: int, tid: int, mark: bytes, values: list[Any]) -> bool:
        """``observe`` for all touches of an event whose profiles are all here; returns whether none lacked its key.

        The loop that every payment runs through where one worker owns everything: what ``observe`` says touch by touch, without its calls.
        """
        complete, applied, of, dirty = True, self.applied, self._of, self._dirty
        for touch, (key, row) in zip(touches, routed, strict=True):
            if key is None:
                values += [None] * len(touch.features)
                complete = False
                continue
            profiles, head = of[touch]
            held = profiles.get(key)
            if held is None or applied or not touch.records:
                values += self.observe(touch, key, t, tid, row, mark)
                continue
            values += touch.observe(held.profile, t, row, tid)
            held.open += head + mark + encode_row(row)
            held.rows += 1
            if not held.dirty:
                held.dirty = True
                dirty.append(held)
            if held.rows >= CHUNK_ROWS or len(held.open) >= CHUNK_BYTES_MAX:
                self._close_chunk(held)
        return complete

    def settle_quota(self, kind: str, key: str, tid: int, released: bool, source: int, offset: int, via: int) -> None:
        """Give back or take again the quota that a payment reserved; doing it twice changes nothing."""
        if kind not in self.kinds:
            return  # of a worker with another rule set: we keep no such profile
        held = self.kept(kind, key)  # made here if need be: a result may come before its payment, and the profile remembers it
        role = settlement(released, source, offset)
        if self.applied and (tid, kind, key, role) in self.applied:
            self._mark(held)  # done already, and by now a newer result may have had its say
            return
        if source < PARTITIONS_MAX and (tid, kind, key) in self._settled:
            self._mark(held)  # a result beats the decision, which only comes again
            return
        (held.profile.release if released else held.profile.restore)(tid)
        held.open += row_head(RELEASE if released else RESTORE) + mark_of(0, tid, source, offset, via) + encode_row(())
        held.rows += 1
        self._mark(held)
        if held.rows >= CHUNK_ROWS or len(held.open) >= CHUNK_BYTES_MAX:
            self._close_chunk(held)
        self._note_result(tid, kind, key, source)
        if via >= 0:
            self.remember(tid, kind, key, role, source, offset, via)

    def _note_result(self, tid: int, kind: str, key: str, source: int) -> None:
        """A result had its say on a payment that may come again, and its decision with it."""
        if source >= PARTITIONS_MAX and self.applied and any((tid, kind, key, role) in self.applied for role in self._roles.get(kind, ())):
            self._settled.add((tid, kind, key))

    def note_again(self, touch: Touch, key: str, mark: bytes) -> None:
        """A row that is here already stands once more in risk.touches: its next owner must know, whatever its source has committed."""
        held = self.kept(touch.kind, key)
        held.open += row_head(AGAIN) + mark + encode_row((touch.role,))
        held.rows += 1
        self._mark(held)
        if held.rows >= CHUNK_ROWS or len(held.open) >= CHUNK_BYTES_MAX:
            self._close_chunk(held)

    def touch_of(self, event: str, role: str) -> Touch | None:
        """Today's touch of an event type by its role."""
        return self._touch_of.get((event, role))

    def remember(self, tid: int, kind: str, key: str, role: str, source: int, offset: int, via: int = -1) -> None:
        """This row is in its profile and may come again, until its source and its own record in risk.touches (``via``) are committed."""
        applied = (tid, kind, key, role)
        if self.applied.get(applied, -2) < via:
            self.applied[applied] = via
            self._applied_order.setdefault(source, deque()).append((offset, via, applied))

    def forget_applied(self, committed: Mapping[int, int], touches_committed: int | None = None) -> None:
        """What these sources have committed never comes again, once risk.touches is committed too."""
        if touches_committed is not None:
            self._touches_edge = touches_committed
        for source, edge in committed.items():
            order = self._applied_order.get(source)
            while order and order[0][0] < edge and order[0][1] < self._touches_edge:
                _, via, applied = order.popleft()
                if self.applied.get(applied) == via:
                    del self.applied[applied]
                    self._settled.discard(applied[:3])

    def _empty_profile(self, kind: str) -> Profile:
        found = self._empty.get(kind)
        if found is None:
            found = self._empty[kind] = self.engine.layout.profile(kind)
        return found

    def _mark(self, held: Kept) -> None:
        if not held.dirty:
            held.dirty = True
            self._dirty.append(held)

    # ------------------------------------------------------------------ what goes to the changelog

    def note(self, key: bytes, value: bytes | None) -> None:
        """Any other record of this partition's changelog."""
        self._changes.append((key, value))

    def _write(self, held: Kept) -> None:
        tail = _TAIL.pack(held.chunk, self.epoch)
        self._changes.append((held.prefix + tail, array_of(held.rows, held.open)))
        if held.epoch not in (0, self.epoch):
            self._changes.append((held.prefix + _TAIL.pack(held.chunk, held.epoch), None))
        held.epoch = self.epoch

    def _close_chunk(self, held: Kept) -> None:
        self._write(held)
        held.chunk += 1
        held.rows = held.epoch = 0
        held.open = bytearray()

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, in the order in which it must be written."""
        if not self._shapes_noted:
            self._note_shapes()
        for held in self._dirty:
            held.dirty = False
            if held.rows:
                self._write(held)
        self._dirty.clear()
        changes, self._changes = self._changes, []
        return changes

    def _note_shapes(self) -> None:
        shapes = [
            (b"d" + number.to_bytes(4, "big"), encode_row(TouchShape(touch.event, touch.role, tuple(touch.columns))))
            for touch, number in self._shape_of.items()
            if touch.records and number not in self._known_shapes
        ]
        self._shapes_noted = True
        self._changes[:0] = shapes

    # ------------------------------------------------------------------ recovery

    def restore(self, records: Mapping[bytes, bytes], unsafe: Mapping[int, int], touches_committed: int) -> int:
        """All of ``restoring`` at once; returns the number of rows."""
        return sum(self.restoring(records, unsafe, touches_committed))

    def restoring(self, records: Mapping[bytes, bytes], unsafe: Mapping[int, int], touches_committed: int) -> Iterator[int]:
        """Rebuild the profiles from the changelog's live records; yields the number of rows of each.

        ``unsafe``: for each source code the offset from which on records may come again; their rows are remembered as applied.
        """
        self._touches_edge = max(0, touches_committed)
        adopt = self._adopters(records)
        chunks: dict[bytes, dict[int, tuple[int, bytes]]] = {}
        for key, value in records.items():
            if key[:1] == b"c":
                chunk, epoch = _TAIL.unpack(key[-8:])
                held = chunks.setdefault(key[1:-8], {})
                if chunk not in held or held[chunk][0] < epoch:
                    held[chunk] = (epoch, value)
        for prefix, written in chunks.items():
            kind, key = _decode(prefix)
            if kind in self.kinds:  # else no feature asks for this kind of profile any more
                yield self._restore_profile(kind, key, written, adopt, unsafe, touches_committed)

    def _adopters(self, records: Mapping[bytes, bytes]) -> dict[int, tuple[Touch, Any] | None]:
        """For each shape ever written: today's touch, and how its rows become rows of today (None: as they are)."""
        found: dict[int, tuple[Touch, Any] | None] = {}
        for key, value in records.items():
            if key[:1] == b"d":
                shape = _decode_shape(value)
                number = int.from_bytes(key[1:], "big")
                touch = self._touch_of.get((shape.event, shape.role))
                self._known_shapes.add(number)
                if touch is None or not touch.records:
                    found[number] = None
                elif tuple(touch.columns) == shape.columns:
                    found[number] = (touch, None)
                else:
                    found[number] = (touch, self.engine.layout.adopt(shape.event, shape.role, shape.columns))
        return found

    def _restore_profile(
        self,
        kind: str,
        key: str,
        written: Mapping[int, tuple[int, bytes]],
        adopt: Mapping[int, Any],
        unsafe: Mapping[int, int],
        touches_committed: int,
    ) -> int:
        held = self.kept(kind, key)
        numbers = sorted(written)
        if numbers != list(range(len(numbers))):
            raise CorruptChangelog(f"profile {kind} of partition {self.partition} misses a chunk: it has {numbers[:20]}")
        count = 0
        for number in numbers:
            epoch, payload = written[number]
            rows = _decode(payload)
            for shape, t, tid, source, offset, via, row in rows:
                role = self._restore_row(held, shape, t, tid, source, offset, row, adopt)
                if role is not None and (offset >= unsafe.get(source, 0) or via >= touches_committed >= 0):
                    self.remember(tid, kind, key, role, source, offset, via)
            count += len(rows)
            if len(rows) < CHUNK_ROWS:
                held.open, held.rows, held.chunk, held.epoch = bytearray(payload[3:]), len(rows), number, epoch
            else:
                held.open, held.rows, held.chunk, held.epoch = bytearray(), 0, number + 1, 0
        return count

    def _restore_row(
        self, held: Kept, shape: int, t: int, tid: int, source: int, offset: int, row: list[Any], adopt: Mapping[int, Any]
    ) -> str | None:
        """Enter one row; returns the role under which it may come again, None for a row that nobody asks for any more."""
        if shape in (RELEASE, RESTORE):
            (held.profile.release if shape == RELEASE else held.profile.restore)(tid)
            kind, key = _decode(held.prefix[1:])
            self._note_result(tid, kind, key, source)
            return settlement(shape == RELEASE, source, offset)
        if shape == AGAIN:
            return str(row[0])
        if shape not in adopt:
            raise CorruptChangelog(f"a row of partition {self.partition} has shape {shape}, which no record of the changelog explains")
        if (how := adopt[shape]) is not None:
            touch, convert = how
            values = tuple(row)
            touch.record(held.profile, t, values if convert is None else convert(values), tid)
            self.newest_ms = max(self.newest_ms, t)
            return cast(str, touch.role)
        return None

    def counts(self) -> Iterable[tuple[str, int]]:
        """How many profiles there are, by kind."""
        return [(kind, len(profiles)) for kind, profiles in self.kinds.items()]
