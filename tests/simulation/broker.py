"""The broker: partitions as lists, the consumer group, and committed offsets.

Belongs here: what Kafka promises, no more: order inside a partition, a commit refused to whoever is not of the group's generation, a
member that is silent for a session is out. Never: clients (clients.py), and nothing of the product.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]
Place = tuple[str, int]
"""Topic and partition."""


class Record(NamedTuple):
    """One record, in the words of aiokafka. ``timestamp`` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Log:
    """One partition. Compaction leaves gaps, so a record's offset is its own and not its place in the list."""

    __slots__ = ("records", "end")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.end = 0

    def read(self, start: int, most: int) -> list[Record]:
        low, high = 0, len(self.records)
        while low < high:
            middle = (low + high) // 2
            if self.records[middle].offset < start:
                low = middle + 1
            else:
                high = middle
        return self.records[low : low + most]


class Broker:
    """Topics that come to be when they are first written to or read."""

    def __init__(self, random: Random, now_ms: Callable[[], int]) -> None:
        self.random = random
        self.now_ms = now_ms
        self.logs: dict[Place, Log] = {}
        self.committed: dict[Place, int] = {}

    def log(self, place: Place) -> Log:
        found = self.logs.get(place)
        if found is None:
            found = self.logs[place] = Log()
        return found

    def append(self, place: Place, key: bytes | None, value: bytes | None, headers: Headers = ()) -> Record:
        log = self.log(place)
        record = Record(place[0], place[1], log.end, self.now_ms(), key, value, headers)
        log.records.append(record)
        log.end += 1
        return record

    def all(self, topic: str, partitions: int) -> list[Record]:
        """Every record of a topic, partition by partition."""
        return [record for number in range(partitions) for record in self.log((topic, number)).records]

    def compact(self, topic: str, partitions: int, lag_ms: int) -> int:
        """Keep the last record of each key, tombstones or not; what is younger than the lag stays. Returns how many went."""
        edge, gone = self.now_ms() - lag_ms, 0
        for number in range(partitions):
            log = self.log((topic, number))
            last = {record.key: record.offset for record in log.records}
            kept = [
                record
                for record in log.records
                if record.timestamp > edge
                or (last[record.key] == record.offset and (record.value is not None or self.random.random() < 0.5))
            ]
            gone += len(log.records) - len(kept)
            log.records = kept
        return gone


class Member:
    """One member as the group knows it."""

    __slots__ = ("name", "heard", "joined", "on_synced")

    def __init__(self, name: str, heard: float) -> None:
        self.name = name
        self.heard = heard
        self.joined = False
        self.on_synced: Callable[[int, set[int]], None] | None = None


class Group:
    """The consumer group: a generation at a time, partitions in ranges over the members.

    Whoever joins, leaves or falls silent begins a rebalance: members learn of it at their heartbeat, give up what they have, and join
    again; when all have, or their time is over, the next generation begins.
    """

    def __init__(self, broker: Broker, partitions: int, session: float, patience: float) -> None:
        self.broker = broker
        self.partitions = partitions
        self.session, self.patience = session, patience
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.rebalancing_since: float | None = None

    def join(self, name: str, now: float, on_synced: Callable[[int, set[int]], None]) -> None:
        member = self.members.get(name)
        if member is None:
            member = self.members[name] = Member(name, now)
        member.heard, member.joined, member.on_synced = now, True, on_synced
        self._begin(now)

    def leave(self, name: str, now: float) -> None:
        if self.members.pop(name, None) is not None:
            self._begin(now)

    def heartbeat(self, name: str, generation: int, now: float) -> str:
        """``ok``, ``rebalance``, or ``unknown`` to whoever is out."""
        member = self.members.get(name)
        if member is None:
            return "unknown"
        member.heard = now
        if self.rebalancing_since is not None:
            return "rebalance" if not member.joined else "ok"
        return "ok" if generation == self.generation else "unknown"

    def commit(self, name: str, generation: int, offsets: dict[Place, int]) -> bool:
        if name not in self.members or generation != self.generation:
            return False
        self.broker.committed.update(offsets)
        return True

    def pass_time(self, now: float) -> None:
        """Who has not been heard of is out; a rebalance that waits for nobody ends."""
        for name in [name for name, member in self.members.items() if now - member.heard > self.session]:
            self.leave(name, now)
        since = self.rebalancing_since
        if since is None or not self.members:
            return
        if now - since > self.patience:
            for name in [name for name, member in self.members.items() if not member.joined]:
                del self.members[name]
        if self.members and all(member.joined for member in self.members.values()):
            self._end()

    def _begin(self, now: float) -> None:
        if self.rebalancing_since is None:
            self.rebalancing_since = now
            for member in self.members.values():
                member.joined = member.joined and member.on_synced is not None

    def _end(self) -> None:
        self.generation += 1
        self.rebalancing_since = None
        names = sorted(self.members)
        for index, name in enumerate(names):
            share, rest = divmod(self.partitions, len(names))
            first = index * share + min(index, rest)
            mine = set(range(first, first + share + (index < rest)))
            member = self.members[name]
            member.joined = False
            tell, member.on_synced = member.on_synced, None
            assert tell is not None
            tell(self.generation, mine)
