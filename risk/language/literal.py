"""Values written outside conditions: parameters, list entries, settings.

Rule 1: what a value looks like in a condition it looks like here; besides, a text may stand without quotes.
Rule 2: the answer is a plain Python value in the units of risk/declared.py, or one fault.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from risk.declared import FieldType
from risk.language.currencies import CURRENCIES, minor_units, whole_units
from risk.language.scope import Fault
from risk.language.suggest import closest
from risk.language.syntax import DIGITS_MAX, unquoted
from risk.language.types import BOOL, DURATION, INT, NUMBER, TEXT, UNIT_MS, country_fault, describe, enum_fault

Parsed = tuple[Any, FieldType]

_MONEY = re.compile(r"([A-Z]{2,6}|[a-z]{3})[ \t]+(-?)([0-9]+(?:\.[0-9]+)?)")
_DURATION = re.compile(r"([0-9]+)([smhdw])")
_PERCENT = re.compile(r"(-?)([0-9]+(?:\.[0-9]+)?)%")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_WANTED = {
    "int": "`6`", "number": "`0.8` or `80%`", "duration": "`24h`", "money": "`CNY 5.00`", "bool": "`true` or `false`",
    "time": "`2026-11-01` or `2026-11-01T08:00:00Z`",
}  # fmt: skip


def literal(text: str, expected: FieldType | None) -> Parsed | Fault:
    """The value that ``text`` means. With ``expected`` it must be one of that type; without, its form decides."""
    written = text.strip()
    if sum(c.isdigit() for c in written) > DIGITS_MAX and _looks_numeric(written):
        return _fault(text, "E108", f"a number has at most {DIGITS_MAX} digits")
    if expected is None:
        return _by_form(text, written)
    if expected.kind in ("text", "texts", "id", "country", "enum"):
        return _textual(text, written, expected)
    if expected.kind == "time":
        return _time(text, written, expected)
    found = _by_form(text, written)
    if isinstance(found, Fault):
        return found
    return _fitted(text, found, expected)


def share(percent: str) -> float:
    """``"80"`` -> 0.8: the nearest float to the exact share, as `0.8` itself is."""
    return float(Fraction(percent) / 100)


def _looks_numeric(written: str) -> bool:
    return bool(_MONEY.fullmatch(written) or _DURATION.fullmatch(written) or _PERCENT.fullmatch(written) or _NUMBER.fullmatch(written))


def _by_form(text: str, written: str) -> Parsed | Fault:
    if written in ("true", "false"):
        return written == "true", BOOL
    if found := _DURATION.fullmatch(written):
        return int(found[1]) * UNIT_MS[found[2]], DURATION
    if found := _PERCENT.fullmatch(written):
        return share(found[1] + found[2]), NUMBER
    if _NUMBER.fullmatch(written):
        return (float(written), NUMBER) if "." in written else (int(written), INT)
    if found := _MONEY.fullmatch(written):
        return _money(text, found)
    return _unquoted(written), TEXT


def _money(text: str, found: re.Match[str]) -> Parsed | Fault:
    currency, sign, amount = found.groups()
    if currency.islower() and currency.upper() not in CURRENCIES:
        return _unquoted(text.strip()), TEXT
    if currency not in CURRENCIES:
        near = currency.upper() if currency.upper() in CURRENCIES else closest(currency.upper(), sorted(CURRENCIES))
        hint = f"did you mean `{near} {sign}{amount}`?" if near else None
        return _fault(text, "E217", f"`{currency}` is not a currency", hint)
    minor = minor_units(amount, currency)
    if minor is None:
        return _fault(text, "E217", f"{currency} has {CURRENCIES[currency]} decimals; `{amount}` has more")
    return (-minor if sign else minor), FieldType("money", currency=currency)


def _fitted(text: str, found: Parsed, expected: FieldType) -> Parsed | Fault:
    value, kind = found[0], found[1].kind
    if expected.kind == "number" and kind == "int":
        return float(value), expected
    if expected.kind == kind and expected.kind != "money":
        return value, expected
    if expected.kind == kind == "money" and expected.currency in (None, found[1].currency):
        return value, found[1]
    if expected.kind == "duration" and kind == "int":
        return _fault(text, "E206", "a duration needs a unit", f"write `{value}h`, `{value}m` or `{value}d`")
    if expected.kind == "money" and kind == "int" and expected.currency:
        return _fault(
            text, "E204", f"this is an amount of money; {value} is a plain number", f"write `{whole_units(value, expected.currency)}`"
        )
    hint = _WANTED.get(expected.kind)
    return _fault(text, "E201", f"`{text.strip()[:40]}` is not {describe(expected)}", f"write it like {hint}" if hint else None)


def _textual(text: str, written: str, expected: FieldType) -> Parsed | Fault:
    value = _unquoted(written)
    if expected.kind == "enum" and (wrong := enum_fault(value, expected, 0, len(text))):
        return wrong
    if expected.kind == "country" and (wrong := country_fault(value, 0, len(text))):
        return wrong
    return value, (TEXT if expected.kind == "texts" else expected)


def _unquoted(written: str) -> str:
    return unquoted(written) if len(written) >= 2 and written[0] == written[-1] == '"' else written


def _time(text: str, written: str, expected: FieldType) -> Parsed | Fault:
    try:
        moment = datetime.fromisoformat(_unquoted(written))
    except ValueError:
        return _fault(text, "E201", f"`{written[:40]}` is not {describe(expected)}", f"write it like {_WANTED['time']}")
    if moment.tzinfo is None:
        if len(written) > 10:
            return _fault(text, "E201", "a time needs its zone", f"write `{written}Z` for UTC, or `{written}+08:00`")
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000, expected


def _fault(text: str, code: str, message: str, hint: str | None = None) -> Fault:
    return Fault(code, 0, max(len(text), 1), message, hint)
