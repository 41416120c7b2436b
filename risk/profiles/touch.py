"""A touch: what an event of one type does to one profile, compiled.

Rule 1: reading comes before recording; an event is recorded once (the caller sees to it; ``counts: passed`` rows see to it themselves).
Rule 2: a row is all that is kept of an event here; it is made once, by ``row``, and travels and is stored as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from risk.declared import EventType
from risk.profiles.answers import quota_periods
from risk.profiles.block import Namespace
from risk.profiles.columns import AFTER_EVERYTHING, Profile, Series, profile_class, series_class
from risk.profiles.generate import reading, recording
from risk.profiles.past import BEGINNING
from risk.profiles.plan import SeriesPlan, TouchPlan
from risk.profiles.quota import Quota
from risk.profiles.recall import Recall
from risk.profiles.route import Predicate, routing


class Kind:
    """One kind of profile and its series; the namespace in which its touches are compiled.

    ``gone``: profiles of the kind went wholly whose rows were as new as that; a question that reaches further back has no answer.
    """

    def __init__(self, name: str, series: Mapping[str, SeriesPlan]) -> None:
        self.name = name
        self.series = {n: s for n, s in series.items() if s.kind == name}
        self.space = Namespace()
        slots = [s.slot for s in self.series.values()]
        self.profile: type[Profile] = profile_class(name, slots)
        self.gone = BEGINNING
        for plan in self.series.values():
            if plan.passed:
                self.space[f"class_{plan.slot}"] = self._quota_maker(plan)
                continue
            made = self.space[f"class_{plan.slot}"] = series_class(plan)
            self.space[f"begun_{plan.slot}"] = made.begun

    def _quota_maker(self, plan: SeriesPlan) -> Callable[[], Quota]:
        periods = tuple(None if cut is None else self.space[self.space.period(cut)] for cut in quota_periods(plan))
        return lambda: Quota(periods, len(plan.fields))


class Touch:
    """``read(p, t, row, tid)`` answers as of t, before the event is recorded; ``record`` enters it; ``observe`` is both, faster.

    ``empty()``: a profile of its kind. ``key(e)``: the profile's key, None where the event lacks a key field. ``row(e)``: the event's
    row, values of ``columns``. Values are in the order of ``features``; unknown (cold) is None, never is ``NEVER``. Times are ms.
    """

    __slots__ = (
        "event", "kind", "role", "features", "columns", "records", "passed", "empty", "key", "row", "read", "record", "observe",
        "_late", "_recorded", "_recall", "_kind",
    )
    empty: type[Profile]
    key: Callable[[Any], str | None]
    row: Callable[[Any], tuple[Any, ...]]
    read: Callable[[Profile, int, tuple[Any, ...], int], list[Any]]
    record: Callable[[Profile, int, tuple[Any, ...], int], None]
    observe: Callable[[Profile, int, tuple[Any, ...], int], list[Any]]

    def __init__(self, plan: TouchPlan, kind: Kind, types: Mapping[str, EventType], predicate: Predicate, since: Mapping[str, int]) -> None:
        self.event, self.kind, self.role, self.columns = plan.event, plan.kind, plan.role, plan.columns
        self.empty = kind.profile
        self.features = tuple(f.name for f in plan.asked)
        self.records = bool(plan.recorded)
        self.passed = plan.passed
        self._recorded = plan.recorded
        event_type = types[plan.event]
        self.key, self.row = routing(plan, event_type, predicate)
        optional = frozenset(c for c in plan.columns if c.startswith("where:") or event_type.fields[c].optional)
        self._recall, self._kind = Recall(plan, kind.series), kind
        self._compile(plan, kind, optional, since)

    def read_again(self, p: Profile, t: int, row: tuple[Any, ...], tid: int) -> list[Any]:
        """Read as if the event's own row, already recorded, were absent (a redelivery). Costs a copy of its series."""
        before = p.ledger.arrivals.get(tid) if p.ledger is not None else None
        held = dict(zip(self.columns, row, strict=True))
        for plan in self._recorded:
            series = getattr(p, plan.slot)
            if isinstance(series, Series) and (plan.where is None or held[f"where:{plan.where}"]):
                p = p.replaced(plan.slot, series.without(t, [held[field] for field in plan.fields]))
        answers: list[Any] = self._late(p, t, row, before)
        return self._covered(answers, t) if p.past is None else self._amended(answers, p, t, row)

    def _behind(self, p: Profile, t: int, row: tuple[Any, ...], tid: int) -> list[Any]:
        """``read`` of an older time than the newest, or of a profile whose older rows are gone."""
        return self._covered(self._late(p, t, row, None), t) if p.past is None else self._recalled(p, t, row, tid)

    def _covered(self, answers: list[Any], t: int) -> list[Any]:
        """Late answers, without those that another profile under this key could have given, which went wholly."""
        if self._kind.gone > BEGINNING:
            for i in self._recall.reaching(t, self._kind.gone):
                answers[i] = None
        return answers

    @property
    def reserves(self) -> bool:
        """Whether its rows are reservations of a quota."""
        return any(plan.passed for plan in self._recorded)

    def parts(self, row: tuple[Any, ...]) -> Iterator[tuple[SeriesPlan, dict[str, Any]]]:
        """What a row adds to each series: the value of each of its fields."""
        held = dict(zip(self.columns, row, strict=True))
        for plan in self._recorded:
            if plan.where is None or held[f"where:{plan.where}"]:
                yield plan, {field: held[field] for field in plan.fields}

    def _recalled(self, p: Profile, t: int, row: tuple[Any, ...], tid: int) -> list[Any]:
        """``read`` of a profile whose older rows are gone."""
        past = p.past
        assert past is not None
        amended = self._recall.amended(p, t, row, t < past.at)
        p.past, p.at = None, past.at
        try:
            answers = self.read(p, t, row, tid)
        finally:
            past.at, p.past, p.at = p.at, past, AFTER_EVERYTHING
        return self._amended(answers, p, t, row, amended)

    def _amended(
        self, answers: list[Any], p: Profile, t: int, row: tuple[Any, ...], amended: Mapping[int, Any] | None = None
    ) -> list[Any]:
        """The answers, with those that reach into the past put right; what is cold stays so."""
        if amended is None:
            assert p.past is not None
            amended = self._recall.amended(p, t, row, t < p.past.at)
        for i, value in amended.items():
            if answers[i] is not None:
                answers[i] = value
        return answers

    def _compile(self, plan: TouchPlan, kind: Kind, optional: frozenset[str], since: Mapping[str, int]) -> None:
        space, name = kind.space, str(len(kind.space))  # an event's name need not be one in Python
        unpack = [f" {''.join(f'r{k}, ' for k in range(len(plan.columns)))}= row"] if plan.columns else []

        def compiled(prefix: str, arguments: str, body: list[str]) -> Any:
            return space.run("\n".join([f"def {prefix}_{name}({arguments}):", *body]), f"{prefix}_{name}")

        late = reading(plan, kind.series, "late", space, optional, since)
        self._late = compiled("late", "p, t, row, before", [*unpack, *late])
        now = [" p.at = t", *([" before = None"] if plan.passed else [])]
        space[f"behind_{name}"] = self._behind
        ahead = [f" if t < p.at: return behind_{name}(p, t, row, tid)", *now]
        read = reading(plan, kind.series, "read", space, optional, since)
        self.read = compiled("read", "p, t, row, tid", [*ahead, *unpack, *read])
        self.record = compiled("record", "p, t, row, tid", [*unpack, *recording(plan)])
        both = [f" values = read_{name}(p, t, row, tid)", f" record_{name}(p, t, row, tid)", " return values"]
        if plan.passed:
            self.observe = compiled("observe", "p, t, row, tid", both)
            return
        fused = reading(plan, kind.series, "observe", space, optional, since)
        behind = [" if t < p.at:", *(f" {line}" for line in both), *now]
        self.observe = compiled("observe", "p, t, row, tid", [*behind, *unpack, *fused])


def adopted(old: Sequence[str], new: Sequence[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Rows of ``old`` columns as rows of ``new`` ones; None for what was not kept."""
    places = [old.index(column) if column in old else None for column in new]
    return lambda row: tuple([None if i is None else row[i] for i in places])
