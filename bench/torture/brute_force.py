"""What every profile must have counted, by loops over the JSON that lies on the topics.

Belongs here: the meaning of the features in rules/torture.yaml, written a second time. Never: code of the worker or of profiles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
Counts = dict[str, int]

ROLES = ("payer", "device", "payee", "card")
PAYMENTS = frozenset({"payment", "transfer", "payout", "instalment"})
RELEASED, RESTORED = frozenset({"declined", "reversed", "expired"}), frozenset({"approved"})
FEATURES: dict[str, tuple[str, ...]] = {
    "payer": ("payer_payments", "payer_paid", "payer_passed", "payer_moved", "payer_declined", "payer_logins", "payer_browsed"),
    "device": ("device_payments", "device_paid", "device_passed", "device_logins"),
    "payee": ("payee_payments", "payee_paid", "payee_passed", "payee_results"),
    "card": ("card_payments", "card_paid"),
}


class Expected:
    """Expected values by role and id. ``of("payer", "usr_1")`` holds every feature of that role, 0 where nothing counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counts] = defaultdict(lambda: defaultdict(int))

    def of(self, role: str, key: str) -> Counts:
        held = self._counts.get((role, key), {})
        return {name: held.get(name, 0) for name in FEATURES[role]}

    def ids(self, role: str) -> list[str]:
        """Everybody who was seen in that role."""
        return sorted(key for each, key in self._counts if each == role)

    def add(self, body: Json, role: str, feature: str, by: int = 1) -> None:
        key = (body.get(role) or {}).get("id")
        if key is not None:
            self._counts[role, key][feature] += by


def expected(payments: Iterable[Json], activity: Iterable[Json], actions: Mapping[str, str]) -> Expected:
    """From all accepted payments (repeats left out), all activity in the order of its topic, and the action of each payment's decision."""
    found = Expected()
    last_word: dict[str, bool] = {}
    for body in activity:
        _active(found, body)
        outcome = body.get("outcome")
        if outcome in RELEASED or outcome in RESTORED:
            last_word[body["payment_id"]] = outcome in RESTORED
    for body in payments:
        payment_id = body["payment_id"]
        _paid(found, body, last_word.get(payment_id, actions.get(payment_id) == "approve"))
    return found


def _paid(found: Expected, body: Json, passed: bool) -> None:
    amount = body["amount"]["value"]
    for role in ROLES:
        found.add(body, role, "seen")
    if body["event"] in ("transfer", "payout"):
        found.add(body, "payer", "payer_moved")
    if body["event"] in ("payment", "instalment"):
        found.add(body, "device", "device_paid", amount)
    if body["event"] != "payment":
        return
    for role in ROLES:
        found.add(body, role, f"{role}_payments")
    for role in ("payer", "payee", "card"):
        found.add(body, role, f"{role}_paid", amount)
    if passed:
        for role in ("payer", "payee"):
            found.add(body, role, f"{role}_passed", amount)
        found.add(body, "device", "device_passed")


def _active(found: Expected, body: Json) -> None:
    event = body["event"]
    if event == "login":
        found.add(body, "payer", "payer_logins")
        if body["ok"]:
            found.add(body, "device", "device_logins")
    elif event == "behaviour":
        found.add(body, "payer", "payer_browsed")
    elif event == "payment_result":
        if body["outcome"] == "declined":
            found.add(body, "payer", "payer_declined")
        if body["outcome"] == "approved":
            found.add(body, "payee", "payee_results")
