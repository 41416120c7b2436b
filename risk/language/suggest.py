"""Did you mean ...? Nothing but the search for the nearest word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

COMPARED_CHARACTERS_MAX = 100
LIKENESS_MIN = 0.6


def closest(word: str, words: Iterable[str]) -> str | None:
    """The word most like ``word``, or None when none is near. Of two as near, the one that starts alike, then the first."""
    if len(word) > COMPARED_CHARACTERS_MAX:
        return None
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(word.lower())
    best, best_rank = None, (LIKENESS_MIN, 0)
    for each in words:
        matcher.set_seq1(each.lower())
        if matcher.real_quick_ratio() < best_rank[0] or matcher.quick_ratio() < best_rank[0]:
            continue
        rank = matcher.ratio(), _alike(word.lower(), each.lower())
        if rank > best_rank or (best is None and rank[0] >= LIKENESS_MIN):
            best, best_rank = each, rank
    return best


def _alike(a: str, b: str) -> int:
    """How many characters two words share at their start."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count
