"""What a profile is in the changelog: chunks of rows under keys that end with chunk number and epoch, and the same packed into one value.

Belongs here: keys, bytes and what they must look like. Never: what a row does to a profile, and where a profile is kept.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import msgspec
from aiokafka.structs import ConsumerRecord

from risk.profiles import Touch

TAIL = struct.Struct(">II")  # chunk number, epoch
MARKER = b"m"
decode_rows = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


class CorruptChangelog(Exception):
    """The changelog does not hold what its keys promise: recovery stops rather than guess."""


class Packed(msgspec.Struct, array_like=True, gc=False):
    """A profile that is held as its chunks: the open one and how it was written last, and the closed ones with their epochs.

    ``epoch`` 0: the open chunk was never written; it has ``rows`` rows, behind one another in ``open``. ``base`` stands for all chunks
    below the number ``covers``; empty: there is none. ``at`` is the time of its newest touch.
    """

    at: int
    chunk: int
    epoch: int
    rows: int
    open: bytes
    closed: list[tuple[int, bytes]]
    covers: int = 0
    base_epoch: int = 0
    base: bytes = b""

    def chunks(self) -> Iterator[bytes]:
        """All chunks, the open one last."""
        for _, chunk in self.closed:
            yield chunk
        if self.rows:
            yield array_of(self.rows, self.open)


pack = _encode
unpack = msgspec.msgpack.Decoder(Packed).decode


def shape_id(touch: Touch) -> int:
    """A stable number for what a row of this touch holds."""
    return zlib.crc32(f"{touch.event}\x1f{touch.role}\x1f{','.join(touch.columns)}".encode()) & 0x7FFFFFFF


def prefix_of(kind: str, key: str) -> bytes:
    """How the changelog keys of a profile's chunks begin."""
    return b"c" + _encode((kind, key))


def base_key(prefix: bytes, covers: int, epoch: int) -> bytes:
    """The key of what is left of a profile's chunks below the number ``covers``."""
    return b"b" + prefix[1:] + TAIL.pack(covers, epoch)


def profile_of(prefix: bytes) -> tuple[str, str]:
    """Kind and key of the profile whose changelog keys begin so."""
    kind, key = decode_rows(prefix[1:])
    return kind, key


def marker_key(epoch: int) -> bytes:
    """The key under which an owner marks the changelog as its own."""
    return MARKER + epoch.to_bytes(4, "big")


def epoch_in(key: bytes) -> int:
    """The epoch that a changelog key carries; 0 where it carries none."""
    if key[:1] in (b"c", b"b"):
        return int(TAIL.unpack(key[-8:])[1])
    if key[:1] == b"x":
        return int.from_bytes(key[-4:], "big")
    return int.from_bytes(key[1:5], "big") if key[:1] in (MARKER, b"s", b"l", b"g") else 0


def changelog_marker_epoch(record: ConsumerRecord) -> int:
    """The epoch of an owner's marker in the changelog; 0 for any other record."""
    return epoch_in(record.key) if record.key[:1] == MARKER else 0


def array_of(count: int, payload: bytes | bytearray) -> bytes:
    """So many msgpack values, one behind the other, as one msgpack array."""
    return b"\xdc" + count.to_bytes(2, "big") + payload


def rows_in(value: bytes) -> int:
    """How many rows a chunk holds."""
    if value[:1] != b"\xdc" or len(value) < 3:
        raise CorruptChangelog(f"a chunk begins with {value[:3]!r}, not with the number of its rows")
    return int.from_bytes(value[1:3], "big")
