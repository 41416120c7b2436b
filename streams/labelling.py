"""Labels join the payments that they are about, in the payment's own partition, for features `of: label`.

What features need of a decided payment, and the verdict that stands on it, are held until the payment's horizon: in memory, bounded, and in
the partition's changelog. A label that comes first waits there as well. The same label at the same source makes the same events again;
the same version at another source makes none.

Belongs here: which events a label makes, and that it is the same after a crash. Never: what the events do to profiles (touching.py).
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import msgspec

from risk.labelled import Joining, Kept, Labelled, Verdict
from streams.wire import encode_row

LABELLING = b"l"
UNCLAIMED_MS = 7 * 86_400_000
"""So long, in event time, a label waits for its payment."""
WAITING_MAX = 100_000
HOWS = ("entered", "waiting", "old", "unknown", "payments_dropped")
"""What is counted."""

Entry = tuple[str, int, "Kept | None", "tuple[Any, ...] | None", "tuple[Any, ...] | None", int, int]
"""Payment id, time, what is kept (None: it has not come), verdict, the one before it, source code and offset of what entered it."""

_decode = msgspec.msgpack.Decoder(tuple[tuple[str, ...], list[tuple[Any, ...]]]).decode


@dataclass(slots=True)
class Stood:
    """A payment, or a label that waits for one. ``source``, ``offset``: the record that made its newest events."""

    at_ms: int
    kept: Kept | None
    verdict: Verdict | None = None
    replaced: Verdict | None = None
    source: int = -1
    offset: int = -1


class Labelling:
    """The payments and verdicts of one partition. ``horizon_ms`` of event time each, at most ``payments_max`` of them."""

    def __init__(self, joining: Joining, epoch: int, horizon_ms: int, payments_max: int) -> None:
        self._joining = joining
        self._epoch = epoch
        self._horizon_ms = horizon_ms
        self._payments_max = payments_max
        self.held: OrderedDict[str, Stood] = OrderedDict()
        self.waiting: OrderedDict[str, Stood] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self._changed: dict[str, Stood] = {}
        self._records: deque[tuple[int, bytes]] = deque()
        self._number = 0

    def payment(self, payment: Any, action: str, source: int, offset: int) -> tuple[Labelled, ...]:
        """A payment was decided; the events of a label that came before it, the same ones when it is delivered again."""
        payment_id = payment.payment_id
        stood = self.held.get(payment_id)
        if stood is not None:
            if stood.verdict is None:  # an attempt that was never decided may have answered something else
                stood.kept = self._joining.keep(payment, action)
                self._changed[payment_id] = stood
            return self._again(payment_id, stood) if (stood.source, stood.offset) == (source, offset) else ()
        stood = Stood(payment.occurred_at, self._joining.keep(payment, action))
        early = self.waiting.pop(payment_id, None)
        if early is not None:
            stood.verdict, stood.source, stood.offset = early.verdict, source, offset
            self.counts["entered"] += 1
        self.held[payment_id] = self._changed[payment_id] = stood
        if len(self.held) > self._payments_max:
            self.held.popitem(last=False)
            self.counts["payments_dropped"] += 1
        return self._again(payment_id, stood)

    def label(self, label: Any, source: int, offset: int) -> tuple[Labelled, ...]:
        """The events of a label: none while its payment is not known, none where its version stands already or a newer one does."""
        payment_id, verdict = label.payment_id, Verdict(label.verdict, label.kind, label.version, label.known_at)
        stood = self.held.get(payment_id)
        if stood is None:
            early = self.waiting.get(payment_id)
            if early is None or early.verdict is None or early.verdict.version < verdict.version:
                self.waiting[payment_id] = self._changed[payment_id] = Stood(label.known_at, None, verdict)
                self.counts["waiting"] += 1
            if len(self.waiting) > WAITING_MAX:
                self.waiting.popitem(last=False)
                self.counts["unknown"] += 1
            return ()
        if stood.verdict is not None and stood.verdict.version >= verdict.version:
            if (stood.source, stood.offset) == (source, offset):
                return self._again(payment_id, stood)
            self.counts["old"] += 1
            return ()
        stood.verdict, stood.replaced, stood.source, stood.offset = verdict, stood.verdict, source, offset
        self._changed[payment_id] = stood
        self.counts["entered"] += 1
        return self._again(payment_id, stood)

    def _again(self, payment_id: str, stood: Stood) -> tuple[Labelled, ...]:
        if stood.verdict is None or stood.kept is None:
            return ()
        return self._joining.labelled(payment_id, stood.kept, stood.verdict, stood.replaced)

    def forget(self, now_ms: int) -> None:
        """It is so late in the partition: payments past their horizon go, and labels that waited in vain."""
        while self.held and next(iter(self.held.values())).at_ms <= now_ms - self._horizon_ms:
            self.held.popitem(last=False)
        while self.waiting and next(iter(self.waiting.values())).at_ms <= now_ms - UNCLAIMED_MS:
            self.waiting.popitem(last=False)
            self.counts["unknown"] += 1

    # ------------------------------------------------------------------ the changelog

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Changelog records of what changed since the last call, and tombstones of those whose payments are all past their horizon."""
        changes: list[tuple[bytes, bytes | None]] = []
        if self._changed:
            entries: list[Entry] = [(pid, s.at_ms, s.kept, s.verdict, s.replaced, s.source, s.offset) for pid, s in self._changed.items()]
            self._number += 1
            key = LABELLING + self._epoch.to_bytes(4, "big") + self._number.to_bytes(4, "big")
            changes.append((key, encode_row((self._joining.attrs, entries))))
            self._records.append((max(entry[1] for entry in entries), key))
            self._changed = {}
        newest = self._records[-1][0] if self._records else 0
        while self._records and self._records[0][0] <= newest - self._horizon_ms:
            changes.append((self._records.popleft()[1], None))
        return changes

    def restore(self, records: dict[bytes, bytes]) -> None:
        """Payments and verdicts, from the changelog. What was kept for other features is read by name; what is new there is None."""
        newest_ms = 0
        for key in sorted(key for key in records if key[:1] == LABELLING):
            attrs, entries = _decode(records[key])
            places = [attrs.index(attr) if attr in attrs else -1 for attr in self._joining.attrs]
            for payment_id, at_ms, kept, verdict, replaced, source, offset in entries:
                row = None if kept is None else tuple(_plain(kept[i]) if i >= 0 else None for i in places)
                stood = Stood(at_ms, row, verdict and Verdict(*verdict), replaced and Verdict(*replaced), source, offset)
                if row is None:
                    self.waiting[payment_id] = stood
                else:
                    self.waiting.pop(payment_id, None)
                    self.held[payment_id] = stood
                newest_ms = max(newest_ms, at_ms)
            if entries:
                self._records.append((max(entry[1] for entry in entries), key))
        self.forget(newest_ms)


def _plain(value: Any) -> Any:
    """As it was kept: msgpack knows no tuples."""
    return tuple(value) if isinstance(value, list) else value
