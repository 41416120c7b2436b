"""Envelopes between workers, and the fixed numbers that must never change while state exists."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import partition_in
from streams.wire import (
    END_MS,
    PARTITIONS_MAX,
    RELEASE,
    Answer,
    AnswerEnvelope,
    RemoteEvent,
    Routed,
    TouchEnvelope,
    TouchShape,
    decode_answers,
    decode_touches,
    encode,
    encode_row,
    mark_of,
    partition_of,
    row_head,
    source_code,
)

VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20))


def test_where_a_profile_lives_is_fixed() -> None:
    """These numbers are on brokers: another hash would look for every profile in another place."""
    assert [partition_of("device", "dev_1", 4), partition_of("user", "usr_1", 4), partition_of("user+device", "usr_1\x1fdev_1", 64)] == [
        1,
        3,
        49,
    ]
    assert partition_of("user", "张三", 12) == 10


@given(st.text(max_size=30), st.text(max_size=30), st.integers(1, 4096))
def test_every_profile_has_one_home(kind: str, key: str, partitions: int) -> None:
    home = partition_of(kind, key, partitions)
    assert 0 <= home < partitions
    assert home == partition_of(kind, key, partitions)


@pytest.mark.parametrize("topic", [0, 1, 2])
@pytest.mark.parametrize("partition", [0, 1, PARTITIONS_MAX - 1])
def test_a_source_code_tells_topic_and_partition(topic: int, partition: int) -> None:
    code = source_code(topic, partition)
    assert partition_in(code) == partition
    assert code // PARTITIONS_MAX == topic


@given(st.integers(-3, 2**31), st.integers(-1, 2**62), st.integers(0, 2**63 - 1), st.integers(0, 2**40), st.lists(VALUES, max_size=5))
def test_a_row_put_together_from_parts_is_one_row(shape: int, t: int, tid: int, offset: int, row: list[Any]) -> None:
    raw = row_head(shape) + mark_of(t, tid, 4097, offset, -1) + encode_row(tuple(row))
    assert msgspec.msgpack.decode(raw) == [shape, t, tid, 4097, offset, -1, row]


@given(st.lists(VALUES, max_size=5), st.booleans())
def test_touches_arrive_as_they_were_sent(row: list[Any], want: bool) -> None:
    event = RemoteEvent(9, 1, 2, 3, 4, want, [(0, "u", tuple(row)), (RELEASE, "v", ("user",))])
    shapes = [TouchShape("payment", "payer.id", ("amount", "where:x > 1"))]
    sent = TouchEnvelope("sha256:x", 7, {0: 5, 4096: 9}, shapes, [event], Routed([3, 4099], END_MS, 3, 4, 800, 900, True))
    assert decode_touches(encode(sent)) == sent


def test_answers_keep_unknown_never_and_cannot_say_apart() -> None:
    sent = AnswerEnvelope([Answer(0, 1, 2, [None, math.nan, 3, "x", True]), Answer(0, 1, 3, None), Answer(0, 1, 4, [])])
    first, second, third = decode_answers(encode(sent)).answers
    assert first.values is not None
    assert first.values[0] is None and math.isnan(first.values[1]) and first.values[2:] == [3, "x", True]
    assert type(first.values[2]) is int and first.values[4] is True
    assert (second.values, third.values) == (None, [])


def test_an_envelope_of_another_shape_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_touches(encode(["sha256:x", "not a number", {}, [], []]))
