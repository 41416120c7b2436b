"""What each condition of a rule set can see, and how its faults become problems with places.

Rule 1: scopes are made here and nowhere else: a feature's `where` sees the counted event, a rule its own event, its features and
the model's score; both see macros, lists and parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from typing import Any

from risk.decided import DECISION
from risk.declared import EventType, Feature, FieldType, ListDecl
from risk.language.condition import Fault, Node, Scope, Symbol, check, names_in
from risk.language.nodes import Name
from risk.language.problems import one_of
from risk.language.reading import EXPANDED_NESTING_MAX, EXPANDED_NODES_MAX
from risk.language.sections.events import attr_of, common_fields
from risk.language.sections.features import entity_word
from risk.language.sections.macros import Macro
from risk.language.source import Problems, Scalar

SCORE = "model.score"
UNKNOWN = re.compile(r"((?:in macro `[^`]*`: )*)unknown (?:name|list|parameter) `([@$]?)([^`]*)`")


@dataclass
class Names:
    """Everything that the rule set names, and the scopes made of it."""

    types: Mapping[str, EventType]
    lists: Mapping[str, ListDecl] = field(default_factory=dict)
    macros: Mapping[str, Macro] = field(default_factory=dict)
    settings: Mapping[str, FieldType] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    setting_values: Mapping[str, Any] = field(default_factory=dict)
    broken: AbstractSet[str] = frozenset()  # names that are written but wrong: told where they stand, not at every use; lists as `@name`

    def __post_init__(self) -> None:
        self._rule_names: dict[tuple[str, ...], dict[str, Symbol]] = {}
        self._lists = {
            name: Symbol(name, decl.type, False, "list", f"list, {decl.place.path}:{decl.place.line}" if decl.place else "list")
            for name, decl in self.lists.items()
        }
        # A macro whose own text is wrong is told once, where it is written; its uses see a condition that says nothing.
        self._macros = {name: macro.text.text if macro.node is not None else "true" for name, macro in self.macros.items()}
        self.setting_symbols = {
            name: Symbol(name, kind, False, "param", "setting of the policy", value=self.setting_values.get(name))
            for name, kind in self.settings.items()
        }

    def counted(self, of: tuple[str, ...]) -> Scope:
        """For the `where` of a feature: the fields of the counted event."""
        return Scope(self._field_names(of), self.setting_symbols, self._lists, self._macros)

    def rule(self, events: tuple[str, ...], params: Mapping[str, Symbol]) -> Scope:
        """For a rule over these events; its parameters come before the policy's settings."""
        if events not in self._rule_names:
            names = self._field_names(events)
            for feature in self.features.values():
                if self.unreadable(feature, events) is None:
                    place = f", {feature.place.path}:{feature.place.line}" if feature.place else ""
                    names[feature.name] = Symbol(feature.name, feature.type, True, "feature", f"feature{place}")
            names[SCORE] = Symbol(SCORE, FieldType("number"), True, "score", "the model's score")
            self._rule_names[events] = names
        return Scope(self._rule_names[events], {**self.setting_symbols, **params}, self._lists, self._macros)

    def unreadable(self, feature: Feature, events: tuple[str, ...]) -> tuple[str, str] | None:
        """The field that selects the feature's profile and the event that lacks it, if one does."""
        for event in events:
            known = self.types[event].fields
            for name, word in zip(feature.read_with, feature.entity, strict=True):
                if name not in known or entity_word(known[name]) != word:
                    return name, event
        return None

    def _field_names(self, events: tuple[str, ...]) -> dict[str, Symbol]:
        return {
            name: Symbol(name, each.type, each.optional, "field", f"field of {one_of(events)}", attr_of(name))
            for name, each in common_fields(self.types, events).items()
        }

    def told(self, fault: Fault, events: tuple[str, ...], of_feature: bool) -> Fault | None:
        """The same fault, said better where the unknown name is known elsewhere in the rule set; None where that name is told of itself."""
        unknown = UNKNOWN.fullmatch(fault.message)
        if unknown is None:
            return fault
        macro, sign, name = unknown.groups()
        if f"{sign}{name}" in self.broken:
            return None
        if fault.code == "E202" and (better := self._better(name, events, of_feature)):
            code, message, hint = better
            return replace(fault, code=code, message=f"{macro}{message}", hint=hint)
        return fault

    def _better(self, name: str, events: tuple[str, ...], of_feature: bool) -> tuple[str, str, str | None] | None:
        if name in self.features:
            if of_feature:
                return (
                    "E311",
                    f"`where` looks at the counted event; it cannot read feature `{name}`",
                    "compare the feature in the rule instead",
                )
            found = self.unreadable(self.features[name], events)
            return ("E227", f"`{name}` is read with `{found[0]}`, which event `{found[1]}` does not have", None) if found else None
        owners = [event.name for event in self.types.values() if name in event.fields and (of_feature or event.name != DECISION)]
        if not owners:
            return None
        lacking = [event for event in events if event not in owners]
        if not lacking:
            return "E227", f"`{name}` is not of the same type in {one_of(f'`{event}`' for event in events)}", None
        return "E227", f"event `{lacking[0]}` has no field `{name}`", f"events that have it: {', '.join(owners)}"


def checked(
    scalar: Scalar, node: Node, scope: Scope, names: Names, events: tuple[str, ...], problems: Problems, of_feature: bool = False
) -> bool:
    """Whether the condition is right; tells what is wrong, and warns, at its place."""
    _, faults = check(node, scope, "condition" if of_feature else "rule")
    for fault in faults:
        told = names.told(fault, events, of_feature)
        if told is not None:
            problems.inside(told.code, scalar, told.start, told.end, told.message, told.hint, told.severity)
    return all(fault.severity != "error" for fault in faults)


def expanded(node: Node, macros: Mapping[str, Macro]) -> Node:
    """The condition with every macro written out: what it means, whatever the macros are called. Macros have no cycles here.

    One that would grow too large is given back as it is: its check tells so.
    """
    return node if _too_large(node, macros) else _expanded(node, macros)


def _too_large(node: Node, macros: Mapping[str, Macro]) -> bool:
    sizes: dict[str, int] = {}

    def size(part: Node, level: int) -> int:
        if level > EXPANDED_NESTING_MAX:
            return EXPANDED_NODES_MAX + 1
        total = 0
        for each in part.walk():
            total += 1
            macro = macros.get(each.name) if isinstance(each, Name) else None
            if macro is not None and macro.node is not None and isinstance(each, Name):
                if each.name not in sizes:
                    sizes[each.name] = size(macro.node, level + 1)
                total += sizes[each.name]
        return total

    return size(node, 0) > EXPANDED_NODES_MAX


def _expanded(node: Node, macros: Mapping[str, Macro]) -> Node:
    if isinstance(node, Name):
        macro = macros.get(node.name)
        return _expanded(macro.node, macros) if macro is not None and macro.node is not None else node
    changes: dict[str, Any] = {}
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            whole: Any = _expanded(value, macros)
            if whole is not value:
                changes[each.name] = whole
        elif isinstance(value, tuple) and any(isinstance(part, Node) for part in value):
            whole = tuple(_expanded(part, macros) if isinstance(part, Node) else part for part in value)
            if any(part is not before for part, before in zip(whole, value, strict=True)):
                changes[each.name] = whole
    return replace(node, **changes) if changes else node


def all_names(node: Node, macros: Mapping[str, Macro]) -> set[str]:
    """Names of fields and features that the condition reads, through its macros too."""
    return names_in(expanded(node, macros))
