"""Which obligations are met, by which rules, and where the gaps are: the duty map.

Rule 1: facts in, facts out: the table of duties, the rules and the numbers of their tests are arguments; nothing here reads a file.
Rule 2: a gap is told in words that say what to do about it. Whether a rule says what its duty asks is for compliance to judge, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from risk.declared import Duty, Rule

HARD = frozenset({"limit", "list", "credit"})
"""Kinds that nothing may clear: their rules are `final` and strict where a value is missing."""

State = Literal["served", "gap", "elsewhere"]


class Proof(NamedTuple):
    """How many tests a rule has, `todo` left out: all, those in which it fires, those in which it stays silent."""

    all: int = 0
    firing: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """One duty, the rules that name it, and what is missing."""

    duty: Duty
    rules: tuple[Rule, ...] = ()
    gaps: tuple[str, ...] = ()
    tests: Mapping[str, Proof] = field(default_factory=dict)

    @property
    def live(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.mode == "live")

    @property
    def state(self) -> State:
        if self.gaps:
            return "gap"
        return "served" if self.live else "elsewhere"

    @property
    def owners(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.owner for rule in self.rules))


def overview(duties: Mapping[str, Duty], rules: Iterable[Rule], tests: Mapping[str, Proof], day: str) -> list[Standing]:
    """Every duty of the table in its order, then those that only rules name. ``day``: today as an ISO date."""
    serving: dict[str, list[Rule]] = {name: [] for name in duties}
    for rule in rules:
        if rule.duty is not None:
            serving.setdefault(rule.duty, []).append(rule)
    found = []
    for name, named in serving.items():
        duty = duties.get(name)
        if duty is None:
            duty = Duty(name, "", "limit", "", ())
            gaps = ["no `duties:` section says what it asks"]
        else:
            gaps = list(_gaps(duty, named, tests, day))
        found.append(Standing(duty, tuple(named), tuple(gaps), {rule.name: tests.get(rule.name, Proof()) for rule in named}))
    return found


def _gaps(duty: Duty, rules: list[Rule], tests: Mapping[str, Proof], day: str) -> Iterable[str]:
    live = [rule for rule in rules if rule.mode == "live"]
    if not rules:
        if duty.elsewhere is None:
            yield "no rule names it"
        return
    if not live and duty.elsewhere is None:
        yield "; ".join(f"`{rule.name}` is only {rule.mode}" for rule in rules)
    if live and duty.effective is not None and duty.effective > day:
        yield f"it holds from {duty.effective} on, and a rule is live already"
    for rule in live:
        counted = tests.get(rule.name, Proof())
        if not counted.firing:
            yield f"no test shows `{rule.name}` firing"
        if not counted.silent:
            yield f"no test shows `{rule.name}` staying silent"
        if not rule.owner:
            yield f"nobody owns `{rule.name}`"
        if rule.review_by is not None and rule.review_by < day:
            yield f"`{rule.name}` was to be reviewed by {rule.review_by}"
        if duty.kind in HARD and rule.then is not None:
            if not rule.final:
                yield f"`{rule.name}` is not `final`: a trust rule or an override may clear it"
            if rule.on_missing == "skip":
                yield f"`{rule.name}` lets pass what it cannot decide: give it `on_missing: fire`, or an action"


def counted(standings: Iterable[Standing]) -> dict[State, int]:
    """How many duties are served, have a gap, are met elsewhere."""
    numbers: dict[State, int] = {"served": 0, "gap": 0, "elsewhere": 0}
    for standing in standings:
        numbers[standing.state] += 1
    return numbers


def as_data(standing: Standing) -> dict[str, Any]:
    """For programs."""
    duty = standing.duty
    return {
        "duty": duty.name,
        "title": duty.title,
        "kind": duty.kind,
        "source": duty.source,
        "evidence": list(duty.evidence),
        "effective": duty.effective,
        "number": duty.number,
        "entity": duty.entity,
        "window": duty.window,
        "action": duty.action,
        "about": duty.about,
        "elsewhere": duty.elsewhere,
        "state": standing.state,
        "gaps": list(standing.gaps),
        "owners": list(standing.owners),
        "rules": [
            {
                "rule": rule.name,
                "mode": rule.mode,
                "owner": rule.owner,
                "review_by": rule.review_by,
                "place": f"{rule.place.path}:{rule.place.line}" if rule.place else None,
                "tests": standing.tests[rule.name]._asdict(),
            }
            for rule in standing.rules
        ],
    }
