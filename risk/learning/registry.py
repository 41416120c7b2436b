"""What the topic of models says: versions, and the acts by which people chose among them. Which version is in force follows from it.

Rule 1: without an act the newest version of the declared learner is in force; a promoted one stays until the next act.
Rule 2: a record that is corrupt, under a foreign key or of another model has no effect, and says why.
Rule 3: acts are never changed: a rollback is one more act.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

import msgspec

from risk.declared import ModelDecl
from risk.learning.version import LEARNED, Version, VersionError

ACT_KEY = b"act:"
VERSION_KEY = b"sha256:"
KEPT = 256
"""So many of the newest versions a worker remembers; one that is older and promoted is read again."""
REFUSALS = ("corrupt", "foreign", "other_model")


class Act(msgspec.Struct, frozen=True):
    """Somebody chose a version. ``version``: its hash, None for always the newest; ``at`` is RFC 3339; ``evidence`` what was known then."""

    act: str
    model: str
    version: str | None
    by: str
    at: str
    why: str = ""
    before: str | None = None
    evidence: dict[str, Any] = {}

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)


class Listed(msgspec.Struct, frozen=True):
    """A version on the topic; ``at_ms`` is the broker's time of its first publication."""

    version: Version
    at_ms: int
    number: int


class Registry:
    """Told every record of the topic in order. ``model``: what the rule set declares; ``kept``: None remembers every version."""

    def __init__(self, model: ModelDecl | None, kept: int | None = KEPT) -> None:
        self._model = model
        self._kept = kept
        self.versions: OrderedDict[str, Listed] = OrderedDict()
        self.others: Counter[str] = Counter()
        """Versions of other models, by their names."""
        self.refused: Counter[str] = Counter()
        self.acts: list[Act] = []
        self._pins: list[str | None] = [None]
        self._number = 0

    def take(self, key: bytes | None, value: bytes | None, at_ms: int) -> str | None:
        """One record; why it has no effect, or None. A tombstone takes a version away."""
        if key is None or not key.startswith((ACT_KEY, VERSION_KEY)):
            return self._refuse("foreign")
        name = key.decode("utf-8", "replace")
        if value is None:
            self.versions.pop(name, None)
            return None
        return self._act(value) if key.startswith(ACT_KEY) else self._version(name, value, at_ms)

    def _refuse(self, reason: str) -> str:
        self.refused[reason] += 1
        return reason

    def _act(self, value: bytes) -> str | None:
        try:
            act = msgspec.json.decode(value, type=Act)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._refuse("corrupt")
        if self._model is None or act.model != self._model.name:
            return self._refuse("other_model")
        self.acts.append(act)
        if act.act == "rollback":
            if len(self._pins) > 1:
                self._pins.pop()
        else:
            self._pins.append(act.version)
        return None

    def _version(self, name: str, value: bytes, at_ms: int) -> str | None:
        try:
            version = Version.from_bytes(value)
        except VersionError:
            return self._refuse("corrupt")
        if version.hash != name:
            return self._refuse("foreign")
        if self._model is None or not version.fits(self._model):
            self.others[version.model] += 1
            return self._refuse("other_model")
        self._number += 1
        before = self.versions.get(name)
        self.versions[name] = Listed(version, before.at_ms if before is not None else at_ms, self._number)
        self.versions.move_to_end(name)
        while self._kept is not None and len(self.versions) > self._kept:
            del self.versions[next(each for each in self.versions if each != self.pinned)]
        return None

    # ------------------------------------------------------------------ what is in force

    @property
    def pinned(self) -> str | None:
        """The hash that was promoted; None while the newest version is in force."""
        return self._pins[-1]

    @property
    def before(self) -> str | None:
        """What a rollback would bring back; None for the newest."""
        return self._pins[-2] if len(self._pins) > 1 else None

    @property
    def can_roll_back(self) -> bool:
        return len(self._pins) > 1

    @property
    def champion(self) -> Listed | None:
        """The version in force: the promoted one, or the newest where none is or where it is not to be had."""
        if self.pinned is not None and self.pinned in self.versions:
            return self.versions[self.pinned]
        return self.newest

    @property
    def newest(self) -> Listed | None:
        """The newest version of the declared learner: those of challengers are in force only when promoted."""
        learner = self._model.learner if self._model is not None else None
        return next((each for each in reversed(self.versions.values()) if each.version.kind == learner), None)

    @property
    def missing(self) -> str | None:
        """The hash of a promoted version that is not remembered."""
        return self.pinned if self.pinned is not None and self.pinned not in self.versions else None

    def named(self, text: str) -> list[Listed]:
        """The versions whose hash is, or begins with, this text; ``sha256:`` may be left out, ``newest`` and ``champion`` are names,
        and the name of a learner is its newest version.
        """
        if text == "newest":
            return [self.newest] if self.newest is not None else []
        if text in LEARNED:
            return [each for each in self.versions.values() if each.version.kind == text][-1:]
        if text == "champion":
            return [self.champion] if self.champion is not None else []
        wanted = text.removeprefix("sha256:")
        return [listed for name, listed in self.versions.items() if wanted and name.removeprefix("sha256:").startswith(wanted)]
