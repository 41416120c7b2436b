"""The control group in the stream: one count of the day's money, with one owner, and the draw.

The count of a Shanghai day belongs to one partition, drawn by the secret from all of them; only its payments can be let through that day.
So there is one counter, kept by whoever owns the partition, and no payment waits for another worker. A payment of a band with share s is
let through with probability s over all partitions together: inside the day's partition its own draw is compared with s times their number.

Belongs here: the secret, the counter and that it survives. Never: which decisions may be turned (`risk.control`).
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from risk.control import SECRET_BYTES_MIN, apply, draw, may_be_let_through, shanghai_day, share_of
from risk.decisions import Outcome
from risk.declared import Control
from streams.settings import SettingsProblem
from streams.wire import encode_row

SPENT = b"g"
DAYS_KEPT = 3
HOWS = ("let_through", "stopped", "spent")
"""What the draw made of a payment that may be let through; `spent`: the day's money was, and so the chance was 0."""

_decode = msgspec.msgpack.Decoder(list[tuple[int, int, int]]).decode


def read_secret(path: Path | None) -> bytes | None:
    """The secret in a file, without the blanks around it. Raises SettingsProblem."""
    if path is None:
        return None
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SettingsProblem([f"RISK_CONTROL_SECRET_FILE: {error}"]) from error
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsProblem([f"RISK_CONTROL_SECRET_FILE: {path} holds {len(secret)} bytes; at least {SECRET_BYTES_MIN} expected"])
    return secret


class Spent:
    """The money of the control group that was let through in one partition, by day; each payment once."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self.days: dict[int, dict[int, int]] = {}
        self._fresh: list[tuple[int, int, int]] = []
        self._records: deque[tuple[int, bytes]] = deque()
        self._number = 0

    def of(self, day: int) -> int:
        """Minor units spent on a day."""
        total = 0
        for amount in self.days.get(day, {}).values():
            total += amount
        return total

    def has(self, day: int, tid: int) -> bool:
        return tid in self.days.get(day, ())

    def add(self, day: int, tid: int, amount: int) -> None:
        """A payment is let through."""
        self.days.setdefault(day, {})[tid] = amount
        self._fresh.append((day, tid, amount))

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Changelog records of what was added, and tombstones of days long past."""
        changes: list[tuple[bytes, bytes | None]] = []
        if self._fresh:
            self._number += 1
            key = SPENT + self._epoch.to_bytes(4, "big") + self._number.to_bytes(4, "big")
            changes.append((key, encode_row(self._fresh)))
            self._records.append((max(day for day, _, _ in self._fresh), key))
            self._fresh = []
        newest = max(self.days, default=0)
        for day in [day for day in self.days if day <= newest - DAYS_KEPT]:
            del self.days[day]
        while self._records and self._records[0][0] <= newest - DAYS_KEPT:
            changes.append((self._records.popleft()[1], None))
        return changes

    def restore(self, records: dict[bytes, bytes]) -> None:
        """What was spent, from the changelog."""
        for key in sorted(key for key in records if key[:1] == SPENT):
            entries = _decode(records[key])
            for day, tid, amount in entries:
                self.days.setdefault(day, {})[tid] = amount
            self._records.append((max((day for day, _, _ in entries), default=0), key))


class Group:
    """The draw of one worker."""

    def __init__(self, control: Control, secret: bytes, partitions: int, mildest: str) -> None:
        self._control = control
        self._secret = secret
        self._partitions = partitions
        self._mildest = mildest

    def partition_of(self, day: int) -> int:
        """The partition that counts this day's money."""
        return int(draw(self._secret, f"day\x1f{day}") * self._partitions)

    def propensity(self, payment: Any) -> float:
        """How likely a payment is to be let through as long as there is money, over the draws of the day's partition and of its own."""
        return min(share_of(self._control, payment) * self._partitions, 1.0) / self._partitions

    def consider(self, spent: Spent, partition: int, payment: Any, tid: int, outcome: Outcome) -> str | None:
        """Draw, and turn the decision where it falls so; one of HOWS, None for a decision that is not to be turned."""
        if not may_be_let_through(outcome, self._mildest):
            return None
        propensity = self.propensity(payment)
        if propensity == 0.0:
            return None
        day = shanghai_day(payment.occurred_at)
        if partition == self.partition_of(day):
            if not spent.has(day, tid) and spent.of(day) + payment.amount > self._control.cap:
                apply(outcome, self._mildest, 0.0, let_through=False)
                return "spent"
            if draw(self._secret, payment.payment_id) < propensity * self._partitions:
                if not spent.has(day, tid):
                    spent.add(day, tid, payment.amount)
                apply(outcome, self._mildest, propensity, let_through=True)
                return "let_through"
        apply(outcome, self._mildest, propensity, let_through=False)
        return "stopped"

    def count_answered(self, spent: Spent, partition: int, payment: Any, tid: int, action: str) -> bool:
        """A payment that was decided before a crash comes again. Whether the draw let it through nobody knows any more; that it may
        have is enough to count it: the day's money is never more than the cap. Whether something was counted."""
        day = shanghai_day(payment.occurred_at)
        due = action == self._mildest and partition == self.partition_of(day) and not spent.has(day, tid)
        if due and draw(self._secret, payment.payment_id) < self.propensity(payment) * self._partitions:
            spent.add(day, tid, payment.amount)
            return True
        return False
