"""Which rules a change can concern: what every rule uses, and who uses it.

Rule 1: only what a condition reads counts. A name that stands in a message alone decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from risk.language import nodes
from risk.language.nodes import Node
from risk.language.ruleset import RuleSet
from risk.mutation.rewriting import macros_under, opened


class Uses:
    """``rules_with[kind][name]``: the rules that use a macro, a feature, a list or a setting, in the order of the files.

    A disabled rule uses nothing: it decides nothing, and its tests are run but hold nobody.
    """

    def __init__(self, ruleset: RuleSet) -> None:
        macros = self.macros = ruleset.macros
        self.rules_with: dict[str, dict[str, list[str]]] = {"macro": {}, "feature": {}, "list": {}, "setting": {}}
        self.params_of: dict[str, set[str]] = {}
        self.where_macros: dict[str, set[str]] = {name: macros_under(where.node, macros) for name, where in ruleset.wheres.items()}
        for name, rule in ruleset.rules.items():
            if rule.mode == "disabled":
                continue
            node = ruleset.checked[name].node
            whole = opened(node, macros)
            features = sorted(nodes.names_in(whole) & ruleset.features.keys())
            self.params_of[name] = nodes.params_in(whole) & rule.params.keys()
            self._note(name, "feature", features)
            self._conditions(name, node, rule.params)
            for feature in features:
                if feature in ruleset.wheres:
                    self._conditions(name, ruleset.wheres[feature].node, {})

    def _conditions(self, rule: str, node: Node, params: Mapping[str, object]) -> None:
        whole = opened(node, self.macros)
        self._note(rule, "macro", sorted(macros_under(node, self.macros)))
        self._note(rule, "list", sorted(nodes.lists_in(whole)))
        self._note(rule, "setting", sorted(nodes.params_in(whole) - params.keys()))

    def _note(self, rule: str, kind: str, names: list[str]) -> None:
        for name in names:
            rules = self.rules_with[kind].setdefault(name, [])
            if rule not in rules:
                rules.append(rule)
