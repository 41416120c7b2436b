"""Lists as conditions look values up in them: by value, and by the event's own time where entries end.

Rule 1: a list whose entries all stay is a set; one with an end in it is a mapping from each value to its end (ms; for good: infinite).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from risk.declared import ListDecl

Lists = Mapping[str, frozenset[Any] | Mapping[Any, float]]


def lists_of(declared: Mapping[str, ListDecl]) -> Lists:
    """All lists of a rule set, by name."""
    return {name: _ends(decl) if decl.until else decl.values for name, decl in declared.items()}


def _ends(decl: ListDecl) -> dict[Any, float]:
    return {value: decl.until.get(value, math.inf) for value in decl.values}


def at_event(lists: Lists, e: Any) -> dict[str, frozenset[Any]]:
    """What is on each list when the event happens. Slow for long lists: never on the decision path."""
    return {
        name: frozenset(value for value, end in held.items() if end > e.occurred_at) if isinstance(held, Mapping) else held
        for name, held in lists.items()
    }
