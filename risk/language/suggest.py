"""Did you mean ...? Nothing but the search for the nearest word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

COMPARED_CHARACTERS_MAX = 100


def closest(word: str, words: Iterable[str]) -> str | None:
    """The word most like ``word``, or None when none is near."""
    if len(word) > COMPARED_CHARACTERS_MAX:
        return None
    candidates = {each.lower(): each for each in reversed(list(words))}
    found = difflib.get_close_matches(word.lower(), list(candidates), n=1, cutoff=0.6)
    return candidates[found[0]] if found else None
