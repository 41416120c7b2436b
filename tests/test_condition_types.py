"""What the type checker says, word for word, and where it points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from risk.declared import FieldType
from risk.language.condition import Fault, Node, Scope, Symbol, check, parse


def field(name: str, type_: FieldType, optional: bool = False) -> Symbol:
    return Symbol(name, type_, optional, "field", "field of payment", name.replace(".", "_"))


EUR = FieldType("money", currency="EUR")
INT, TEXT = FieldType("int"), FieldType("text")
MERCHANT = FieldType("id", entity="merchant")
NAMES = [
    field("amount", FieldType("money")),
    field("amount_eur", EUR),
    field("fee", FieldType("money", currency="CNY")),
    field("customer.age", FieldType("duration")),
    field("method", FieldType("enum", values=("card", "wallet", "bnpl"))),
    field("remote", FieldType("bool")),
    field("device.id", FieldType("id", entity="device"), True),
    field("merchant.id", MERCHANT),
    field("merchant.mcc", TEXT),
    field("occurred_at", FieldType("time")),
    field("ip", TEXT, True),
    field("flags", FieldType("texts"), True),
    field("ip_country", FieldType("country"), True),
    Symbol("card_tries_10m", INT, True, "feature", "feature, bad/rules/1_card_testing.yaml:5"),
]
MACROS = {
    "est": "customer.age > 180d",
    "loop": "pool or remote",
    "pool": "loop and remote",
    "wrong": 'methd == "card"',
    "torn": "remote and (",
    **{f"m{i}": f"m{i - 1} or m{i - 1}" for i in range(1, 12)},
    "m0": "remote and est",
    "wide0": " or ".join(["remote"] * 400),
    **{f"wide{i}": " or ".join([f"(remote and wide{i - 1})"] * 15) for i in range(1, 4)},
}
SCOPE = Scope(
    {symbol.name: symbol for symbol in NAMES},
    {"tries": Symbol("tries", INT, False, "param"), "kind": Symbol("kind", TEXT, False, "param")},
    {"trusted_merchants": Symbol("trusted_merchants", MERCHANT, False, "list")},
    MACROS,
)

TOLD = [
    # text, code, what is marked, message, hint
    (
        "card_trys_10m >= 6",
        "E202",
        "card_trys_10m",
        "unknown name `card_trys_10m`",
        "did you mean `card_tries_10m`? (feature, bad/rules/1_card_testing.yaml:5)",
    ),
    ("tries > 3", "E202", "tries", "unknown name `tries`", "a parameter is written `$tries`"),
    ('merchant.mcc == "a" + __import__', "E202", "__import__", "unknown name `__import__`", None),
    ("remote.__class__ == 1", "E202", "remote.__class__", "unknown name `remote.__class__`", None),
    ("amount_eur <= 5", "E204", "5", "amount_eur is an amount of money; 5 is a plain number", "write `EUR 5.00`"),
    ("amount_eur + 0.5 > EUR 1.00", "E204", "0.5", "amount_eur is an amount of money; 0.5 is a plain number", "write `EUR 0.50`"),
    (
        "amount <= EUR 5.00",
        "E205",
        "amount <= EUR 5.00",
        "`amount` is in the currency of each payment, so it cannot be compared with money in EUR",
        "use `amount_eur`, the same amount converted",
    ),
    (
        "fee <= EUR 5.00",
        "E205",
        "fee <= EUR 5.00",
        "`fee` is in CNY and `EUR 5.00` in EUR; amounts of two currencies cannot be compared",
        None,
    ),
    ("customer.age < 7", "E206", "7", "a duration needs a unit", "write `7h`, `7m` or `7d`"),
    (
        'method == "bnlp"',
        "E207",
        '"bnlp"',
        "'bnlp' is not a value of `method`; it is one of 'card', 'wallet', 'bnpl'",
        "did you mean 'bnpl'?",
    ),
    ('method in ["card", "cash"]', "E207", '"cash"', "'cash' is not a value of `method`; it is one of 'card', 'wallet', 'bnpl'", None),
    ('ip_country == "cn"', "E207", '"cn"', "'cn' is not a country", 'write `"CN"`'),
    (
        "device.id in @trusted_merchants",
        "E208",
        "device.id in @trusted_merchants",
        "`@trusted_merchants` is a list of merchant ids; `device.id` is a device id, so it can never be in it",
        None,
    ),
    (
        "merchant.id in @trusted_merchant",
        "E216",
        "@trusted_merchant",
        "unknown list `@trusted_merchant`",
        "did you mean `@trusted_merchants`?",
    ),
    ("card_tries_10m >= $max_trials", "E203", "$max_trials", "unknown parameter `$max_trials`", "declare it under `params:` of this rule"),
    (
        "card_tries_10m > 6 and card_tries_10m < 3",
        "E210",
        "card_tries_10m < 3",
        "`card_tries_10m` can never be both > and < these limits, so this rule can never fire",
        None,
    ),
    (
        "remote or (customer.age < 1d and customer.age > 2d)",
        "E210",
        "customer.age > 2d",
        "`customer.age` can never be both > and < these limits, so this part can never be true",
        None,
    ),
    (
        "card_tries_10m is missing and card_tries_10m > 3",
        "E210",
        "card_tries_10m > 3",
        "`card_tries_10m` can never be missing and compared, so this rule can never fire",
        None,
    ),
    (
        'method == "card" and method == "bnpl"',
        "E210",
        'method == "bnpl"',
        '`method` can never be both "card" and "bnpl", so this rule can never fire',
        None,
    ),
    (
        "card_tries_10m between 5 and 3",
        "E210",
        "card_tries_10m between 5 and 3",
        "nothing is between 5 and 3",
        "write the smaller value first",
    ),
    ("merchant.mcc is missing", "W304", "merchant.mcc is missing", "`merchant.mcc` is never missing, so this is always false", None),
    (
        'remote and method == "card" or amount_eur > EUR 5.00',
        "W301",
        'remote and method == "card" or amount_eur > EUR 5.00',
        "`and` binds tighter than `or`; add brackets to show what you mean",
        None,
    ),
    ("remote and est and remote", "W306", "remote$", "`remote` is written twice", None),
    ("5 > 3", "W305", "5 > 3", "this compares two fixed values, so it is always the same", None),
    (
        "merchant.mcc == 5732",
        "E201",
        "merchant.mcc == 5732",
        "`merchant.mcc` is a text and `5732` is a whole number; they can never be equal",
        'write `"5732"`',
    ),
    (
        "device.id == merchant.id",
        "E201",
        "device.id == merchant.id",
        "`device.id` is a device id and `merchant.id` is a merchant id; they can never be equal",
        None,
    ),
    (
        'remote == "true"',
        "E201",
        'remote == "true"',
        '`remote` is yes or no and `"true"` is a text; they can never be equal',
        "write `true` or `false` without quotes",
    ),
    (
        'occurred_at > "2026-01-01"',
        "E201",
        'occurred_at > "2026-01-01"',
        '`occurred_at` is a time and `"2026-01-01"` is a text; they can never be equal',
        "compare how long ago it was: `occurred_at - that_time < 30d`",
    ),
    (
        'flags == "rooted"',
        "E201",
        'flags == "rooted"',
        "`flags` holds several texts, so it cannot be compared",
        'write `"rooted" in flags`',
    ),
    ('"x" in ip', "E208", '"x" in ip', "`ip` is a text, so nothing can be in it", 'write `contains(ip, "x")`'),
    (
        'merchant.mcc > "5"',
        "E215",
        'merchant.mcc > "5"',
        "`>` has no meaning here: `merchant.mcc` is a text, which has no order",
        "use `==`, `!=` or `in`",
    ),
    ("amount_eur", "E214", "amount_eur", "a condition says yes or no; this is an amount of money in EUR", "compare it with something"),
    (
        "remote and amount_eur",
        "E214",
        "amount_eur",
        "`amount_eur` is an amount of money in EUR, not a condition",
        "compare it with something",
    ),
    (
        "(remote and est) == true",
        "E214",
        "(remote and est)",
        "a condition stands where a value is wanted",
        "join conditions with `and`, `or`, `not`",
    ),
    (
        "at_least(3, remote, est)",
        "E211",
        "at_least(3, remote, est)",
        "`at_least(3, ...)` has only 2 conditions, so it can never be true",
        None,
    ),
    ("abs(1, 2) > 1", "E209", "abs(1, 2)", "`abs` takes 1 value, not 2", "write it like `abs(amount - usual)`"),
    ('starts_wth(ip, "1")', "E209", 'starts_wth(ip, "1")', "unknown function `starts_wth`", "did you mean `starts_with`?"),
    (
        'hour(occurred_at, "Asia/Shangai") > 3',
        "E209",
        '"Asia/Shangai"',
        "'Asia/Shangai' is not a time zone",
        "did you mean 'Asia/Shanghai'?",
    ),
    ('hour(occurred_at, "../../etc/passwd") > 3', "E209", '"../../etc/passwd"', "'../../etc/passwd' is not a time zone", None),
    ("amount_eur > EUR 5.001", "E217", "EUR 5.001", "EUR has 2 decimals; `5.001` has more", None),
    ("amount_eur > EUX 5.00", "E217", "EUX 5.00", "`EUX` is not a currency", "did you mean `EUR 5.00`?"),
    ("amount_eur / 0 > EUR 1.00", "E218", "0", "this divides by zero", None),
    (
        "amount_eur * amount_eur > 1",
        "E201",
        "amount_eur * amount_eur",
        "`*` has no meaning between an amount of money in EUR and an amount of money in EUR",
        None,
    ),
    ("loop", "E212", "loop", "in macro `pool`: macro `loop` uses itself: loop -> pool -> loop", None),
    ("wrong or remote", "E202", "wrong", "in macro `wrong`: unknown name `methd`", "did you mean `method`? (field of payment)"),
    ("torn or remote", "E104", "torn", "in macro `torn`: this `(` is never closed", "add `)` where it ends"),
    ("m11", "E219", "m11", "in macro `m1`: macros use one another more than 10 deep", None),
    ("wide3", "E219", "wide3", "in macro `wide0`: with its macros opened this condition has more than 4,000 parts", None),
]

FINE = [
    "amount > amount",
    "amount_eur * 1.5 >= EUR 3.00",
    "amount_eur / EUR 1.00 > 3",
    "customer.age / 1d > 2",
    "occurred_at - occurred_at < 3d",
    "method == $kind",
    'device.id == "dev_1"',
    "at_least($tries, remote, est)",
    "at_least(2, remote, est, ip is known)",
    'contains(flags, "x") or "y" not in flags',
    'prefix(ip, 24) == "1.2.3.0/24"',
    'weekday(occurred_at, "UTC") in ["sat", "sun"]',
    "card_tries_10m > 2.5",
    'ip_country != "CN"',
    "not est and remote",
    "min(amount_eur, EUR 3.00) between EUR 1.00 and EUR 2.00",
    "card_tries_10m > 3 or card_tries_10m < 2",
    "amount_eur * card_tries_10m > EUR 1.00",
    "merchant.id not in @trusted_merchants",
    "card_tries_10m > 6 and not (card_tries_10m < 3)",
    "true",
]


def checked(text: str, scope: Scope = SCOPE) -> list[Fault]:
    node = parse(text)
    assert isinstance(node, Node), node
    return check(node, scope)[1]


@pytest.mark.parametrize(("text", "code", "marked", "message", "hint"), TOLD)
def test_a_mistake_is_told_with_its_place_and_what_to_do(text: str, code: str, marked: str, message: str, hint: str | None) -> None:
    faults = checked(text)
    start = text.rindex(marked[:-1]) if marked.endswith("$") else text.index(marked)
    wanted = Fault(code, start, start + len(marked.rstrip("$")), message, hint, "warning" if code[0] == "W" else "error")
    assert faults[0] == wanted


@pytest.mark.parametrize("text", FINE)
def test_what_is_right_is_told_nothing(text: str) -> None:
    assert [fault for fault in checked(text) if fault.code not in ("W301", "W305")] == []


def test_all_mistakes_of_a_condition_are_told_at_once_in_order() -> None:
    assert [fault.code for fault in checked('amount_eur < 5 and custmer.age < 7 and customer.age < 7 and method == "x"')] == [
        "E204",
        "E202",
        "E206",
        "E207",
    ]


def test_messages_keep_the_tone() -> None:
    """Snippets, not sentences: no capital at the start (but for a name), no full stop at the end, names in backticks."""
    for text, *_ in TOLD:
        for fault in checked(text):
            assert not fault.message.endswith((".", "!")), fault
            first = fault.message.split()[0]
            assert first[0].islower() or first[0] in "`'" or re.fullmatch(r"[A-Z]{3}", first), fault
            assert "\n" not in fault.message


def test_a_where_is_not_called_a_rule() -> None:
    node = parse("card_tries_10m > 6 and card_tries_10m < 3")
    assert isinstance(node, Node)
    assert check(node, SCOPE, "condition")[1][0].message.endswith("so this condition can never be true")


def test_conditions_of_any_size_are_checked_without_an_exception() -> None:
    deep = {"d0": "remote", **{f"d{i}": "not (" * 18 + f"d{i - 1}" + ")" * 18 for i in range(1, 9)}}
    faults = checked("d8", replace(SCOPE, macros=deep))
    assert [fault.code for fault in faults] == ["E219"]
    assert checked("d2", replace(SCOPE, macros=deep)) == []
    product = " * ".join(["card_tries_10m"] * 30)
    assert [fault.code for fault in checked(f"{product} > 1")] == ["E108"]


def test_types_are_given_back() -> None:
    def type_of(text: str) -> FieldType | None:
        node = parse(text)
        assert isinstance(node, Node)
        return check(node, SCOPE)[0]

    assert type_of("remote") == FieldType("bool")
    assert type_of("amount_eur") == EUR
    assert type_of("nobody") is None


NO_NAMES: Mapping[str, Symbol] = {}


def test_an_empty_scope_has_no_suggestions() -> None:
    assert checked("a_b > 3", Scope(NO_NAMES, {}, {}, {})) == [Fault("E202", 0, 3, "unknown name `a_b`")]
