"""Which touches are void although they are acknowledged: those that a stale owner of their source sent after another had committed it.

A process that was paused sends what it still held when it wakes up. By then the source's next owner has sent the same touches, and
committed; the profile has forgotten that it applied them, and would apply them a second time. What tells them apart is the order of
risk.touches: every envelope says what its sender's sources have committed, and a touch is acknowledged before its source is committed. So
whatever comes after such a word, from below it, has come before.
"""

from __future__ import annotations

from collections.abc import Mapping

from streams.wire import INPUT_TOPICS, PARTITIONS_MAX, RemoteEvent, TouchEnvelope

INPUT_CODES = len(INPUT_TOPICS) * PARTITIONS_MAX
"""Codes above these are nobody's partition (opening balances): they have no owner who could be stale."""


class Sieve:
    """What is known of the sources in one partition of risk.touches, in its order.

    ``committed``: what the group had committed when we took the partition over; it holds for records from ``end`` on, for those before
    may be the first of their kind.
    """

    def __init__(self, committed: Mapping[int, int] | None = None, end: int = 0) -> None:
        self._edges: dict[int, int] = {}
        self._committed = dict(committed or {})
        self._end = end

    def passed(self, envelope: TouchEnvelope, offset: int) -> list[RemoteEvent]:
        """The events of the record at ``offset`` whose touches count."""
        if self._committed and offset >= self._end:
            self.told(self._committed)
            self._committed = {}
        self.told(envelope.committed)
        edges = self._edges
        return [event for event in envelope.events if event.source >= INPUT_CODES or event.offset >= edges.get(event.source, 0)]

    def told(self, committed: Mapping[int, int]) -> None:
        """So far are these sources committed, and all that they sent here before has been read."""
        for source, edge in committed.items():
            if edge > self._edges.get(source, 0):
                self._edges[source] = edge
