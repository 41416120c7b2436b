"""The profiles of a rule set: which there are, what each event does to them.

Rule 1: this is the whole outside of the package: ``Layout``, ``Touch``, ``Profile``. Rows go in, values come out; where profiles are
kept, packed and sent is somebody else's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from risk.declared import EventType, Feature
from risk.profiles.columns import Profile
from risk.profiles.plan import SeriesPlan, plan_series, plan_touches, series_name
from risk.profiles.retracting import as_kept, with_signed_fields
from risk.profiles.route import Predicate, Row, routes
from risk.profiles.touch import Kind, Touch, adopted

NOTHING: Mapping[str, int] = MappingProxyType({})


class Layout:
    """Compiled once from a rule set's features; ``since`` says from when (ms) a series, or one column of it, has been kept.

    Keys of ``since``: a series name, or ``name#field`` for a column that is younger than its series. Missing or 0: from the
    beginning. A window that reaches back before it answers None (cold).
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        types: Mapping[str, EventType],
        reads: Mapping[str, Sequence[str]],
        predicate: Predicate,
        since: Mapping[str, int] = NOTHING,
    ) -> None:
        cold = {f.name: max(since.get(key, 0) for key in coverage_keys(f)) for f in features.values()}
        features = {name: as_kept(f, types) for name, f in features.items()}
        types = {name: with_signed_fields(kind) for name, kind in types.items()}
        self.series: Mapping[str, SeriesPlan] = plan_series(features, types)
        plans = {e: plan_touches(e, features, reads.get(e, ()), self.series) for e in types}
        kinds = {s.kind for s in self.series.values()}
        self._kinds = {kind: Kind(kind, self.series) for kind in sorted(kinds)}
        kind = self._kinds
        self.touches: Mapping[str, tuple[Touch, ...]] = {
            event: tuple(Touch(plan, kind[plan.kind], types, predicate, cold) for plan in touches) for event, touches in plans.items()
        }

        # (key, row) of each touch of an event, in the order of ``touches``: what ``key`` and ``row`` of each give, at less cost
        self.routes: Mapping[str, Callable[[Any], tuple[tuple[str | None, Row], ...]]] = {
            event: routes(touches, types[event], predicate) for event, touches in plans.items()
        }

    def profile(self, kind: str) -> Profile:
        """An empty profile of a kind."""
        return self._kinds[kind].profile()

    def series_of(self, kind: str) -> tuple[SeriesPlan, ...]:
        """All series of a kind of profile."""
        return tuple(self._kinds[kind].series.values())

    def gone_wholly(self, kind: str, newest_ms: int) -> None:
        """Profiles of this kind went, whose newest row was as new as that: nobody knows any more which there were."""
        self._kinds[kind].gone = max(self._kinds[kind].gone, newest_ms)

    def adopt(self, event: str, role: str, columns: tuple[str, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]] | None:
        """How rows written under an older rule set become rows of today's touch; None when nothing records them any more.

        A series whose ``where`` was not kept skips such a row; a field that was not kept is absent. Both must be told to ``since``.
        """
        for touch in self.touches.get(event, ()):
            if touch.role == role and touch.records:
                return adopted(columns, touch.columns)
        return None


def coverage_keys(feature: Feature) -> tuple[str, ...]:
    """The keys of ``since`` that decide whether a feature is covered: its series, and its column in it."""
    name = series_name(feature)
    return (name,) if feature.field is None else (name, f"{name}#{feature.field}")
