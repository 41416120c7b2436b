"""What the rows of chunks mean: which touch of today each shape is, and how rows make a profile.

Belongs here: shapes, and entering rows into a profile. Never: keys, epochs, and what may come again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from risk.engine import Engine
from risk.profiles import Past, Profile, Touch
from streams.chunks import CorruptChangelog, decode_rows, shape_id
from streams.wire import AGAIN, RELEASE, RESTORE, TouchShape, encode_row

Adopt = Callable[[tuple[Any, ...]], tuple[Any, ...]]
_decode_shape = msgspec.msgpack.Decoder(TouchShape).decode
_decode_marks = msgspec.msgpack.Decoder(list[tuple[int, int, int, int, int, int, msgspec.Raw]]).decode


class Rows:
    """The shapes that rows of one partition may have."""

    def __init__(self, engine: Engine, partition: int) -> None:
        self._engine = engine
        self._partition = partition
        self.of: dict[Touch, int] = {touch: shape_id(touch) for plan in engine.plans.values() for touch in plan.touches}
        # for each shape: today's touch, and how its rows become rows of today (None: as they are); None where nobody asks for them
        self._adopt: dict[int, tuple[Touch, Adopt | None] | None] = {n: (touch, None) for touch, n in self.of.items() if touch.records}
        self._written: set[int] = set()

    def learn(self, records: Mapping[bytes, bytes]) -> None:
        """Read what the changelog says of the shapes in it."""
        by_name = {(touch.event, touch.role): touch for touch in self.of}
        self._adopt.clear()  # what is in the changelog must be explained there
        for key, value in records.items():
            if key[:1] != b"d":
                continue
            shape, number = _decode_shape(value), int.from_bytes(key[1:], "big")
            touch = by_name.get((shape.event, shape.role))
            self._written.add(number)
            if touch is None or not touch.records:
                self._adopt[number] = None
            elif tuple(touch.columns) == shape.columns:
                self._adopt[number] = (touch, None)
            else:
                adopt = self._engine.layout.adopt(shape.event, shape.role, shape.columns)
                self._adopt[number] = None if adopt is None else (touch, adopt)

    def begin(self) -> None:
        """From now on rows of today's shapes are written."""
        self._adopt.update((n, (touch, None)) for touch, n in self.of.items() if touch.records)

    def unwritten(self) -> list[tuple[bytes, bytes]]:
        """Changelog records for the shapes that it does not know yet."""
        return [
            (b"d" + number.to_bytes(4, "big"), encode_row(TouchShape(touch.event, touch.role, tuple(touch.columns))))
            for touch, number in self.of.items()
            if touch.records and number not in self._written
        ]

    def role(self, shape: int) -> str | None:
        """Under which role a row of this shape may come again; None: nobody asks for it any more."""
        found = self._adopt[shape]
        return None if found is None else found[0].role

    def marks(self, chunk: bytes) -> list[tuple[int, int, int, int, int, int, msgspec.Raw]]:
        """The rows of a chunk of the changelog, their columns still encoded. Raises CorruptChangelog where they cannot be rows."""
        try:
            found = _decode_marks(chunk)
        except msgspec.MsgspecError as error:
            raise CorruptChangelog(f"a chunk of partition {self._partition} holds something else than rows: {error}") from error
        adopt = self._adopt
        for row in found:
            if row[0] not in adopt and row[0] not in (RELEASE, RESTORE, AGAIN):
                raise CorruptChangelog(f"a row of partition {self._partition} has shape {row[0]}, which no record explains")
        return found

    def entered(self, chunks: Iterable[bytes]) -> list[tuple[Touch, int, tuple[Any, ...]]]:
        """The rows of chunks as rows of today: touch, time, values. Those that nobody asks for, and what settles quota, are left out."""
        found = []
        for shape, t, _, _, _, _, row in _all_rows(chunks):
            how = self._adopt[shape] if shape >= 0 else None
            if how is not None:
                touch, convert = how
                found.append((touch, t, tuple(row) if convert is None else convert(tuple(row))))
        return found

    def replay(self, profile: Profile, chunks: Iterable[bytes], past: Past | None = None) -> None:
        """Enter the rows of all chunks, in order of arrival, behind what is left of older ones."""
        adopt = self._adopt
        for shape, t, tid, _, _, _, row in _all_rows(chunks):
            if shape >= 0:
                if (how := adopt[shape]) is not None:
                    touch, convert = how
                    values = tuple(row)
                    touch.record(profile, t, values if convert is None else convert(values), tid)
            elif shape == RELEASE:
                profile.release(tid)
            elif shape == RESTORE:
                profile.restore(tid)
        if past is not None:
            profile.remember(past)


def _all_rows(chunks: Iterable[bytes]) -> Iterator[list[Any]]:
    for chunk in chunks:
        yield from decode_rows(chunk)


def read_past(base: bytes, partition: int) -> Past:
    """What is left of a profile's older rows. Raises CorruptChangelog."""
    try:
        return Past.read(base)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise CorruptChangelog(f"a base of partition {partition} is none: {error}") from error
