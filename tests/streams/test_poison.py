"""Poison between good messages: each becomes a dead letter that says what was wrong where, and the stream goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from aiokafka.structs import ConsumerRecord

from risk.decisions import rfc3339
from tests.streams.harness import RULES, Stage, fact, now_ms

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

DAY_MS = 86_400_000
LETTER_BYTES_MAX = 65_536
CARD = "4111 1111 1111 1111"  # the schemes' published test number, here to prove that it is refused
DIGITS = CARD.replace(" ", "")


def payment(number: object, **changes: Any) -> dict[str, Any]:
    """A good payment, with changes; a change to None leaves the field out."""
    body: dict[str, Any] = {
        "event": "payment",
        "payment_id": f"pay_{number}",
        "occurred_at": rfc3339(now_ms()),
        "amount": {"currency": "CNY", "value": 1_000},
        "payer": {"id": "usr_1"},
        "payee": {"id": "shop_1"},
        "device": {"id": "dev_1"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def amount(value: object = 1_000, currency: str = "CNY") -> dict[str, Any]:
    return {"currency": currency, "value": value}


class Poison(NamedTuple):
    """One bad message: what is expected on its dead letter, and how it is made."""

    name: str
    reason: str
    field: str
    value: bytes
    role: str = "payments"


def poisons() -> list[Poison]:
    """Every class of bad input, once or more."""
    tomorrow = rfc3339(now_ms() + DAY_MS + 60_000)
    odd = json.dumps(payment("odd", note="caf!")).encode()
    made = [
        ("an amount in words", "wrong_type", "amount", payment("b1", amount=amount("ten"))),
        ("a half minor unit", "wrong_type", "amount", payment("b2", amount=amount(10.5))),
        ("a number for an id", "wrong_type", "payer.id", payment("b3", payer={"id": 7})),
        ("a list for an object", "wrong_type", "payee", payment("b4", payee=[1])),
        ("a time in words", "bad_time", "occurred_at", payment("b5", occurred_at="yesterday")),
        ("no payer", "missing_field", "payer.id", payment("b6", payer=None)),
        ("no id", "missing_field", "payment_id", payment("b7", payment_id=None)),
        ("null for an amount", "missing_field", "amount", payment("b8") | {"amount": None}),
        ("no event type", "missing_field", "event", payment("b9", event=None)),
        ("an unknown event type", "unknown_event", "event", payment("b10", event="gift")),
        ("a negative amount", "bad_amount", "amount", payment("b11", amount=amount(-1))),
        ("an unknown currency", "bad_currency", "amount", payment("b12", amount=amount(currency="QQQ"))),
        ("another currency than the schema's", "bad_currency", "amount", payment("b13", amount=amount(currency="EUR"))),
        ("an id of 10,000 characters", "id_too_long", "payee.id", payment("b14", payee={"id": "x" * 10_000})),
        ("a payment id of 10,000 characters", "id_too_long", "payment_id", payment("b15", payment_id="y" * 10_000)),
        ("a time more than a day ahead", "future_time", "occurred_at", payment("b16", occurred_at=tomorrow)),
        ("a card number in a text", "card_number", "note", payment("b17", note=f"my card is {CARD}")),
        ("a card number and a negative amount", "card_number", "note", payment("b18", note=CARD, amount=amount(-1))),
        ("a card number in a field that nobody reads", "card_number", "more", payment("b19", more={"deep": [1, DIGITS]})),
        ("a list", "wrong_type", "message", [1, 2]),
    ]
    found = [Poison(name, reason, field, json.dumps(body).encode()) for name, reason, field, body in made]
    found += [
        Poison("invalid UTF-8", "bad_utf8", "message", odd.replace(b"caf!", b"caf\xff")),
        Poison("a message of 1 MB", "too_large", "message", json.dumps(payment("b20", note="z" * 1_000_000)).encode()),
        Poison(
            "a message of 1 MB with a card number", "too_large", "message", json.dumps(payment("b21", note=CARD + " z" * 500_000)).encode()
        ),
        Poison("half a message", "bad_json", "message", odd[: len(odd) // 2]),
        Poison("nothing", "bad_json", "message", b""),
        Poison("deep nesting", "bad_json", "message", b'{"event":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    ]
    login = {"event": "login", "occurred_at": rfc3339(now_ms()), "payer": {"id": "usr_1"}, "ok": "yes"}
    return [*found, Poison("activity of a wrong type", "wrong_type", "ok", json.dumps(login).encode(), "activity")]


@dataclass
class Story:
    """What was sent and what the topics said afterwards."""

    sent: list[tuple[Poison, int]]
    letters: dict[tuple[str, int], ConsumerRecord]
    decisions: dict[str, list[dict[str, Any]]]
    receipts: dict[str, dict[str, Any]]
    metrics: dict[str, float]
    offsets: dict[str, int]
    written: bytes
    topics: dict[str, str]

    def letter(self, role: str, offset: int) -> tuple[bytes, dict[str, str]]:
        record = self.letters[self.topics[role], offset]
        return record.value or b"", {name: value.decode() for name, value in record.headers}


async def tell(broker: str, folder: Any) -> Story:
    """One worker, one partition: good and bad in turn, then repeats, an old payment, one with extra fields."""
    async with Stage(broker, folder, RULES / "probes", partitions=1) as stage:
        worker = stage.worker()
        sent: list[tuple[Poison, int]] = []
        offsets: dict[str, int] = {}

        async def put(name: str, value: bytes, role: str = "payments") -> int:
            offsets[name] = (await (await stage.put(role, "usr_1", value))).offset
            return offsets[name]

        for number, poison in enumerate(poisons()):
            await put(f"good_{number}", json.dumps(payment(f"good_{number}")).encode())
            sent.append((poison, await put(poison.name, poison.value, poison.role)))
        first = payment("twice")
        await put("first", json.dumps(first).encode())
        await put("again", json.dumps(dict(reversed(list(first.items()))), indent=2).encode())
        await put("conflict", json.dumps(first | {"amount": amount(2_000)}).encode())
        await put("old", json.dumps(payment("old", occurred_at=rfc3339(now_ms() - 30 * DAY_MS))).encode())
        await put("extra", json.dumps(payment("extra", colour="red", more={"deep": [1, 2]})).encode())
        await put("last", json.dumps(payment("last")).encode())
        await worker.ready()
        await stage.answered(2 * len(sent) + 5)
        metrics = await worker.metrics()
        assert await worker.stop() == 0
        written = [record for role in stage.topics if role not in ("payments", "activity") for record in await stage.read(role)]
        decisions: dict[str, list[dict[str, Any]]] = {}
        for body in await stage.json("decisions"):
            decisions.setdefault(body["payment_id"], []).append(body)
        letters = {}
        for record in await stage.read("dead_letters"):
            topic, _, offset = dict(record.headers)["src"].decode().split("/")
            assert (topic, int(offset)) not in letters, "one dead letter for one record"
            letters[topic, int(offset)] = record
        receipts = {body["payment_id"]: body for body in await stage.json("receipts")}
        everything = b"\n".join((record.key or b"") + (record.value or b"") + repr(record.headers).encode() for record in written)
        return Story(sent, letters, decisions, receipts, metrics, offsets, everything, stage.topics)


@pytest.fixture(scope="module")
def story(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    told = asyncio.run(tell(broker, tmp_path_factory.mktemp("poison")))
    fact(
        f"poison: {len(told.letters)} dead letters of {len({p.reason for p, _ in told.sent}) + 1} reasons between "
        f"{len(told.decisions)} decided payments"
    )
    yield told


@pytest.mark.parametrize("name", [poison.name for poison in poisons()])
def test_a_bad_message_becomes_a_dead_letter_that_names_the_field(story: Story, name: str) -> None:
    poison, offset = next(each for each in story.sent if each[0].name == name)
    value, headers = story.letter(poison.role, offset)
    assert headers["reason"] == poison.reason
    assert headers["detail"].startswith(poison.field), headers["detail"]
    assert "expected" in headers["detail"]
    assert headers["epoch"].startswith("1/")
    if CARD.encode() in poison.value or DIGITS.encode() in poison.value:
        assert value == b""
    else:
        assert value == poison.value[:LETTER_BYTES_MAX]
    cut = len(value) < len(poison.value)
    assert ("size" in headers, "sha256" in headers) == (cut, cut)
    if cut:
        assert headers["size"] == str(len(poison.value))
        assert headers["sha256"] == hashlib.sha256(poison.value).hexdigest()


def test_every_reason_is_counted(story: Story) -> None:
    for reason in {poison.reason for poison, _ in story.sent}:
        count = sum(1 for poison, _ in story.sent if poison.reason == reason)
        assert story.metrics[f'risk_dead_letters_total{{reason="{reason}"}}'] == count, reason


def test_the_stream_goes_on_after_each_of_them(story: Story) -> None:
    good = [f"pay_good_{number}" for number in range(len(story.sent))]
    assert [len(story.decisions[payment_id]) for payment_id in [*good, "pay_last"]] == [1] * (len(good) + 1)
    assert len(story.letters) == len(story.sent) + 1
    assert len(story.decisions) == len(good) + 4


def test_a_bad_message_touches_no_profile(story: Story) -> None:
    before = [*(f"good_{number}" for number in range(len(story.sent))), "twice", "extra"]
    assert story.receipts["pay_last"]["values"]["payer_count"] == len(before) + 1  # the old payment counts too
    assert story.receipts["pay_last"]["values"]["payer_sum"] == 1_000 * (len(before) + 1)


def test_the_same_payment_again_is_counted_and_not_decided_again(story: Story) -> None:
    assert len(story.decisions["pay_twice"]) == 1
    assert story.receipts["pay_twice"]["source"]["offset"] == story.offsets["first"]
    assert story.metrics["risk_repeats_total"] == 1


def test_the_same_payment_id_with_other_content_is_a_dead_letter(story: Story) -> None:
    _, headers = story.letter("payments", story.offsets["conflict"])
    assert headers["reason"] == "conflicting_repeat"
    assert headers["detail"].startswith("payment_id")
    assert story.receipts["pay_twice"]["event"]["amount"]["value"] == 1_000


def test_an_old_payment_is_decided_and_counted_late(story: Story) -> None:
    assert len(story.decisions["pay_old"]) == 1
    assert story.receipts["pay_old"]["values"]["payer_count"] == 0, "it reads as of its own time"
    assert story.metrics[f'risk_late_events_total{{topic="{story.topics["payments"]}"}}'] == 1


def test_unknown_fields_are_ignored_and_counted(story: Story) -> None:
    assert len(story.decisions["pay_extra"]) == 1
    assert story.metrics["risk_extra_fields_total"] == 2
    assert "colour" not in story.receipts["pay_extra"]["event"]


def test_no_card_number_is_written_anywhere(story: Story) -> None:
    assert DIGITS.encode() not in story.written
    assert CARD.encode() not in story.written
