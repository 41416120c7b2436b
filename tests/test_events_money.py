"""Minor units and text, there and back, without a rounding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.money import AMOUNT_MAX_MINOR, DECIMALS, Money, parse, render, to_minor


@pytest.mark.parametrize(
    ("currency", "text", "minor"),
    [("CNY", "5.00", 500), ("CNY", "5", 500), ("CNY", "5.1", 510), ("CNY", "3,000", 300_000), ("JPY", "120", 120), ("BHD", "1.234", 1234)],
)
def test_an_amount_becomes_minor_units_by_its_currency(currency: str, text: str, minor: int) -> None:
    assert to_minor(currency, text) == minor


@pytest.mark.parametrize(
    ("currency", "text", "word"),
    [
        ("CNY", "5.001", "2 decimals"),
        ("JPY", "5.0", "no decimals"),
        ("XXX", "5", "ISO 4217"),
        ("cny", "5", "ISO 4217"),
        ("CNY", "-5", "not an amount"),
        ("CNY", "5.", "not an amount"),
        ("CNY", "1e3", "not an amount"),
        ("CNY", "30,00", "not an amount"),
        ("CNY", "１", "not an amount"),
        ("CNY", "99999999999999999", "more than"),
    ],
)
def test_an_amount_that_does_not_fit_is_an_error_that_says_why(currency: str, text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        to_minor(currency, text)


@given(st.sampled_from(sorted(DECIMALS)), st.integers(0, AMOUNT_MAX_MINOR))
def test_what_is_rendered_is_read_back_exactly(currency: str, minor: int) -> None:
    assert parse(render(currency, minor)) == Money(currency, minor)


def test_rendering_keeps_all_decimals_of_the_currency() -> None:
    assert [render("CNY", 500), render("CNY", 5), render("JPY", 5), render("BHD", 5), render("CNY", -1)] == [
        "CNY 5.00",
        "CNY 0.05",
        "JPY 5",
        "BHD 0.005",
        "CNY -0.01",
    ]


def test_text_that_is_not_money_is_an_error() -> None:
    for text in ("5.00", "CNY5", "CNY", "CNY  -5", ""):
        with pytest.raises(ValueError, match="not money"):
            parse(text)
