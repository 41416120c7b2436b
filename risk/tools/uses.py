"""Who uses what: the graph of names of a rule set, one step at a time.

A user is written `kind name`: `rule burst`, `feature tries_10m`, `macro large`, `segment digital_goods`, `model`, `override of burst`.
Never here: text for people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from risk.language import RuleSet
from risk.language.condition import Node as Condition
from risk.language.condition import lists_in, names_in, params_in, parse
from risk.language.render import PLACEHOLDER
from risk.language.source import Block, Scalar
from risk.tools.written import Written, scalars

Name = tuple[str, str]
"""Kind and name: ("feature", "tries_10m"). Kinds: field, feature, list, macro, setting, segment, rule, model, event, param."""

SCORE = "model.score"


class Uses:
    """The names that each name reads directly, and who reads each."""

    def __init__(self, ruleset: RuleSet, files: Written) -> None:
        self.ruleset = ruleset
        self.reads: dict[Name, set[Name]] = defaultdict(set)
        self.users: dict[Name, list[Name]] = defaultdict(list)
        for name, entry in files.of("macros").items():
            self._condition(("macro", name), entry.node)
        for name, entry in files.of("segments").items():
            self._condition(("segment", name), entry.node)
        for name, entry in files.of("features").items():
            self._feature(name, entry.node)
        for name, entry in files.of("rules").items():
            self._rule(name, entry.node)
        for override in ruleset.overrides:
            if override.segment is not None:
                self._note(("override", f"of {override.rule}"), [("segment", override.segment)])
        if ruleset.model is not None:
            self._note(("model", ruleset.model.name), [self._kind(each.name) for each in ruleset.model.inputs])
        for user in sorted(self.reads):
            for read in self.reads[user]:
                self.users[read].append(user)

    def _note(self, user: Name, read: Iterable[Name]) -> None:
        self.reads[user] |= set(read)

    def _kind(self, name: str) -> Name:
        if name in self.ruleset.features:
            return "feature", name
        if name in self.ruleset.macros:
            return "macro", name
        return ("model", self.ruleset.model.name if self.ruleset.model else "") if name == SCORE else ("field", name)

    def _condition(self, user: Name, node: object, rule: str | None = None) -> None:
        tree = parse(node.text) if isinstance(node, Scalar) else None
        if not isinstance(tree, Condition):
            return
        self._note(user, [self._kind(name) for name in names_in(tree)])
        self._note(user, [("list", name) for name in lists_in(tree)])
        params = self.ruleset.rules[rule].params if rule is not None else {}
        self._note(user, [("param", f"{rule} ${name}") if name in params else ("setting", name) for name in params_in(tree)])

    def _feature(self, name: str, node: object) -> None:
        feature = self.ruleset.features[name]
        user = ("feature", name)
        self._note(user, [("field", each) for each in (*feature.per, *feature.read_with, *([feature.field] if feature.field else []))])
        self._note(user, [("event", each) for each in feature.of])
        if isinstance(node, Block):
            self._condition(user, node.get("where"))
            over = node.get("over")
            if isinstance(over, Scalar) and over.text.strip().startswith("$"):
                self._note(user, [("setting", over.text.strip()[1:])])

    def _rule(self, name: str, node: object) -> None:
        user = ("rule", name)
        if not isinstance(node, Block):
            return
        self._note(user, [("event", each.text) for each in scalars(node.get("event"))])
        self._condition(user, node.get("when"), name)
        by = node.get("rollout_by")
        self._note(user, [("field", each.text) for each in scalars(by)])
        for text in scalars(node.get("message")):
            inside = PLACEHOLDER.findall(text.text)
            self._note(
                user, [self._kind(each) for each in inside if not each.startswith("$") and each not in self.ruleset.rules[name].params]
            )


def said(name: Name) -> str:
    """`rule burst`; the model has no name worth saying."""
    return "the model" if name[0] == "model" else f"{name[0]} {name[1]}"
