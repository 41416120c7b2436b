"""A loaded rule set: what the engine, the tests in rule files and the tools ask.

Rule 1: everything in it is checked; nothing here finds a mistake.
Rule 2: immutable in use: the same files give the same `hash` and the same answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from risk.decided import DECISION, Decided, decided_class
from risk.declared import Duty, EventType, Feature, ListDecl, ModelDecl, Place, Policy, Rule
from risk.labelled import LABEL, Joining
from risk.language.accepting import accepted, accepted_name, accepting
from risk.language.compile import Judge, compile_judge, compile_predicate
from risk.language.condition import Node as Condition
from risk.language.condition import Scope, Symbol
from risk.language.lookup import Lists, lists_of
from risk.language.overriding import Overriding
from risk.language.problems import Problem
from risk.language.source import Block, Node, Scalar
from risk.language.typecheck import meaning
from risk.lists import LiveList

if TYPE_CHECKING:
    from risk.events import Event, Schema


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule with its condition's tree, what the tree can see, and the values of its parameters (settings it uses included)."""

    rule: Rule
    node: Condition
    scope: Scope
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CheckedWhere:
    """The condition on a feature's counted events. ``params``: the policy's settings that it uses."""

    node: Condition
    scope: Scope
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition that overrides apply to."""

    name: str
    when: str
    node: Condition
    place: Place


@dataclass(frozen=True, slots=True)
class Override:
    """Other parameters, or another mode, of a rule for one entity or one segment, until a date."""

    rule: str
    segment: str | None
    field: str | None
    value: Any
    params: Mapping[str, Any]
    mode: str | None
    until_ms: int
    owner: str | None
    why: str | None
    place: Place
    whom: str = ""
    until: str = ""

    def note(self) -> dict[str, Any]:
        """What a receipt says of it: whom it is for and until when as written, and why."""
        told = {"for": self.whom, "set": dict(self.params), "mode": self.mode, "until": self.until}
        return {**told, "owner": self.owner, "why": self.why}


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a rule, names and values checked but still as written (`risk.language.values.value_of` reads the values).

    ``events``: mappings whose keys are fields, `model.score`, `event`, or `repeat every after at`. ``given``: feature names to values.
    ``expect``: a word (`fires`, `silent`, `unknown`, `silent_all`) or a mapping. Its ``node`` may say `at`, `trusted`, `overridden`.
    """

    it: str
    events: tuple[Block, ...]
    given: Block | None
    expect: Scalar | Block
    todo: str | None
    place: Place
    node: Node


