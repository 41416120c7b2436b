"""What must be true of the topics after any crash: every payment has one answer, and every value was counted once.

Belongs here: reading the topics as an outsider, brute force over all that was accepted, probes. Never: code of the worker or of profiles.
The numbers are made by loops over the JSON that lies on the topics.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka.structs import ConsumerRecord

from risk.decisions import rfc3339
from streams.audit import audit
from tests.streams.harness import Stage, now_ms
from tests.streams.traffic import CARDS, DEVICES, PAYEES, PAYERS

PROBE = "probe_"
Json = dict[str, Any]
Source = tuple[int, int]
"""Partition and offset of a payment."""


@dataclass
class Answers:
    """Decisions as a reader of the contract sees them: payments answered by their source, what is void, and how many takeovers there were."""

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


def recorded_in(changelog: Iterable[ConsumerRecord]) -> set[Source]:
    """Sources of payments whose rows stand in the changelog of profiles."""
    import msgspec

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
    degraded: int = 0
    void: int = 0
    takeovers: int = 0
    probes: int = 0
    values: int = 0

    def line(self) -> str:
        return (
            f"{self.payments} payments ({self.repeats} repeats), {self.decided} decided once each, {self.degraded} degraded, "
            f"{self.void} void, {self.takeovers} takeovers, {self.values} values of {self.probes} probes equal brute force"
        )


async def every_payment_answered_once(stage: Stage) -> Accounts:
    """Assert it, twice: by `streams.audit` and by reading here. All traffic must have been valid."""
    counted = await audit(stage.broker, stage.topics["payments"], stage.topics["decisions"], stage.topics["dead_letters"])
    assert (counted.lost, counted.double, counted.strangers) == ([], [], [])
    answers = answers_of(await stage.read("decisions"))
    first: dict[str, Source] = {}
    repeats = 0
    for record in await stage.read("payments"):
        payment_id = json.loads(record.value)["payment_id"]
        if payment_id in first:
            repeats += 1
        else:
            first[payment_id] = (record.partition, record.offset)
    assert set(answers.by_source) == set(first.values()), "every payment is answered at its first source, and nothing else is"
    assert all(answers.by_source[source]["payment_id"] == payment_id for payment_id, source in first.items())
    assert set(answers.by_payment.values()) <= {1}, [p for p, n in answers.by_payment.items() if n > 1]
    receipts = {"sha256:" + hashlib.sha256(record.value).hexdigest() for record in await stage.read("receipts")}
    assert {answer["receipt"] for answer in answers.by_source.values()} <= receipts, "every decision has its receipt"
    degraded = sum(1 for answer in answers.by_source.values() if answer["degraded"])
    return Accounts(len(first), repeats, len(answers.by_source), degraded, answers.void, answers.markers)


async def nothing_counted_twice_or_missed(stage: Stage, accounts: Accounts) -> None:
    """Send a probe payment for every payer, device, card and payee; what its receipt read must be what loops over the topics say."""
    payments = list({body["payment_id"]: body for body in reversed(await stage.json("payments"))}.values())[::-1]
    activity = await stage.json("activity")
    refused = {a["payment_id"] for a in await stage.json("decisions") if a["action"] != "approve"}
    refused |= {body["payment_id"] for body in activity if body.get("outcome") in ("declined", "reversed")}
    sent = await _send_probes(stage)
    await stage.until("probes", lambda counts: counts["decisions"] >= accounts.decided + accounts.void + accounts.takeovers + sent)
    receipts = {each["payment_id"]: each for each in await stage.json("receipts") if each["payment_id"].startswith(PROBE)}
    for number in range(sent):
        receipt = receipts[f"{PROBE}{number}"]
        wanted = _by_brute_force(payments, activity, refused, number)
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


def _by_brute_force(payments: list[Json], activity: list[Json], refused: set[str], number: int) -> Json:
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
