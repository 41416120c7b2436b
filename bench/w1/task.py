"""What W1 asks for: the 43 values in their order, the 50 rules and the model. The numbers are in task.json and nowhere else.

Both the reference and the rule files are made from this, so neither can drift; they share nothing more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RULES = HERE / "rules"
"""The rule set that the worker runs."""

WINDOWS = {"1m": 60_000, "10m": 600_000, "1h": 3_600_000, "24h": 86_400_000}
ENTITIES = {"card": "card_id", "device": "device_id", "customer": "customer_id", "merchant": "merchant_id", "ip": "ip"}
"""Whose payments are counted, and the field of the producer's JSON that names them."""
DISTINCT = {
    "device_cards_24h": ("device", "card_id", "24h"),
    "customer_devices_24h": ("customer", "device_id", "24h"),
    "ip_customers_1h": ("ip", "customer_id", "1h"),
}
VALUES = tuple(f"{entity}_{what}_{window}" for entity in ENTITIES for window in WINDOWS for what in ("count", "sum")) + tuple(DISTINCT)

Term = tuple[str, str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """All terms (name, operator, number or word) must hold."""

    id: int
    action: str
    terms: tuple[Term, ...]

    @property
    def name(self) -> str:
        """What the rule files call it."""
        return f"w1_{self.id:02d}"


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic score over x / (x + half) of each value; from ``review`` and ``block`` on it acts by itself."""

    bias: float
    weights: tuple[float, ...]
    halves: tuple[float, ...]
    review: float
    block: float


@dataclass(frozen=True, slots=True)
class Task:
    rules: tuple[Rule, ...]
    model: Model


def read_task() -> Task:
    """The rules and the model in task.json."""
    found = json.loads((HERE / "task.json").read_text(encoding="utf-8"))
    rules = tuple(Rule(number, action, tuple((n, op, c) for n, op, c in terms)) for number, action, terms in found["rules"])
    model = found["model"]
    return Task(rules, Model(model["bias"], tuple(model["weights"]), tuple(model["halves"]), model["review"], model["block"]))
