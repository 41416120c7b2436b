"""`accept_from`: from a date on, a rule takes windows that are not yet full as they stand.

Such a rule reads features of its own: the same questions, whose answer is never *cold* at or after the date. Other rules that read the
same feature are not concerned. Rule 1: their names stand on receipts, so that the receipt is enough to reach the same decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from risk.decisions import rfc3339
from risk.declared import Feature
from risk.language.scope import Scope


def accepted_name(feature: str, from_ms: int) -> str:
    """The name of a feature as a rule with `accept_from` reads it."""
    return f"{feature} accepted from {rfc3339(from_ms)}"


def accepted(feature: Feature, from_ms: int) -> Feature:
    """The feature as such a rule reads it."""
    return replace(feature, name=accepted_name(feature.name, from_ms), accept_from_ms=from_ms)


def accepting(scope: Scope, features: Iterable[str], from_ms: int) -> Scope:
    """The scope of such a rule: its features are found under their other names."""
    names: Mapping[str, str] = {name: accepted_name(name, from_ms) for name in features}
    own = {name: replace(scope.names[name], name=other) for name, other in names.items() if name in scope.names}
    return replace(scope, names={**scope.names, **own})
