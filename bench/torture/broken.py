"""One safeguard of a worker broken, so that the suite can prove that it finds what then goes wrong.

Belongs here: patches of a worker's own process, made before it starts. No setting of the product does any of this.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from streams import ledger, route, store, takeover
from streams.lane import Lane, Written
from streams.touching import touch_everywhere


def _no_dedupe() -> None:
    """A row that comes again is entered again."""
    _replace(store.Store, "remember", lambda *_, **__: None)


def _no_read_back() -> None:
    """What was decided before the takeover is not known after it."""
    _replace(ledger.Ledger, "read_back", lambda *_: None)


def _no_epochs() -> None:
    """Every owner of a partition calls itself the first, and writes no marker: nothing that is written is ever void."""

    async def claim(worker: Any, reader: Any, partition: int, _floor: int) -> tuple[ledger.Stamp, list[Any]]:
        return ledger.Stamp(1, worker.instance), await takeover._answers(worker, reader, partition)

    _replace(takeover, "_claim", claim)
    _replace(takeover, "epoch_in", lambda _key: 0)


def _no_touching_again() -> None:
    """A payment that has its decision is taken for recorded."""

    def touch(*given: Any, want: bool, order_ms: int) -> Any:
        *_, plan, _tid, _values, _homes = given
        return ({}, None) if plan.decide and not want else as_it_was(*given, want=want, order_ms=order_ms)

    as_it_was: Any = touch_everywhere

    _replace(route, "touch_everywhere", touch)


def _decision_before_receipt() -> None:
    """The decision is sent, then its receipt."""

    def put(self: Any, rows: list[Written]) -> None:
        then = partial(self._receipts.put, [(row.key, row.receipt, row.headers) for row in rows], partial(self._settle, rows))
        self._decisions.put([(row.key, row.decision, row.headers) for row in rows], then)

    _replace(Lane, "put", put)


def _replace(where: Any, name: str, by: Callable[..., Any]) -> None:
    """Raises AttributeError where there is nothing to replace: a safeguard that moved must be broken where it went."""
    getattr(where, name)
    setattr(where, name, by)


SAFEGUARDS: dict[str, Callable[[], None]] = {
    "dedupe": _no_dedupe,
    "read-back": _no_read_back,
    "epochs": _no_epochs,
    "re-touching": _no_touching_again,
    "receipt-first": _decision_before_receipt,
}
