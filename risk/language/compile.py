"""Compiled conditions: the `where` of a feature, and all rules of an event type as one function.

Rule 1: only conditions that `check` found no error in come here; nothing here is told to the author of a rule.
Rule 2: the generated code has no builtins and sees the event, the values, the score and the constants that it was given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, cast

from risk.declared import InForce, Rule
from risk.language.codegen import Writer
from risk.language.fetching import Source, parts_of, shared
from risk.language.lookup import Lists, at_event
from risk.language.meaning import AllOf, Applied, Condition, Read, Value
from risk.language.nodes import Node
from risk.language.overriding import Heads, Overridden, Overriding, Situation
from risk.language.render import PLACEHOLDER, Term, read_by, render_value, rendered, terms_of
from risk.language.scope import Scope
from risk.language.typecheck import check_value, meaning

Answers = tuple[list[int], list[int]]
"""Indexes of the rules that fired, and of those that are unknown."""

_NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
_NO_OVERRIDES: Mapping[str, Sequence[Overriding]] = MappingProxyType({})


class CheckedRule(Protocol):
    """A rule with its condition's tree, what the tree can see, and its parameters' values."""

    @property
    def rule(self) -> Rule: ...
    @property
    def node(self) -> Node: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def params(self) -> Mapping[str, Any]: ...


class Judge:
    """All rules of one event type. Calling it judges an event by all of them in one generated function."""

    def __init__(
        self,
        rules: Sequence[CheckedRule],
        slots: Mapping[str, int],
        lists: Lists,
        overrides: Mapping[str, Sequence[Overriding]] = _NO_OVERRIDES,
    ) -> None:
        self.rules: tuple[Rule, ...] = tuple(each.rule for each in rules)
        self._checked = tuple(rules)
        self._slots = slots
        self._lists = lists
        self._meanings = tuple(meaning(each.node, each.scope) for each in rules)
        self.overridden: dict[int, Overridden] = {
            i: Overridden(each.rule, each.params, overrides[each.rule.name])
            for i, each in enumerate(rules if overrides else ())
            if each.rule.name in overrides
        }
        self._alone: dict[int, Callable[[Any, Sequence[Any], float | None], bool | None]] = {}
        self._situations: dict[int, Callable[[Any, Sequence[Any], float | None], Situation]] = {}
        self.source, namespace = self._written()
        self._judge = cast(Callable[[Any, Sequence[Any], float | None], Answers], _function(self.source, namespace))

    def __call__(self, e: Any, v: Sequence[Any], score: float | None) -> Answers:
        """Judge event ``e`` with the features' values ``v``: (indexes that fired, indexes that are unknown), both ascending."""
        return self._judge(e, v, score)

    def one(self, i: int, e: Any, v: Sequence[Any], score: float | None) -> bool | None:
        """What rule ``i`` alone says; None is unknown."""
        if i not in self._alone:
            made = self._source([i])
            head, tests, sure = self._rule_code(i, made, Heads(made))
            certain = f"return True if {sure} else None" if sure else "return True"
            body = [*made.head, *head, *_when(tests, [certain]), "return False"]
            self._alone[i] = _function(_def("one", body), made.namespace)
        return self._alone[i](e, v, score)

    def in_force(self, rules: Iterable[int], e: Any, v: Sequence[Any], score: float | None) -> dict[int, InForce]:
        """Parameters and mode of those of the rules that an override holds for."""
        found: dict[int, InForce] = {}
        for i in rules:
            if i in self.overridden:
                held = self._situation(i, e, v, score).in_force
                if held is not None:
                    found[i] = held
        return found

    def _situation(self, i: int, e: Any, v: Sequence[Any], score: float | None) -> Situation:
        if i not in self._situations:
            made = self._source([i])
            head, _ = Heads(made).write(i, self.overridden[i])
            self._situations[i] = _function(_def("situation", [*made.head, *head, f"return s{i}"]), made.namespace)
        return self._situations[i](e, v, score)

    def terms(self, i: int, e: Any, v: Sequence[Any], score: float | None) -> list[Term]:
        """The terms of rule ``i`` with their answers and the values they read, as text for people. Slow: never on the decision path."""
        checked = self._checked[i]
        held = self.in_force([i], e, v, score).get(i)
        params = {**checked.params, **held.params} if held is not None else checked.params

        def read(name: str) -> Any:
            symbol = checked.scope.names[name]
            if symbol.kind == "score":
                return score
            if symbol.kind == "feature":
                return v[self._slots[symbol.name]]
            return getattr(e, symbol.attr or name.replace(".", "_"))

        def currency(name: str) -> str | None:
            return getattr(e, f"{checked.scope.names[name].attr}_currency", None)

        return terms_of(checked.node, checked.scope, params, at_event(self._lists, e), read, currency)

    def message(self, i: int, e: Any, v: Sequence[Any], score: float | None, held: InForce | None = None) -> str:
        """What rule ``i`` says to reviewers, with the values in it; ``held``: as overrides made it."""
        checked = self._checked[i]
        params = {**checked.params, **held.params} if held is not None else checked.params

        def said(found: re.Match[str]) -> str:
            name = found[1]
            symbol = checked.scope.names.get(name)
            if symbol is None:
                name = name.lstrip("$")
                return render_value(params[name], checked.scope.params[name].type)
            if symbol.kind == "feature":
                return rendered(v[self._slots[symbol.name]], symbol)
            if symbol.kind == "score":
                return rendered(score, symbol)
            attr = symbol.attr or name.replace(".", "_")
            return rendered(getattr(e, attr), symbol, getattr(e, f"{attr}_currency", None))

        return PLACEHOLDER.sub(said, checked.rule.message or "")

    def _source(self, rules: Iterable[int]) -> Source:
        """What the code of these rules reads, their segments included."""
        numbers = list(rules)
        conditions: list[Condition | Value] = [self._meanings[i] for i in numbers]
        segments = {each.segment for i in numbers if i in self.overridden for each in self.overridden[i].overrides}
        return _source([*conditions, *(each for each in segments if each is not None)], self._slots, self._lists)

    def _rule_code(self, i: int, made: Source, heads: Heads) -> tuple[list[str], list[str], str]:
        """(lines before the rule's own, tests under which it possibly holds, code of "certainly" where that is not sure by then).

        Nearly all rules are certainly false for nearly all events, so the tests are all that usually runs, and they stop at the
        first term that is certainly false. Where nothing can be unknown the last is empty.
        """
        checked, condition = self._checked[i], self._meanings[i]
        head, varying = heads.write(i, self.overridden[i]) if i in self.overridden else ([], {})
        writer = Writer(made, checked.params, varying)
        possible = writer.condition(condition, True, False)[0]
        sure = writer.sure(condition.parts if isinstance(condition, AllOf) else (condition,))
        tests: list[str] = []
        if checked.rule.valid_from_ms is not None:
            tests.append(f"e.occurred_at >= {int(checked.rule.valid_from_ms)}")
        if checked.rule.valid_until_ms is not None:
            tests.append(f"e.occurred_at < {int(checked.rule.valid_until_ms)}")
        if i in self.overridden and self.overridden[i].may_stop:
            tests.append(f"s{i}.runs")
        return head, [*tests, possible], sure

    def _written(self) -> tuple[str, dict[str, Any]]:
        made = self._source(range(len(self.rules)))
        heads = Heads(made)
        body: list[str] = []
        for i in range(len(self.rules)):
            head, tests, sure = self._rule_code(i, made, heads)
            fired = f"fired.append({i})"
            inside = [f"if {sure}:", f"    {fired}", "else:", f"    unknown.append({i})"] if sure else [fired]
            body += [*head, *_when(tests, inside)]
        return _def("judge", [*made.head, "fired = []", "unknown = []", *body, "return fired, unknown"]), made.namespace


