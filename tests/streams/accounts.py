"""What must be true of the topics after any crash: every payment has one answer, and every value was counted once.

Belongs here: reading the topics as an outsider, brute force over all that was accepted, probes. Never: code of the worker or of profiles.
The numbers are made by loops over the JSON that lies on the topics.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord

from risk.decisions import rfc3339
from streams.audit import audit
from tests.streams.harness import ANSWER_SECONDS, Stage, now_ms
from tests.streams.traffic import CARDS, DEVICES, PAYEES, PAYERS

PROBE = "probe_"
Json = dict[str, Any]
Source = tuple[int, int]
"""Partition and offset of a payment."""


@dataclass
class Answers:
    """Decisions as a reader of the contract sees them: by the source of their payment, what is void, and how many takeovers there were."""

    by_source: dict[Source, Json]
    by_payment: Counter[str]
    markers: int
    void: int


def answers_of(decisions: Iterable[ConsumerRecord]) -> Answers:
    """The valid decisions: a record with a lower epoch than a marker before it, in its partition, is void."""
    found = Answers({}, Counter(), 0, 0)
    epochs: dict[int, int] = {}
    for record in decisions:
        headers = dict(record.headers)
        epoch = int(headers["epoch"].decode().split("/")[0])
        if "marker" in headers:
            assert not record.value, "a marker carries no decision"
            epochs[record.partition] = max(epoch, epochs.get(record.partition, 0))
            found.markers += 1
        elif epoch < epochs.get(record.partition, 0):
            found.void += 1
        else:
            answer = json.loads(record.value)
            _, partition, offset = headers["src"].decode().split("/")
            assert int(partition) == record.partition, f"{answer['payment_id']} was decided in another partition than its own"
            found.by_source[int(partition), int(offset)] = answer
            found.by_payment[answer["payment_id"]] += 1
    return found


def receipt_hash(record: ConsumerRecord) -> str:
    """What a decision names its receipt by."""
    return "sha256:" + hashlib.sha256(record.value).hexdigest()


def recorded_in(changelog: Iterable[ConsumerRecord]) -> set[Source]:
    """Sources of payments whose rows stand in the changelog of profiles."""
    found: set[Source] = set()
    for record in changelog:
        if record.value is not None and record.key[:1] == b"c":
            for _shape, _t, _tid, source, offset, _via, row in msgspec.msgpack.decode(record.value):
                if source < 4096 and row:
                    found.add((source, offset))
    return found


@dataclass
class Accounts:
    """What was found: for the line of facts."""

    payments: int = 0
    repeats: int = 0
    decided: int = 0
    letters: int = 0
    degraded: int = 0
    void: int = 0
    takeovers: int = 0
    probes: int = 0
    values: int = 0

    def line(self) -> str:
        return (
            f"{self.payments} payments ({self.repeats} repeats), {self.decided} decided once each, {self.letters} bad ones put aside, "
            f"{self.degraded} degraded, {self.void} void, "
            f"{self.takeovers} takeovers, {self.values} values of {self.probes} probes equal brute force"
        )


async def good_payments(stage: Stage) -> tuple[dict[str, Json], dict[str, Source], set[Source], int]:
    """From the topic: payments that can be read, by id; the first source of each; sources of those that cannot; how many are repeats."""
    bodies: dict[str, Json] = {}
    first: dict[str, Source] = {}
    bad: set[Source] = set()
    repeats = 0
    for record in await stage.read("payments"):
        body = json.loads(record.value)
        if body["amount"]["value"] < 0:
            bad.add((record.partition, record.offset))
        elif body["payment_id"] in first:
            repeats += 1
        else:
            bodies[body["payment_id"]] = body
            first[body["payment_id"]] = (record.partition, record.offset)
    return bodies, first, bad, repeats


async def all_are_answered(stage: Stage, seconds: float = ANSWER_SECONDS) -> None:
    """Wait until every payment has an answer; read from the topics, for markers and void records may be among them."""
    _, first, bad, _ = await good_payments(stage)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answered = set(answers_of(await stage.read("decisions")).by_source)
        if answered >= set(first.values()) and letters_of(stage, await stage.read("dead_letters")) >= bad:
            return
        await asyncio.sleep(0.3)
    raise AssertionError(f"after {seconds:.0f} s {len(set(first.values()) - answered)} of {len(first)} payments have no answer")


def letters_of(stage: Stage, letters: Iterable[ConsumerRecord]) -> set[Source]:
    """Sources of payments that became dead letters; two with the same source are one."""
    sources = (dict(record.headers)["src"].decode().split("/") for record in letters)
    return {(int(partition), int(offset)) for topic, partition, offset in sources if topic == stage.topics["payments"]}


async def every_payment_answered_once(stage: Stage) -> Accounts:
    """Assert it, twice: by `streams.audit` and by reading here."""
    counted = await audit(stage.broker, stage.topics["payments"], stage.topics["decisions"], stage.topics["dead_letters"])
    assert (counted.lost, counted.double, counted.strangers) == ([], [], [])
    answers = answers_of(await stage.read("decisions"))
    _, first, bad, repeats = await good_payments(stage)
    assert set(answers.by_source) == set(first.values()), "every payment is answered at its first source, and nothing else is"
    assert all(answers.by_source[source]["payment_id"] == payment_id for payment_id, source in first.items())
    assert set(answers.by_payment.values()) <= {1}, [p for p, n in answers.by_payment.items() if n > 1]
    assert letters_of(stage, await stage.read("dead_letters")) == bad
    receipts = {receipt_hash(record) for record in await stage.read("receipts")}
    assert {answer["receipt"] for answer in answers.by_source.values()} <= receipts, "every decision has its receipt"
    degraded = sum(1 for answer in answers.by_source.values() if answer["degraded"])
    return Accounts(len(first), repeats, len(answers.by_source), len(bad), degraded, answers.void, answers.markers)


async def nothing_counted_twice_or_missed(stage: Stage, accounts: Accounts) -> None:
    """Send a probe payment for every payer, device, card and payee; what its receipt read must be what loops over the topics say."""
    payments = list((await good_payments(stage))[0].values())
    activity = await stage.json("activity")
    decided = answers_of(await stage.read("decisions")).by_source.values()
    refused = {answer["payment_id"] for answer in decided if answer["action"] != "approve"}
    refused |= {body["payment_id"] for body in activity if body.get("outcome") in ("declined", "reversed")}
    sent = await _send_probes(stage)
    await all_are_answered(stage)
    receipts = {each["payment_id"]: each for each in await stage.json("receipts") if each["payment_id"].startswith(PROBE)}
    for number in range(sent):
        receipt = receipts[f"{PROBE}{number}"]
        wanted = by_brute_force(payments, activity, refused, number)
        read = receipt["values"]
        wrong = {name: f"read {read[name]}, brute force {value}" for name, value in wanted.items() if read[name] != value}
        assert not wrong and not receipt["unknown"], f"probe {number}: {wrong}, unknown {receipt['unknown']}"
        accounts.values += len(wanted)
    accounts.probes = sent


async def _send_probes(stage: Stage) -> int:
    """One payment for every payer, device, card and payee, each asked about once: where the small tables end, ids are new."""
    count = max(PAYERS, DEVICES, CARDS, PAYEES)
    at = rfc3339(now_ms())
    for number in range(count):
        payer = f"usr_{number}"
        body = {"event": "payment", "payment_id": f"{PROBE}{number}", "occurred_at": at, "amount": {"currency": "CNY", "value": 1}}
        ids = {"payer": payer, "payee": f"shop_{number}", "device": f"dev_{number}", "card": f"card_{number}"}
        await stage.put("payments", payer, json.dumps(body | {name: {"id": key} for name, key in ids.items()}).encode())
    await stage.producer.flush()
    return count


def by_brute_force(payments: list[Json], activity: list[Json], refused: set[str], number: int) -> Json:
    def of(role: str, key: str, events: Iterable[Json] = payments) -> list[Json]:
        return [body for body in events if body.get(role, {}).get("id") == key]

    def total(events: list[Json]) -> int:
        return sum(body["amount"]["value"] for body in events)

    def passed(events: list[Json]) -> list[Json]:
        return [body for body in events if body["payment_id"] not in refused]

    def different(role: str, events: list[Json]) -> int:
        return len({body[role]["id"] for body in events if role in body})

    payer, device = of("payer", f"usr_{number}"), of("device", f"dev_{number}")
    card, payee = of("card", f"card_{number}"), of("payee", f"shop_{number}")
    logins = [body for body in activity if body["event"] == "login"]
    declined = [body for body in activity if body.get("outcome") == "declined"]
    by_time = sorted(payer, key=lambda body: datetime.fromisoformat(body["occurred_at"]))
    return {
        "payer_count": len(payer),
        "payer_sum": total(payer),
        "payer_max": max((body["amount"]["value"] for body in payer), default=None),
        "payer_last": by_time[-1]["amount"]["value"] if by_time else None,
        "payer_devices": different("device", payer),
        "payer_logins": sum(1 for body in of("payer", f"usr_{number}", logins) if body["ok"]),
        "payer_refused": len(of("payer", f"usr_{number}", declined)),
        "payer_passed": total(passed(payer)),
        "payer_year": len(passed(payer)),
        "device_count": len(device),
        "device_sum": total(device),
        "device_cards": different("card", device),
        "device_logins": len(of("device", f"dev_{number}", logins)),
        "card_count": len(card),
        "card_sum": total(card),
        "card_min": min((body["amount"]["value"] for body in card), default=None),
        "card_passed": total(passed(card)),
        "payee_count": len(payee),
        "payee_sum": total(payee),
        "payee_payers": different("payer", payee),
        "payee_passed": total(passed(payee)),
    }
