"""Where the profiles of a partition are: live, packed, or on the shelf.

A live profile answers at once. A packed one is only its chunks, a fifth of the memory, and becomes live when it is touched; the
shelf is on disk. Which of them it is never shows in a value. The coldest go first: whoever was not touched between two visits of the hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from risk.engine import Engine
from risk.profiles import Past, Profile
from streams.chunks import Packed, pack, prefix_of, profile_of, unpack
from streams.shelf import Shelf

VISITS_MAX = 2_048
"""Live profiles looked at in one piece of work: about 4 ms where all of them are packed."""
PUT_AWAY_MAX = 512
PACKED_BYTES = 140  # its key, its place in the dictionary, and the head of its bytes
Rebuild = Callable[[Profile, Iterable[bytes], Past | None], None]
NEVER_SEEN = -(1 << 62)


class Kept:
    """A live profile, its open chunk, and the closed ones: all that packing it takes."""

    __slots__ = ("profile", "prefix", "open", "rows", "chunk", "epoch", "dirty", "closed", "seen", "covers", "base_epoch")

    def __init__(self, profile: Profile, prefix: bytes) -> None:
        self.profile = profile
        self.prefix = prefix
        self.open = bytearray()
        self.rows = 0
        self.chunk = 0
        self.epoch = 0  # under which the open chunk was last written; 0: never
        self.dirty = False
        self.closed: list[tuple[int, bytes]] | None = None  # (epoch, chunk)
        self.covers = 0  # chunks below this number are in the base
        self.base_epoch = 0  # under which that was written; 0: there is none
        self.seen = NEVER_SEEN  # the newest touch, when the hand last came by


class Places:
    """The profiles of one partition by kind and key. ``rebuild`` enters the rows of chunks into an empty profile."""

    def __init__(self, engine: Engine, name: str, state: Path | None, rebuild: Rebuild) -> None:
        self._engine = engine
        self._name = name
        self._state = state
        self._rebuild = rebuild
        self.live: dict[str, dict[str, Kept]] = {}
        self.packed: dict[str, dict[str, bytes]] = {}
        self.packed_bytes = 0
        self._pins: dict[bytes, set[int]] = {}
        self.shelf: Shelf | None = None
        self.hand: deque[Kept] = deque()
        self.moves = {"live": 0, "packed": 0, "stored": 0, "gone": 0}

    def add_kind(self, kind: str) -> None:
        self.live.setdefault(kind, {})
        self.packed.setdefault(kind, {})

    # ------------------------------------------------------------------ finding

    def find(self, kind: str, key: str) -> Kept | None:
        """The profile, live from now on; None where there is none."""
        held = self.live[kind].get(key)
        if held is not None:
            return held
        packed = self.packed[kind].pop(key, None)
        if packed is not None:
            self.packed_bytes -= len(packed)
        elif self.shelf is not None:
            packed = self.shelf.take(kind, key)
        return None if packed is None else self._wake(kind, key, packed)

    def enter(self, kind: str, key: str, profile: Profile) -> Kept:
        """A profile that there was not yet."""
        held = self.live[kind][key] = Kept(profile, prefix_of(kind, key))
        self.hand.append(held)
        return held

    def take_in(self, kind: str, key: str, packed: bytes) -> None:
        """A profile read back from the changelog."""
        self.packed[kind][key] = packed
        self.packed_bytes += len(packed)

    def _wake(self, kind: str, key: str, packed: bytes) -> Kept:
        held = self.enter(kind, key, self._engine.layout.profile(kind))
        was = unpack(packed)
        held.open, held.rows, held.chunk, held.epoch = bytearray(was.open), was.rows, was.chunk, was.epoch
        held.closed, held.covers, held.base_epoch = was.closed or None, was.covers, was.base_epoch
        self._rebuild(held.profile, was.chunks(), Past.read(was.base) if was.base else None)
        self.moves["live"] += 1
        return held

    # ------------------------------------------------------------------ making room

    def pin(self, held: Kept, tid: int) -> None:
        """This profile knows something of the payment that is in no chunk yet: it stays live until ``unpin``."""
        self._pins.setdefault(held.prefix, set()).add(tid)

    def unpin(self, held: Kept, tid: int) -> None:
        """What this profile knows of the payment is in its chunks."""
        pins = self._pins.get(held.prefix)
        if pins is not None:
            pins.discard(tid)
            if not pins:
                del self._pins[held.prefix]

    def make_room(self, live_max: int, packed_max: int) -> None:
        """One bounded piece of work towards these limits."""
        hand = self.hand
        for _ in range(min(2 * (len(hand) - live_max), VISITS_MAX)):
            if len(hand) <= live_max:
                break
            held = hand.popleft()
            at = held.profile.newest
            if held.dirty or at != held.seen or held.prefix in self._pins:
                held.seen = at
                hand.append(held)
            else:
                self._pack(held)
        excess = self.packed_count - packed_max
        if excess > 0 and self._state is not None:
            self._put_away(min(excess, PUT_AWAY_MAX))

    def _pack(self, held: Kept) -> None:
        kind, key = profile_of(held.prefix)
        del self.live[kind][key]
        profile, base = held.profile, held.profile.past.packed() if held.profile.past is not None else b""
        packed = Packed(
            profile.newest, held.chunk, held.epoch, held.rows, bytes(held.open), held.closed or [], held.covers, held.base_epoch, base
        )
        self.take_in(kind, key, pack(packed))
        self.moves["packed"] += 1

    def pack_now(self, held: Kept) -> None:
        """Pack a profile that has just been made live, if nothing about it is unwritten."""
        if self.hand and self.hand[-1] is held and not held.dirty and held.prefix not in self._pins:
            self.hand.pop()
            self._pack(held)

    def remove(self, held: Kept) -> None:
        """Hold a live profile no longer."""
        kind, key = profile_of(held.prefix)
        del self.live[kind][key]
        if self.hand[-1] is held:
            self.hand.pop()
        else:
            self.hand.remove(held)

    def is_pinned(self, held: Kept) -> bool:
        return held.prefix in self._pins

    @staticmethod
    def name_of(held: Kept) -> tuple[str, str]:
        """Kind and key."""
        return profile_of(held.prefix)

    def _put_away(self, count: int) -> None:
        """The longest packed go to the shelf."""
        if self.shelf is None:
            assert self._state is not None
            self.shelf = Shelf(self._state, self._name)
        kind, profiles = max(self.packed.items(), key=lambda item: len(item[1]))
        keys = list(islice(profiles, count))
        self.shelf.put(kind, ((key, unpack(profiles[key]).at, profiles[key]) for key in keys))
        for key in keys:
            self.packed_bytes -= len(profiles.pop(key))
        self.moves["stored"] += len(keys)

    # ------------------------------------------------------------------ how many

    @property
    def packed_count(self) -> int:
        return sum(len(profiles) for profiles in self.packed.values())

    def count(self, kind: str) -> int:
        """Profiles of a kind, wherever they are."""
        return len(self.live[kind]) + len(self.packed[kind]) + (self.shelf.counts.get(kind, 0) if self.shelf is not None else 0)

    def held(self) -> dict[str, int]:
        """How many profiles are where."""
        stored = sum(self.shelf.counts.values()) if self.shelf is not None else 0
        return {"live": len(self.hand), "packed": self.packed_count, "stored": stored}

    def take_moves(self) -> dict[str, int]:
        """How many became live, packed and stored since the last call."""
        moves, self.moves = self.moves, dict.fromkeys(self.moves, 0)
        return moves

    def packed_memory(self) -> int:
        """What the packed profiles take in memory, in bytes."""
        return self.packed_bytes + PACKED_BYTES * self.packed_count

    def stored_bytes(self) -> int:
        """What the shelf takes on disk."""
        return self.shelf.bytes() if self.shelf is not None else 0
