"""All mutants of a rule set: the same files with one small thing written otherwise.

Rule 1: what the tests leave out by their nature is not changed: mode, rollout, validity, groups, words for people.
Rule 2: calendar and lifetime windows have no second more or less; a list of values is data, and beyond `ENTRIES_MAX` values is
left to those who keep it.
Rule 3: a mutant is made lazily: `make` gives the changed rule set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from risk.declared import Feature, Rule
from risk.language.problems import Problem
from risk.language.ruleset import Override, RuleSet
from risk.language.source import Block, Items, Scalar
from risk.language.values import value_of
from risk.mutation import edits
from risk.mutation.conditions import Change, changes
from risk.mutation.rewriting import macros_under, opened
from risk.mutation.same import can_be_unknown
from risk.mutation.settings import Setting, feature_settings, rule_settings
from risk.mutation.steps import value_steps
from risk.mutation.uses import Uses
from risk.mutation.written import Spot, Written, entries_of, part, scalar_of, whole

ENTRIES_MAX = 50
CODES = {
    "threshold": "M101", "comparison": "M102", "term": "M103", "at_least": "M104", "negation": "M105", "override": "M106", "window": "M201",
    "with_current": "M202", "counts": "M203", "where": "M204", "if_none": "M205", "event": "M206", "final": "M301", "on_missing": "M302",
    "unless_possible": "M303", "score": "M304", "then": "M305", "obligation": "M306", "report": "M307", "entry": "M401",
}  # fmt: skip
HINTS = {
    "threshold": "a test on each side of the limit would: one exactly at it, one a step beside it",
    "comparison": "a test in which both sides are equal would",
    "term": "a test in which this alone decides would",
    "at_least": "a test with exactly as many as are needed, and one with one fewer, would",
    "negation": "a test in which this alone decides would",
    "override": "a test with `overridden: true` on each side of the limit would",
    "window": "a test with an event a second before it is forgotten, and one with an event just forgotten, would",
    "with_current": "a test in which the payment itself makes the difference would",
    "counts": "a test with an earlier payment that was refused or declined would",
    "where": "a test with an event that `where` leaves out would",
    "if_none": "a test in which nothing happened before would",
    "event": "a test in which this event decides would",
    "final": "a test with `trusted: true` that expects the action all the same would",
    "on_missing": "a test that expects `{unknown: true, action: ...}` would",
    "unless_possible": "a test with `stepup_available: false` that expects the action would",
    "score": "a test that expects `score` would",
    "then": "a test that expects `action` would",
    "obligation": "a test that expects `obligations` would",
    "report": "a test that expects `report` would",
    "entry": "a test with this value would",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. ``rules``: whose tests could notice it; ``features``: whose `where` it touches; ``excuse``: why none can be asked to."""

    kind: str
    said: str
    spot: Spot
    rules: tuple[str, ...]
    make: Callable[[], RuleSet]
    features: tuple[str, ...] = ()
    excuse: str | None = None

    @property
    def problem(self) -> Problem:
        """What is told where nothing notices it."""
        return self.spot.problem(CODES[self.kind], f"no test notices that {self.said}", HINTS[self.kind])


def mutants(ruleset: RuleSet, only: str | None = None) -> list[Mutant]:
    """Every mutant in the order of the files. ``only``: those that concern this rule."""
    found = [mutant for mutant in _Making(ruleset).all() if only is None or only in mutant.rules]
    return sorted(found, key=lambda mutant: mutant.spot.order)


