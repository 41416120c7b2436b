"""What conditions answer: each case by the interpreter, by the judge, and by the judge's rule alone."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from risk.declared import NEVER
from risk.language.compile import compile_judge
from risk.language.condition import Node, check, parse
from risk.language.interpret import Known, _like, evaluate
from risk.language.runtime import matcher
from tests.conditions_random import LISTS, PARAMS, SCOPE, SLOTS, STRUCT, SYMBOLS

YES, NO, UNKNOWN = True, False, None
T0 = 1_795_478_400_123  # 2026-11-24T00:00:00.123Z, a Tuesday

SAID: list[tuple[str, dict[str, Any], bool | None]] = [
    # A comparison with something missing is unknown, unless the rest decides.
    ("int.maybe > 3", {"int.maybe": None}, UNKNOWN),
    ("not int.maybe > 3", {"int.maybe": None}, UNKNOWN),
    ("int.maybe > 3 or int.sure > 3", {"int.maybe": None, "int.sure": 4}, YES),
    ("int.maybe > 3 and int.sure > 3", {"int.maybe": None, "int.sure": 3}, NO),
    ("int.maybe between 3 and 5", {"int.maybe": None}, UNKNOWN),
    ("2 between int.sure and int.maybe", {"int.sure": 3, "int.maybe": None}, NO),
    ("int.maybe in [1, 2]", {"int.maybe": None}, UNKNOWN),
    ("text.maybe not in @words", {"text.maybe": None}, UNKNOWN),
    ("bool.maybe", {"bool.maybe": None}, UNKNOWN),
    ("not bool.maybe", {"bool.maybe": None}, UNKNOWN),
    ("text.maybe in texts.maybe", {"text.maybe": "a", "texts.maybe": None}, UNKNOWN),
    # Never: covered, nothing happened. No comparison with it holds, and it is not unknown.
    ("int_seen > 3", {"int_seen": NEVER}, NO),
    ("not int_seen > 3", {"int_seen": NEVER}, YES),
    ("int_seen != 3", {"int_seen": NEVER}, NO),
    ("int_seen not between 3 and 5", {"int_seen": NEVER}, NO),
    ("int_seen not in [3]", {"int_seen": NEVER}, NO),
    ("text_seen not in @words", {"text_seen": NEVER}, NO),
    ('text_seen != "a"', {"text_seen": NEVER}, NO),
    ('lower(text_seen) != "a"', {"text_seen": NEVER}, NO),
    ("text_seen not in texts.sure", {"text_seen": NEVER, "texts.sure": ("a",)}, NO),
    ('starts_with(text_seen, "a") or like(text_seen, "*") or contains(text_seen, "")', {"text_seen": NEVER}, NO),
    ("bool_seen", {"bool_seen": NEVER}, NO),
    ("not bool_seen", {"bool_seen": NEVER}, YES),
    ("bool_seen != true", {"bool_seen": NEVER}, NO),
    ("int_seen + 1 > 0 or int_seen * 0 == 0", {"int_seen": NEVER}, NO),
    ("int_seen + int.maybe > 0", {"int_seen": NEVER, "int.maybe": None}, UNKNOWN),
    ("int_seen > int.maybe", {"int_seen": NEVER, "int.maybe": None}, UNKNOWN),
    # `is missing` always has an answer.
    ("int_seen is missing", {"int_seen": NEVER}, YES),
    ("int_seen is known", {"int_seen": NEVER}, NO),
    ("int_seen is missing", {"int_seen": None}, YES),
    ("int_seen is missing", {"int_seen": 0}, NO),
    ("text.maybe is not missing", {"text.maybe": ""}, YES),
    ("(int.sure / int.maybe) is missing", {"int.sure": 1, "int.maybe": 0}, YES),
    # Division by zero is unknown; by never, never.
    ("int.sure / int.maybe > 1", {"int.sure": 1, "int.maybe": 0}, UNKNOWN),
    ("int.maybe / int.sure > 1", {"int.sure": 0, "int.maybe": 0}, UNKNOWN),
    ("int.sure / int_seen > 1", {"int.sure": 1, "int_seen": NEVER}, NO),
    ("int_seen / int.sure > 1", {"int.sure": 0, "int_seen": NEVER}, UNKNOWN),
    ("money_seen / money.sure >= 80%", {"money_seen": 120_000, "money.sure": 150_000}, YES),
    # Both ends of a range.
    ("int.sure between 3 and 5", {"int.sure": 3}, YES),
    ("int.sure between 3 and 5", {"int.sure": 5}, YES),
    ("int.sure not between 3 and 5", {"int.sure": 5}, NO),
    # Money times a number rounds half up, exactly.
    ("money.sure * 1.1 == CNY 0.55", {"money.sure": 50}, YES),
    ("money.sure * 0.5 == CNY 0.02", {"money.sure": 3}, YES),
    ("-money.sure * 0.5 == -CNY 0.01", {"money.sure": 3}, YES),
    ("money.sure * 1.15 == CNY 1.15", {"money.sure": 100}, YES),
    ("money.sure * 1.005 == CNY 1.01", {"money.sure": 100}, YES),
    ("money.sure / 3 == CNY 0.33", {"money.sure": 100}, YES),
    ("money.sure / int.sure == CNY 0.02", {"money.sure": 3, "int.sure": 2}, YES),
    ("money.sure * number.sure == CNY 0.02", {"money.sure": 3, "number.sure": 0.5}, YES),
    ("$share * money.sure == CNY 0.04", {"money.sure": 10}, YES),
    ("duration.sure * 1.5 == 90s", {"duration.sure": 60_000}, YES),
    ("money.sure * 0.1 == CNY 99999999999999.99", {"money.sure": 99999999999999984}, NO),
    ("money.sure * 0.1 == CNY 99999999999999.99", {"money.sure": 99999999999999985}, YES),
    ("money.sure * 0.1 == CNY 99999999999999.99", {"money.sure": 99999999999999994}, YES),
    # At least n.
    ("at_least(2, int.sure > 1, int.maybe > 1, bool.maybe)", {"int.sure": 2, "int.maybe": None, "bool.maybe": True}, YES),
    ("at_least(2, int.sure > 1, int.maybe > 1, bool.maybe)", {"int.sure": 2, "int.maybe": None, "bool.maybe": False}, UNKNOWN),
    ("at_least(2, int.sure > 1, int.maybe > 1, bool.maybe)", {"int.sure": 1, "int.maybe": None, "bool.maybe": False}, NO),
    ("not at_least($n, int.sure > 1, int.maybe > 1)", {"int.sure": 2, "int.maybe": 2}, NO),
    # Functions.
    ('hour(occurred_at, "Asia/Shanghai") == 8 and hour(occurred_at, "UTC") == 0', {"occurred_at": T0}, YES),
    ('hour(occurred_at, "Europe/Madrid") == 1', {"occurred_at": T0}, YES),
    ('hour(occurred_at, "Asia/Kolkata") == 5', {"occurred_at": T0}, YES),
    ('weekday(occurred_at, "Asia/Shanghai") == "tue" and weekday(occurred_at, "America/New_York") == "mon"', {"occurred_at": T0}, YES),
    (
        'date(occurred_at, "Asia/Shanghai") == "2026-11-24" and date(occurred_at, "America/New_York") == "2026-11-23"',
        {"occurred_at": T0},
        YES,
    ),
    ('hour(occurred_at + 99999999999w, "UTC") is missing', {"occurred_at": T0}, YES),
    ('prefix(ip, 24) == "203.0.113.0/24"', {"ip": "203.0.113.7"}, YES),
    ('prefix(ip, 64) == "2001:db8::/64"', {"ip": "2001:db8::1"}, YES),
    ('prefix(ip, 24) == "x"', {"ip": "nonsense"}, UNKNOWN),
    ("prefix(ip, 33) is missing", {"ip": "203.0.113.7"}, YES),
    ("km_between(31.23, 121.47, 39.90, 116.40) between 1060 and 1080", {}, YES),
    ("min(int.sure, int_seen) < 9", {"int.sure": 1, "int_seen": NEVER}, NO),
    ("max(int.sure, 3) == 3 and abs(-int.sure) == 1", {"int.sure": 1}, YES),
    # Texts are compared as they are.
    ('text.sure == "A.b"', {"text.sure": "a.b"}, NO),
    ('lower(text.sure) == "a.b"', {"text.sure": "A.b"}, YES),
    ('like(text.sure, "*@mail.*")', {"text.sure": "x@mail.example"}, YES),
    ('contains(texts.sure, "root") or "root" in texts.sure', {"texts.sure": ("rooted",)}, NO),
    ("rich", {"money.sure": 0, "money_seen": None}, UNKNOWN),
    ("not odd", {"money.sure": 0, "money_seen": 0, "int_seen": NEVER}, NO),
]


def answers(text: str, given: dict[str, Any]) -> tuple[bool | None, bool | None, bool | None]:
    node = parse(text)
    assert isinstance(node, Node), node
    assert [fault for fault in check(node, SCOPE)[1] if fault.severity == "error"] == []
    values = {name: given.get(name) for name in SYMBOLS}
    rule = SimpleNamespace(rule=SimpleNamespace(valid_from_ms=None, valid_until_ms=None), node=node, scope=SCOPE, params=PARAMS)
    judge = compile_judge([rule], STRUCT, SLOTS, LISTS)
    event = SimpleNamespace(**{symbol.attr: values[name] for name, symbol in SYMBOLS.items() if symbol.kind == "field"})
    by_slot = [values[name] for name in SLOTS]
    fired, unknown = judge(event, by_slot, None)
    return (
        evaluate(node, Known(values, SCOPE, PARAMS, LISTS)),
        True if fired else None if unknown else False,
        judge.one(0, event, by_slot, None),
    )


@pytest.mark.parametrize(("text", "given", "wanted"), SAID)
def test_a_condition_says(text: str, given: dict[str, Any], wanted: bool | None) -> None:
    assert answers(text, given) == (wanted, wanted, wanted)


def test_globs_match_as_the_plain_way_does() -> None:
    rnd = random.Random(11)
    matched = 0
    for _ in range(20_000):
        pattern = "".join(rnd.choice("ab*?") for _ in range(rnd.randint(0, 6)))
        text = "".join(rnd.choice("aab") for _ in range(rnd.randint(0, 7)))
        assert matcher(pattern)(text) == _like(text, pattern), (pattern, text)
        matched += matcher(pattern)(text)
    assert matched > 4000


def test_a_hostile_glob_is_not_slow() -> None:
    assert not matcher("*a" * 1000 + "*c")("a" * 10_000)
    assert not matcher("*?a" * 30 + "*c")("a" * 1000 + "b")
