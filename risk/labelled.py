"""A label with the payment that it is about: what a payment turned out to be, counted by features `of: label`.

Rule 1: it has the payment's own fields, `action` (what we answered) and the label's fields, and happens when it became known, never when
the payment did: nobody may read at a payment what was learned after it.
Rule 2: a verdict that a newer version replaces is taken back: its row comes again, at its own time, and counts -1. That row tells when
it was taken back (`true_since`), so that a question about an earlier time still finds the verdict that stood then.
Rule 3: whoever joins keeps of a payment what features need of it (`Joining.keep`): plain values, which any store can hold.
"""

from __future__ import annotations

import hashlib
import operator
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from risk.decided import ACTION
from risk.declared import EventType, FieldType

LABEL: Final = "label"
LABEL_FIELDS: Final = ("payment_id", "occurred_at", "known_at", "verdict", "kind", "version")
PAYMENTS_MAX = 4_000_000
WAITING_MAX = 100_000

Kept = tuple[Any, ...]


class Verdict(NamedTuple):
    """A label without its payment: what is known of it since ``known_ms``. A higher version replaces a lower one."""

    verdict: str
    kind: str
    version: int
    known_ms: int


class Labelled:
    """A verdict on a payment that comes into force (``counts`` 1) or is taken back (-1). Subclasses have the payment's fields.

    ``known_at`` and ``occurred_at``: when the verdict became known; ``true_since``: from when this row holds, later where it takes back.
    """

    __slots__ = ("kept", "payment_id", "verdict", "kind", "version", "occurred_at", "true_since", "counts")
    event_type = LABEL

    def __init__(self, kept: Kept, payment_id: str, verdict: Verdict, counts: int, since_ms: int) -> None:
        self.kept = kept
        self.payment_id = payment_id
        self.verdict, self.kind, self.version, self.occurred_at = verdict
        self.true_since = since_ms
        self.counts = counts

    @property
    def known_at(self) -> int:
        return self.occurred_at

    @property
    def tid(self) -> int:
        """The identity of its rows in profiles: the same whenever it comes again, another for each version and for taking it back."""
        text = f"{LABEL}\x1f{self.payment_id}\x1f{self.version}\x1f{self.counts}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def signed(attr: str) -> str:
    """The attribute that holds a field's value with the sign of the row: what sums add."""
    return f"signed_{attr}"


class Joining:
    """What features `of: label` need of a payment, and the events that they count.

    ``attrs``: attributes of a payment, in the order in which ``keep`` gives their values, the action last.
    """

    def __init__(self, kind: EventType, fields: Iterable[str]) -> None:
        own = {*LABEL_FIELDS, ACTION}
        needed = [kind.fields[name] for name in sorted(set(fields)) if name not in own]
        attrs = [field.attr for field in needed]
        attrs += [f"{field.attr}_currency" for field in needed if field.type == FieldType("money")]
        self.attrs: tuple[str, ...] = (*attrs, ACTION)
        read: dict[str, Any] = {attr: property(_kept(i)) for i, attr in enumerate(self.attrs)}
        read |= {signed(attr): property(_signed(i)) for i, attr in enumerate(attrs)}
        self.events: type[Labelled] = type("LabelledPayment", (Labelled,), {"__slots__": (), **read})

    def keep(self, payment: Any, action: str) -> Kept:
        """What has to be kept of a decided payment until its labels have come: texts, numbers, None; texts of a list as a tuple."""
        return (*(getattr(payment, attr) for attr in self.attrs[:-1]), action)

    def labelled(self, payment_id: str, kept: Kept, verdict: Verdict, replaced: Verdict | None = None) -> tuple[Labelled, ...]:
        """The events that a new verdict makes, to be entered in this order; ``replaced``: the one that stood until now.

        Nothing where the new one is not newer.
        """
        if replaced is None:
            return (self.events(kept, payment_id, verdict, 1, verdict.known_ms),)
        if replaced.version >= verdict.version:
            return ()
        since = max(verdict.known_ms, replaced.known_ms)
        back = self.events(kept, payment_id, replaced, -1, since)
        return back, self.events(kept, payment_id, verdict, 1, verdict.known_ms)


def _kept(index: int) -> Any:
    at = operator.itemgetter(index)
    return lambda event: at(event.kept)


def _signed(index: int) -> Any:
    def value(event: Labelled) -> Any:
        plain = event.kept[index]
        return plain if plain is None or event.counts > 0 else -plain

    return value


class Payments:
    """The payments of one process and the verdict that stands on each; bounded, the oldest is let go and counted."""

    def __init__(self, joining: Joining, payments_max: int = PAYMENTS_MAX, waiting_max: int = WAITING_MAX) -> None:
        self.joining = joining
        self.payments_max = payments_max
        self.waiting_max = waiting_max
        self.held: OrderedDict[str, tuple[Kept, Verdict | None]] = OrderedDict()
        self.waiting: OrderedDict[str, Verdict] = OrderedDict()
        self.dropped = 0

    def payment(self, payment: Any, action: str) -> tuple[Labelled, ...]:
        """A decided payment; the events of a label that came before it."""
        payment_id = payment.payment_id
        if payment_id in self.held:
            return ()
        kept, early = self.joining.keep(payment, action), self.waiting.pop(payment_id, None)
        self.held[payment_id] = (kept, early)
        if len(self.held) > self.payments_max:
            self.held.popitem(last=False)
            self.dropped += 1
        return () if early is None else self.joining.labelled(payment_id, kept, early)

    def label(self, label: Any) -> tuple[Labelled, ...]:
        """The events of a label: none while its payment is not known, and none where a newer version stands."""
        verdict, payment_id = Verdict(label.verdict, label.kind, label.version, label.known_at), label.payment_id
        held = self.held.get(payment_id)
        if held is None:
            early = self.waiting.get(payment_id)
            if early is None or early.version < verdict.version:
                self.waiting[payment_id] = verdict
            if len(self.waiting) > self.waiting_max:
                self.waiting.popitem(last=False)
                self.dropped += 1
            return ()
        kept, standing = held
        events = self.joining.labelled(payment_id, kept, verdict, standing)
        if events:
            self.held[payment_id] = (kept, verdict)
        return events
