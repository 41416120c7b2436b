"""Payments on whose quota a result has had the last word: what their decision does to it, when it comes again, changes nothing.

Belongs here: who has been settled. Never: which rows may come again, which the store knows.
"""

from __future__ import annotations

Settled = tuple[int, str, str]
"""Identity of the payment, kind and key of the profile that holds its quota."""
EARLY_MAX = 16_384
"""Results that came before their payment's row, while that waited for its turn in a backlog: so many are remembered, the newest."""


class LastWord:
    """What results have settled in one partition's profiles."""

    def __init__(self) -> None:
        self._settled: set[Settled] = set()
        self._early: dict[Settled, None] = {}

    def __contains__(self, who: Settled) -> bool:
        return who in self._settled or who in self._early

    def note(self, who: Settled, early: bool) -> None:
        """A result settled a payment whose row may come again or, ``early``, had not come yet."""
        if not early:
            self._settled.add(who)
            return
        self._early[who] = None
        if len(self._early) > EARLY_MAX:
            del self._early[next(iter(self._early))]

    def forget(self, who: Settled) -> None:
        """The payment's row is committed: neither it nor its decision comes again."""
        self._settled.discard(who)
