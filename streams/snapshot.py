"""The learner's state in a local file, so that `risk learner` need not read its whole log again. The log stays the truth: without the file,
or with one that does not fit, it is read from its beginning, and the versions are the same.

The file is a pickle: it is read only from the state folder of this process, only if nobody else may write it, and never from a topic.
Belongs here: writing, and what must fit before anything is unpickled. Never: what is learned.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec

from risk.declared import ModelDecl
from risk.learning import Ordered
from risk.learning.drift import Watched

log = logging.getLogger(__name__)
FORMAT = 1


class Head(msgspec.Struct, array_like=True, frozen=True):
    """What a snapshot is of. ``offset``: the record of the log that comes next; ``last``: hash of the one before it."""

    format: int
    code: str
    model: str
    topic: str
    offset: int
    last: str
    body: str


class Snapshot(NamedTuple):
    """A learner as it was, and where it goes on."""

    ordered: Ordered[Watched]
    offset: int
    last: str


def digest(value: bytes | None) -> str:
    """By which a record of the log is known again."""
    return hashlib.sha256(value or b"").hexdigest()


def _code() -> str:
    """A state is read by the code that wrote it, or not at all."""
    folder = Path(__file__).parent.parent / "risk" / "learning"
    own = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
    return f"{own[:16]} river {version('river')} python {sys.version_info[:3]}"


def file_of(state: Path, topic: str) -> Path:
    """Where the learner of a topic keeps its state."""
    return state / f"learner-{digest(topic.encode())[:16]}.snapshot"


def write(state: Path, topic: str, model: ModelDecl, ordered: Ordered[Watched], offset: int, last: str) -> None:
    """Put the learner's state aside, whole or not at all."""
    body = pickle.dumps(ordered, protocol=5)
    head = msgspec.json.encode(Head(FORMAT, _code(), digest(repr(model).encode()), topic, offset, last, hashlib.sha256(body).hexdigest()))
    state.mkdir(parents=True, exist_ok=True)
    path = file_of(state, topic)
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(head + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read(state: Path, topic: str, model: ModelDecl) -> Snapshot | None:
    """The state that was put aside, where there is one that fits; why another does not is logged."""
    path = file_of(state, topic)
    try:
        with path.open("rb") as file:
            held = os.fstat(file.fileno())
            if held.st_uid != os.getuid() or held.st_mode & 0o022:
                log.warning("%s is not ours alone: it is not read", path)
                return None
            first, body = file.readline(), file.read()
        head = msgspec.json.decode(first, type=Head)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return None
    fits = (head.format, head.code, head.model, head.topic) == (FORMAT, _code(), digest(repr(model).encode()), topic)
    if not fits or head.body != hashlib.sha256(body).hexdigest():
        log.info("%s is of another model, or of other code: the log is read from its beginning", path)
        return None
    return Snapshot(pickle.loads(body), head.offset, head.last)  # noqa: S301 - our own file, its hash was checked
