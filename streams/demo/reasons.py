"""From a receipt to what a person reads: the strictest rule's title, and its message with the figures filled in."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from risk.declared import Rule
from risk.language import RuleSet
from risk.language.render import render_value
from risk.money import render
from streams.demo.figures import Notable

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Fired(msgspec.Struct):
    """A rule as it stands on a receipt."""

    rule: str
    mode: str
    action: str | None = None
    score: int = 0
    params: dict[str, Any] = {}
    reasons: list[str] = []


class Receipt(msgspec.Struct):
    """The part of a receipt that is shown."""

    payment_id: str
    action: str
    decided_at: str
    event: dict[str, Any]
    values: dict[str, Any]
    unknown: dict[str, str]
    rules: list[Fired]
    would_be: list[Fired]
    reasons: list[str] = []


class Teller:
    """Knows the rule set by which the worker decides. The screen is the operator's: confidential reasons are shown."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._ruleset = ruleset
        self._strictness = {action: i for i, action in enumerate(ruleset.policy.actions)}

    def title(self, name: str) -> str:
        """A rule's title; its name where this rule set does not know it."""
        rule = self._ruleset.rules.get(name)
        return rule.title if rule is not None else name

    def notable(self, receipt: Receipt) -> Notable:
        """A receipt as a line of the list."""
        payer = receipt.event.get("payer")
        payer_id = str(payer.get("id")) if isinstance(payer, dict) else ""
        strict_first = sorted(receipt.rules, key=lambda fired: (self._strictness.get(fired.action or "", -1), fired.score), reverse=True)
        first = strict_first[0] if strict_first else None
        reasons = dict.fromkeys(reason for fired in strict_first for reason in fired.reasons)
        return Notable(
            at=receipt.decided_at,
            action=receipt.action,
            amount=money(receipt.event.get("amount")),
            reasons=tuple(reasons) or tuple(receipt.reasons),
            title=self.title(first.rule) if first is not None else "No rule alone: the points of several, or a value that did not come",
            message=self._message(receipt, first) if first is not None else "",
            like=(payer_id, *sorted(fired.rule for fired in receipt.rules)),
        )

    def _message(self, receipt: Receipt, fired: Fired) -> str:
        rule: Rule | None = self._ruleset.rules.get(fired.rule)
        if rule is None or rule.message is None:
            return ""
        return PLACEHOLDER.sub(lambda found: self._said(receipt, fired, found[1]), rule.message)

    def _said(self, receipt: Receipt, fired: Fired, name: str) -> str:
        feature = self._ruleset.features.get(name)
        if feature is not None:
            value = receipt.values.get(name)
            if value is None:
                return "unknown" if name in receipt.unknown else "never"
            if feature.type.kind == "duration":
                value = value // 1000 * 1000  # nobody reads milliseconds
            return render_value(value, feature.type, _currency(receipt))
        if name.lstrip("$") in fired.params:
            return str(fired.params[name.lstrip("$")])
        found: Any = receipt.event
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return money(found) if isinstance(found, dict) else "missing" if found is None else str(found)


def _currency(receipt: Receipt) -> str | None:
    amount = receipt.event.get("amount")
    return amount.get("currency") if isinstance(amount, dict) else None


def money(amount: Any) -> str:
    """`CNY 19.90`; empty for what is no amount."""
    if not isinstance(amount, dict):
        return ""
    try:
        return render(amount["currency"], amount["value"])
    except (KeyError, TypeError, ValueError):
        return ""
