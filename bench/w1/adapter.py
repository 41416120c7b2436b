"""Decisions joined with their receipts become answers that the reference can be asked about. Runs in the bench, reads Kafka only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from bench.w1.reference import Answer
from bench.w1.task import VALUES
from bench.w1.topics import Reader, is_marker
from bench.w1.worker import BenchProblem


class Found(NamedTuple):
    """Answers by payment id; how many decisions came for a payment that had one."""

    answers: dict[str, Answer]
    repeated: int


def read_answers(brokers: str, topics: Mapping[str, str]) -> Found:
    """All decisions that stand in the topic, each with the receipt whose hash it names. Raises BenchProblem when one is not there."""
    receipts = {hashlib.sha256(value).hexdigest(): value for value in _values(brokers, topics["receipts"])}
    answers: dict[str, Answer] = {}
    repeated = 0
    for value in _values(brokers, topics["decisions"]):
        decision = orjson.loads(value)
        receipt = receipts.get(decision["receipt"].removeprefix("sha256:"))
        if receipt is None:
            raise BenchProblem(f"the receipt of {decision['payment_id']} is not in {topics['receipts']}")
        repeated += decision["payment_id"] in answers
        answers.setdefault(decision["payment_id"], _answer(decision, orjson.loads(receipt)))
    return Found(answers, repeated)


def read_actions(brokers: str, topic: str) -> tuple[dict[str, tuple[str, int]], int]:
    """Payment id -> action and points of all decisions, without their receipts; and how many came for a payment that had one."""
    actions: dict[str, tuple[str, int]] = {}
    repeated = 0
    for value in _values(brokers, topic):
        decision = orjson.loads(value)
        repeated += decision["payment_id"] in actions
        actions.setdefault(decision["payment_id"], (decision["action"], decision["score"]))
    return actions, repeated


def _values(brokers: str, topic: str) -> list[bytes]:
    reader = Reader(brokers, topic)
    found = [message.value() or b"" for message in reader.records() if not is_marker(message)]
    reader.close()
    return found


def _answer(decision: Mapping[str, Any], receipt: Mapping[str, Any]) -> Answer:
    rules = [int(rule["rule"].removeprefix("w1_")) for rule in receipt["rules"]]
    values = [receipt["values"][name] for name in VALUES]
    if decision["action"] != receipt["action"]:
        raise BenchProblem(f"decision and receipt of {decision['payment_id']} disagree")
    return Answer(decision["action"], receipt["model"]["score"], rules, values)
