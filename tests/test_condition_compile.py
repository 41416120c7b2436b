"""Generated code: what it may contain, what a rule's validity does, and how deep and how many rules may be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from risk.declared import FieldType
from risk.language.compile import Judge, compile_judge, compile_predicate
from risk.language.condition import Node, Scope, Symbol, check, parse

INT, TEXT = FieldType("int"), FieldType("text")


def scope_of(**types: FieldType) -> Scope:
    names = {name: Symbol(name, type_, name.startswith("maybe"), "field", attr=name) for name, type_ in types.items()}
    return Scope(names, {"word": Symbol("word", TEXT, False, "param")}, {"list": Symbol("list", TEXT, False, "list")}, {})


def rule(text: str, scope: Scope, params: dict[str, Any] | None = None, **facts: Any) -> Any:
    node = parse(text)
    assert isinstance(node, Node), node
    assert [fault for fault in check(node, scope)[1] if fault.severity == "error"] == []
    return SimpleNamespace(
        rule=SimpleNamespace(**{"valid_from_ms": None, "valid_until_ms": None} | facts), node=node, scope=scope, params=params or {}
    )


def judge_of(rules: list[Any], lists: dict[str, frozenset[Any]] | None = None) -> Judge:
    names = {symbol.attr for each in rules for symbol in each.scope.names.values()}
    return compile_judge(rules, type("Struct", (), dict.fromkeys(names)), {}, lists or {})


NASTY = [
    '"',
    "'",
    '"""',
    "\\",
    "\\'",
    "{x}",
    "%s",
    "\n",
    "\r",
    "\u2028",
    "\0",
    "') or exit() or ('",
    "é",
    "\ud83d\ude00",
    "__import__('os')",
    "#",
    "\\x41",
    "\\N{BULLET}",
]


@pytest.mark.parametrize("nasty", NASTY)
def test_a_text_is_only_ever_a_text(nasty: str) -> None:
    scope = scope_of(text=TEXT)
    written = nasty.replace("\\", "\\\\").replace('"', '\\"')
    rules = [rule("text == $word", scope, {"word": nasty}), rule("like(text, $word)", scope, {"word": nasty}), rule("text in @list", scope)]
    if "\n" not in nasty:
        rules += [rule(f'text == "{written}"', scope), rule(f'text in ["{written}", "x"]', scope)]
    judge = judge_of(rules, {"list": frozenset({nasty})})
    assert judge(SimpleNamespace(text=nasty), [], None) == (list(range(len(rules))), [])
    assert judge(SimpleNamespace(text="other"), [], None) == ([], [])


def test_code_reaches_no_builtins() -> None:
    judge = judge_of([rule("number > 3", scope_of(number=INT))])
    assert judge._judge.__globals__["__builtins__"] == {}


def test_names_that_are_python_words_are_read_like_others() -> None:
    scope = scope_of(
        **{"class": INT, "maybe_import": INT, "def": INT, "e": INT, "v": INT, "fired": INT, "unknown": INT, "score": INT, "x0": INT}
    )
    text = "class > 0 and maybe_import > 0 and def > 0 and e > 0 and v > 0 and fired > 0 and unknown > 0 and score > 0 and x0 > 0"
    judge = judge_of([rule(text, scope), rule(text, scope)])
    event = SimpleNamespace(**dict.fromkeys(scope.names, 1))
    assert judge(event, [], None) == ([0, 1], [])


def test_a_field_that_the_event_lacks_stops_the_load() -> None:
    with pytest.raises(AssertionError, match="has no attribute number"):
        compile_predicate(rule("number > 3", scope_of(number=INT)).node, scope_of(number=INT), SimpleNamespace, {})


