"""Profiles kept safe: in memory for the engine, in a compacted changelog for the next owner.

A profile is logged in chunks of rows in arrival order. The open chunk is written again at each flush under the same key,
a closed one never; so a payment costs a few short records, and compaction keeps one record a chunk. The epoch is part of the
key: a stale owner's late write can never erase the good record.

Keys, first byte: ``c`` chunk, ``d`` shape of rows, ``g`` what the control group spent, ``k`` since when series are kept, ``l`` payments and
their labels, ``m`` marker of an owner, ``s`` payments seen, ``x`` crashes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from risk.engine import Engine
from risk.profiles import Past, Profile, Touch
from streams.chunks import TAIL, CorruptChangelog, Packed, array_of, base_key, decode_rows, pack, profile_of, rows_in
from streams.forgetting import Forgetting
from streams.last_word import LastWord
from streams.places import Kept, Places
from streams.rows import Rows, read_past
from streams.wire import AGAIN, PARTITIONS_MAX, RELEASE, RESTORE, encode_row, mark_of, row_head

Applied = tuple[int, str, str, str]
Routed = tuple["str | None", tuple[Any, ...]]
Coming = Mapping[tuple[int, int], int]
"""Source code and offset of touches that are still to be read from risk.touches -> their last place in it."""
NOTHING_COMING: Coming = {}
CHUNK_ROWS = 32
"""The open chunk is written whole at each flush: longer ones cost more changelog a payment, shorter ones more records to recover."""
HEAVY_CHUNKS, HEAVY_EVERY = 160, 8
"""So many closed chunks are enough to thin; it is asked again at every eighth, for rows of a heavy profile may not be committed yet."""
CHUNK_BYTES_MAX = 256 * 1024
"""Rows with long texts close a chunk early: a record must stay well below what the broker takes."""


def settlement(released: bool, source: int, offset: int) -> str:
    """What makes a release or a restore the same when it comes again: a payment may be settled more than once, by different events."""
    return f"{RELEASE if released else RESTORE}/{source}/{offset}"


class Store:
    """The profiles of one partition."""

    def __init__(self, engine: Engine, partition: int, epoch: int, state: Path | None = None) -> None:
        """``state``: the folder for what has no room in memory; None: everything stays there."""
        self.engine = engine
        self.partition = partition
        self.epoch = epoch
        self.rows = Rows(engine, partition)
        self.places = Places(engine, f"partition-{partition}", state, self.rows.replay)
        # rows that are in the profiles already and may come again: (tid, kind, key, role) -> their newest offset in risk.touches
        self.applied: dict[Applied, int] = {}
        self._applied_order: dict[int, deque[tuple[int, int, Applied]]] = {}
        self.touches_edge = 0  # what is committed of risk.touches
        self._last_word = LastWord()
        self._roles: dict[str, set[str]] = {}
        self._empty: dict[str, Profile] = {}
        self._dirty: list[Kept] = []
        self._changes: list[tuple[bytes, bytes | None]] = []
        self._touch_of: dict[tuple[str, str], Touch] = {}
        for plan in engine.plans.values():
            for touch in plan.touches:
                self.places.add_kind(touch.kind)
                self._touch_of[(touch.event, touch.role)] = touch
            for touch in plan.quotas:
                self._roles.setdefault(touch.kind, set()).add(touch.role)
        self._of = {touch: (self.places.live[touch.kind], row_head(shape)) for touch, shape in self.rows.of.items()}
        self._shapes_noted = False
        self.forgetting = Forgetting(self)

    # ------------------------------------------------------------------ asking and recording

    def kept(self, kind: str, key: str) -> Kept:
        """The profile, made where there was none; live from now on."""
        return self.places.find(kind, key) or self.places.enter(kind, key, self.engine.layout.profile(kind))

    def observe(self, touch: Touch, key: str, t: int, tid: int, row: tuple[Any, ...], mark: bytes) -> list[Any]:
        """The profile answers as of ``t``, then records the event, once. ``mark``: where it comes from (``wire.mark_of``)."""
        profiles, head = self._of[touch]
        held = profiles.get(key) or self.places.find(touch.kind, key)
        if held is None:
            gone = self.forgetting.may_have_been(touch.kind, t) if self.forgetting.gone else None
            if not touch.records:
                return touch.read(self._empty_profile(touch.kind, gone), t, row, tid)
            held = self.places.enter(touch.kind, key, touch.empty())
            if gone is not None:
                self._begin_with_past(held, gone)
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
        if kind not in self.places.live:
            return  # of a worker with another rule set: we keep no such profile
        held = self.kept(kind, key)  # made here if need be: a result may come before its payment, and the profile remembers it
        role = settlement(released, source, offset)
        self.places.unpin(held, tid)
        if self.applied and (tid, kind, key, role) in self.applied:
            self._mark(held)  # done already, and by now a newer result may have had its say
            return
        who = (tid, kind, key)
        if who in self._last_word if source < PARTITIONS_MAX else self._last_word.is_newer(who, source, offset):
            self._mark(held)  # a result beats the decision, which only comes again, and an older result, which was overtaken
            return
        (held.profile.release if released else held.profile.restore)(tid)
        # at the time of now: it may come before its payment, and must not be taken for old
        mark = mark_of(self.forgetting.now_ms, tid, source, offset, via)
        held.open += row_head(RELEASE if released else RESTORE) + mark + encode_row(())
        held.rows += 1
        self._mark(held)
        if held.rows >= CHUNK_ROWS or len(held.open) >= CHUNK_BYTES_MAX:
            self._close_chunk(held)
        self._note_result(who, source, offset)
        if via >= 0:
            self.remember(tid, kind, key, role, source, offset, via)

    def release_here(self, kind: str, key: str, tid: int) -> None:
        """Give back quota in memory only, unless a result has had its say; ``settle_quota`` will say it for good."""
        if (tid, kind, key) in self._last_word:
            return
        held = self.kept(kind, key)
        held.profile.release(tid)
        self.places.pin(held, tid)

    def _note_result(self, who: tuple[int, str, str], source: int, offset: int, late: bool = True) -> None:
        """A result had its say on a payment; ``late``: what it beats may still come, an older result or the payment's own row."""
        if source >= PARTITIONS_MAX:
            if late:
                self._last_word.note(who, source, offset)
            if self.applied and any((*who, role) in self.applied for role in self._roles.get(who[1], ())):
                self._last_word.hold(who)

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
            self.touches_edge = touches_committed
        self.forgetting.committed.update(committed)
        for source, edge in committed.items():
            order = self._applied_order.get(source)
            while order and order[0][0] < edge and order[0][1] < self.touches_edge:
                _, via, applied = order.popleft()
                if self.applied.get(applied) == via:
                    del self.applied[applied]
                    if applied[3] in self._roles.get(applied[1], ()):  # the payment's own row: its result may be committed long before
                        self._last_word.forget(applied[:3])

    def _empty_profile(self, kind: str, gone: int | None) -> Profile:
        if gone is not None:
            blank = self.engine.layout.profile(kind)
            blank.remember(Past(gone))
            return blank
        found = self._empty.get(kind)
        if found is None:
            found = self._empty[kind] = self.engine.layout.profile(kind)
        return found

    def _begin_with_past(self, held: Kept, gone: int) -> None:
        """A profile of which rows may have gone, as far as anybody knows: what reaches back to them is unknown."""
        past = Past(gone)
        held.profile.remember(past)
        held.base_epoch = self.epoch
        self.note(base_key(held.prefix, 0, self.epoch), past.packed())

    def rebuild(self, held: Kept, kind: str, past: Past) -> None:
        """Make the profile anew from the chunks that it has and what is left of others."""
        newest, profile = held.profile.newest, self.engine.layout.profile(kind)
        chunks = [chunk for _, chunk in held.closed or ()]
        self.rows.replay(profile, [*chunks, array_of(held.rows, held.open)] if held.rows else chunks, past)
        past.at = max(past.at, newest)
        held.profile = profile

    def _mark(self, held: Kept) -> None:
        if not held.dirty:
            held.dirty = True
            self._dirty.append(held)

    # ------------------------------------------------------------------ what goes to the changelog

    def note(self, key: bytes, value: bytes | None) -> None:
        """Any other record of this partition's changelog."""
        self._changes.append((key, value))

    def _write(self, held: Kept) -> bytes:
        chunk = array_of(held.rows, held.open)
        self._changes.append((held.prefix + TAIL.pack(held.chunk, self.epoch), chunk))
        if held.epoch not in (0, self.epoch):
            self._changes.append((held.prefix + TAIL.pack(held.chunk, held.epoch), None))
        held.epoch = self.epoch
        return chunk

    def _close_chunk(self, held: Kept) -> None:
        chunk = self._write(held)
        if held.closed is None:
            held.closed = []
        held.closed.append((self.epoch, chunk))
        held.chunk += 1
        held.rows = held.epoch = 0
        held.open = bytearray()
        if len(held.closed) % HEAVY_EVERY == 0 and len(held.closed) >= HEAVY_CHUNKS:
            self.forgetting.heavy.append(held)

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, in the order in which it must be written."""
        if not self._shapes_noted:
            self._shapes_noted = True
            self._changes[:0] = self.rows.unwritten()
        for held in self._dirty:
            held.dirty = False
            if held.rows:
                self._write(held)
        self._dirty.clear()
        self.forgetting.written()
        changes, self._changes = self._changes, []
        return changes

    def make_room(self, live_max: int, packed_max: int) -> None:
        """One bounded piece of work towards so many live and so many packed profiles, the rest on disk."""
        self.places.make_room(live_max, packed_max)

    def forget(self, now_ms: int) -> None:
        """One bounded piece of work on letting rows go. ``now_ms``: event time that no single clock can set."""
        self.forgetting.piece(now_ms)

    # ------------------------------------------------------------------ recovery

    def restore(
        self, records: dict[bytes, bytes], unsafe: Mapping[int, int], touches_committed: int, coming: Coming = NOTHING_COMING
    ) -> int:
        """All of ``restoring`` at once; returns the number of rows."""
        return sum(self.restoring(records, unsafe, touches_committed, coming))

    def restoring(
        self, records: dict[bytes, bytes], unsafe: Mapping[int, int], touches_committed: int, coming: Coming = NOTHING_COMING
    ) -> Iterator[int]:
        """Take the profiles out of the changelog's live records and hold them packed; yields now and then the number of rows read.

        ``unsafe``: for each source code the offset from which on records may come again; their rows are remembered as applied. So are those
        of sources that stand in the uncommitted rest of risk.touches (``coming``): a touch sent twice, and recorded once.
        """
        self.touches_edge = max(0, touches_committed)
        self.forgetting.committed.update(unsafe)
        for key, value in records.items():
            if key[:1] == b"w" and key[1:].decode() in self.places.live:
                self.forgetting.gone_wholly(key[1:].decode(), int.from_bytes(value, "big", signed=True), write=False)
        self.rows.learn(records)
        chunks: dict[bytes, bytes | list[bytes]] = {}  # prefix -> its one key, or all of them
        for count, key in enumerate([key for key in records if key[:1] in (b"c", b"b")]):
            prefix = b"c" + key[1:-8]
            before = chunks.get(prefix)
            if before is None:
                chunks[prefix] = key
            elif isinstance(before, list):
                before.append(key)
            else:
                chunks[prefix] = [before, key]
            if not count & 0xFFF:
                yield 0
        for prefix, found in chunks.items():
            keys = found if isinstance(found, list) else [found]
            written = {key: records.pop(key) for key in keys}
            yield self._restore_profile(prefix, written, unsafe, touches_committed, coming)
        self.rows.begin()

    def _restore_profile(
        self, prefix: bytes, written: Mapping[bytes, bytes], unsafe: Mapping[int, int], touches_committed: int, coming: Coming
    ) -> int:
        kind, key = profile_of(prefix)
        if kind not in self.places.live:
            return 0  # no feature asks for this kind of profile any more
        newest: dict[int, tuple[int, bytes]] = {}
        base, covers, base_epoch = b"", 0, 0
        for name, value in written.items():
            number, epoch = TAIL.unpack(name[-8:])
            if name[:1] == b"b":
                if (number, epoch) >= (covers, base_epoch):
                    base, covers, base_epoch = value, number, epoch
            elif number not in newest or newest[number][0] < epoch:
                newest[number] = (epoch, value)
        for name in written:  # a base of an earlier owner stands: what it covers may go
            number, epoch = TAIL.unpack(name[-8:])
            if number < covers or (name[:1] == b"b" and (number, epoch) != (covers, base_epoch)):
                self._changes.append((name, None))
        numbers = sorted(number for number in newest if number >= covers)
        if numbers != list(range(covers, covers + len(numbers))):
            raise CorruptChangelog(f"profile {kind} of partition {self.partition} misses a chunk from {covers} on: it has {numbers[:20]}")
        past = read_past(base, self.partition) if base else None
        if past is not None and not numbers and not past.speaks:
            self.forgetting.gone_wholly(kind, past.newest)
            self._changes.append((base_key(prefix, covers, base_epoch), None))
            return 0  # all of it expired
        closed = [newest[number] for number in numbers]
        count, at, arrived = 0, past.newest if past is not None else 0, set[int]()
        for _, chunk in closed:
            rows, newest_ms = self._scan(kind, key, chunk, unsafe, touches_committed, coming, arrived)
            count, at = count + rows, max(at, newest_ms)
        epoch, last = closed[-1] if closed else (0, b"")
        still = rows_in(last) if closed else CHUNK_ROWS
        if still < CHUNK_ROWS:
            packed = Packed(at, numbers[-1], epoch, still, last[3:], closed[:-1], covers, base_epoch, base)
        else:
            packed = Packed(at, covers + len(closed), 0, 0, b"", closed, covers, base_epoch, base)
        self.places.take_in(kind, key, pack(packed))
        return count

    def _scan(
        self, kind: str, key: str, chunk: bytes, unsafe: Mapping[int, int], touches_committed: int, coming: Coming, arrived: set[int]
    ) -> tuple[int, int]:
        """Look at the rows of a chunk without entering them; remember those that may come again. Returns their number and newest time.

        ``arrived``: payments whose row stood in chunks before this one, where the kind has quotas.
        """
        rows, newest, quotas = self.rows.marks(chunk), 0, kind in self._roles
        for shape, t, tid, source, offset, via, row in rows:
            if t > newest:
                newest = t
            result = shape in (RELEASE, RESTORE)
            if result:
                self._note_result((tid, kind, key), source, offset, late=tid not in arrived or offset >= unsafe.get(source, 0))
            elif quotas and shape >= 0:
                arrived.add(tid)
            again = coming.get((source, offset), -1) if coming else -1
            if offset >= unsafe.get(source, 0) or via >= touches_committed >= 0 or again >= 0:
                if result:
                    role: str | None = settlement(shape == RELEASE, source, offset)
                else:
                    role = str(decode_rows(row)[0]) if shape == AGAIN else self.rows.role(shape)
                if role is not None:
                    self.remember(tid, kind, key, role, source, offset, max(via, again))
        return len(rows), newest

    def counts(self) -> Iterable[tuple[str, int]]:
        """How many profiles there are, by kind, wherever they are held."""
        return [(kind, self.places.count(kind)) for kind in self.places.live]
