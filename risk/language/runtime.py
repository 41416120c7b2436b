"""What generated code calls: the functions of the language on plain values.

Rule 1: total. Whatever an event holds, these return a value; an argument that is NEVER gives NEVER, None never comes here.
Rule 2: the interpreter does not use them: it must not share a mistake.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from risk.declared import NEVER

EARTH_RADIUS_KM = 6371.0088
PREFIXES_KEPT_MAX = 10_000
NUMBERS_KEPT_MAX = 1_000
# The calendar's years 1 to 9999, a day inside either end: every zone's clock can show them.
TIME_MS_MIN = -62_135_510_400_000
TIME_MS_MAX = 253_402_214_400_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DAYS = ("thu", "fri", "sat", "sun", "mon", "tue", "wed")  # 1970-01-01 was a Thursday
FIXED_ZONES_MS = {"UTC": 0, "Asia/Shanghai": 8 * HOUR_MS}
"""Zones whose clock has not changed for as long as there have been payments to decide (Shanghai: since 1991)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHANGHAI_STEADY_MS = 700_000_000_000  # 1992-03: later than any change of that clock


def lower(text: Any) -> Any:
    """Small letters."""
    return text.lower() if text == text else text


def smallest(*values: Any) -> Any:
    """The least; NEVER if any is."""
    return NEVER if any(value != value for value in values) else min(values)


def largest(*values: Any) -> Any:
    """The greatest; NEVER if any is."""
    return NEVER if any(value != value for value in values) else max(values)


def km_between(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """The great-circle distance in kilometres between two places in degrees; NEVER where one is not a number."""
    if not math.isfinite(abs(lat_a) + abs(lon_a) + abs(lat_b) + abs(lon_b)):
        return NEVER
    a, b = math.radians(lat_a), math.radians(lat_b)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, max(0.0, half))))


def clock(zone: str) -> Callable[[Any], Any]:
    """A function from a time to what clocks in the zone showed, in milliseconds counted as if it were UTC; NEVER off the calendar."""
    offset = FIXED_ZONES_MS.get(zone)
    info = ZoneInfo(zone)

    def local(t: Any) -> Any:
        if not TIME_MS_MIN < t < TIME_MS_MAX:
            return NEVER
        if offset is not None and (offset == 0 or t > _SHANGHAI_STEADY_MS):
            return t + offset
        shift = (_EPOCH + timedelta(milliseconds=t)).astimezone(info).utcoffset()
        assert shift is not None
        return t + shift.days * DAY_MS + shift.seconds * 1000

    return local


def hour_in(zone: str) -> Callable[[Any], Any]:
    """``hour(time, zone)``: 0 to 23."""
    local = clock(zone)

    def hour(t: Any) -> Any:
        shown = local(t)
        return shown // HOUR_MS % 24

    return hour


def weekday_in(zone: str) -> Callable[[Any], Any]:
    """``weekday(time, zone)``: mon to sun."""
    local = clock(zone)

    def weekday(t: Any) -> Any:
        shown = local(t)
        return DAYS[int(shown // DAY_MS % 7)] if shown == shown else shown

    return weekday


def date_in(zone: str) -> Callable[[Any], Any]:
    """``date(time, zone)``: the day there, like 2026-11-24."""
    local = clock(zone)

    def date(t: Any) -> Any:
        shown = local(t)
        return (_EPOCH + timedelta(days=int(shown // DAY_MS))).strftime("%Y-%m-%d").rjust(10, "0") if shown == shown else shown

    return date


@lru_cache(maxsize=PREFIXES_KEPT_MAX)
def _prefix(ip: str, bits: int) -> str | None:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    if bits > address.max_prefixlen:
        return None
    return str(ipaddress.ip_network((address.packed, bits), strict=False))


def prefix(ip: Any, bits: int) -> Any:
    """``prefix("203.0.113.7", 24)`` -> ``203.0.113.0/24``; None for a text that is not an address with so many bits."""
    return _prefix(ip, bits) if ip == ip else ip


def times(whole: Any, factor: float) -> Any:
    """Money or a duration times a number, half up, exactly: a factor is the decimal number that it is written as."""
    share = _exact(factor)
    return _half_up(whole, share.numerator, share.denominator)


def divided(whole: Any, factor: float) -> Any:
    """Money or a duration divided by a number that is not zero, half up, exactly."""
    share = 1 / _exact(factor)
    return _half_up(whole, share.numerator, share.denominator)


def _half_up(whole: Any, times_: int, by: int) -> Any:
    return whole * times_ if by == 1 else (whole * (2 * times_) + by) // (2 * by)


@lru_cache(maxsize=NUMBERS_KEPT_MAX)
def _exact(number: float) -> Fraction:
    return Fraction(repr(number))


def matcher(pattern: str) -> Callable[[str], bool]:
    """``like``: `*` stands for any characters, `?` for one, all others for themselves. Time grows with pattern times text at most."""
    first, *rest = pattern.split("*")
    if not rest:
        return lambda text: len(text) == len(first) and _at(text, 0, first)
    *middle, last = rest
    pieces = tuple(piece for piece in middle if piece)
    shortest = len(pattern.replace("*", ""))

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if len(text) < shortest or not _at(text, 0, first) or not _at(text, end, last):
            return False
        start = len(first)
        for piece in pieces:
            found = _find(text, piece, start, end)
            if found < 0:
                return False
            start = found + len(piece)
        return True

    return matches


matcher_of = lru_cache(maxsize=NUMBERS_KEPT_MAX)(matcher)
"""The same, for patterns that differ from event to event: those of overrides, which are few."""


def _at(text: str, start: int, piece: str) -> bool:
    if "?" not in piece:
        return text.startswith(piece, start)
    return all(wanted in ("?", text[start + i]) for i, wanted in enumerate(piece))


def _find(text: str, piece: str, start: int, end: int) -> int:
    """The first place of a piece, whole before ``end``. The earliest is always the best: what follows has the most room."""
    if "?" not in piece:
        return text.find(piece, start, end)
    return next((at for at in range(start, end - len(piece) + 1) if _at(text, at, piece)), -1)
