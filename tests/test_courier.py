"""Touches and answers on their way: one envelope a partition, and sources that settle when it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

from faust.types import TP

from streams.courier import Courier
from streams.source import Source
from streams.wire import RELEASE, RESTORE, Answer, RemoteEvent, Routed, TouchEnvelope, TouchShape, decode_answers, decode_touches
from tests.outbox_double import HeldOutbox

TOPICS = {"touches": "t", "values": "v"}


def touch(event: str = "payment", role: str = "payer.id", columns: tuple[str, ...] = ("amount",)) -> Any:
    return cast(Any, _touches.setdefault((event, role), SimpleNamespaceHashed(event=event, role=role, columns=columns, kind="user")))


class SimpleNamespaceHashed(SimpleNamespace):
    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


_touches: dict[tuple[str, str], Any] = {}


class Bench:
    def __init__(self) -> None:
        self.outbox = HeldOutbox()
        self.errors: list[BaseException] = []
        self.source = Source(TP("payments", 0), 0, 0)
        self.courier = Courier(cast(Any, self.outbox), TOPICS, "sha256:rules", self.errors.append)

    def send(self, committed: dict[int, int] | None = None, routed: Routed | None = None, listeners: Iterable[int] = ()) -> list[int]:
        return self.courier.send(lambda home: 40 + home, lambda: committed or {}, routed, listeners)

    def touch(self, home: int, of: Any, key: str, t: int, tid: int, offset: int, row: tuple[Any, ...], want: bool = True) -> None:
        self.courier.event(home, 9, t, tid, 0, offset, want).append((self.courier.shape(home, of), key, row))

    def envelopes(self) -> dict[int, TouchEnvelope]:
        return {home: decode_touches(records[0][1] or b"") for topic, home, records in self.outbox.sent if topic == "t"}


async def test_a_slice_makes_one_envelope_for_each_partition() -> None:
    bench = Bench()
    payer, payee = touch(), touch(role="payee.id")
    first = bench.courier.event(1, 9, 10, 77, 0, 5, True)
    first.append((bench.courier.shape(1, payer), "u1", (900,)))
    first.append((bench.courier.shape(1, payee), "s1", (900,)))
    bench.touch(1, payer, "u2", 11, 78, 6, (901,))
    bench.touch(2, payee, "s2", 11, 78, 6, (901,), want=False)
    bench.courier.quota(2, "user", "u3", 79, True, 0, 7)
    bench.courier.quota(2, "user", "u3", 79, False, 0, 8)
    assert bench.send({0: 4}, Routed([0], 11, 0, 6, 800, 900, False), [3]) == [1, 2, 3]
    await bench.outbox.settled()
    found = bench.envelopes()
    assert sorted(found) == [1, 2, 3]
    one, two, told = found[1], found[2], found[3]
    assert (one.ruleset, one.epoch, one.committed) == ("sha256:rules", 41, {0: 4})
    assert one.shapes == [TouchShape("payment", "payer.id", ("amount",)), TouchShape("payment", "payee.id", ("amount",))]
    assert one.events == [
        RemoteEvent(9, 10, 77, 0, 5, True, [(0, "u1", (900,)), (1, "s1", (900,))]),
        RemoteEvent(9, 11, 78, 0, 6, True, [(0, "u2", (901,))]),
    ]
    assert two.shapes == [TouchShape("payment", "payee.id", ("amount",))], "shapes are numbered anew in each envelope"
    assert two.events == [
        RemoteEvent(9, 11, 78, 0, 6, False, [(0, "s2", (901,))]),
        RemoteEvent(0, 0, 79, 0, 7, False, [(RELEASE, "u3", ("user",))]),
        RemoteEvent(0, 0, 79, 0, 8, False, [(RESTORE, "u3", ("user",))]),
    ]
    assert told.events == [], "who is only told how far we are gets an empty envelope"
    assert one.routed == two.routed == told.routed == Routed([0], 11, 0, 6, 800, 900, False)


async def test_a_source_settles_once_for_each_partition_that_has_acknowledged() -> None:
    bench = Bench()
    bench.source.begin(5, 2)
    for home in (1, 2):
        bench.touch(home, touch(), "u1", 10, 77, 5, (900,))
    bench.courier.tie({1, 2}, bench.source, 5)
    bench.send()
    await bench.outbox.settled()
    assert not bench.courier.idle
    await bench.outbox.ack("t")
    assert bench.source.committable() == 0
    await bench.outbox.ack("t")
    assert bench.source.committable() == 6
    assert bench.courier.idle


async def test_a_release_on_its_way_keeps_its_source_from_being_committed() -> None:
    bench = Bench()
    bench.source.begin(5, 1)  # its decision
    bench.courier.quota(1, "user", "u1", 77, True, 0, 5)
    bench.source.more(5, 1)
    bench.courier.tie({1}, bench.source, 5)
    bench.send()
    await bench.outbox.settled()
    bench.source.settle(5)  # the decision is out
    assert bench.source.committable() == 0
    await bench.outbox.ack("t")
    assert bench.source.committable() == 6


async def test_touches_settle_when_their_answers_are_acknowledged() -> None:
    bench = Bench()
    bench.source.begin(9, 2)
    bench.courier.answer(3, Answer(0, 5, 0, [1, None]))
    bench.courier.answer(0, Answer(1, 6, 1, None))
    bench.courier.answer(3, Answer(0, 7, 0, [2, 2.5]))
    bench.courier.tie_answers({0, 3}, bench.source, 9)
    bench.send()
    await bench.outbox.settled()
    answers = {home: decode_answers(records[0][1] or b"").answers for _, home, records in bench.outbox.sent}
    assert answers == {3: [Answer(0, 5, 0, [1, None]), Answer(0, 7, 0, [2, 2.5])], 0: [Answer(1, 6, 1, None)]}
    await bench.outbox.ack("v")
    assert bench.source.committable() == 0
    await bench.outbox.ack("v")
    assert bench.source.committable() == 10


async def test_nothing_collected_sends_nothing_and_a_slice_is_sent_once() -> None:
    bench = Bench()
    bench.send()
    await bench.outbox.settled()
    assert bench.outbox.sent == [] and bench.courier.idle
    bench.touch(1, touch(), "u1", 10, 77, 5, (900,))
    bench.send()
    bench.send()
    await bench.outbox.settled()
    assert len(bench.outbox.sent) == 1
    await bench.outbox.ack("t")
    bench.touch(1, touch(role="payee.id"), "s1", 10, 78, 6, (900,))
    bench.send()
    await bench.outbox.settled()
    assert bench.envelopes()[1].shapes == [TouchShape("payment", "payee.id", ("amount",))], "only what this envelope needs"


async def test_a_refused_envelope_ends_the_worker_and_settles_nothing() -> None:
    bench = Bench()
    bench.source.begin(5, 1)
    bench.touch(1, touch(), "u1", 10, 77, 5, (900,))
    bench.courier.tie({1}, bench.source, 5)
    bench.send()
    await bench.outbox.settled()
    await bench.outbox.refuse("t", RuntimeError("refused"))
    assert [str(error) for error in bench.errors] == ["refused"]
    assert bench.source.committable() == 0
