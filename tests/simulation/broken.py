"""Protections of the product, each of which can be taken out: the simulation must notice.

Belongs here: how one is taken out, by the narrowest patch there is. Never: a protection that no story needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streams.route
import streams.takeover
from streams.fence import Fence
from streams.ledger import Ledger, Stamp
from streams.ownership import Ownership
from streams.store import Store


def _no_dedupe() -> None:
    """A row that comes again is entered again."""
    Store.remember = lambda *_, **__: None  # type: ignore[method-assign]


def _no_read_back() -> None:
    """Whoever takes over does not know what was decided."""
    Ledger.read_back = lambda *_: None  # type: ignore[method-assign]


class _Alike:
    of = Stamp.of

    def __new__(cls, *_: object) -> Stamp:  # type: ignore[misc]
        return Stamp(1, "w")


def _no_epochs() -> None:
    """All owners of a partition look alike."""
    streams.takeover.Stamp = _Alike  # type: ignore[assignment, misc]
    streams.takeover.epoch_in = lambda _: 0


def _no_touching_again() -> None:
    """What was decided is taken for recorded."""
    route: Any = streams.route
    whole = route._route_payment

    def route_payment(worker: Any, shard: Any, source: Any, item: Any, event: Any, plan: Any, *rest: Any) -> None:
        if shard.ledger.answer_to(source.tp.topic, item.offset, event.payment_id) is not None:
            source.begin(item.offset, 1)
        else:
            whole(worker, shard, source, item, event, plan, *rest)

    route._route_payment = route_payment


def _no_fence() -> None:
    """An owner does not see that another claimed his partition."""

    async def check(*_: object) -> None: ...

    Fence.check = check  # type: ignore[method-assign, assignment]


def _late_touches_count() -> None:
    """Touches of an owner who was replaced are applied like any."""
    Ownership.stale = lambda *_: False  # type: ignore[method-assign]


def _no_look_ahead() -> None:
    """Whoever takes over does not look for touches that are recorded and still to come."""

    async def nothing(*_: object) -> dict[tuple[int, int], int]:
        return {}

    streams.takeover._coming = nothing


WITHOUT: dict[str, Callable[[], None]] = {
    "dedupe": _no_dedupe,
    "read_back": _no_read_back,
    "epochs": _no_epochs,
    "touching_again": _no_touching_again,
    "fence": _no_fence,
    "stale": _late_touches_count,
    "look_ahead": _no_look_ahead,
}
"""By name: what is taken out of this process, for good."""