class RuleSet:
    """All sections of a folder of rule files, ready to be compiled for an event type."""

    def __init__(self, **parts: Any) -> None:
        self.schema: Schema = parts["schema"]
        self.event_types: Mapping[str, EventType] = parts["event_types"]  # those of messages, and decisions
        label = self.event_types.get(LABEL)
        # what features that count labels need of a payment: None where there are none
        self.joining: Joining | None = Joining(label, parts["label_reads"]) if label is not None and label.retracts else None
        self.decided: type[Decided] = decided_class(self.event_types[DECISION]) if DECISION in self.event_types else Decided
        self.policy: Policy = parts["policy"]
        self.lists: Mapping[str, ListDecl] = parts["lists"]
        self.live_lists: Mapping[str, LiveList] = {name: LiveList(decl) for name, decl in self.lists.items() if decl.live}
        self.macros: Mapping[str, str] = parts["macros"]
        self.features: Mapping[str, Feature] = parts["features"]
        self.rules: Mapping[str, Rule] = parts["rules"]
        self.segments: Mapping[str, Segment] = parts["segments"]
        self.overrides: tuple[Override, ...] = parts["overrides"]
        self.model: ModelDecl | None = parts["model"]
        self.duties: Mapping[str, Duty] = parts["duties"]
        self.cases: Mapping[str, tuple[Case, ...]] = parts["cases"]
        self.sources: Mapping[str, str] = parts["sources"]
        self.warnings: list[Problem] = parts["warnings"]
        self.hash: str = ruleset_hash(self.sources)
        self.checked: Mapping[str, CheckedRule] = parts["checked"]
        self.wheres: Mapping[str, CheckedWhere] = parts["wheres"]
        self.rule_reads: Mapping[str, frozenset[str]] = parts["rule_reads"]
        self._setting_symbols: Mapping[str, Symbol] = parts["setting_symbols"]

    def rules_of(self, event: str) -> tuple[Rule, ...]:
        """The live and shadow rules of an event type in the order of the files: the order of a judge's indexes."""
        return tuple(rule for rule in self.rules.values() if event in rule.events and rule.mode in ("live", "shadow"))

    def reads(self, event: str) -> tuple[str, ...]:
        """The features that the rules of this event, and the model where the event is decided, need; sorted by name."""
        needed: set[str] = set()
        for rule in self.rules_of(event):
            names, since = self.rule_reads[rule.name], rule.accept_from_ms
            needed |= names if since is None else {accepted_name(name, since) for name in names}
        kind = self.schema.types[event]
        if kind.decide and self.model is not None:
            for each in self.model.inputs:
                feature = self.features.get(each.name)
                if feature is not None and all(name in kind.fields for name in feature.read_with):
                    needed.add(each.name)
        return tuple(sorted(needed))

    def kept(self) -> dict[str, Feature]:
        """All questions that profiles answer: the features, and those that rules with `accept_from` read in their place."""
        found = dict(self.features)
        for rule in self.rules.values():
            if rule.accept_from_ms is not None and rule.mode in ("live", "shadow") and rule.name in self.checked:
                for name in self.rule_reads[rule.name]:
                    found[accepted_name(name, rule.accept_from_ms)] = accepted(self.features[name], rule.accept_from_ms)
        return found

    def predicate(self, feature: str, event: str) -> Callable[[Event], bool] | None:
        """The feature's `where` on an event that it counts: true where it certainly holds. None without a `where`."""
        where = self.wheres.get(feature)
        if where is None:
            return None
        joined = self.joining.events if event == LABEL and self.joining is not None else None
        struct = joined or (self.decided if event == DECISION else self.schema.struct(event))
        return compile_predicate(where.node, where.scope, struct, self._list_values(), where.params)

    def judge(self, event: str, slots: Mapping[str, int]) -> Judge:
        """All rules of an event type as one generated function. ``slots``: where each feature's value stands."""
        rules = [self._as_read(self.checked[rule.name]) for rule in self.rules_of(event)]
        overriding = {name: self._overriding(name, event) for name in {override.rule for override in self.overrides} & self.checked.keys()}
        return compile_judge(rules, self.schema.struct(event), slots, self._list_values(), overriding)

    def _as_read(self, checked: CheckedRule) -> CheckedRule:
        since = checked.rule.accept_from_ms
        return checked if since is None else replace(checked, scope=accepting(checked.scope, self.rule_reads[checked.rule.name], since))

    def _overriding(self, rule: str, event: str) -> list[Overriding]:
        """The overrides of a rule, strongest first: those for one entity, then segments in the order in which these are listed."""
        order: dict[str | None, int] = {name: i for i, name in enumerate(self.segments)}
        order[None] = -1
        found: list[Overriding] = []
        for each in sorted((each for each in self.overrides if each.rule == rule), key=lambda each: order[each.segment]):
            facts: dict[str, Any] = {"sets": each.params, "mode": each.mode, "until_ms": each.until_ms, "note": each.note()}
            if each.segment is None:
                assert each.field is not None
                found.append(Overriding(attr=self.schema.types[event].fields[each.field].attr, value=each.value, **facts))
            else:
                scope = replace(self._as_read(self.checked[rule]).scope, params=self._setting_symbols)
                condition = meaning(self.segments[each.segment].node, scope)
                found.append(Overriding(segment=condition, settings=self.policy.settings, **facts))
        return found

    def _list_values(self) -> Lists:
        return lists_of(self.lists, self.live_lists)


def ruleset_hash(sources: Mapping[str, str]) -> str:
    """Over every file's path inside the rule set and its text with LF line ends, each with its length before it."""
    digest = hashlib.sha256()
    for path in sorted(sources):
        for part in (path, sources[path]):
            raw = part.encode()
            digest.update(len(raw).to_bytes(8, "big") + raw)
    return "sha256:" + digest.hexdigest()


@dataclass(slots=True)
class Counts:
    """What stands in the files without an error of its own, for the last line of `risk check`."""

    events: int = 0
    features: int = 0
    lists: int = 0
    macros: int = 0
    rules: int = 0
    parts: Sequence[str] = field(default=("events", "features", "lists", "macros", "rules"))
