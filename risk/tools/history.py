"""History told to a learner: raw events through the whole engine, or the records of a learn log, scored before they are learned.

Rule 1: the learner is told by `risk.learning.Ordered` and by nothing else, as in the stream: the same log gives the same versions.
Rule 2: a score is made by the version in force when the payment came; what its verdict later was is entered beside it.
Never here: reading files, printing.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from risk.engine import InProcess
from risk.events import BadEvent, Event
from risk.language import RuleSet
from risk.learning import Entry, Known, Learner, Mark, ModelError, Offer, Ordered, Settled, Version, entries_of, record
from risk.learning.evaluation import Examples

LOG_HEAD = b"risk.learn 1\n"
RECORD_BYTES_MAX = 10_000_000
SETTLING = frozenset({"approved", "declined", "reversed", "expired"})
NO_BLOCK = "\x1f"


class Scored(NamedTuple):
    """A payment when it was decided. ``scores``: of the version in force, then of each contender as it was; NaN where there was none."""

    t_ms: int
    block: str
    let_through: bool
    propensity: float
    scores: tuple[float, ...]


class BadLog(ValueError):
    """A file that is no learn log, or breaks off."""


class History:
    """What a learner made of a history. ``keep``: called with each record told, in order: together they are the learn log.

    Raises ModelError for a rule set whose model does not learn.
    """

    def __init__(self, ruleset: RuleSet, horizon_of: Callable[[Event], int], keep: Callable[[bytes], object] = lambda raw: None) -> None:
        if ruleset.model is None:
            raise ModelError("the rule files declare no `model`")
        self.engine = InProcess(ruleset)
        self.learner = Learner(ruleset.model)
        self.ordered = Ordered(self.learner)
        self.version: Version | None = None
        self.versions = 0
        self.counts: Counter[str] = Counter()
        self.payments: dict[str, Scored] = {}
        self.verdicts: dict[str, Known] = {}
        self.now_ms = -(2**63)
        self._mildest = ruleset.policy.actions[0]
        self._horizon_of = horizon_of
        self._keep = keep
        self._trains_on = frozenset(ruleset.model.trains_on)

    @property
    def names(self) -> tuple[str, ...]:
        """Whose scores are kept of each payment: `in force`, then the contenders."""
        return ("in force", *self.learner.contenders)

    # ------------------------------------------------------------------------------------------------------------------- raw events

    def message(self, raw: bytes, due_ms: int) -> None:
        """One message of the stream, in the order of arrival: decided or observed, and told to the learner."""
        try:
            event = self.engine.engine.schema.decode(raw, due_ms)
        except BadEvent:
            self.counts["unreadable"] += 1
            return
        outcome = self.engine.feed(event)
        entries: list[Entry] = []
        block = NO_BLOCK
        if outcome is not None:
            let_through = outcome.action == self._mildest
            entries.append(
                Offer(event.payment_id, tuple(outcome.inputs or ()), event.occurred_at, let_through, 1.0, self._horizon_of(event))
            )
            block = str(getattr(event, "card_id", None) or getattr(event, "payer_id", None) or NO_BLOCK)
        elif event.event_type == "label":
            entries.append(Known(event.payment_id, event.verdict, event.kind, event.version, event.known_at))
        elif event.event_type == "payment_result" and event.outcome in SETTLING:
            entries.append(Settled(event.payment_id, event.outcome == "approved"))
        reached = max(self.now_ms, due_ms)
        if entries or reached > self.now_ms:
            raw_record = record(self.learner.signature, [*entries, Mark(0, 1, reached, False)])
            self._keep(raw_record)
            self._tell(raw_record, entries, block)
        self.now_ms = reached

    # ------------------------------------------------------------------------------------------------------------------- a learn log

    def record(self, raw: bytes) -> None:
        """One record of a learn log. Raises BadRecord, with nothing told."""
        signature, entries = entries_of(raw)
        ours = signature == self.learner.signature
        self._keep(raw)
        self._tell(raw, [entry for entry in entries if ours or not isinstance(entry, Offer)], NO_BLOCK)
        for entry in entries:
            if isinstance(entry, Mark):
                self.now_ms = max(self.now_ms, entry.order_ms)

    def _tell(self, raw: bytes, entries: list[Entry], block: str) -> None:
        in_force = {
            entry.payment_id: self.version.score(entry.x) for entry in entries if isinstance(entry, Offer) and self.version is not None
        }
        for _ in self.ordered.take(raw):
            if self.learner.due():
                self._take_up(self.learner.publish())
        for entry in entries:
            if isinstance(entry, Offer):
                self._score(entry, in_force.get(entry.payment_id), block)
            elif isinstance(entry, Known):
                self._judge(entry)

    def _take_up(self, version: Version | None) -> None:
        if version is not None:
            self.version = version
            self.versions += 1
            self.engine.engine.use(version)

    def _score(self, offer: Offer, in_force: float | None, block: str) -> None:
        if offer.payment_id in self.payments:
            return
        said = self.learner.scores(offer.payment_id) or {}
        scores = [in_force, *(said[name].score if name in said else None for name in self.learner.contenders)]
        numbers = tuple(float("nan") if score is None else score for score in scores)
        self.payments[offer.payment_id] = Scored(offer.decided_ms, block, offer.let_through, offer.propensity, numbers)

    def _judge(self, known: Known) -> None:
        before = self.verdicts.get(known.payment_id)
        if known.kind in self._trains_on and (before is None or known.version > before.version):
            self.verdicts[known.payment_id] = known

    # --------------------------------------------------------------------------------------------------------------------- evidence

    def examples(self, name: str = "in force") -> Examples:
        """Payments whose verdict is known (labelled, or let through and presumed legitimate), with the scores of ``name``."""
        at = self.names.index(name)
        presume_ms = self.learner.ledger.presume_after_ms
        rows: list[tuple[float, bool, int, int, str, float, bool]] = []
        for payment_id, paid in self.payments.items():
            known = self.verdicts.get(payment_id)
            if known is not None and known.verdict != "unsure":
                fraud, known_ms, reviewed = known.verdict == "fraud", known.known_ms, known.kind == "review"
            elif known is None and paid.let_through and presume_ms is not None and paid.t_ms + presume_ms <= self.now_ms:
                fraud, known_ms, reviewed = False, paid.t_ms + presume_ms, False
            else:
                continue
            block = payment_id if paid.block == NO_BLOCK else paid.block
            rows.append((paid.scores[at], fraud, paid.t_ms, known_ms, block, 1 / paid.propensity if paid.propensity > 0 else 1.0, reviewed))
        return _examples(rows)


def _examples(rows: list[tuple[float, bool, int, int, str, float, bool]]) -> Examples:
    score, fraud, t, known, block, weight, reviewed = zip(*rows, strict=True) if rows else ([],) * 7
    numbers = {name: n for n, name in enumerate(dict.fromkeys(block))}
    return Examples(
        np.array(score, dtype=np.float64),
        np.array(fraud, dtype=np.bool_),
        np.array(t, dtype=np.int64),
        np.array(known, dtype=np.int64),
        np.array([numbers[each] for each in block], dtype=np.int64),
        np.array(weight, dtype=np.float64),
        np.array(reviewed, dtype=np.bool_),
    )


def written(raw: bytes) -> bytes:
    """A record of a learn log as it stands in a file: its length, then its bytes. The file begins with ``LOG_HEAD``."""
    return struct.pack(">I", len(raw)) + raw


def records(file: BinaryIO) -> Iterator[bytes]:
    """The records of a learn log in a file. Raises BadLog."""
    if file.read(len(LOG_HEAD)) != LOG_HEAD:
        raise BadLog(f"a learn log begins with {LOG_HEAD!r}")
    while head := file.read(4):
        (length,) = struct.unpack(">I", head) if len(head) == 4 else (-1,)
        if not 0 <= length <= RECORD_BYTES_MAX:
            raise BadLog("the file breaks off, or is no learn log")
        raw = file.read(length)
        if len(raw) != length:
            raise BadLog("the file breaks off within a record")
        yield raw
