"""The way out of a partition: receipt, then decision, then the source settles; and what happens when Kafka refuses."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from faust.types import TP

from streams.lane import RECEIPTS_AT_ONCE, DeadLetter, Lane, Written
from streams.source import Source
from tests.outbox_double import HeldOutbox

TOPICS = {"receipts": "r", "decisions": "d", "dead_letters": "x"}


class Bench:
    def __init__(self) -> None:
        self.outbox = HeldOutbox()
        self.errors: list[BaseException] = []
        self.decided: list[int] = []
        self.source = Source(TP("payments", 0), 0, 0)
        self.lane = Lane(cast(Any, self.outbox), TOPICS, 3, self.errors.append, lambda rows: self.decided.extend(r.offset for r in rows))

    def put(self, *offsets: int) -> None:
        for offset in offsets:
            self.source.begin(offset, 1)
        self.lane.put([Written(b"k", b"r%d" % n, b"d%d" % n, [], self.source, n, 0) for n in offsets])


async def test_a_decision_is_sent_only_when_its_receipt_is_acknowledged() -> None:
    bench = Bench()
    bench.put(0, 1)
    await bench.outbox.settled()
    assert bench.outbox.topics() == ["r"]
    assert not bench.lane.idle
    await bench.outbox.ack("r")
    assert bench.outbox.topics() == ["d"]
    assert bench.outbox.values("d") == [b"d0", b"d1"]
    assert bench.source.committable() == 0
    assert bench.decided == []
    await bench.outbox.ack("d")
    assert bench.source.committable() == 2
    assert bench.decided == [0, 1]
    assert bench.lane.idle
    bench.lane.stop()


async def test_receipts_go_on_while_decisions_wait_and_gather_into_one_batch() -> None:
    bench = Bench()
    bench.put(0)
    await bench.outbox.settled()
    bench.put(1)
    bench.put(2)
    await bench.outbox.ack("r")
    assert sorted(bench.outbox.topics()) == ["d", "r"]
    assert bench.outbox.values("r") == [b"r1", b"r2"], "what waited goes out as one batch"
    await bench.outbox.ack("r")
    assert bench.outbox.topics() == ["d"]
    await bench.outbox.ack("d")
    assert bench.outbox.values("d") == [b"d1", b"d2"]
    await bench.outbox.ack("d")
    assert bench.source.committable() == 3
    bench.lane.stop()


async def test_many_slices_of_receipts_go_out_in_pieces() -> None:
    bench = Bench()
    bench.put(0)
    await bench.outbox.settled()
    for offset in range(1, RECEIPTS_AT_ONCE + 2):
        bench.put(offset)
    await bench.outbox.ack("r")
    assert len(bench.outbox.values("r")) == RECEIPTS_AT_ONCE
    await bench.outbox.ack("r")
    assert bench.outbox.values("r") == [b"r%d" % (RECEIPTS_AT_ONCE + 1)]
    await bench.outbox.ack("d")
    await bench.outbox.ack("r")
    await bench.outbox.ack("d")
    assert not bench.lane.idle
    await bench.outbox.ack("d")
    assert bench.lane.idle
    assert bench.source.committable() == RECEIPTS_AT_ONCE + 2
    bench.lane.stop()


async def test_a_dead_letter_settles_its_source_when_it_is_acknowledged() -> None:
    bench = Bench()
    bench.source.begin(0, 1)
    bench.lane.put_letter(DeadLetter(b"bad", [("reason", b"bad_json")], bench.source, 0))
    await bench.outbox.settled()
    assert bench.outbox.sent[0][:2] == ("x", 3)
    assert bench.outbox.sent[0][2] == [(None, b"bad", [("reason", b"bad_json")])]
    assert bench.source.committable() == 0
    assert not bench.lane.idle
    await bench.outbox.ack("x")
    assert bench.source.committable() == 1
    assert bench.lane.idle
    bench.lane.stop()


async def test_a_refused_receipt_ends_the_worker_and_no_decision_is_sent() -> None:
    bench = Bench()
    bench.put(0)
    await bench.outbox.settled()
    await bench.outbox.refuse("r", RuntimeError("refused"))
    assert [str(error) for error in bench.errors] == ["refused"]
    assert bench.outbox.topics() == []
    assert bench.source.committable() == 0
    assert not bench.lane.idle, "nobody may take it for done"
    bench.put(1)
    await bench.outbox.settled()
    assert bench.outbox.topics() == [], "nothing is sent after a refusal"
    bench.lane.stop()


async def test_a_stopped_lane_sends_nothing_more() -> None:
    bench = Bench()
    bench.put(0)
    await bench.outbox.settled()
    bench.lane.stop()
    await asyncio.sleep(0)
    await bench.outbox.ack("r")
    assert bench.outbox.topics() == []
    assert bench.source.committable() == 0
    assert bench.errors == []
