"""Envelopes between workers, msgpack: private, no promise to outsiders.

One Kafka record carries all touches (or answers) of one slice of work for one partition. Rows name their shape by its number
in the envelope's own table, so that a worker with another rule set can still read them by name.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from risk.profiles import plain, within

INPUT_TOPICS = ("payments", "activity", "labels")
PARTITIONS_MAX = 4096
END_MS = 1 << 60
"""Order time of what comes after everything: the place of sources that were read to their end."""

encode_row = msgspec.msgpack.Encoder().encode


class TouchShape(msgspec.Struct, array_like=True, frozen=True):
    """What a row is: event type, role of the key in it, and the names of its columns."""

    event: str
    role: str
    columns: tuple[str, ...]


class RemoteEvent(msgspec.Struct, array_like=True):
    """What one event does to profiles that live in one partition elsewhere.

    ``order_ms``: its order time where it must keep its place among others (``order.py``), 0 where it is applied as it comes.
    ``source``: code of the source partition (see ``source_code``) and ``offset`` in it. ``want``: an answer is awaited.
    ``touches``: (number of the shape, key of the profile, row) each; shape RELEASE or RESTORE: quota of the kind that the row names.
    """

    order_ms: int
    t: int
    tid: int
    source: int
    offset: int
    want: bool
    touches: list[tuple[int, str, tuple[Any, ...]]]


class Routed(msgspec.Struct, array_like=True):
    """How far the sources of one worker have been routed: all their touches up to this rank stand before it in ``risk.touches``.

    ``places``: the sources, by their places in the merged order; then the rank: order time (``END_MS``: all of them were read to their
    end), place, offset. ``at_ms``: until when, by the time of day, records are known to their sources. ``newest_ms``: the broker's time of
    the newest record that was routed. ``ask``: we wait for others to say how far they are.
    """

    places: list[int]
    order_ms: int
    place: int
    offset: int
    at_ms: int
    newest_ms: int
    ask: bool


class TouchEnvelope(msgspec.Struct, array_like=True):
    """What one worker's slice of work does to profiles of one partition. ``committed``: what its sources have committed, by code."""

    ruleset: str
    epoch: int
    committed: dict[int, int]
    shapes: list[TouchShape]
    events: list[RemoteEvent]
    routed: Routed | None = None


class Answer(msgspec.Struct, array_like=True):
    """What the profiles of one partition (``home``) answered to one event, touch by touch in one list; None: the owner cannot say."""

    source: int
    offset: int
    home: int
    values: list[Any] | None


class AnswerEnvelope(msgspec.Struct, array_like=True):
    answers: list[Answer]


RELEASE, RESTORE, AGAIN = -1, -2, -3

_BOUNDED = 1  # the code of a value that knows its bound


def _with_bound(value: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(_BOUNDED, encode_row((plain(value), value.bound)))


def _from_ext(code: int, data: memoryview) -> Any:
    if code != _BOUNDED:
        raise ValueError(f"an answer holds an extension {code}")
    value, bound = msgspec.msgpack.decode(data)
    return within(value, bound)


encode = msgspec.msgpack.Encoder(enc_hook=_with_bound).encode
decode_touches = msgspec.msgpack.Decoder(TouchEnvelope).decode
decode_answers = msgspec.msgpack.Decoder(AnswerEnvelope, ext_hook=_from_ext).decode


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
