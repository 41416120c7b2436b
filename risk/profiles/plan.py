"""What profiles keep and what each event asks of them: features turned into series and touches, as plain facts.

Rule 1: a *series* is the rows of one (event types, key role, where): every feature over it shares its columns.
Rule 2: nothing here runs on the decision path; code is generated from these facts and they are then left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from risk.declared import EventType, Feature
from risk.profiles.retracting import TRUE_SINCE
from risk.profiles.windows import Cut, bounds

WHOLE = frozenset({"int", "money", "duration", "time"})  # summed by integer prefix; other numbers are added row by row


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """One series: its stable ``name``, the ``slot`` of its profile kind, and the columns that its features need.

    ``sums``: fields with a running total; ``known``: fields whose present values are counted; ``kept``: fields whose values are
    kept row by row; ``tallies``: distinct counts, as (field, lower cut, upper cut); ``retracts``: some rows take back others.
    """

    name: str
    kind: str
    slot: str
    of: tuple[str, ...]
    per: tuple[str, ...]
    where: str | None
    passed: bool
    sums: tuple[str, ...]
    known: tuple[str, ...]
    kept: tuple[str, ...]
    cuts: tuple[Cut, ...]
    tallies: tuple[tuple[str, Cut | None, Cut | None], ...]
    features: tuple[Feature, ...]
    retracts: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the counted event that a row of this series holds."""
        return tuple(dict.fromkeys((*self.sums, *self.known, *self.kept)))


@dataclass(frozen=True, slots=True)
class TouchPlan:
    """What one event type does to one profile: ``asked`` are answered, ``recorded`` receive the event's row."""

    event: str
    kind: str
    role: str
    key_fields: tuple[str, ...]
    asked: tuple[Feature, ...]
    recorded: tuple[SeriesPlan, ...]
    columns: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Does it ask or record a quota? Then the event has a place in the profile's order of arrival."""
        return any(s.passed for s in self.recorded) or any(f.counts == "passed" for f in self.asked)


def kind_of(feature: Feature) -> str:
    return "+".join(feature.entity)


def series_name(feature: Feature) -> str:
    """Stable across rule sets that ask the same rows: a changelog names coverage by it."""
    where = f"|where:{feature.where}" if feature.where else ""
    passed = "|passed" if feature.counts == "passed" else ""
    return f"{'+'.join(sorted(feature.of))}@{'+'.join(feature.per)}{where}{passed}"


def field_kind(feature: Feature, types: Mapping[str, EventType]) -> str:
    """Kind of the aggregated field; features that aggregate none have kind ''."""
    if feature.field is None:
        return ""
    return types[feature.of[0]].fields[feature.field].type.kind


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _series(name: str, slot: str, features: Sequence[Feature], types: Mapping[str, EventType]) -> SeriesPlan:
    one = features[0]
    retracts = types[one.of[0]].retracts
    whole = {f.name: field_kind(f, types) in WHOLE for f in features}
    windows = {f.name: bounds(f) for f in features}
    running = [f for f in features if f.agg in ("sum", "avg") and whole[f.name] and f.field]
    rows = [f for f in features if f.field and f not in running]
    cuts = {cut for pair in windows.values() for cut in pair if cut is not None}
    tallies = {(f.field, *windows[f.name]) for f in features if f.agg == "distinct" and f.field}
    return SeriesPlan(
        name=name,
        kind=kind_of(one),
        slot=slot,
        of=tuple(sorted(one.of)),
        per=one.per,
        where=one.where,
        passed=one.counts == "passed",
        sums=_unique(f.field for f in running if f.field),
        known=_unique(f.field for f in running if f.field and (f.agg == "avg" or (f.has_if_none and not retracts))),
        kept=(TRUE_SINCE,) if retracts else _unique(f.field for f in rows if f.field),
        cuts=tuple(sorted(cuts, key=lambda c: (-c.back_ms, c.unit or "", c.zone or ""))),
        tallies=tuple(sorted(tallies, key=repr)),
        features=tuple(features),
        retracts=retracts,
    )


def plan_series(features: Mapping[str, Feature], types: Mapping[str, EventType]) -> dict[str, SeriesPlan]:
    """Every series by name. A feature that no rule reads is kept too: a rule added tomorrow finds it warm."""
    together: dict[tuple[str, str], list[Feature]] = {}
    for feature in sorted(features.values(), key=lambda f: f.name):
        together.setdefault((kind_of(feature), series_name(feature)), []).append(feature)
    plans: dict[str, SeriesPlan] = {}
    slots: dict[str, int] = {}
    for (kind, name), members in sorted(together.items()):
        number = slots[kind] = slots.get(kind, -1) + 1
        assert name not in plans, f"series {name} would live in two kinds of profile"
        plans[name] = _series(name, f"s{number}", members, types)
    return plans


def columns_of(recorded: Iterable[SeriesPlan]) -> tuple[str, ...]:
    """Canonical names of what a row holds: fields first, then ``where:`` results."""
    recorded = list(recorded)
    fields = {field for series in recorded for field in series.fields}
    wheres = {f"where:{series.where}" for series in recorded if series.where}
    return (*sorted(fields), *sorted(wheres))


def plan_touches(
    event: str, features: Mapping[str, Feature], reads: Sequence[str], series: Mapping[str, SeriesPlan]
) -> tuple[TouchPlan, ...]:
    """Touches of one event type, one for each (kind, key fields) that it reads or records, in a stable order.

    A touch that asks what the same event records in another role comes first: where both roles are one entity (somebody pays
    himself), it still reads before the event is recorded.
    """
    asked: dict[tuple[str, tuple[str, ...]], list[Feature]] = {}
    recorded: dict[tuple[str, tuple[str, ...]], list[SeriesPlan]] = {}
    for name in reads:
        feature = features[name]
        asked.setdefault((kind_of(feature), feature.read_with), []).append(feature)
    for plan in series.values():
        if event in plan.of:
            recorded.setdefault((plan.kind, plan.per), []).append(plan)
    foreign = {place for place, wanted in asked.items() if any(event in f.of and f.per != f.read_with for f in wanted)}
    places = sorted({*asked, *recorded}, key=lambda place: (place not in foreign, place))
    roles = ["+".join(fields) for _, fields in places]
    touches = []
    for (kind, fields), role in zip(places, roles, strict=True):
        rows = tuple(recorded.get((kind, fields), ()))
        unique = role if roles.count(role) == 1 else f"{role}={kind}"
        touches.append(TouchPlan(event, kind, unique, fields, tuple(asked.get((kind, fields), ())), rows, columns_of(rows)))
    return tuple(touches)
