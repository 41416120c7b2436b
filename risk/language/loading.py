"""One pass over the files of a rule set that tells every mistake of every file.

Rule 1: sections are read in the order in which they need one another: events, policy, lists, macros, features, rules, overrides,
model, tests. What is wrong is left out and told, so that the rest is checked too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from risk.decided import DECISION
from risk.declared import EventType, Feature, Policy
from risk.labelled import LABEL
from risk.language.checks import (
    cold_limits,
    control_of_lists,
    duties,
    live_rules_have_tests,
    messages,
    past_dates,
    provenance_allow,
    provenance_distinct,
    provenance_exemption,
    provenance_suppression,
    same_conditions,
    schema_fits,
    score_without_model,
    unused,
    window_and_keys,
)  # fmt: skip
from risk.language.checks.provenance import Grounds
from risk.language.condition import Node as Condition
from risk.language.condition import canonical, lists_in, names_in, params_in
from risk.language.conditions import Names, all_names, checked, expanded
from risk.language.problems import did_you_mean, in_order
from risk.language.ruleset import Case, CheckedRule, CheckedWhere, Counts, Override, RuleSet, Segment
from risk.language.sections.cases import read_cases
from risk.language.sections.duties import read_duties
from risk.language.sections.events import read_events
from risk.language.sections.features import Draft, read_features
from risk.language.sections.joined import with_joined
from risk.language.sections.keys import as_block
from risk.language.sections.lists import read_lists
from risk.language.sections.macros import Macro, parsed, read_conditions, refuse_cycles
from risk.language.sections.model import read_model
from risk.language.sections.overrides import read_overrides
from risk.language.sections.policy import Settings, read_policy
from risk.language.sections.rules import RuleDraft, read_rules
from risk.language.source import Block, Node, Problems, Scalar, read, where
from risk.language.versions import Reads, rule_version

SECTIONS = ("events", "lists", "macros", "features", "rules", "segments", "overrides", "policy", "model", "duties")


@dataclass
class Loading:
    """The parts of a rule set while they are read."""

    files: Sequence[tuple[str, str | bytes]]
    problems: Problems = field(default_factory=Problems)
    sources: dict[str, str] = field(default_factory=dict)
    sections: dict[str, list[tuple[Scalar, Node]]] = field(default_factory=dict)
    override_nodes: list[Node] = field(default_factory=list)

    def run(self, today: date | None) -> RuleSet | None:
        """The rule set, or None where there are errors; `told` has everything that was found, `counts` what is right."""
        for path, raw in self.files:
            file, root = read(path, raw, self.problems)
            self.sources[path] = file.text
            self._sections_of(root)
        self._events_and_policy()
        self._names()
        self._features()
        self._rules()
        self._rest()
        self._lints(today)
        self.counts = Counts(len(self.types), len(self.features), len(self.lists), len(self.macros), self.right_rules)
        self.told = in_order(self.problems.found)
        return None if self.problems.errors else self._ruleset()

    def _sections_of(self, root: Block | None) -> None:
        for key, node in root or ():
            if key.text not in SECTIONS:
                hint = did_you_mean(key.text, SECTIONS) or f"sections are {', '.join(SECTIONS)}"
                self.problems.error("E003", key, f"`{key.text}` is not a section of a rule file", hint)
            elif key.text == "overrides":
                self.override_nodes.append(node)
            else:
                block = as_block(node, f"`{key.text}`", self.problems)
                self._add(key.text, block or ())

    def _add(self, section: str, entries: Iterable[tuple[Scalar, Node]]) -> None:
        """Sections may repeat across files; a name may not."""
        so_far = self.sections.setdefault(section, [])
        known = {key.text: key for key, _ in so_far}
        for key, node in entries:
            if key.text in known:
                what = {"policy": "setting", "model": "setting"}.get(section, section.removesuffix("s"))
                self.problems.error("E004", key, f"{what} `{key.text}` is defined twice", f"the other is at {where(known[key.text])}")
            else:
                known[key.text] = key
                so_far.append((key, node))

    def _of(self, section: str) -> list[tuple[Scalar, Node]]:
        return self.sections.get(section, [])

    def _events_and_policy(self) -> None:
        self.types = read_events(self._of("events"), self.problems)
        self.schema = schema_fits.check(self.types, self.problems) if not self.problems.errors else None
        self.policy: Policy
        self.settings: Settings
        self.policy, self.settings = read_policy(self._of("policy"), self.problems)

    def _names(self) -> None:
        self.lists = read_lists(self._of("lists"), self.problems)
        self.macros: dict[str, Macro] = read_conditions(self._of("macros"), "macro", self.problems)
        for name in refuse_cycles(self.macros, self.problems):
            self.macros[name] = replace(self.macros[name], node=None)
        self.segments = read_conditions(self._of("segments"), "segment", self.problems)

    def _features(self) -> None:
        self.counted = with_joined(self.types, self.policy.actions)
        drafts = read_features(self._of("features"), self.counted, self.settings, self.problems)
        self._refuse_shared_names(drafts)
        features = {name: draft.feature for name, draft in drafts.items()}
        settings, values = self.settings.types, self.policy.settings
        self.names = Names(self.counted, self.lists, self.macros, settings, features, values, self._broken(features))
        self.used = unused.Used()
        self.wheres: dict[str, CheckedWhere] = {}
        self.label_reads: set[str] = set()
        self.features: dict[str, Feature] = {}
        for name, draft in drafts.items():
            feature = self._where(draft)
            if feature is not None:
                self.features[name] = feature

    def _broken(self, features: dict[str, Feature]) -> set[str]:
        """Names that are written but wrong, of lists with their `@`."""
        broken = {f"@{key.text}" for key, _ in self._of("lists") if key.text not in self.lists}
        broken |= {key.text for key, _ in self._of("features") if key.text not in features}
        broken |= {key.text for key, _ in self._of("macros") if key.text not in self.macros}
        for _, node in self._of("events"):
            for part in ("fields", "derive"):
                fields = node.get(part) if isinstance(node, Block) else None
                broken |= {key.text for key, _ in fields} if isinstance(fields, Block) else set()
        return broken - {name for event in self.types.values() for name in event.fields}

    def _refuse_shared_names(self, drafts: dict[str, Draft]) -> None:
        """A name in a condition means one thing: a field, a feature or a macro."""
        fields = {name for event in self.types.values() for name in event.fields}
        for name, draft in drafts.items():
            if name in fields:
                self.problems.error("E004", draft.key, f"feature `{name}` has the name of a field", "give it another name")
        for name, macro in self.macros.items():
            if name in fields or name in drafts:
                what = "a field" if name in fields else "a feature"
                self.problems.error("E004", macro.key, f"macro `{name}` has the name of {what}", "give it another name")

    def _where(self, draft: Draft) -> Feature | None:
        """The feature with its condition checked and written canonically, macros written out: what its columns are named by."""
        if LABEL in draft.feature.of:
            self.label_reads |= {*draft.feature.per, *([draft.feature.field] if draft.feature.field else [])}
        if draft.where is None:
            return draft.feature
        node = parsed(draft.where, self.problems)
        if node is None:
            return None
        feature = draft.feature
        scope = self.names.counted(feature.of)
        self._use(node)
        if not checked(draft.where, node, scope, self.names, feature.of, self.problems, of_feature=True):
            return None
        whole = expanded(node, self.macros)
        if LABEL in feature.of:
            self.label_reads |= names_in(whole)
        self.wheres[feature.name] = CheckedWhere(node, scope, {name: self.policy.settings[name] for name in params_in(whole)})
        return replace(feature, where=canonical(whole))

    def _use(self, node: Condition) -> None:
        """Note the names and lists that a condition reads, in its macros too."""
        whole = expanded(node, self.macros)
        self.used.lists |= lists_in(whole)
        self.used.names |= names_in(whole)
        waiting: set[str] = names_in(node)
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            seen.add(name)
            macro = self.macros.get(name)
            if macro is not None and macro.node is not None:
                waiting |= names_in(macro.node) - seen
        self.used.names |= seen

    def _rules(self) -> None:
        self.duties = read_duties(self._of("duties"), self.problems)
        self.drafts: dict[str, RuleDraft] = read_rules(self._of("rules"), self.types, self.policy, self.problems)
        self.checked: dict[str, CheckedRule] = {}
        self.meanings: dict[str, str] = {}
        self.rule_reads: dict[str, frozenset[str]] = {}
        for name, draft in self.drafts.items():
            self._rule(name, draft)

    def _rule(self, name: str, draft: RuleDraft) -> None:
        if draft.node is None or draft.when is None or not draft.rule.events:
            if draft.node is not None:
                self._use(draft.node)
            self.used.params[name] = set(draft.params)  # nothing more to say about a rule that cannot be read
            return
        scope = self.names.rule(draft.rule.events, draft.symbols())
        whole = expanded(draft.node, self.macros)
        self._use(draft.node)
        in_message = messages.check(draft, scope, self.problems)
        self.used.names |= in_message
        self.used.params[name] = params_in(whole) | in_message
        if not checked(draft.when, draft.node, scope, self.names, draft.rule.events, self.problems) or not draft.right:
            return
        named = params_in(whole) | (in_message & self.policy.settings.keys())
        settings = {key: self.policy.settings[key] for key in named if key not in draft.params}
        params = {**settings, **draft.rule.params}
        read_features_ = names_in(whole) & self.features.keys()
        self.rule_reads[name] = frozenset(read_features_ | (in_message & self.features.keys()))
        self.meanings[name] = f"{canonical(whole)} with {sorted((key, params[key]) for key in params_in(whole))}"
        rule = replace(draft.rule, when=canonical(draft.node))
        self.checked[name] = CheckedRule(rule, draft.node, scope, params)

    def _rest(self) -> None:
        self.overrides: tuple[Override, ...] = read_overrides(self.override_nodes, self.drafts, self.segments, self.names, self.problems)
        self._segments()
        self.model = read_model(self._of("model"), self.types, self.names.features, self.problems)
        if self.model is not None:
            self.used.names |= {each.name for each in self.model.inputs}
        self.cases: dict[str, tuple[Case, ...]] = {
            name: read_cases(draft, self.types, self.names.features, self.policy.actions, self.problems)
            for name, draft in self.drafts.items()
        }

    def _segments(self) -> None:
        """A rule reads what the segments of its overrides read."""
        self.used.segments |= {override.segment for override in self.overrides if override.segment is not None}
        for segment in self.segments.values():
            if segment.node is not None:
                self._use(segment.node)
        for override in self.overrides:
            node = self.segments[override.segment].node if override.segment is not None else None
            if node is not None and override.rule in self.rule_reads:
                self.rule_reads[override.rule] |= all_names(node, self.macros) & self.features.keys()

    def _lints(self, today: date | None) -> None:
        live = {override.rule for override in self.overrides if override.mode == "live"}
        untested = live_rules_have_tests.check(self.drafts, self.cases, live, self.problems)
        self.right_rules = len(self.checked.keys() - untested)
        for draft in self.drafts.values():
            score_without_model.check(draft, bool(self._of("model")), self.problems)
        same_conditions.check(self.drafts, self.meanings, self.checked, self.problems)
        duties.check(self.drafts.values(), self.duties, (key.text for key, _ in self._of("duties")), self.problems)
        self._provenance()
        reads = {name: frozenset(lists_in(expanded(each.node, self.macros))) for name, each in self.checked.items()}
        control_of_lists.check({n: each.rule for n, each in self.checked.items()}, reads, self.lists, self.policy, self.problems)
        if today is not None:
            cold_limits.check(self.checked, self.rule_reads, self.features, self.policy, today, self.problems)
            past_dates.check(self.drafts, self._of("lists"), self.overrides, today, self.problems)
        if self.problems.errors:
            return  # what is wrong may well read the names that nothing else reads
        keys = {
            "macro": [macro.key for macro in self.macros.values()],
            "list": [key for key, _ in self._of("lists") if key.text in self.lists],
            "feature": [key for key, _ in self._of("features") if key.text in self.features],
            "segment": [segment.key for segment in self.segments.values()],
        }
        params = {
            name: [key for key, _ in block] for name, draft in self.drafts.items() if isinstance(block := draft.block.get("params"), Block)
        }
        unused.check(keys, params, self.used, self.problems)

    def _provenance(self) -> None:
        """Nothing is let off by what the customer or the device may choose. Only what is right otherwise is looked at."""
        grounds = Grounds(self.counted, self.features, self.macros, {name: where.node for name, where in self.wheres.items()})
        for name in self.checked:
            provenance_allow.check(self.drafts[name], grounds, self.problems)
            provenance_exemption.check(self.drafts[name], grounds, self.problems)
        for key, node in self._of("features"):
            feature = self.features.get(key.text)
            if feature is not None:
                window_and_keys.check(feature, key, self.counted, self.problems)
                provenance_distinct.check(feature, node, grounds, self.problems)
                where = self.wheres.get(feature.name)
                written = node.get("where") if isinstance(node, Block) else None
                if where is not None and isinstance(written, Scalar):
                    provenance_exemption.check_where(feature.name, where.node, written, feature.of, grounds, self.problems)
        for override in self.overrides:
            if override.rule in self.checked:
                provenance_suppression.check(override, self.drafts[override.rule], self.segments, grounds, self.problems)

    def _ruleset(self) -> RuleSet:
        final = {name: replace(each, rule=replace(each.rule, version=self._version(name, each))) for name, each in self.checked.items()}
        return RuleSet(
            schema=self.schema,
            event_types=self._event_types(),
            label_reads=self.label_reads,
            policy=self.policy,
            lists=self.lists,
            macros={name: macro.text.text for name, macro in self.macros.items()},
            features=self.features,
            rules={name: each.rule for name, each in final.items()},
            segments={
                name: Segment(name, canonical(segment.node), segment.node, segment.key.place)
                for name, segment in self.segments.items()
                if segment.node is not None
            },
            overrides=self.overrides,
            model=self.model,
            duties=self.duties,
            cases=self.cases,
            sources=self.sources,
            warnings=self.told,
            checked=final,
            wheres=self.wheres,
            rule_reads=self.rule_reads,
            setting_symbols=self.names.setting_symbols,
        )

    def _event_types(self) -> dict[str, EventType]:
        """Those of messages; decisions, and labels with their payments, where features count them."""
        counted = {event for feature in self.features.values() for event in feature.of}
        return {**self.types, **{name: self.counted[name] for name in (DECISION, LABEL) if name in counted}}

    def _version(self, name: str, checked_rule: CheckedRule) -> str:
        """The hash of everything that the rule reads."""
        whole = expanded(checked_rule.node, self.macros)
        features = {each: self.features[each] for each in self.rule_reads[name]}
        lists = lists_in(whole).union(
            *(lists_in(expanded(where.node, self.macros)) for each, where in self.wheres.items() if each in features)
        )
        overrides = [override for override in self.overrides if override.rule == name]
        segments = {
            override.segment: expanded(node, self.macros)
            for override in overrides
            if override.segment is not None and (node := self.segments[override.segment].node) is not None
        }
        lists = lists.union(*map(lists_in, segments.values()))
        reads = Reads(
            condition=canonical(whole),
            params=checked_rule.params,
            features=features,
            lists={each: self.lists[each].version for each in lists},
            fields={
                f"{event}/{each}": self.types[event].fields[each]
                for event in checked_rule.rule.events
                for each in names_in(whole).union(*map(names_in, segments.values()))
                if each in self.types[event].fields
            },
            overrides=overrides,
            segments={segment: canonical(node) for segment, node in segments.items()},
        )
        return rule_version(checked_rule.rule, self.drafts[name].block, reads)
