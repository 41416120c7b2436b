"""Overrides made to act: which of them hold for an event, and what a rule's parameters and mode are then.

Rule 1: one entity beats a segment, segments in the order in which they are listed, else the rule's own value; that holds for each
parameter and for the mode by itself. Of two for the same entity or segment the one written first holds, until it ends.
Rule 2: an override holds while the event's own time is before its `until`. A segment that is unknown holds for nobody.
Rule 3: the code here stands in the fused function before the rule's own; where no override holds it costs a look-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from risk.declared import InForce, Mode, Rule
from risk.language.codegen import Writer
from risk.language.fetching import Source
from risk.language.meaning import Condition

RUNNING: Final = ("live", "shadow")
SITUATIONS_MAX: Final = 1024
"""Combinations of overrides that are kept ready; beyond, they are put together anew."""


@dataclass(frozen=True, slots=True)
class Overriding:
    """One override ready to act. ``attr`` and ``value``: for one entity; else ``segment``, and ``settings`` are the policy's.

    ``sets``: parameters; ``note``: what the receipt says of it.
    """

    sets: Mapping[str, Any]
    mode: str | None
    until_ms: int
    note: Mapping[str, Any]
    attr: str | None = None
    value: Any = None
    segment: Condition | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


class Situation:
    """What is in force for an event: the values of the parameters that overrides vary, and whether the rule runs at all."""

    __slots__ = ("values", "runs", "in_force")

    def __init__(self, values: tuple[Any, ...], runs: bool, in_force: InForce | None) -> None:
        self.values, self.runs, self.in_force = values, runs, in_force


class Overridden:
    """The overrides of one rule, strongest first. ``varied``: the parameters that one of them sets."""

    def __init__(self, rule: Rule, params: Mapping[str, Any], overrides: Sequence[Overriding]) -> None:
        self.rule = rule
        self.params = params
        self.overrides = tuple(overrides)
        self.varied = tuple(sorted({name for each in overrides for name in each.sets}))
        self.may_stop = any(each.mode is not None and each.mode not in RUNNING for each in overrides)
        self.usual = Situation(tuple(params[name] for name in self.varied), True, None)
        self._kept: dict[tuple[int, ...], Situation] = {}

    def settle(self, numbers: tuple[int, ...], at_ms: int) -> Situation:
        """The situation of an event at ``at_ms`` that the overrides of these numbers are for."""
        holding = tuple(sorted(n for n in numbers if at_ms < self.overrides[n].until_ms))
        if not holding:
            return self.usual
        found = self._kept.get(holding)
        if found is None:
            found = self._situation(holding)
            if len(self._kept) < SITUATIONS_MAX:
                self._kept[holding] = found
        return found

    def _situation(self, holding: tuple[int, ...]) -> Situation:
        sets: dict[str, Any] = {}
        mode: str | None = None
        notes = []
        for override in (self.overrides[n] for n in holding):
            fresh = {name: value for name, value in override.sets.items() if name not in sets}
            if fresh or (override.mode is not None and mode is None):
                notes.append(override.note)
            sets |= fresh
            mode = mode or override.mode
        mode = mode or self.rule.mode
        in_force = InForce({**self.rule.params, **sets}, cast("Mode", mode), tuple(notes))
        return Situation(tuple(sets.get(name, self.params[name]) for name in self.varied), mode in RUNNING, in_force)


class Heads:
    """Writes the head of each overridden rule in one function; a segment that several rules name is asked once."""

    def __init__(self, made: Source) -> None:
        self.made = made
        self._asked: dict[tuple[Condition, str], str] = {}

    def write(self, i: int, held: Overridden) -> tuple[list[str], dict[str, str]]:
        """(lines that settle what is in force for rule ``i`` as ``s{i}``, the local name of each parameter that varies)."""
        space = self.made.namespace
        lines: list[str] = []
        places: list[str] = []
        entities: dict[str, dict[Any, tuple[int, ...]]] = {}
        segments: dict[str, tuple[int, ...]] = {}
        for number, each in enumerate(held.overrides):
            if each.segment is None:
                assert each.attr is not None
                of_field = entities.setdefault(each.attr, {})
                of_field[each.value] = (*of_field.get(each.value, ()), number)
            else:
                name = self._segment(each.segment, each.settings, lines)
                segments[name] = (*segments.get(name, ()), number)
        for attr, numbers in entities.items():
            table = f"_m{i}_{len(places)}"
            space[table] = numbers
            places.append(f"{table}.get({self.made.attribute(attr)}, ())")
        places += [f"({numbers!r} if {name} else ())" for name, numbers in segments.items()]
        space |= {f"_usual{i}": held.usual, f"_settle{i}": held.settle}
        lines.append(f"h = {' + '.join(places)}")
        lines.append(f"s{i} = _settle{i}(h, e.occurred_at) if h else _usual{i}")
        varying = {name: f"q{i}_{n}" for n, name in enumerate(held.varied)}
        if varying:
            lines.append(f"{', '.join(varying.values())}, = s{i}.values")
        return lines, varying

    def _segment(self, segment: Condition, settings: Mapping[str, Any], lines: list[str]) -> str:
        """The local that says whether the event is certainly in the segment."""
        key = segment, repr(sorted(settings.items()))
        if key not in self._asked:
            self._asked[key] = f"g{len(self._asked)}"
            code = Writer(self.made, settings).condition(segment, True, True)[0]
            lines.append(f"{self._asked[key]} = {code}")
        return self._asked[key]