class _Making:
    """Makes the mutants of one rule set."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self.written = Written(ruleset)
        self.uses = Uses(ruleset)

    def all(self) -> Iterator[Mutant]:
        for name in self.uses.params_of:
            yield from self._rule(self.ruleset.rules[name])
        for name, rules in self.uses.rules_with["feature"].items():
            yield from self._feature(self.ruleset.features[name], tuple(rules))
        for name, rules in self.uses.rules_with["macro"].items():
            yield from self._macro(name, tuple(rules))
        for name, rules in self.uses.rules_with["list"].items():
            yield from self._list(name, tuple(rules))
        for name, rules in self.uses.rules_with["setting"].items():
            yield from self._setting(name, tuple(rules))
        for number, override in enumerate(self.ruleset.overrides):
            if override.rule in self.uses.params_of:
                yield from self._override(number, override)

    def _rule(self, rule: Rule) -> Iterator[Mutant]:
        block, name = self.written.rules[rule.name], rule.name
        when, params = scalar_of(block, "when"), block.get("params")
        assert when is not None
        for change in changes(self.ruleset.checked[name].node):
            yield self._changed(change, when, (name,), (), partial(edits.with_condition, self.ruleset, name, change.node))
        for param in rule.params:
            scalar = scalar_of(params, param) if isinstance(params, Block) else None
            assert scalar is not None
            excuse = None if param in self.uses.params_of[name] else "the parameter stands in the message only"
            for text, value in value_steps(scalar.text):
                make = partial(edits.with_param, self.ruleset, name, param, value)
                yield Mutant("threshold", f"`${param}` becomes {text}", whole(scalar), (name,), make, (), excuse)
        checked = self.ruleset.checked[name]
        unknown = can_be_unknown(opened(checked.node, self.ruleset.macros), checked.scope)
        for setting in rule_settings(rule, self.ruleset.policy, unknown):
            make = partial(edits.with_rule, self.ruleset, name, **setting.facts)
            yield self._set(setting, ("rules", name), (name,), make)
        for scalar, events in self._fewer(block, "event", rule.events):
            make = partial(edits.with_rule, self.ruleset, name, events=events)
            yield Mutant("event", f"`{name}` does not look at `{scalar.text}`", whole(scalar), (name,), make)

    def _fewer(self, block: Block, key: str, events: tuple[str, ...]) -> Iterator[tuple[Scalar, tuple[str, ...]]]:
        """Each of several events with the others, where they are written."""
        node = block.get(key)
        for scalar in node.items if isinstance(node, Items) and len(events) > 1 else ():
            if isinstance(scalar, Scalar):
                yield scalar, tuple(event for event in events if event != scalar.text)

    def _changed(
        self, change: Change, text: Scalar, rules: tuple[str, ...], features: tuple[str, ...], make: Callable[[], RuleSet]
    ) -> Mutant:
        spot = part(text, change.start, change.end)
        return Mutant(change.kind, change.said, spot, rules, make, features, change.excuse)

    def _set(self, setting: Setting, owner: tuple[str, str], rules: tuple[str, ...], make: Callable[[], RuleSet]) -> Mutant:
        """A setting of a rule or a feature; where it is not written, it is told at the name."""
        section, name = owner
        block = (self.written.rules if section == "rules" else self.written.features)[name]
        node = block.get(setting.key)
        spot = whole(node) if node is not None else self.written.key(section, name)
        return Mutant(setting.kind, f"{setting.said} of `{name}` {setting.becomes}", spot, rules, make, (), setting.excuse)

    def _feature(self, feature: Feature, rules: tuple[str, ...]) -> Iterator[Mutant]:
        name = feature.name
        decided = {event for rule in rules for event in self.ruleset.rules[rule].events}
        for setting in feature_settings(feature, self.ruleset.event_types, decided):
            yield self._set(setting, ("features", name), rules, partial(edits.with_feature, self.ruleset, name, **setting.facts))
        block = self.written.features[name]
        for scalar, of in self._fewer(block, "of" if "of" in block.entries else feature.agg, feature.of):
            make = partial(edits.with_feature, self.ruleset, name, of=of)
            yield Mutant("event", f"`{name}` does not count `{scalar.text}`", whole(scalar), rules, make)
        where = scalar_of(block, "where")
        if where is None or name not in self.ruleset.wheres:
            return
        without = partial(edits.with_where, self.ruleset, name, None)
        yield Mutant("where", f"`where` of `{name}` is left out", whole(where), rules, without)
        for change in changes(self.ruleset.wheres[name].node):
            make = partial(edits.with_where, self.ruleset, name, change.node)
            said = replace(change, said=f"in `where` of `{name}`, {change.said}")
            yield self._changed(said, where, rules, (name,), make)

    def _macro(self, name: str, rules: tuple[str, ...]) -> Iterator[Mutant]:
        macro = self.written.macros[name]
        assert macro.node is not None
        features = tuple(each for each, used in self.uses.where_macros.items() if name in used)
        using = tuple(each for each in rules if name in macros_under(self.ruleset.checked[each].node, self.ruleset.macros))
        for change in changes(macro.node):
            make = partial(edits.with_macro, self.ruleset, name, change.node, using, features)
            said = replace(change, said=f"in macro `{name}`, {change.said}")
            yield self._changed(said, macro.text, rules, features, make)

    def _list(self, name: str, rules: tuple[str, ...]) -> Iterator[Mutant]:
        declared = self.ruleset.lists[name]
        for number, scalar in enumerate(entries_of(self.written.lists[name]), 1):
            excuse = f"a list of more than {ENTRIES_MAX} values is data" if number > ENTRIES_MAX else None
            make = partial(edits.without_entry, self.ruleset, name, value_of(scalar.text, declared.type))
            yield Mutant("entry", f"`{scalar.text}` is not in `@{name}`", whole(scalar), rules, make, (), excuse)

    def _override(self, number: int, override: Override) -> Iterator[Mutant]:
        block = self.written.overrides[override.place]
        said = block.get("set")
        for param in override.params:
            scalar = scalar_of(said, param) if isinstance(said, Block) else None
            assert scalar is not None
            excuse = None if param in self.uses.params_of[override.rule] else "the parameter stands in the message only"
            for text, value in value_steps(scalar.text):
                make = partial(edits.with_override, self.ruleset, number, param, value)
                told = f"an override of `{override.rule}` sets `${param}` to {text}"
                yield Mutant("override", told, whole(scalar), (override.rule,), make, (), excuse)

    def _setting(self, name: str, rules: tuple[str, ...]) -> Iterator[Mutant]:
        scalar = scalar_of(self.written.settings, name) if self.written.settings is not None else None
        if scalar is None:
            return
        for text, value in value_steps(scalar.text):
            make = partial(edits.with_setting, self.ruleset, name, value)
            yield Mutant("threshold", f"`${name}` of the policy becomes {text}", whole(scalar), rules, make)
