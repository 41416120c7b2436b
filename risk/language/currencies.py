"""ISO 4217: the currencies that money can be in, and how many decimals each has. Nothing else is here."""

from __future__ import annotations

from typing import Final

_TWO = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK
DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT
LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR
RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES
WST XCD XCG YER ZAR ZMW ZWG
"""
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

CURRENCIES: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}


def minor_units(amount: str, currency: str) -> int | None:
    """``("5.00", "CNY")`` -> 500; None when the currency has fewer decimals than are written."""
    whole, _, part = amount.partition(".")
    places = CURRENCIES[currency]
    if len(part) > places:
        return None
    return int(whole + part.ljust(places, "0"))


def written(minor: int, currency: str) -> str:
    """``(500, "CNY")`` -> ``CNY 5.00``, ``(-5, "CNY")`` -> ``-CNY 0.05``: as conditions write it."""
    places = CURRENCIES[currency]
    digits = str(abs(minor)).rjust(places + 1, "0")
    amount = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"{'-' if minor < 0 else ''}{currency} {amount}"


def whole_units(units: int, currency: str) -> str:
    """``(5, "CNY")`` -> ``CNY 5.00``: what somebody who wrote a plain 5 meant."""
    return written(units * 10 ** CURRENCIES.get(currency, 0), currency)
