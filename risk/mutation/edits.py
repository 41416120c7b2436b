"""Rule sets with one thing changed, as if the files had been written that way.

Rule 1: the rule set that is given stays as it is; what is not concerned is shared with it.
Rule 2: what a rule reads is kept even where the changed condition no longer asks for it, so that a test which gives or expects the
value fails only over what the rule does.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from risk.language.canonical import canonical
from risk.language.condition import check
from risk.language.nodes import Node
from risk.language.ruleset import CheckedWhere, RuleSet
from risk.mutation.rewriting import opened


def with_condition(ruleset: RuleSet, rule: str, node: Node) -> RuleSet:
    """The rule has another condition."""
    changed = copy.copy(ruleset)
    changed.checked = {**ruleset.checked, rule: replace(ruleset.checked[rule], node=node)}
    return changed


def with_param(ruleset: RuleSet, rule: str, name: str, value: Any) -> RuleSet:
    """The rule's parameter has another value."""
    checked = ruleset.checked[rule]
    fact = replace(ruleset.rules[rule], params={**ruleset.rules[rule].params, name: value})
    changed = copy.copy(ruleset)
    changed.rules = {**ruleset.rules, rule: fact}
    changed.checked = {**ruleset.checked, rule: replace(checked, rule=fact, params={**checked.params, name: value})}
    return changed


def with_rule(ruleset: RuleSet, rule: str, **facts: Any) -> RuleSet:
    """The rule has other settings."""
    fact = replace(ruleset.rules[rule], **facts)
    changed = copy.copy(ruleset)
    changed.rules = {**ruleset.rules, rule: fact}
    changed.checked = {**ruleset.checked, rule: replace(ruleset.checked[rule], rule=fact)}
    return changed


def with_setting(ruleset: RuleSet, name: str, value: Any) -> RuleSet:
    """The policy's setting has another value, wherever a condition uses it."""
    changed = copy.copy(ruleset)
    changed.policy = replace(ruleset.policy, settings={**ruleset.policy.settings, name: value})
    changed.checked = {
        rule: replace(each, params={**each.params, name: value}) if name in each.params and name not in each.rule.params else each
        for rule, each in ruleset.checked.items()
    }
    changed.wheres = {
        feature: replace(each, params={**each.params, name: value}) if name in each.params else each
        for feature, each in ruleset.wheres.items()
    }
    return changed


def with_feature(ruleset: RuleSet, name: str, **facts: Any) -> RuleSet:
    """The feature has other settings."""
    changed = copy.copy(ruleset)
    changed.features = {**ruleset.features, name: replace(ruleset.features[name], **facts)}
    return changed


def with_where(ruleset: RuleSet, feature: str, node: Node | None) -> RuleSet:
    """The feature counts by another condition; None: it counts every event."""
    changed = with_feature(ruleset, feature, where=None if node is None else canonical(opened(node, ruleset.macros)))
    wheres: dict[str, CheckedWhere] = dict(ruleset.wheres)
    if node is None:
        del wheres[feature]
    else:
        wheres[feature] = replace(wheres[feature], node=node)
    changed.wheres = wheres
    return changed


def with_macro(ruleset: RuleSet, name: str, node: Node, rules: Iterable[str], features: Sequence[str]) -> RuleSet:
    """The macro means something else in these rules and features, which are all that use it."""
    changed = copy.copy(ruleset)
    changed.macros = {**ruleset.macros, name: canonical(node)}
    checked, wheres, facts = dict(ruleset.checked), dict(ruleset.wheres), dict(ruleset.features)
    for rule in rules:
        checked[rule] = replace(checked[rule], scope=replace(checked[rule].scope, macros=changed.macros))
    for feature in features:
        wheres[feature] = replace(wheres[feature], scope=replace(wheres[feature].scope, macros=changed.macros))
        facts[feature] = replace(facts[feature], where=canonical(opened(wheres[feature].node, changed.macros)))
    changed.checked = checked
    if features:
        changed.wheres, changed.features = wheres, facts
    return changed


def with_override(ruleset: RuleSet, number: int, name: str, value: Any) -> RuleSet:
    """One of the overrides sets the parameter to another value."""
    changed, made = copy.copy(ruleset), list(ruleset.overrides)
    made[number] = replace(made[number], params={**made[number].params, name: value})
    changed.overrides = tuple(made)
    return changed


def without_entry(ruleset: RuleSet, name: str, value: Any) -> RuleSet:
    """The list lacks one of its values."""
    changed = copy.copy(ruleset)
    changed.lists = {**ruleset.lists, name: replace(ruleset.lists[name], values=ruleset.lists[name].values - {value})}
    return changed


def refusal(ruleset: RuleSet, rules: Iterable[str], features: Iterable[str]) -> str | None:
    """What the language's check says against the conditions of these rules and features; None where it takes them."""
    conditions = [(each.node, each.scope, "rule") for each in (ruleset.checked[rule] for rule in rules)]
    counted = [ruleset.wheres[feature] for feature in features if feature in ruleset.wheres]
    for node, scope, subject in (*conditions, *((each.node, each.scope, "condition") for each in counted)):
        for fault in check(node, scope, subject)[1]:
            if fault.severity == "error":
                return fault.message
    return None
