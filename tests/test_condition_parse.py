"""Text to tree and back, literals, and what is said of a text that is not a condition."""

from __future__ import annotations

import random

import pytest

from risk.declared import FieldType
from risk.language import nodes
from risk.language.condition import Fault, Node, canonical, lists_in, literal, macros_in, names_in, params_in, parse

READ = [
    ("a and b or c", "(a and b) or c"),
    ("a or b and c", "a or (b and c)"),
    ("not a and b", "not a and b"),
    ("not (a and b)", "not (a and b)"),
    ("not not a", "not not a"),
    ("(a and b) and (c and d)", "a and b and c and d"),
    ("((a))", "a"),
    ("a - (b - c) > 0", "a - (b - c) > 0"),
    ("(a - b) - c > 0", "a - b - c > 0"),
    ("a * (b + c) / d >= 80%", "a * (b + c) / d >= 80%"),
    ("-(a + b) < - 3", "-(a + b) < -3"),
    ("x between 1 and 2 and y", "x between 1 and 2 and y"),
    ("x not between CNY 5.00 and CNY 6", "x not between CNY 5.00 and CNY 6"),
    ("x is not missing or x is not known", "x is known or x is missing"),
    ('x not in [ "a","b" ] and y in @vip and "x" in flags', 'x not in ["a", "b"] and y in @vip and "x" in flags'),
    ("at_least(2, a or b, c > $n, d)\n  and\te", "at_least(2, a or b, c > $n, d) and e"),
    ("nothing or android or isle", "nothing or android or isle"),
    ('x == "say \\"hi\\" \\\\ \\x41"', 'x == "say \\"hi\\" \\\\ \\\\x41"'),
    ("since < 24h and y == 007", "since < 24h and y == 007"),
]

REFUSED = [
    # text, code, what is marked, message, hint
    ("m = 3", "E102", "=", "one `=` does not compare; use `==`", None),
    ("a && b", "E103", "&&", "`&&` is not an operator here; use `and`", None),
    ("a || b", "E103", "||", "`||` is not an operator here; use `or`", None),
    ("!a", "E103", "!", "`!` is not an operator here; use `not`", None),
    ("a <> 3", "E103", "<>", "`<>` is not an operator here; use `!=`", None),
    ("a => 3", "E103", "=>", "`=>` is not an operator here; use `>=`", None),
    ("a ** 3 > 1", "E103", "**", "`**` is not part of the language", None),
    ("(x := 3)", "E103", ":=", "`:=` is not part of the language", None),
    (
        "1 < a < 3",
        "E107",
        "<2",
        "two comparisons in a row",
        "for a range write `a between low and high`, or join two comparisons with `and`",
    ),
    ("(a > 3", "E104", "(", "this `(` is never closed", "add `)` where it ends"),
    ("f(a, (b)", "E104", "(", "this `(` is never closed", "add `)` where it ends"),
    ("a > 3)", "E104", ")", "`)` closes a bracket that was never opened", None),
    ("(a in [1, 2)", "E104", "[", "`[` is closed by `)`", "close it with `]`"),
    ("x == 'a'", "E105", "'a'", "texts stand in double quotes", 'write `"a"`'),
    ('x == "a', "E105", '"a', "this text has no closing quote", 'put `"` at its end'),
    ("x > 10min", "E106", "10min", "`10min` is not a number, a duration or a share", "write `10m`"),
    ("x > 1_000", "E106", "1_000", "`1_000` is not a number, a duration or a share", "write `1000`"),
    (
        "x > 1.5h",
        "E106",
        "1.5h",
        "`1.5h` is not a number, a duration or a share",
        "durations are whole: write `90m` for one and a half hours",
    ),
    ("", "E101", "", "the condition is empty", None),
    ("a >", "E101", ">", "something must follow `>`", "write a value after `>`"),
    ("a and", "E101", "and", "something must follow `and`", "write a condition after `and`"),
    ("a b", "E101", "b", "`b` cannot follow `a`", "join two conditions with `and` or `or`"),
    ("a AND b", "E101", "AND", "`AND` is not a word of the language", "write `and`"),
    (
        "x > 5,000",
        "E101",
        ",",
        "a comma stands only between the values of a function or a list",
        "large numbers are written without commas: `5000`",
    ),
    ("x between 1 or 3", "E101", "or", "`or` cannot follow `1`", "a range is written `between low and high`"),
    ("x is 3", "E101", "3", "`3` cannot follow `is`", "write `is missing`, `is not missing` or `is known`"),
    ("x > .5", "E101", ".", "`.` is not part of the language", "a number starts with a digit: `0.8`"),
    ("x > EURO 5", "E217", "EURO", "`EURO` is not a currency", "did you mean `EUR 5`?"),
    ("x # later", "E101", "# later", "a condition has no comments", "put the comment on a YAML line of its own, above the key"),
    ("x > " + "9" * 19, "E108", "9" * 19, "a number has at most 18 digits", None),
]