def compile_judge(
    rules: Sequence[CheckedRule],
    struct: type[Any],
    slots: Mapping[str, int],
    lists: Lists,
    overrides: Mapping[str, Sequence[Overriding]] = _NO_OVERRIDES,
) -> Judge:
    """One function over all rules of the event type that ``struct`` holds. ``slots``: where each feature's value stands.

    ``overrides``: by the name of the rule, strongest first.
    """
    _all_there(struct, [checked.scope for checked in rules], [checked.node for checked in rules])
    return Judge(rules, slots, lists, overrides)


def compile_predicate(
    node: Node, scope: Scope, struct: type[Any], lists: Lists, params: Mapping[str, Any] = _NO_PARAMS
) -> Callable[[Any], bool]:
    """A function of the event alone that is true where the condition certainly holds."""
    _all_there(struct, [scope], [node])
    condition = meaning(node, scope)
    made = _source([condition], {}, lists)
    code, _ = Writer(made, params).condition(condition, True, True)
    return cast(Callable[[Any], bool], _function(_def("predicate", [*made.head, f"return {code}"], "e"), made.namespace))


def compile_value(node: Node, scope: Scope) -> Callable[[Any], Any]:
    """A function of the event that gives a derived field: None where it cannot be known, or never happened."""
    found, _ = check_value(node, scope)
    assert found is not None
    made = _source([found], {}, {})
    writer = Writer(made, {})
    if isinstance(found, Condition):
        holds, fails = (writer.condition(found, want, True)[0] for want in (True, False))
        body = [f"return True if {holds} else False if {fails} else None"]
    else:
        code, guards = writer.value(found)
        there = " and ".join(asked for asked, _ in guards)
        body = [f"x = {code} if {there} else None" if there else f"x = {code}", f"return x{' if x == x else None' if found.never else ''}"]
    return _function(_def("derived", [*made.head, *body], "e"), made.namespace)


def _all_there(struct: type[Any], scopes: Sequence[Scope], trees: Sequence[Node]) -> None:
    """Every field that is read is an attribute of the event: a scope made for another event type would fail at run time only."""
    for scope, tree in zip(scopes, trees, strict=True):
        for name in read_by(tree, scope):
            symbol = scope.names[name]
            attr = symbol.attr or name.replace(".", "_")
            assert symbol.kind != "field" or hasattr(struct, attr), f"{struct.__name__} has no attribute {attr}"


def _source(conditions: Sequence[Condition | Value], slots: Mapping[str, int], lists: Lists) -> Source:
    uses: Counter[str] = Counter()
    calls: Counter[Applied] = Counter()
    for condition in conditions:
        for part in parts_of(condition):
            if isinstance(part, Read):
                uses[part.symbol.name] += 1
            elif isinstance(part, Applied) and shared(part):
                calls[part] += 1
    return Source(uses, calls, slots, lists)


def _when(tests: list[str], body: list[str]) -> list[str]:
    """An `if` over all tests. Each stands in brackets of its own, so that none binds what belongs to another."""
    condition = " and ".join(f"({test})" for test in tests) if len(tests) > 1 else tests[0]
    return [f"if {condition}:", *(f"    {line}" for line in body)]


def _def(name: str, body: list[str], args: str = "e, v, score") -> str:
    return "\n".join([f"def {name}({args}):", *(f"    {line}" for line in body)]) + "\n"


def _function(source: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """The function that the text defines, with nothing to reach but what the namespace holds."""
    within: dict[str, Any] = {**namespace, "__builtins__": {}}
    name = source[4 : source.index("(")]
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), within)
    return cast(Callable[..., Any], within[name])
