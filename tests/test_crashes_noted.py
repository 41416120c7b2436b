"""A record that crashes a worker is noted; after two notes it is worked on otherwise, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from risk.engine import Engine
from risk.language import load
from streams import route as module
from streams.chunks import epoch_in
from streams.counting import RuleTally
from streams.crashes import Crashed, Crashes, done_with, key_of, note
from streams.ledger import Ledger, Stamp
from streams.metrics import Metrics
from streams.order import Order
from streams.pending import Pending
from streams.route import route
from streams.source import Item, Source
from streams.wire import encode_row

RULES = Path(__file__).parent / "streams" / "rules" / "probes"
TOPICS = {"payments": "p", "activity": "a", "labels": "l", "touches": "t"}
ROLES = {name: role for role, name in TOPICS.items()}
NOW = 1_800_000_000_000


def notes(role: str, offset: int, *deciding: bool) -> dict[bytes, bytes]:
    return {key_of(role, offset, epoch): encode_row((each, "ValueError()")) for epoch, each in enumerate(deciding, 1)}


def test_it_takes_two_crashes_of_the_same_record() -> None:
    crashes = Crashes(ROLES, notes("payments", 7, False) | notes("activity", 9, False, False) | {b"m\0\0\0\1": b"1/a"})
    assert not crashes.gives_up("p", 7)
    assert crashes.gives_up("a", 9)
    assert not crashes.gives_up("p", 9)
    assert not Crashes(ROLES, {})


def test_what_only_its_decision_crashed_is_touched_as_others_are() -> None:
    crashes = Crashes(ROLES, notes("payments", 1, True, True) | notes("payments", 2, True, False) | notes("payments", 3, False))
    assert [crashes.untouchable("p", offset) for offset in (1, 2, 3)] == [False, True, False]


def test_a_note_goes_when_its_record_is_committed() -> None:
    held = notes("payments", 7, False) | notes("touches", 3, False)
    assert done_with(held, {"payments": 7, "touches": 4}) == [key_of("touches", 3, 1)]
    assert epoch_in(key_of("touches", 3, 5)) == 5


async def test_the_note_goes_to_the_changelog_of_the_record_s_partition() -> None:
    sent: list[Any] = []

    async def send(*given: Any) -> None:
        sent.append(given)

    worker: Any = SimpleNamespace(
        shards={2: SimpleNamespace(ledger=Ledger(Stamp(4, "me"), 1))},
        topics=TOPICS | {"profiles": "c"},
        changelog=SimpleNamespace(send=send),
    )
    await note(worker, Crashed(Source(TP("a", 2), 1, 0), 17))
    await note(worker, ValueError("nobody's fault"))
    [(topic, partition, [(key, value, _)])] = sent
    assert (topic, partition, key) == ("c", 2, key_of("activity", 17, 4))
    assert Crashes(ROLES, {key: value, key_of("activity", 17, 5): value}).gives_up("a", 17)


class Stood:
    """A worker of one partition whose touches raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, crashes: dict[bytes, bytes]) -> None:
        self.engine = Engine(load([RULES]))
        self.ledger = Ledger(Stamp(3, "me"), 86_400_000)
        self.ledger.crashes = Crashes(ROLES, crashes)
        self.letters: list[Any] = []
        self.shard: Any = SimpleNamespace(
            ledger=self.ledger, lane=SimpleNamespace(put_letter=self.letters.append), out=[], untold=set(), resolved=set()
        )
        self.worker: Any = SimpleNamespace(
            engine=self.engine,
            shards={0: self.shard},
            metrics=Metrics(),
            keeping=SimpleNamespace(unsafe=[]),
            courier=SimpleNamespace(tie=lambda *_: None),
            settings=SimpleNamespace(deadline_ms=300),
            mildest="approve",
            pending=Pending(),
            partitions=1,
            alone=False,
            group=None,
            order=Order(patience=0),
            tallies={plan.event: RuleTally(plan.rules) for plan in self.engine.plans.values()},
        )
        monkeypatch.setattr(module, "touch_everywhere", self._touch)
        monkeypatch.setattr("streams.decide._release_here", lambda *_: None)

    def _touch(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a bug in a profile")

    def feed(self, topic: str, offset: int, **body: Any) -> None:
        raw = json.dumps({"occurred_at": "2027-01-15T08:00:00.000Z", "payer": {"id": "usr_1"}} | body).encode()
        record = ConsumerRecord(topic, 0, offset, NOW, 0, b"k", raw, None, 0, 0, ())
        route(self.worker, Source(TP(topic, 0), 0, 0), Item(NOW, offset, self.engine.schema.decode(raw), record, False))


Make = Callable[..., Stood]
PAYMENT = {"event": "payment", "payment_id": "pay_1", "amount": {"currency": "CNY", "value": 100}, "payee": {"id": "shop_1"}}


@pytest.fixture
def stood(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda crashes: Stood(monkeypatch, crashes)


def test_the_first_times_it_is_a_crash_that_names_the_record(stood: Make) -> None:
    with pytest.raises(Crashed) as crashed:
        stood(notes("payments", 5, False)).feed("p", 5, **PAYMENT)
    assert (crashed.value.source.tp, crashed.value.offset, crashed.value.deciding) == (TP("p", 0), 5, False)


def test_then_a_payment_is_decided_by_on_error_and_touches_nothing(stood: Make) -> None:
    worker = stood(notes("payments", 5, False, False))
    worker.feed("p", 5, **PAYMENT)
    [written] = worker.shard.out
    receipt = json.loads(written.receipt)
    assert (receipt["action"], receipt["failed"], set(receipt["unknown"].values())) == ("review", True, {"gave_up"})
    assert worker.worker.metrics.value("risk_gave_up_total", "p") == 1


def test_then_an_activity_is_a_dead_letter_and_touches_nothing(stood: Make) -> None:
    worker = stood(notes("activity", 5, False, False))
    worker.feed("a", 5, event="login", ok=True)
    [letter] = worker.letters
    assert dict(letter.headers)["reason"] == b"gave_up"
    assert worker.worker.metrics.value("risk_gave_up_total", "a") == 1


def test_an_error_while_deciding_is_told_from_one_while_touching(stood: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = stood({})
    monkeypatch.setattr(module, "touch_everywhere", lambda *given, **_: given[6].extend([None] * len(given[4].names)) or ({}, None))
    monkeypatch.setattr(worker.engine.writer, "receipt", worker._touch, raising=False)
    with pytest.raises(Crashed) as crashed:
        worker.feed("p", 5, **PAYMENT)
    assert crashed.value.deciding
