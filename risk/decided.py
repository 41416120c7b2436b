"""A decision as an event: what we answered to a payment, counted by features `of: decision`.

Rule 1: it has the payment's own fields and `action`, and happens at the payment's own time; nothing that a redelivery could not tell again.
Rule 2: it is no message: no producer can send it, and no schema decodes it.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, ClassVar, Final

from risk.declared import EventType

DECISION: Final = "decision"
ACTION: Final = "action"


class Decided:
    """A payment with the action that was decided. Subclasses have an attribute for each of the payment's fields."""

    __slots__ = ("payment", "action")
    event_type: ClassVar[str] = DECISION

    def __init__(self, payment: Any, action: str) -> None:
        self.payment = payment
        self.action = action


@functools.cache
def _attribute(attr: str) -> Any:
    return property(operator.attrgetter(f"payment.{attr}"))


def decided_class(kind: EventType) -> type[Decided]:
    """The class of decisions whose event type is ``kind``."""
    attrs = [field.attr for field in kind.fields.values() if field.name != ACTION]
    attrs += [f"{field.attr}_currency" for field in kind.fields.values() if field.type.kind == "money" and field.type.currency is None]
    return type("DecidedPayment", (Decided,), {"__slots__": (), **{attr: _attribute(attr) for attr in attrs}})
