"""The reader for gateways: each decision that counts, once; nothing that is on the topic makes it raise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk.gateway import DecisionReader, Held

Step = tuple[int, str, str | None]
"""Epoch, instance, and the payment that is decided; None is a marker."""


def record(offset: int, step: Step, partition: int = 0) -> Any:
    epoch, instance, payment = step
    headers = [("epoch", f"{epoch}/{instance}".encode())]
    if payment is None:
        return SimpleNamespace(partition=partition, offset=offset, value=b"", headers=[("marker", b"takeover"), *headers])
    value = json.dumps({"payment_id": payment, "action": "approve", "new_field": [1]}).encode()
    return SimpleNamespace(partition=partition, offset=offset, value=value, headers=[("src", b"payments/0/1"), *headers])


def told(steps: Sequence[Step], reader: DecisionReader | None = None, start: int = 0) -> list[str]:
    reader = reader or DecisionReader()
    return [each.payment_id for each in reader.read([record(start + i, step) for i, step in enumerate(steps)])]


def test_markers_are_no_decisions_and_what_a_stale_owner_writes_after_one_is_void() -> None:
    reader = DecisionReader()
    assert told([(1, "a", None), (1, "a", "p1"), (2, "b", None), (1, "a", "p2"), (2, "b", "p2")], reader) == ["p1", "p2"]
    assert (reader.decisions, reader.markers, reader.void, reader.again, reader.undecodable) == (2, 2, 1, 0, 0)


def test_of_two_markers_with_one_epoch_the_first_holds() -> None:
    race: list[Step] = [(2, "b", None), (2, "c", None), (2, "c", "void"), (2, "b", "p1")]
    assert told([(1, "a", None), *race, (3, "c", None), (3, "c", "p2")]) == ["p1", "p2"]


def test_a_decision_of_a_higher_epoch_tells_of_a_marker_that_was_not_seen() -> None:
    assert told([(4, "d", "p1"), (3, "c", "void"), (4, "d", "p2")], start=70) == ["p1", "p2"]


def test_a_reader_that_starts_in_the_middle_does_not_guess_whose_marker_was_first() -> None:
    assert told([(6, "stale", "p0"), (7, "lost the race", None), (7, "holds", "p1")], start=70) == ["p0", "p1"]


def test_partitions_do_not_mix() -> None:
    reader = DecisionReader()
    records = [record(0, (5, "a", None)), record(0, (1, "b", None), partition=1), record(1, (1, "b", "p1"), partition=1)]
    assert [each.payment_id for each in reader.read(records)] == ["p1"]
    assert reader.held == {0: Held(1, 5, "a"), 1: Held(2, 1, "b")}


def test_a_partition_that_went_to_another_reader_is_read_anew() -> None:
    reader = DecisionReader()
    story: list[Step] = [(1, "a", None), (1, "a", "p1"), (2, "b", None)]
    assert told(story, reader) == ["p1"]
    assert told(story, reader) == []
    assert reader.again == 3
    reader.forget(0)
    assert told(story, reader) == ["p1"]


def test_a_newer_schema_is_an_alarm_and_not_an_answer() -> None:
    reader = DecisionReader()
    value = b'{"payment_id": "p", "action": "approve", "schema": 2}'
    assert reader.feed(0, 0, value, [("epoch", b"1/a")]) is None
    assert reader.undecodable == 1


STEPS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab"), st.sampled_from([None, "p"])), max_size=14)


@given(STEPS, st.data())
def test_going_on_from_what_was_held_is_the_same_as_reading_on(steps: list[Step], data: st.DataObject) -> None:
    whole = told(steps)
    cut = data.draw(st.integers(0, len(steps)))
    overlap = data.draw(st.integers(0, cut))
    first = DecisionReader()
    before = told(steps[:cut], first)
    stored = {int(p): Held(*held) for p, held in json.loads(json.dumps(first.held)).items()}
    assert before + told(steps[cut - overlap :], DecisionReader(stored), start=cut - overlap) == whole


@given(STEPS)
def test_the_reader_agrees_with_what_the_contract_says_record_by_record(steps: list[Step]) -> None:
    counts = []
    for i, (epoch, instance, payment) in enumerate(steps):
        earlier = steps[: i + 1]
        highest = max(each[0] for each in earlier)
        holder = next(each[1] for each in earlier if each[0] == highest)
        if payment is not None and epoch == highest and instance == holder:
            counts.append(payment)
    assert told(steps) == counts


HEADERS = st.lists(st.tuples(st.sampled_from(["epoch", "marker", "x"]), st.one_of(st.none(), st.binary(max_size=20))))


@given(st.one_of(st.none(), st.binary(max_size=60)), HEADERS)
def test_nothing_on_the_topic_makes_it_raise(value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    reader = DecisionReader()
    assert reader.feed(0, 0, value, headers) is None
    assert reader.feed(0, 1, b'{"payment_id": "p", "action": "a", "obligations": ' + b"[" * 9_000, [("epoch", b"9/a")]) is None
    assert reader.feed(0, 2, b'{"payment_id": "\xff", "action": "a"}', [("epoch", b"9" * 5_000 + b"/a")]) is None
    assert reader.markers + reader.undecodable + reader.void == 3


def test_it_needs_neither_kafka_nor_faust() -> None:
    asked = "import sys, risk.gateway; print(sorted({'faust', 'aiokafka', 'river', 'streams'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "[]\n"
