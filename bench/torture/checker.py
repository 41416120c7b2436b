"""Reading the topics afterwards: was anything lost, decided twice, or counted differently?

Belongs here: the verdict, from the topics alone. Never: code of the worker; what features mean is brute_force.py, what is an answer
streams/audit.py. A receipt is executed again by what `risk replay` uses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from bench.torture.arena import Arena
from bench.torture.brute_force import FEATURES, ROLES, Expected
from bench.torture.load import BAD_BYTES
from risk.decisions import rfc3339
from risk.language import load
from risk.tools.messages import Numbered
from risk.tools.replaying import SAME, Replay
from streams.audit import Audit, audit, read_all

PROBE = "probe_"
SHOWN = 8


@dataclass
class Verdict:
    """What was found. ``different``: values that are not those of brute force, receipts that execute differently or are not there."""

    audit: Audit = field(default_factory=Audit)
    different: list[str] = field(default_factory=list)
    probes: int = 0
    values: int = 0
    receipts: int = 0
    refused: int = 0
    kills_that_count: int = 0
    undecided: int = 0

    @property
    def lost(self) -> list[str]:
        return [f"{each} has no decision" for each in self.audit.lost]

    @property
    def double(self) -> list[str]:
        return [
            *(f"{each} has more than one answer" for each in self.audit.double),
            *(f"{each} was decided and is no payment" for each in self.audit.strangers),
            *(f"{each} was decided at another record than its first" for each in self.audit.misplaced),
        ]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.double or self.different)

    def findings(self) -> list[str]:
        """The first of each kind, in words."""
        return [line for found in (self.lost, self.double, self.different) for line in found[:SHOWN]]


@dataclass
class Taken:
    """What came in and must have been accepted: payments without repeats, activity in its order; when the broker took each payment."""

    payments: list[dict[str, Any]] = field(default_factory=list)
    activity: list[dict[str, Any]] = field(default_factory=list)
    appended: dict[str, int] = field(default_factory=dict)


async def taken_in(arena: Arena) -> Taken:
    """Read the inputs. Of two payments with one id the first counts; what was sent as bad is left out."""
    found = Taken()
    async for record in read_all(arena.kafka.bootstrap, arena.topics["payments"]):
        if record.value in BAD_BYTES:
            continue
        body = orjson.loads(record.value)
        if body["payment_id"] not in found.appended:
            found.payments.append(body)
            found.appended[body["payment_id"]] = record.timestamp
    async for record in read_all(arena.kafka.bootstrap, arena.topics["activity"]):
        if record.value not in BAD_BYTES:
            found.activity.append(orjson.loads(record.value))
    return found


async def all_answers(arena: Arena) -> Audit:
    topics = arena.topics
    return await audit(arena.kafka.bootstrap, topics["payments"], topics["decisions"], topics["dead_letters"], topics["receipts"])


async def send_probes(arena: Arena, wanted: Expected, now_ms: int) -> int:
    """One payment for everybody who was seen, each asked about once: where one role has fewer ids than another, new ones stand in."""
    ids = {role: wanted.ids(role) for role in ROLES}
    count = max(len(each) for each in ids.values())
    producer = AIOKafkaProducer(bootstrap_servers=arena.kafka.bootstrap, acks="all", linger_ms=2)
    await producer.start()
    try:
        for number in range(count):
            parts = {role: {"id": each[number] if number < len(each) else f"{PROBE}{number}"} for role, each in ids.items()}
            body: dict[str, Any] = {"event": "payment", "payment_id": f"{PROBE}{number}", "occurred_at": rfc3339(now_ms)}
            body |= {"amount": {"currency": "CNY", "value": 1}, **parts}
            await producer.send(arena.topics["payments"], json.dumps(body).encode(), key=parts["payer"]["id"].encode())
        await producer.flush()
    finally:
        await producer.stop()
    return count


async def check(arena: Arena, wanted: Expected, taken: Taken, kills: Iterable[tuple[int, int]]) -> Verdict:
    """The verdict, once the probes are answered."""
    found = Verdict(await all_answers(arena))
    found.different += [f"the receipt of {each} is not there" for each in found.audit.unproven]
    valid = {answer.receipt: answer for answer in found.audit.answers}
    replay = Replay(load([Path(arena.variables["RISK_RULES"])]))
    line = 0
    async for record in read_all(arena.kafka.bootstrap, arena.topics["receipts"]):
        line += 1
        answer = valid.pop(_name(record.value), None)
        if answer is None:
            continue  # an orphan: no valid decision names it
        receipt = orjson.loads(record.value)
        found.receipts += 1
        found.refused += receipt["action"] != "approve"
        again = replay.one(Numbered(line, receipt))
        if again.verdict != SAME:
            found.different.append(f"the receipt of {again.payment_id} executes differently: {again.differences[:2]}")
        if answer.payment_id.startswith(PROBE):
            _compare(found, wanted, receipt)
    if found.probes == 0:
        found.different.append("no probe was answered")
    _count_kills(found, taken, kills)
    return found


def _name(value: bytes) -> str:
    return "sha256:" + hashlib.sha256(value).hexdigest()


def _compare(found: Verdict, wanted: Expected, receipt: dict[str, Any]) -> None:
    """One probe: every value must be what brute force says."""
    found.probes += 1
    for role in ROLES:
        key = receipt["event"][role]["id"]
        counted = wanted.of(role, key)
        for name in FEATURES[role]:
            read = None if name in receipt["unknown"] else receipt["values"][name]
            found.values += 1
            if read != counted[name]:
                found.different.append(f"{receipt['payment_id']} read {name} of {key} as {read}, brute force says {counted[name]}")


def _count_kills(found: Verdict, taken: Taken, kills: Iterable[tuple[int, int]]) -> None:
    """A kill counts only if a payment of a partition that the killed worker owned was waiting for its decision."""
    waits: dict[int, list[tuple[int, int]]] = {}  # by partition: when the broker took a payment, and when its decision was sent
    for answer in found.audit.answers:
        appended = taken.appended.get(answer.payment_id)
        if appended is not None:
            waits.setdefault(int(answer.source.split("/")[1]), []).append((appended, answer.at_ms))
    for pid, at_ms in kills:
        undecided = 0
        for partition, owners in found.audit.owners.items():
            before = [worker for since, worker in owners if since <= at_ms]
            if before and f"-{pid}-" in before[-1]:
                undecided += sum(1 for appended, answered in waits.get(partition, ()) if appended <= at_ms < answered)
        found.kills_that_count += undecided > 0
        found.undecided += undecided
