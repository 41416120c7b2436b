"""Lists as conditions look values up in them: by value, and by the event's own time where entries end.

Rule 1: a list whose entries all stay is a set; one with an end in it is a mapping from each value to its end (ms; for good: infinite);
one that changes while it is used is a `LiveList`, asked by value and time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from risk.declared import ListDecl
from risk.lists import LiveList

Lists = Mapping[str, frozenset[Any] | Mapping[Any, float] | LiveList]
NONE_LIVE: Mapping[str, LiveList] = MappingProxyType({})


def lists_of(declared: Mapping[str, ListDecl], live: Mapping[str, LiveList] = NONE_LIVE) -> Lists:
    """All lists of a rule set, by name. ``live``: those of the running rule set; one declared otherwise (by a mutant) stands alone."""
    return {name: _of(decl, live.get(name)) for name, decl in declared.items()}


def _of(decl: ListDecl, live: LiveList | None) -> frozenset[Any] | Mapping[Any, float] | LiveList:
    if decl.live:
        return live if live is not None and live.declared is decl else LiveList(decl)
    return _ends(decl) if decl.until else decl.values


def _ends(decl: ListDecl) -> dict[Any, float]:
    return {value: decl.until.get(value, math.inf) for value in decl.values}


def at_event(lists: Lists, e: Any) -> dict[str, frozenset[Any]]:
    """What is on each list when the event happens. Slow for long lists: never on the decision path."""
    return {name: _then(held, e.occurred_at) for name, held in lists.items()}


def _then(held: frozenset[Any] | Mapping[Any, float] | LiveList, at_ms: int) -> frozenset[Any]:
    if isinstance(held, LiveList):
        return held.at(at_ms)
    return frozenset(value for value, end in held.items() if end > at_ms) if isinstance(held, Mapping) else held
