"""Amounts of money as conditions write them. Currencies and their decimals are those of risk/money.py."""

from __future__ import annotations

from risk.money import DECIMALS as CURRENCIES
from risk.money import render

__all__ = ["CURRENCIES", "minor_units", "whole_units"]


def minor_units(amount: str, currency: str) -> int | None:
    """``("5.00", "CNY")`` -> 500; None when the currency has fewer decimals than are written."""
    whole, _, part = amount.partition(".")
    places = CURRENCIES[currency]
    if len(part) > places:
        return None
    return int(whole + part.ljust(places, "0"))


def whole_units(units: int, currency: str) -> str:
    """``(5, "CNY")`` -> ``CNY 5.00``: what somebody who wrote a plain 5 meant."""
    return render(currency, units * 10 ** CURRENCIES[currency])