HOSTILE = [
    "().__class__.__bases__[0]",
    "lambda: 0",
    "__import__('os').system('x')",
    'f"{x}" == x',
    "x[0] > 1",
    "x; y",
    "x\x00y",
    "import os",
    "a if b else c",
    "[x for x in y]",
    "a.b().c",
    "print(1) #",
    "x @ y",
    "`id`",
    "{{1}}",
    "$(id)",
    "x == \ud800",
    "a\u2028b",
    "(" * 2000,
    "(" * 1000 + "a" + ")" * 1000,
    "not " * 900 + "a",
    "a" + "+a" * 1500 + " > 0",
    "-" * 3000 + "1 > 0",
    "[" * 50,
    "f(" * 60 + "a" + ")" * 60,
    "x in [" + "1," * 1000 + "1]" + " " * 3000,
    "9" * 5000,
    "CNY " + "9" * 100 + " > x",
    "%",
    "$",
    "@",
    '"',
    "'",
    "\\",
    "\n\n",
    "and",
    "missing",
    "is",
    "1" * 30 + "d",
]


def place(text: str, marked: str) -> tuple[int, int]:
    if marked == "<2":
        return text.rindex("<"), text.rindex("<") + 1
    start = text.index(marked)
    return start, max(start + len(marked), 1)


@pytest.mark.parametrize(("text", "wanted"), READ)
def test_a_condition_has_one_canonical_text(text: str, wanted: str) -> None:
    node = parse(text)
    assert isinstance(node, Node), node
    assert canonical(node) == wanted
    assert parse(wanted) == node


@pytest.mark.parametrize(("text", "code", "marked", "message", "hint"), REFUSED)
def test_a_text_that_is_no_condition_is_told_in_our_words(text: str, code: str, marked: str, message: str, hint: str | None) -> None:
    faults = parse(text)
    assert isinstance(faults, list)
    assert faults[0] == Fault(code, *place(text, marked), message, hint)