def test_a_rule_is_silent_outside_its_validity() -> None:
    scope = scope_of(maybe_number=INT)
    judge = judge_of(
        [
            rule("maybe_number > 3 or maybe_number < 2", scope, valid_from_ms=100, valid_until_ms=200),
            rule("maybe_number > 3", scope, valid_from_ms=150),
        ]
    )

    def at(ms: int, number: int | None) -> tuple[list[int], list[int]]:
        event = SimpleNamespace(occurred_at=ms, maybe_number=number)
        assert judge.one(0, event, [], None) is (
            True if 0 in judge(event, [], None)[0] else None if 0 in judge(event, [], None)[1] else False
        )
        return judge(event, [], None)

    assert [at(ms, 4) for ms in (99, 100, 150, 199, 200)] == [([], []), ([0], []), ([0, 1], []), ([0, 1], []), ([1], [])]
    assert [at(ms, None) for ms in (99, 100, 200)] == [([], []), ([], [0]), ([], [1])]


def test_a_rule_stops_at_its_first_false_term() -> None:
    scope = scope_of(number=INT, slow=TEXT)

    class Event:
        number = 1
        slow_reads = 0

        @property
        def slow(self) -> str:
            self.slow_reads += 1
            return "x"

    judge = compile_judge([rule('number > 3 and lower(slow) == "x"', scope)], Event, {}, {})
    event = Event()
    assert judge(event, [], None) == ([], [])
    assert event.slow_reads == 0


def test_the_same_call_in_many_rules_is_made_once() -> None:
    scope = scope_of(maybe_text=TEXT)

    class Text(str):
        calls = 0

        def lower(self) -> str:
            Text.calls += 1
            return super().lower()

    judge = judge_of([rule(f'lower(maybe_text) == "{word}"', scope) for word in ("a", "b", "c")])
    assert judge(SimpleNamespace(maybe_text=Text("B")), [], None) == ([1], [])
    assert Text.calls == 1


def test_rules_keep_parameters_of_their_own() -> None:
    scope = scope_of(text=TEXT)
    judge = judge_of([rule("lower($word) == text", scope, {"word": "A"}), rule("lower($word) == text", scope, {"word": "B"})])
    assert judge(SimpleNamespace(text="b"), [], None) == ([1], [])


def test_the_deepest_condition_that_is_allowed_compiles() -> None:
    def nested(inner: str, levels: int) -> str:
        for _ in range(levels):
            inner = f"maybe_a > 1 and (maybe_b < 2 or not ({inner}))"
        return inner

    scope = scope_of(maybe_a=INT, maybe_b=INT)
    macros = {"m": nested("maybe_a > 7", 9)}
    text = nested("m", 9)
    value = "(maybe_a + " * 30 + "maybe_b" + ")" * 30 + " > 3"
    counted = "at_least(1, " * 30 + "maybe_a > 3" + ")" * 30
    deep = Scope(scope.names, {}, {}, macros)
    judge = judge_of([rule(text, deep), rule(value, deep), rule(counted, deep), rule("not (" * 30 + "maybe_a > 3" + ")" * 30, deep)])
    assert judge(SimpleNamespace(maybe_a=4, maybe_b=1), [], None) == ([0, 1, 2, 3], [])
    assert judge(SimpleNamespace(maybe_a=None, maybe_b=None), [], None) == ([], [0, 1, 2, 3])


def test_five_hundred_rules_are_one_function() -> None:
    scope = scope_of(maybe_a=INT, b=INT)
    rules = [rule(f"maybe_a > {i} and b != {i}", scope) for i in range(500)]
    judge = judge_of(rules)
    fired, unknown = judge(SimpleNamespace(maybe_a=400, b=7), [], None)
    assert fired == [i for i in range(400) if i != 7] and unknown == []


def test_no_rules_are_a_judge_too() -> None:
    assert compile_judge([], object, {}, {})(object(), [], None) == ([], [])


def test_a_wide_condition_of_the_longest_text_compiles() -> None:
    scope = scope_of(a=INT)
    judge = judge_of([rule(" or ".join(f"a == {i}" for i in range(340)), scope)])
    assert judge(SimpleNamespace(a=339), [], None) == ([0], [])
