"""Money: ISO 4217 currencies, their decimals, and the way between minor units and text.

Rule 1: money is a whole number of minor units (fen) and a currency, here and everywhere else.
Rule 2: no floats, no rounding: an amount that does not fit the currency's decimals is an error.
Never here: exchange rates, sums, what an amount means.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

AMOUNT_MAX_MINOR: Final = 10**15
"""The largest amount of an event, in minor units; more is a mistake in the message."""

_TWO: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU "
    "CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD "
    "TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL"
)

_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_CODES: Final = {0: _NONE, 2: _TWO, 3: "BHD IQD JOD KWD LYD OMR TND", 4: "CLF UYW"}

DECIMALS: Final[dict[str, int]] = {code: places for places, codes in _CODES.items() for code in codes.split()}
"""Currency code -> decimals of its minor unit. A code that is not here is not a currency that a payment can be in."""

_AMOUNT: Final = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,18})(?:\.([0-9]{1,18}))?", re.ASCII)
_MONEY: Final = re.compile(r"([A-Z]{3}) +([0-9][0-9,.]*)", re.ASCII)


class Money(NamedTuple):
    """An amount in whole minor units of a currency."""

    currency: str
    minor: int


def decimals(currency: str) -> int:
    """How many decimals the currency has. Raises ValueError for a code that is not a currency."""
    found = DECIMALS.get(currency)
    if found is None:
        raise ValueError(f"{currency[:12]!r} is not a currency of ISO 4217")
    return found


def to_minor(currency: str, text: str) -> int:
    """``to_minor("CNY", "5.00") == 500``, exactly; thousands may be grouped ("3,000"). Raises ValueError, also for too many decimals."""
    places = decimals(currency)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not an amount; write it as 5 or 5.00")
    whole, part = match[1].replace(",", ""), match[2] or ""
    if len(part) > places:
        shown = "no decimals" if places == 0 else f"{places} decimals"
        raise ValueError(f"{currency} has {shown}, {text[:40]!r} has {len(part)}")
    minor = int(whole + part.ljust(places, "0"))
    if minor > AMOUNT_MAX_MINOR:
        raise ValueError(f"{currency} {text[:40]} is more than an amount can be")
    return minor


def parse(text: str) -> Money:
    """``parse("CNY 5.00") == Money("CNY", 500)``. Raises ValueError."""
    match = _MONEY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not money; write it as CNY 5.00")
    return Money(match[1], to_minor(match[1], match[2]))


def render(currency: str, minor: int) -> str:
    """``render("CNY", 500) == "CNY 5.00"``: the inverse of ``parse``; a negative sum gets a minus. Raises ValueError."""
    places = decimals(currency)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    if places == 0:
        return f"{currency} {sign}{digits}"
    return f"{currency} {sign}{digits[:-places]}.{digits[-places:]}"
