"""The learn log: what the learner was told, in the order it was told. The log is the learner's state.

Rule 1: one record holds any number of entries, in order; replaying all records in order makes the same learner.
Rule 2: a record of a model that reads other inputs is skipped and counted, never half learned; corrupt bytes raise ``BadRecord``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from risk.learning.inputs import Coding
from risk.learning.labels import Ledger

FORMAT = 1


class BadRecord(ValueError):
    """These bytes are no record of a learn log."""


class Offer(msgspec.Struct, frozen=True, array_like=True, tag="o", forbid_unknown_fields=True):
    """A decided payment: the arguments of ``Learner.offer``."""

    payment_id: str
    x: tuple[float | None, ...]
    decided_ms: int
    let_through: bool
    propensity: float = 1.0
    horizon: int = 0


class Known(msgspec.Struct, frozen=True, array_like=True, tag="l", forbid_unknown_fields=True):
    """A label: the arguments of ``Learner.label``."""

    payment_id: str
    verdict: str
    kind: str
    version: int
    known_ms: int


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="s", forbid_unknown_fields=True):
    """What became of a payment: the arguments of ``Learner.settle``."""

    payment_id: str
    let_through: bool


class Mark(msgspec.Struct, frozen=True, array_like=True, tag="m", forbid_unknown_fields=True):
    """How far one input partition of ``partitions`` was routed, in event time; ``at_end``: all that it held had come by then."""

    partition: int
    partitions: int
    order_ms: int
    at_end: bool


Entry = Offer | Known | Settled | Mark


class Pupil(Protocol):
    """Whoever is told a log: the learner, or one that only watches."""

    signature: str
    codings: tuple[Coding, ...]
    ledger: Ledger

    def offer(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, propensity: float = 1.0, horizon: int = 0
    ) -> None: ...
    def settle(self, payment_id: str, let_through: bool) -> None: ...
    def label(self, payment_id: str, verdict: str, kind: str, version: int, known_ms: int) -> None: ...
    def advance(self, now_ms: int, at_most: int | None = None) -> bool: ...


class _Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    signature: str
    entries: list[Entry]


def record(signature: str, entries: Iterable[Entry]) -> bytes:
    """One record. ``signature``: ``signature_of(model)``, under which the offers were encoded."""
    return msgspec.msgpack.encode(_Record(FORMAT, signature, list(entries)))


def offer_record(signature: str, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool) -> bytes:
    """A record of one offer."""
    return record(signature, [Offer(payment_id, tuple(x), decided_ms, let_through)])


def label_record(signature: str, payment_id: str, verdict: str, kind: str, version: int, known_ms: int) -> bytes:
    """A record of one label."""
    return record(signature, [Known(payment_id, verdict, kind, version, known_ms)])


def entries_of(raw: bytes) -> tuple[str, list[Entry]]:
    """Signature and entries of a record. Raises BadRecord."""
    try:
        read = msgspec.msgpack.decode(raw, type=_Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(str(error)) from error
    if read.format != FORMAT:
        raise BadRecord(f"format {read.format}; {FORMAT} expected")
    return read.signature, read.entries


def apply(learner: Pupil, raw: bytes) -> int:
    """Tell the learner what a record says; the number of entries taken. Raises BadRecord, with nothing taken.

    Labels and settlements mean the same under any model; offers are taken only under the learner's own signature. Labels are taken
    in the order of the log: who wants theirs asks ``risk.learning.order``.
    """
    taken = 0
    for entry in taught_by(learner, raw):
        tell(learner, entry)
        taken += 1
    return taken


def taught_by(learner: Pupil, raw: bytes) -> list[Entry]:
    """The entries of a record that mean something to this learner. Raises BadRecord."""
    signature, entries = entries_of(raw)
    ours = signature == learner.signature
    if ours and any(isinstance(e, Offer) and len(e.x) != len(learner.codings) for e in entries):
        raise BadRecord("an offer of another length than its signature says")
    if ours:
        return entries
    kept: list[Entry] = [entry for entry in entries if not isinstance(entry, Offer)]
    learner.ledger.counts["offers_of_another_model"] += len(entries) - len(kept)
    return kept


def tell(learner: Pupil, entry: Entry) -> None:
    """Tell the learner one entry."""
    if isinstance(entry, Known):
        learner.label(entry.payment_id, entry.verdict, entry.kind, entry.version, entry.known_ms)
    elif isinstance(entry, Settled):
        learner.settle(entry.payment_id, entry.let_through)
    elif isinstance(entry, Offer):
        learner.offer(entry.payment_id, entry.x, entry.decided_ms, entry.let_through, entry.propensity, entry.horizon)