def test_every_single_equals_sign_is_told() -> None:
    faults = parse("a = 1 and b = 2")
    assert isinstance(faults, list)
    assert [(fault.code, fault.start) for fault in faults] == [("E102", 2), ("E102", 12)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_gives_faults_with_a_place(text: str) -> None:
    faults = parse(text)
    assert isinstance(faults, list) and faults
    for fault in faults:
        assert 0 <= fault.start < fault.end <= max(len(text), 1)
        assert "Token(" not in fault.message and "Traceback" not in fault.message


def test_random_text_never_raises() -> None:
    rnd = random.Random(7)
    pieces = [
        "a",
        "b.c",
        "(",
        ")",
        "[",
        "]",
        ",",
        "and",
        "or",
        "not",
        "in",
        "is",
        "missing",
        "between",
        "==",
        "=",
        "<",
        "5",
        "24h",
        "80%",
        "CNY 5",
        '"x"',
        "@l",
        "$p",
        "-",
        "*",
        "/",
        "true",
        " ",
        "\n",
        "'",
        '"',
        "&&",
        "x.y(",
        "#",
        "é",
        "\x07",
        "1.",
        "..",
        "%",
    ]
    for _ in range(3000):
        text = rnd.choice(("", " ")).join(rnd.choice(pieces) for _ in range(rnd.randint(0, 14)))
        found = parse(text)
        if isinstance(found, Node):
            assert parse(canonical(found)) == found
        else:
            assert all(0 <= fault.start < fault.end <= max(len(text), 1) for fault in found), (text, found)


def test_what_a_condition_uses_is_known() -> None:
    node = parse("rich and x.y > $n and z in @vip or not rich")
    assert isinstance(node, Node)
    assert names_in(node) == {"rich", "x.y", "z"}
    assert params_in(node) == {"n"}
    assert lists_in(node) == {"vip"}
    assert macros_in(node, {"rich": "x"}) == {"rich"}


def test_places_cover_what_was_written() -> None:
    text = "a and (b > CNY 5.00 or x in @l)"
    node = parse(text)
    assert isinstance(node, nodes.And)
    assert [text[part.start : part.end] for part in node.parts] == ["a", "(b > CNY 5.00 or x in @l)"]
    assert {text[part.start : part.end] for part in node.walk()} >= {"CNY 5.00", "@l", "b > CNY 5.00", "x"}


CNY, ANY_MONEY = FieldType("money", currency="CNY"), FieldType("money")
LITERALS = [
    ("CNY 5.00", None, 500, CNY),
    ("CNY 5", CNY, 500, CNY),
    ("JPY 5", ANY_MONEY, 5, FieldType("money", currency="JPY")),
    ("CNY -5.00", None, -500, CNY),
    ("24h", None, 86_400_000, FieldType("duration")),
    ("80%", None, 0.8, FieldType("number")),
    ("33.33%", None, 0.3333, FieldType("number")),
    ("6", None, 6, FieldType("int")),
    ("6", FieldType("number"), 6.0, FieldType("number")),
    ("6", FieldType("text"), "6", FieldType("text")),
    ("true", None, True, FieldType("bool")),
    ('"true"', None, "true", FieldType("text")),
    ("shop 42", None, "shop 42", FieldType("text")),
    ("bnpl", FieldType("enum", values=("card", "bnpl")), "bnpl", FieldType("enum", values=("card", "bnpl"))),
    ("dev_1", FieldType("id", entity="device"), "dev_1", FieldType("id", entity="device")),
    ("2026-11-01", FieldType("time"), 1_793_491_200_000, FieldType("time")),
    ("2026-11-01T08:00:00+08:00", FieldType("time"), 1_793_491_200_000, FieldType("time")),
]
BAD_LITERALS = [
    ("7", FieldType("duration"), "E206", "a duration needs a unit", "write `7h`, `7m` or `7d`"),
    ("5", CNY, "E204", "this is an amount of money; 5 is a plain number", "write `CNY 5.00`"),
    ("EUR 5.00", CNY, "E201", "`EUR 5.00` is not an amount of money in CNY", "write it like `CNY 5.00`"),
    ("CNY 5.001", None, "E217", "CNY has 2 decimals; `5.001` has more", None),
    ("CNX 5.00", None, "E217", "`CNX` is not a currency", "did you mean `CNY 5.00`?"),
    ("bnlp", FieldType("enum", values=("card", "bnpl")), "E207", "'bnlp' is not one of 'card', 'bnpl'", "did you mean 'bnpl'?"),
    ("cn", FieldType("country"), "E207", "'cn' is not a country", 'write `"CN"`'),
    ("yes", FieldType("bool"), "E201", "`yes` is not yes or no", "write it like `true` or `false`"),
    ("soon", FieldType("time"), "E201", "`soon` is not a time", "write it like `2026-11-01` or `2026-11-01T08:00:00Z`"),
    (
        "2026-11-01T08:00:00",
        FieldType("time"),
        "E201",
        "a time needs its zone",
        "write `2026-11-01T08:00:00Z` for UTC, or `2026-11-01T08:00:00+08:00`",
    ),
    ("9" * 5000, None, "E108", "a number has at most 18 digits", None),
    ("many", FieldType("int"), "E201", "`many` is not a whole number", "write it like `6`"),
]


@pytest.mark.parametrize(("text", "expected", "value", "type_"), LITERALS)
def test_a_literal_has_a_value_and_a_type(text: str, expected: FieldType | None, value: object, type_: FieldType) -> None:
    found = literal(text, expected)
    assert found == (value, type_)
    assert not isinstance(found, Fault) and type(found[0]) is type(value)


@pytest.mark.parametrize(("text", "expected", "code", "message", "hint"), BAD_LITERALS)
def test_a_literal_of_another_type_is_told(text: str, expected: FieldType | None, code: str, message: str, hint: str | None) -> None:
    assert literal(text, expected) == Fault(code, 0, len(text), message, hint)
