"""Lists that change while they are used (`source: topic`): each value with the changes made to it.

Rule 1: a question is answered for the time of the event: what was put on a list later is not on it, whenever that is asked.
Rule 2: the version follows from the file's own entries and the changes, whatever their order: it is on receipts, and says which of several
states of the list decided.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from risk.declared import ListDecl

CHANGES_MAX = 100
"""Of one value: the newest are kept."""
VERSION_BITS = 256


class Change(NamedTuple):
    """From ``at_ms`` on the value is on the list, until ``until_ms`` (None: for good); or it is not (``on`` false)."""

    at_ms: int
    on: bool
    until_ms: int | None = None

    @property
    def order(self) -> tuple[int, bool, float]:
        """Older changes come first."""
        return self.at_ms, self.on, self.ends

    @property
    def ends(self) -> float:
        return -math.inf if not self.on else math.inf if self.until_ms is None else self.until_ms


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a list by its name, and all changes to it, oldest first. No changes: the value is as the files have it."""

    name: str
    value: Any
    changes: tuple[Change, ...]


class LiveList:
    """One list: the entries of its file, and what was changed since."""

    def __init__(self, declared: ListDecl) -> None:
        self.declared = declared
        self.changes: dict[Any, tuple[Change, ...]] = {}
        self._newest: dict[Any, tuple[int, float]] = {value: (-(1 << 63), self._written(value)) for value in declared.values}
        self._sum = self._base = int(declared.version.removeprefix("sha256:"), 16)

    def holds(self, value: Any, at_ms: int) -> bool:
        """Is the value on the list at that time?"""
        newest = self._newest.get(value)
        if newest is None:
            return False
        since, ends = newest
        return ends > at_ms if since <= at_ms else self._held(value, at_ms)

    def _held(self, value: Any, at_ms: int) -> bool:
        """Before the newest change."""
        for change in reversed(self.changes[value]):
            if change.at_ms <= at_ms:
                return change.ends > at_ms
        return self._written(value) > at_ms

    def _written(self, value: Any) -> float:
        """When the file's entry ends."""
        return self.declared.until.get(value, math.inf) if value in self.declared.values else -math.inf

    def change(self, value: Any, changes: Sequence[Change]) -> None:
        """All changes to a value, those that are known already among them. The same again changes nothing."""
        kept = tuple(sorted(changes, key=lambda change: change.order))[-CHANGES_MAX:]
        for sign, each in ((-1, self.changes.pop(value, ())), (1, kept)):
            for change in each:
                self._sum = (self._sum + sign * _hash(value, change)) % (1 << VERSION_BITS)
        if kept:
            self.changes[value] = kept
            self._newest[value] = (kept[-1].at_ms, kept[-1].ends)
        elif value in self.declared.values:
            self._newest[value] = (-(1 << 63), self._written(value))
        else:
            self._newest.pop(value, None)

    @property
    def version(self) -> str:
        """Which state of the list this is; with no changes that of the file."""
        return _text(self._sum)

    def at(self, at_ms: int) -> frozenset[Any]:
        """Everything on the list at that time. Slow: never on the decision path."""
        return frozenset(value for value in self._newest if self.holds(value, at_ms))

    def versions(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Every state that the list went through, by version: how many of all changes, in order of time, had been made then."""
        found = {_text(self._base): 0}
        total = self._base
        for number, (change, value) in enumerate(in_time(entries), 1):
            total = (total + _hash(value, change)) % (1 << VERSION_BITS)
            found[_text(total)] = number
        return found

    def stand_at(self, entries: Iterable[Entry], number: int) -> None:
        """Be as after so many changes of all."""
        made: dict[Any, list[Change]] = {}
        for change, value in in_time(entries)[:number]:
            made.setdefault(value, []).append(change)
        for value in [value for value in self.changes if value not in made]:
            self.change(value, ())
        for value, changes in made.items():
            self.change(value, changes)


def in_time(entries: Iterable[Entry]) -> list[tuple[Change, Any]]:
    """All changes of a list in the order in which they were made."""
    return sorted(((change, entry.value) for entry in entries for change in entry.changes), key=lambda each: (*each[0].order, str(each[1])))


def versions_of(declared: Mapping[str, ListDecl], live: Mapping[str, LiveList]) -> dict[str, str]:
    """The version of every list, as receipts name them."""
    return {name: live[name].version if name in live else decl.version for name, decl in declared.items()}


def _hash(value: Any, change: Change) -> int:
    text = json.dumps([value, *change], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def _text(total: int) -> str:
    return f"sha256:{total:064x}"
