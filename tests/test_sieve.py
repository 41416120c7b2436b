"""Touches of a stale owner: what its source's next owner has committed is not applied again."""

from __future__ import annotations

from streams.sieve import INPUT_CODES, Sieve
from streams.wire import RemoteEvent, TouchEnvelope


def envelope(committed: dict[int, int], *touched: tuple[int, int]) -> TouchEnvelope:
    return TouchEnvelope("r", 1, committed, [], [RemoteEvent(0, 0, 1, source, at, False, []) for source, at in touched])


def offsets(sieve: Sieve, given: TouchEnvelope, offset: int = 0) -> list[int]:
    return [touch.offset for touch in sieve.passed(given, offset)]


def test_what_comes_after_the_word_that_it_is_committed_is_void() -> None:
    sieve = Sieve()
    assert offsets(sieve, envelope({2: 948}, (2, 1187), (2, 1198))) == [1187, 1198]
    assert offsets(sieve, envelope({2: 1190}, (2, 1300))) == [1300]
    assert offsets(sieve, envelope({2: 948}, (2, 1187), (2, 1198))) == [1198], "a stale owner's word is older"


def test_our_own_commits_count_too_for_we_send_ourselves_nothing() -> None:
    sieve = Sieve()
    sieve.told({2: 1500})
    assert offsets(sieve, envelope({}, (2, 1308), (2, 1500))) == [1500]


def test_other_sources_and_opening_balances_are_none_of_its_business() -> None:
    sieve = Sieve()
    sieve.passed(envelope({2: 1000}), 0)
    assert offsets(sieve, envelope({}, (3, 5), (INPUT_CODES, 0))) == [5, 0]
    assert offsets(sieve, envelope({INPUT_CODES: 1}, (INPUT_CODES, 0))) == [0]


def test_what_stood_there_at_the_takeover_may_be_the_first_of_its_kind() -> None:
    sieve = Sieve({2: 1000}, end=50)
    assert offsets(sieve, envelope({}, (2, 900)), 49) == [900]
    assert offsets(sieve, envelope({}, (2, 900)), 50) == []
