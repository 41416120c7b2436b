"""What a card number looks like in a text, so that none ever gets in.

Rule: a text holds a card number if a run of 13 to 19 digits, alone or in the groups printed on cards, begins with the
prefix of a card scheme, has a length of that scheme, and passes the Luhn check. Ids that only look alike (uuids, hex
traces, epoch times, zero-padded counters) pass: hex tokens are left alone, and no scheme begins with 0 or 1.
Never here: what is done about it, messages, fields.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

DIGITS_MIN: Final = 13
DIGITS_MAX: Final = 19

_RUN: Final = b"0" * DIGITS_MIN
_SAME_DIGIT: Final = bytes.maketrans(b"123456789", b"0" * 9)
_DASHES: Final = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-")

_TOKEN: Final = re.compile(r"[0-9A-Za-z]{13,}", re.ASCII)
_DIGITS: Final = re.compile(r"(?<![0-9])[0-9]{13,19}(?![0-9])", re.ASCII)
_HEX: Final = re.compile(r"(?=.*[a-fA-F])[0-9a-fA-F]+", re.ASCII)
# Looked ahead, not consumed: "1234 4111 1111 1111 1111" holds a card that begins at the second group.
_GROUPED: Final = re.compile(
    r"(?<![0-9A-Za-z])(?=([0-9]{4}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{4}(?:\2[0-9]{3})?|[0-9]{4}([ -])[0-9]{6}\3[0-9]{4,5})(?![0-9A-Za-z]))",
    re.ASCII,
)
_GROUPED_16: Final = re.compile(r"(?<![0-9A-Za-z])(?=([0-9]{4}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{4})(?![0-9A-Za-z]))", re.ASCII)

_SCHEMES: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11,16}|3095[0-9]{10,15}"  # Diners Club, to 19 digits
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}"  # Discover
    r"|62[0-9]{14,17}|81[0-9]{14,17}"  # UnionPay
    r"|(?:50|5[678]|6[0-9])[0-9]{10,17}"  # Maestro, from 12 digits on: here 13 to 19
    r"|9792[0-9]{12}"  # Troy
    r"|220[0-4][0-9]{12,15}",  # Mir
    re.ASCII,
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def may_hold(text: str) -> bool:
    """Whether a text deserves a closer look: False is certain, True is not. For all texts of an event at once, a line each."""
    return _RUN in text.encode().translate(_SAME_DIGIT, b" -") or not text.isascii()


def message_may_hold(raw: bytes) -> bool:
    """The same of a whole JSON message, in which digits may also be escaped."""
    return _RUN in raw.translate(_SAME_DIGIT, b" -") or b"\\u" in raw or not raw.isascii()


def holds_card(text: str) -> bool:
    """Whether the text holds a valid card number anywhere."""
    if len(text) < DIGITS_MIN:
        return False
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    for token in _TOKEN.findall(text):
        if not _HEX.fullmatch(token) and any(is_card(digits) for digits in _DIGITS.findall(token)):
            return True
    if " " not in text and "-" not in text:
        return False
    groups = [match[1] for pattern in (_GROUPED, _GROUPED_16) for match in pattern.finditer(text)]
    return any(is_card(re.sub("[ -]", "", digits)) for digits in groups)


def is_card(digits: str) -> bool:
    """Whether these digits, and nothing else, are a card number: scheme, length and Luhn check."""
    return _SCHEMES.fullmatch(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812: every second digit from the right doubled, the digits' sum a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += _DOUBLED[int(digit)] if place % 2 else int(digit)
    return total % 10 == 0
