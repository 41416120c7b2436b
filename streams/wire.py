"""Envelopes between workers, msgpack: private, no promise to outsiders.

One Kafka record carries all touches (or answers) of one slice of work for one partition. Rows name their shape by its number
in the envelope's own table, so that a worker with another rule set can still read them by name.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

INPUT_TOPICS = ("payments", "activity", "labels")
PARTITIONS_MAX = 4096

encode_row = msgspec.msgpack.Encoder().encode


class TouchShape(msgspec.Struct, array_like=True, frozen=True):
    """What a row is: event type, role of the key in it, and the names of its columns."""

    event: str
    role: str
    columns: tuple[str, ...]


class RemoteTouch(msgspec.Struct, array_like=True):
    """One touch for a profile that lives elsewhere. ``shape`` -1 releases and -2 restores quota; ``want``: an answer is awaited.

    ``source``: code of the source partition (see ``source_code``) and ``offset`` in it; ``number``: which touch of the payment it is.
    """

    shape: int
    kind: str
    key: str
    t: int
    tid: int
    source: int
    offset: int
    number: int
    want: bool
    row: tuple[Any, ...]


class TouchEnvelope(msgspec.Struct, array_like=True):
    """Touches from one source partition's worker. ``committed``: what its sources have committed, by source code."""

    ruleset: str
    epoch: int
    committed: dict[int, int]
    shapes: list[TouchShape]
    touches: list[RemoteTouch]


class Answer(msgspec.Struct, array_like=True):
    """What a profile answered to one touch; ``values`` is None when the owner could not say."""

    source: int
    offset: int
    number: int
    values: list[Any] | None


class AnswerEnvelope(msgspec.Struct, array_like=True):
    answers: list[Answer]


RELEASE, RESTORE, AGAIN = -1, -2, -3

encode = msgspec.msgpack.Encoder().encode
decode_touches = msgspec.msgpack.Decoder(TouchEnvelope).decode
decode_answers = msgspec.msgpack.Decoder(AnswerEnvelope).decode


def mark_of(t: int, tid: int, source: int, offset: int, via: int) -> bytes:
    """Where a row comes from, encoded once for all profiles that an event touches: time, identity, source, offset in risk.touches."""
    return encode_row((t, tid, source, offset, via))[1:]


def row_head(shape: int) -> bytes:
    """How every row of one shape begins: seven values, the shape first."""
    return b"\x97" + encode_row(shape)


def source_code(topic_index: int, partition: int) -> int:
    """A source partition as one small number: which input topic, which partition."""
    return topic_index * PARTITIONS_MAX + partition


def partition_of(kind: str, key: str, partitions: int) -> int:
    """Where a profile lives. The product's own fixed hash: it must never change while state exists."""
    return zlib.crc32(f"{kind}\x1f{key}".encode()) % partitions
