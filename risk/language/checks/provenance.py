"""What a condition rests on: on what we or a bank vouch for, or only on what whoever pays may choose.

A field is *chosen* where its `source` is `typed` (the customer entered it) or `device` (the customer's device says so, and an attacker
owns his device). A feature is chosen where all fields that select its profile are, or the field that it aggregates is, or its `where`
rests on chosen fields: who sends somebody else's device id is answered from somebody else's history. A field without a source, the
model's score, parameters and lists are not chosen.

`and` is vouched for by any of its parts; `or` only by all of them, since one alone is enough; `at_least(n, ...)` where fewer than n
parts could hold without a vouched one. `is known` and `is missing` prove nothing: they neither vouch nor are they chosen.

The checks that ask are beside this file, one each: `provenance_allow`, `_exemption`, `_suppression`, `_distinct`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from risk.declared import EventType, Feature
from risk.language import nodes
from risk.language.condition import Node, names_in
from risk.language.conditions import expanded
from risk.language.problems import one_of
from risk.language.sections.macros import Macro

CHOSEN_SOURCES = {"typed": "the customer types it", "device": "the customer's device says it"}
VOUCH_HINT = "whoever attacks sends what it takes; add a condition on something that we or a bank vouch for, such as `payer.id`"


class Ground(Enum):
    """What a condition rests on."""

    NOTHING = 0
    CHOSEN = 1
    VOUCHED = 2


@dataclass(frozen=True)
class Grounds:
    """What names rest on. ``wheres``: the condition of each feature that has one."""

    types: Mapping[str, EventType]
    features: Mapping[str, Feature]
    macros: Mapping[str, Macro]
    wheres: Mapping[str, Node]

    def of(self, node: Node, events: Sequence[str], holds: bool = True) -> Ground:
        """What it takes to make the condition hold on one of these events; with ``holds`` False, to make it fail."""
        match node:
            case nodes.Not(part):
                return self.of(part, events, not holds)
            case nodes.And(parts) | nodes.Or(parts):
                grounds = [self.of(part, events, holds) for part in parts]
                return _all_of(grounds) if isinstance(node, nodes.And) is holds else _any_of(grounds)
            case nodes.Call("at_least", (nodes.Number(text), *parts)):
                grounds = [self.of(part, events, holds) for part in parts]
                return _some_of(int(text) if holds else len(parts) - int(text) + 1, grounds)
            case nodes.Name(name) if (macro := self.macros.get(name)) is not None:
                return self.of(macro.node, events, holds) if macro.node is not None else Ground.NOTHING
            case nodes.Missing() | nodes.Bool():
                return Ground.NOTHING
        names = names_in(expanded(node, self.macros))
        if not names:
            return Ground.NOTHING
        return Ground.CHOSEN if all(self.chosen(name, events) for name in names) else Ground.VOUCHED

    def chosen(self, name: str, events: Sequence[str]) -> bool:
        """Whether a field or a feature is what the customer or the device makes it."""
        feature = self.features.get(name)
        if feature is None:
            return any(self.source(name, event) in CHOSEN_SOURCES for event in events)
        deciding = [event for event in events if all(key in self.types[event].fields for key in feature.read_with)]
        if deciding and all(self.chosen(key, deciding) for key in feature.read_with):
            return True
        if feature.field is not None and self.chosen(feature.field, feature.of):
            return True
        where = self.wheres.get(name)
        return where is not None and self.of(where, feature.of) is Ground.CHOSEN

    def source(self, field: str, event: str) -> str | None:
        found = self.types[event].fields.get(field) if event in self.types else None
        return found.source if found is not None else None

    def said(self, node: Node, events: Sequence[str]) -> str:
        """The chosen names of a condition and who says them, for a message."""
        chosen = sorted(name for name in names_in(expanded(node, self.macros)) if self.chosen(name, events))
        why = self._why(chosen[0], events) if chosen else ""
        return one_of(f"`{name}`" for name in chosen) + (f": {why}" if why else "")

    def _why(self, name: str, events: Sequence[str]) -> str:
        feature = self.features.get(name)
        if feature is None:
            sources = {source for event in events if (source := self.source(name, event)) in CHOSEN_SOURCES}
            return CHOSEN_SOURCES[min(str(source) for source in sources)] if sources else ""
        deciding = [event for event in events if all(key in self.types[event].fields for key in feature.read_with)]
        if deciding and all(self.chosen(key, deciding) for key in feature.read_with):
            keys = one_of(f"`{key}`" for key in feature.read_with)
            return f"it is looked up with {keys}, and {self._why(feature.read_with[0], deciding)}"
        if feature.field is not None and self.chosen(feature.field, feature.of):
            return f"it is taken of `{feature.field}`, and {self._why(feature.field, feature.of)}"
        return "it counts by what the customer or the device says"


def _all_of(grounds: Sequence[Ground]) -> Ground:
    """All must hold: one that is vouched for is enough to rest on."""
    return max(grounds, key=lambda ground: ground.value)


def _any_of(grounds: Sequence[Ground]) -> Ground:
    """One is enough to hold: the weakest is what it rests on, a chosen one before one that says nothing."""
    for ground in (Ground.CHOSEN, Ground.NOTHING):
        if ground in grounds:
            return ground
    return Ground.VOUCHED


def _some_of(wanted: int, grounds: Sequence[Ground]) -> Ground:
    """So many must hold: can that be without one that is vouched for?"""
    free = [ground for ground in grounds if ground is not Ground.VOUCHED]
    if len(free) < wanted:
        return Ground.VOUCHED
    return Ground.CHOSEN if Ground.CHOSEN in free else Ground.NOTHING


def spared(node: Node, grounds: Grounds, positive: bool = True) -> Iterator[tuple[Node, Node, bool]]:
    """The terms that name what a rule spares: (term, where it is written, whether it holds for what is *not* spared).

    Such a term is a refusal joined by `and`: `x not in @list`, `x != "a"`, `not ...`, also inside a macro or in one branch of an `or`.
    `x in @list` without a `not` is what the rule is after, and spares nobody. A choice of terms that are all refusals is one term.
    """
    found, sign = _unwrapped(node, grounds, positive)
    if isinstance(found, nodes.And | nodes.Or):
        if isinstance(found, nodes.And) is sign:
            inner = [term for part in found.parts for term in spared(part, grounds, sign)]
        elif _all_refuse(found, grounds, sign):
            inner = [(found, found, sign)]
        else:
            inner = [term for part in found.parts if _joins(part, grounds, sign) for term in spared(part, grounds, sign)]
    else:
        inner = [(found, found, sign)] if _refuses(found, sign) else []
    written = node
    while isinstance(written, nodes.Not):
        written = written.part
    for term, at, holds in inner:
        yield term, written if isinstance(written, nodes.Name) and written.name in grounds.macros else at, holds


def _unwrapped(node: Node, grounds: Grounds, positive: bool) -> tuple[Node, bool]:
    """The condition below every `not` and macro name, and whether it must hold."""
    while True:
        if isinstance(node, nodes.Not):
            node, positive = node.part, not positive
        elif isinstance(node, nodes.Name) and (macro := grounds.macros.get(node.name)) is not None and macro.node is not None:
            node = macro.node
        else:
            return node, positive


def _joins(node: Node, grounds: Grounds, positive: bool) -> bool:
    """Whether all its parts must be met: `and`, or an `or` that must not hold."""
    found, sign = _unwrapped(node, grounds, positive)
    return sign if isinstance(found, nodes.And) else isinstance(found, nodes.Or) and not sign


def _all_refuse(node: Node, grounds: Grounds, positive: bool) -> bool:
    """Whether a choice is one of refusals only, however deep its brackets."""
    found, sign = _unwrapped(node, grounds, positive)
    if isinstance(found, nodes.And | nodes.Or):
        return isinstance(found, nodes.And) is not sign and all(_all_refuse(part, grounds, sign) for part in found.parts)
    return _refuses(found, sign)


def _refuses(node: Node, positive: bool) -> bool:
    """Whether a term is put as what must not be."""
    if isinstance(node, nodes.Compare):
        return (node.op == "!=") is positive
    return (isinstance(node, nodes.In | nodes.Between) and node.negated) is positive
