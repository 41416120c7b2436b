"""Terms and values as people read them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from risk.declared import NEVER, FieldType
from risk.language.compile import compile_judge
from risk.language.condition import Node, Scope, Symbol, parse
from risk.language.render import Term, render_value

CNY = FieldType("money", currency="CNY")
VALUES: list[tuple[Any, FieldType, str | None, str]] = [
    (500, CNY, None, "CNY 5.00"),
    (-5, CNY, None, "CNY -0.05"),
    (500, FieldType("money"), "JPY", "JPY 500"),
    (500, FieldType("money"), None, "500"),
    (900_000, FieldType("duration"), None, "15m"),
    (3_660_000, FieldType("duration"), None, "61m"),
    (89 * 86_400_000, FieldType("duration"), None, "89d"),
    (400 * 86_400_000, FieldType("duration"), None, "400d"),
    (0, FieldType("duration"), None, "0s"),
    (93_784_500, FieldType("duration"), None, "1d 2h 3m 4.5s"),
    (-1500, FieldType("duration"), None, "-1.5s"),
    (1_795_478_400_123, FieldType("time"), None, "2026-11-24T00:00:00.123Z"),
    (10**20, FieldType("time"), None, "100000000000000000000"),
    (0.8, FieldType("number"), None, "0.8"),
    (1 / 3, FieldType("number"), None, "0.333333"),
    (7, FieldType("int"), None, "7"),
    (True, FieldType("bool"), None, "true"),
    ("dev_1", FieldType("id", entity="device"), None, "dev_1"),
    ("x" * 200, FieldType("text"), None, "x" * 80 + "..."),
    (("b", "a"), FieldType("texts"), None, "[a, b]"),
    (NEVER, CNY, None, "never"),
    (None, CNY, None, "missing"),
]


@pytest.mark.parametrize(("value", "type_", "currency", "wanted"), VALUES)
def test_a_value_reads(value: Any, type_: FieldType, currency: str | None, wanted: str) -> None:
    assert render_value(value, type_, currency) == wanted


def test_the_terms_of_a_rule_read_like_the_rule_with_its_values() -> None:
    def feature(name: str, type_: FieldType) -> Symbol:
        return Symbol(name, type_, True, "feature")

    symbols = [
        feature("in_payers_24h", FieldType("int")),
        feature("in_sum_24h", CNY),
        feature("out_sum_24h", CNY),
        feature("since_last_in", FieldType("duration")),
        Symbol("amount", CNY, False, "field", attr="amount"),
        Symbol("from.age", FieldType("duration"), True, "field", attr="from_age"),
        Symbol("tip", FieldType("money"), False, "field", attr="tip"),
    ]
    params = {
        "collected": (150_000, CNY),
        "passed_on": (0.8, FieldType("number")),
        "quick": (21_600_000, FieldType("duration")),
        "payers": (5, FieldType("int")),
    }
    scope = Scope(
        {symbol.name: symbol for symbol in symbols},
        {name: Symbol(name, type_, False, "param") for name, (_, type_) in params.items()},
        {},
        {"young": "from.age < 90d"},
    )
    node = parse(
        "in_payers_24h >= $payers and in_sum_24h >= $collected and (out_sum_24h + amount) / in_sum_24h >= $passed_on"
        " and since_last_in <= $quick and young and (tip == tip or in_payers_24h > 9)"
    )
    assert isinstance(node, Node)
    facts = SimpleNamespace(valid_from_ms=None, valid_until_ms=None)
    checked = SimpleNamespace(rule=facts, node=node, scope=scope, params={name: value for name, (value, _) in params.items()})
    slots = {"in_payers_24h": 0, "in_sum_24h": 1, "out_sum_24h": 2, "since_last_in": 3}
    struct = type("Struct", (), {"amount": 1, "from_age": None, "tip": 100, "tip_currency": "JPY"})
    judge = compile_judge([checked], struct, slots, {})
    assert judge.terms(0, struct(), [5, 150_000, 119_999, None], None) == [
        Term("in_payers_24h >= 5", True, (("in_payers_24h", "5"),)),
        Term("in_sum_24h >= CNY 1500.00", True, (("in_sum_24h", "CNY 1500.00"),)),
        Term(
            "(out_sum_24h + amount) / in_sum_24h >= 0.8",
            True,
            (("amount", "CNY 0.01"), ("in_sum_24h", "CNY 1500.00"), ("out_sum_24h", "CNY 1199.99")),
        ),
        Term("since_last_in <= 6h", None, (("since_last_in", "unknown"),)),
        Term("young", None, (("from.age", "missing"),)),
        Term("tip == tip or in_payers_24h > 9", True, (("in_payers_24h", "5"), ("tip", "JPY 100"))),
    ]
