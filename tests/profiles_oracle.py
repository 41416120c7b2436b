"""What a feature answers by definition: a loop over every event ever seen. Shares no code with ``risk.profiles``; slow on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from risk.declared import NEVER, EventType, Feature, Field, FieldType, Window

INT, NUMBER, TEXT, USER = FieldType("int"), FieldType("number"), FieldType("text"), FieldType("id", entity="user")
MONEY = FieldType("money", currency="CNY")
FIELDS = {
    "payer.id": (USER, False), "payee.id": (USER, False), "device.id": (FieldType("id", entity="device"), True),
    "amount": (MONEY, False), "fee": (INT, True), "ratio": (NUMBER, True), "what": (TEXT, True),
}


def event_type(name: str, decide: bool = True) -> EventType:
    fields = {n: Field(n, n.replace(".", "_"), kind, (n,), optional) for n, (kind, optional) in FIELDS.items()}
    return EventType(name, fields, decide)


TYPES = {"payment": event_type("payment"), "login": event_type("login", decide=False)}
SLIDING_10, SLIDING_60, LIFETIME = Window("sliding", 10), Window("sliding", 60), Window("lifetime")
SHANGHAI_DAY = Window("calendar", unit="day", zone="Asia/Shanghai")


def feature(name: str, agg: Any = "count", field: str | None = None, window: Window = SLIDING_10, per: Sequence[str] = ("payer.id",),
            read_with: Sequence[str] | None = None, of: Sequence[str] = ("payment",), **more: Any) -> Feature:
    entity = tuple(FIELDS[f][0].entity or f for f in per)
    kind = FIELDS[field][0] if field else INT
    return Feature(name, agg, tuple(of), field, tuple(per), tuple(read_with or per), entity, window, kind, **more)


WHERE: dict[str, Callable[[Any], bool]] = {"what is known": lambda e: e.what is not None, "amount > 3": lambda e: e.amount > 3}


def predicates(features: dict[str, Feature]) -> Callable[[str, str], Callable[[Any], bool] | None]:
    return lambda name, event: WHERE[features[name].where] if features[name].where else None  # type: ignore[index]


def event(kind: str = "payment", payer: str = "a", payee: str = "b", device: str | None = None, amount: int = 1,
          fee: int | None = None, ratio: float | None = None, what: str | None = None) -> SimpleNamespace:
    ids = {"payer_id": payer, "payee_id": payee, "device_id": device}
    return SimpleNamespace(event_type=kind, **ids, amount=amount, fee=fee, ratio=ratio, what=what)


@dataclass
class Seen:
    e: Any
    t: int
    tid: int
    active: bool = True


def calendar_start(window: Window, t: int) -> int:
    """First millisecond of the period: search for it minute by minute of the local calendar, from two hours before."""
    zone = ZoneInfo(window.zone or "")

    def label(ms: int) -> date:
        d = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone).date()
        if window.unit == "week":
            return d - timedelta(days=d.weekday())
        return d.replace(day=1, month=1) if window.unit == "year" else d.replace(day=1) if window.unit == "month" else d

    here, lo, hi = label(t), t - 400 * 86_400_000, t
    while hi - lo > 1:  # label(lo) < here <= label(hi): local dates never go back by a day
        mid = (lo + hi) // 2
        lo, hi = (lo, mid) if label(mid) >= here else (mid, hi)
    return hi


class Oracle:
    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def record(self, e: Any, t: int, tid: int) -> None:
        self.seen.append(Seen(e, t, tid))

    def switch(self, tid: int, active: bool) -> None:
        for s in self.seen:
            if s.tid == tid:
                s.active = active

    def _window(self, f: Feature, t: int) -> tuple[float, float]:
        end = t - f.ending_ms
        upper = float("inf") if f.counts == "passed" and not f.ending_ms else end
        if f.window.kind == "lifetime":
            return float("-inf"), upper
        if f.window.kind == "calendar":
            return calendar_start(f.window, end) - 1, upper
        return end - f.window.length_ms, upper

    def rows(self, f: Feature, e: Any, t: int, tid: int | None) -> list[Seen]:
        """Rows of the window, by time and arrival, without the event's own; ``tid`` is that of an event already recorded."""
        key = [getattr(e, name.replace(".", "_")) for name in f.read_with]
        lo, hi = self._window(f, t)
        before = next((i for i, s in enumerate(self.seen) if s.tid == tid), len(self.seen))
        found = [
            s for i, s in enumerate(self.seen)
            if s.e.event_type in f.of and [getattr(s.e, name.replace(".", "_")) for name in f.per] == key and lo < s.t <= hi
            and (not f.where or WHERE[f.where](s.e)) and s.tid != tid and (f.counts == "attempts" or (s.active and i < before))
        ]
        return sorted(found, key=lambda s: s.t)

    def ask(self, f: Feature, e: Any, t: int, tid: int | None = None) -> Any:
        rows = self.rows(f, e, t, tid)
        if f.with_current and e.event_type in f.of and f.per == f.read_with and not f.ending_ms and (not f.where or WHERE[f.where](e)):
            rows = [*rows, Seen(e, t, -1)]
        return answer(f, rows, t)


def answer(f: Feature, rows: list[Seen], t: int) -> Any:
    none = f.if_none if f.has_if_none else 0 if f.agg in ("count", "sum", "distinct") else NEVER
    if f.agg in ("count", "since_last", "since_first"):
        if not rows:
            return none
        if f.agg == "count":
            return len(rows)
        times = [s.t for s in rows]
        return max(0, t - (max(times) if f.agg == "since_last" else min(times)))
    assert f.field
    values = [v for s in rows if (v := getattr(s.e, f.field.replace(".", "_"))) is not None]
    if not values:
        return none
    if f.agg == "distinct":
        return len(set(values))
    if f.agg == "last":
        return values[-1]
    if f.agg in ("min", "max"):
        return min(values) if f.agg == "min" else max(values)
    if f.agg == "p95":
        return next(v for v in sorted(values) if sum(x <= v for x in values) >= 0.95 * len(values))
    total = values[0]
    for v in values[1:]:
        total += v
    if f.agg == "sum":
        return total
    mean = total / len(values)
    return mean if f.type.kind != "money" else (2 * total + len(values)) // (2 * len(values))
