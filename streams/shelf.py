"""Profiles that have no room in memory, on this machine's disk: a scratch file of one partition, of which nothing is needed to recover.

The file has no name once it is open: whoever is killed leaves nothing behind, and nobody takes an old one for the truth.
Belongs here: bytes by kind and key. Never: what they mean, and when one is put here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

PRAGMAS = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-8192", "temp_store=MEMORY")
"""It need not survive anything: no journal, no waiting for the disk, 8 MB of cache."""


class Shelf:
    """One table of packed profiles; ``counts`` says how many of each kind."""

    def __init__(self, folder: Path, name: str) -> None:
        """Raises OSError or sqlite3.Error where the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}-{os.getpid()}-{id(self):x}.profiles"
        path.unlink(missing_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None)
        for pragma in PRAGMAS:
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute("CREATE TABLE profiles (kind TEXT, key TEXT, at INTEGER, packed BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID")
        self._file.execute("CREATE INDEX by_time ON profiles (kind, at)")
        path.unlink()
        self.counts: dict[str, int] = {}

    def put(self, kind: str, profiles: Iterable[tuple[str, int, bytes]]) -> None:
        """Take these in, none of which is here: key, time of the newest touch, packed."""
        rows = [(kind, key, at, packed) for key, at, packed in profiles]
        self._file.execute("BEGIN")
        self._file.executemany("INSERT INTO profiles VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")
        self.counts[kind] = self.counts.get(kind, 0) + len(rows)

    def take(self, kind: str, key: str) -> bytes | None:
        """Hand one out, and keep it no longer; None where it is not here."""
        if not self.counts.get(kind):
            return None
        found = self._file.execute("DELETE FROM profiles WHERE kind = ? AND key = ? RETURNING packed", (kind, key)).fetchone()
        if found is None:
            return None
        self.counts[kind] -= 1
        return bytes(found[0])

    def older(self, kind: str, than_ms: int, count: int) -> list[str]:
        """Keys of some whose newest touch is older."""
        found = self._file.execute("SELECT key FROM profiles WHERE kind = ? AND at < ? ORDER BY at LIMIT ?", (kind, than_ms, count))
        return [key for (key,) in found]

    def bytes(self) -> int:
        """What the file takes on disk."""
        pages, size = (self._file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size)
