"""What must be true at the end of every story, by loops over what lies on the topics.

Belongs here: the promises, each as a sentence that is empty where it holds. Never: code of the worker; the reader of decisions is the one
that gateways use.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from orjson import loads

from risk.gateway import Decision, DecisionReader
from tests.simulation.broker import Record
from tests.simulation.traffic import BAD_AMOUNT
from tests.streams.accounts import by_brute_force

Json = dict[str, Any]
Place = tuple[int, int]


class Accepted(NamedTuple):
    """What the payments topic holds: bodies by id, the source of each, sources of what must be a dead letter, how many are repeats."""

    bodies: dict[str, Json]
    sources: dict[str, Place]
    bad: set[Place]
    repeats: int


def accepted(payments: Iterable[Record]) -> Accepted:
    found = Accepted({}, {}, set(), 0)
    repeats = 0
    for record in payments:
        body = loads(record.value or b"")
        place, first = (record.partition, record.offset), found.bodies.get(body["payment_id"])
        if body["amount"] == BAD_AMOUNT or (first is not None and first != body):
            found.bad.add(place)
        elif first is not None:
            repeats += 1
        else:
            found.bodies[body["payment_id"]] = body
            found.sources[body["payment_id"]] = place
    return found._replace(repeats=repeats)


def answers(decisions: Iterable[Record]) -> tuple[DecisionReader, list[tuple[Place, Decision]]]:
    """The decisions that count, with the source of each."""
    reader, found = DecisionReader(), []
    for record in decisions:
        for decision in reader.read([record]):
            _, partition, offset = dict(record.headers)["src"].decode().split("/")
            found.append(((int(partition), int(offset)), decision))
    return reader, found


def letters(dead: Iterable[Record]) -> set[Place]:
    """Sources of dead letters; two with one source are one."""
    places = (dict(record.headers)["src"].decode().split("/") for record in dead)
    return {(int(partition), int(offset)) for _, partition, offset in places}


def wrong_answers(payments: list[Record], decisions: list[Record], receipts: list[Record], dead: list[Record]) -> list[str]:
    """Every payment exactly one decision that counts, at its first source, with its receipt; what cannot be read a dead letter."""
    there = accepted(payments)
    reader, told = answers(decisions)
    count = Counter(decision.payment_id for _, decision in told)
    wrong = [f"{payment} was lost" for payment in there.bodies if not count[payment]]
    wrong += [f"{payment} was decided {times} times" for payment, times in count.items() if times > 1]
    wrong += [f"{payment} was decided and never sent" for payment in count if payment not in there.bodies]
    wrong += [f"{d.payment_id} was decided at {place}" for place, d in told if there.sources.get(d.payment_id, place) != place]
    evidence = {"sha256:" + hashlib.sha256(record.value or b"").hexdigest(): record for record in receipts}
    for _, decision in told:
        receipt = evidence.get(decision.receipt)
        if receipt is None:
            wrong.append(f"the receipt of {decision.payment_id} is not there")
        elif loads(receipt.value or b"")["action"] != decision.action:
            wrong.append(f"the receipt of {decision.payment_id} says otherwise")
    put_aside = letters(dead)
    wrong += [f"the record at {place} is no dead letter" for place in sorted(there.bad - put_aside)]
    wrong += [f"the record at {place} is a dead letter" for place in sorted(put_aside - there.bad)]
    if reader.undecodable:
        wrong.append(f"{reader.undecodable} records of decisions cannot be read")
    return wrong


def wrong_profiles(payments: list[Record], activity: list[Record], decisions: list[Record], receipts: list[Record]) -> list[str]:
    """What each probe read of its payer, device, card and payee equals loops over all that was accepted before."""
    bodies = [body for payment, body in accepted(payments).bodies.items() if not payment.startswith("probe_")]
    informs = [loads(record.value or b"") for record in activity]
    told = [decision for _, decision in answers(decisions)[1]]
    refused = {decision.payment_id for decision in told if decision.action != "approve"}
    refused |= {body["payment_id"] for body in informs if body.get("outcome") in ("declined", "reversed")}
    named = {decision.receipt for decision in told if decision.payment_id.startswith("probe_")}
    wrong = []
    for record in receipts:
        if "sha256:" + hashlib.sha256(record.value or b"").hexdigest() in named:
            receipt = loads(record.value or b"")
            number = int(receipt["payment_id"].removeprefix("probe_"))
            read = receipt["values"]
            wrong += [
                f"{receipt['payment_id']}: {name} reads {read[name]}, brute force {value}"
                for name, value in by_brute_force(bodies, informs, refused, number).items()
                if read[name] != value
            ]
            if receipt["unknown"]:
                wrong.append(f"{receipt['payment_id']}: unknown {receipt['unknown']}")
    return wrong
