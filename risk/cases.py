"""Runs the tests that stand in rule files, through the same engine that decides payments.

Rule 1: the rule alone, always on: other rules, its mode, rollout, validity, overrides and the model are left out, and windows are full;
the policy's bands stay. A test with `trusted: true` has a trust rule beside it that always fires, one with `overridden: true` the
rule's overrides, whatever their date.
Rule 2: a test that fails says what was expected, what came, and each part of the condition with the values of that event.
Never here: how a test is written (`risk.language.cases`), and printing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from risk.decisions import Outcome
from risk.declared import FieldType, Place, Rule
from risk.engine import InProcess, Plan
from risk.events import BadEvent, Event
from risk.language import RuleSet
from risk.language.cases import SCORE, CaseError, Expected, Script, script_of, value_as
from risk.language.nodes import Bool
from risk.language.ruleset import Case, CheckedRule
from risk.language.scope import Scope
from risk.money import render

FIRES, SILENT, UNKNOWN, BROKE, ELSEWHERE = "fires", "silent", "unknown", "broke", "elsewhere"
SEEN = {
    FIRES: "it fired",
    SILENT: "it was silent",
    UNKNOWN: "it was unknown",
    BROKE: "its condition raised an error",
    ELSEWHERE: "the rule does not look at this event",
}
WANTED = {FIRES: "to fire", SILENT: "silence", UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True)
class Result:
    """One test run. ``complaint`` is None where it holds; ``terms`` explain the event that it is about: (answer, text, values)."""

    rule: Rule
    case: Case
    complaint: str | None
    terms: tuple[tuple[str, str, str], ...] = ()
    place: Place | None = None

    @property
    def todo(self) -> bool:
        return self.case.todo is not None

    @property
    def passed(self) -> bool:
        return self.complaint is None

    @property
    def failed(self) -> bool:
        return not self.passed and not self.todo


@dataclass(frozen=True, slots=True)
class Seen:
    """What one event of a test led to."""

    event: Event
    verdict: str
    outcome: Outcome | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Ready:
    """A test with its events built."""

    script: Script
    events: tuple[Event, ...]


ALWAYS_MS = 1 << 62
TRUSTED = "(trusted)"
"""The trust rule that a test can put beside its rule; no rule of a file can have this name."""


def alone(ruleset: RuleSet, rule: Rule, trusted: bool = False, overridden: bool = False) -> RuleSet:
    """The rule set with this one rule in it, live for everybody and at all times; with ``trusted`` a rule that clears it comes second.

    ``overridden``: its overrides hold, for all time.
    """
    always = replace(
        rule, mode="live", rollout=1.0, rollout_by=None, valid_from_ms=None, valid_until_ms=None, accept_from_ms=None, group=None
    )
    one = copy.copy(ruleset)
    one.rules = rules = {rule.name: always}
    one.checked = checked = {rule.name: replace(ruleset.checked[rule.name], rule=always)}
    if trusted:
        clears = Rule(TRUSTED, "", "", "low", rule.events, "live", "true", "", trust=True)
        rules[TRUSTED] = clears
        checked[TRUSTED] = CheckedRule(clears, Bool(True), Scope(), {})
        one.rule_reads = {**ruleset.rule_reads, TRUSTED: frozenset()}
    one.policy = replace(ruleset.policy, covered_since_ms=None)
    one.overrides = tuple(replace(each, until_ms=ALWAYS_MS) for each in ruleset.overrides if each.rule == rule.name) if overridden else ()
    one.model = None
    needed = {name for event in rule.events for name in one.reads(event)}
    one.features = {name: feature for name, feature in ruleset.features.items() if name in needed}
    return one


def run(ruleset: RuleSet, only: str | None = None) -> Iterator[Result]:
    """Every test of every rule, in the order of the files. ``only``: the tests of one rule."""
    number = 0
    for rule in ruleset.rules.values():
        cases = ruleset.cases.get(rule.name, ())
        if not cases or (only is not None and rule.name != only):
            continue
        trial = Trial(ruleset, rule)
        for case in cases:
            number += 1
            yield trial.run(case, number)


class Trial:
    """One rule alone, ready for its tests: the engine is made once, its memory is new for each test.

    ``like``: a trial of the same rule in a rule set whose features, lists and settings are the same, so that what it has made of
    them serves here too.
    """

    def __init__(self, ruleset: RuleSet, rule: Rule, like: Trial | None = None) -> None:
        self.ruleset = ruleset
        self.rule = rule
        self._like = like
        self._machines: dict[tuple[bool, bool], InProcess] = {}
        self.machine = self._machine(False, False)

    def ready(self, case: Case, number: int) -> Ready:
        """The test made ready; ``number`` tells its ids from those of other tests. Raises CaseError."""
        script = script_of(self.ruleset, self.rule, case, number)
        if not script.steps:
            raise CaseError(case.place, "a test needs at least one event")
        events: list[Event] = []
        for step in script.steps:
            try:
                events.append(self.ruleset.schema.build(step.event, step.values))
            except BadEvent as wrong:
                raise CaseError(step.place, f"event {len(events) + 1} would be a dead letter: {wrong.reason}, {wrong.detail}") from wrong
        return Ready(script, tuple(events))

    def run(self, case: Case, number: int, ready: Ready | None = None) -> Result:
        """The test's result. ``ready``: as it was made ready before."""
        try:
            ready = ready or self.ready(case, number)
            seen = self.play(case, ready)
            about, complaint = self._judge(ready.script.expected, seen, case)
        except CaseError as wrong:
            return Result(self.rule, case, str(wrong), place=wrong.place)
        if complaint is None:
            return Result(self.rule, case, None)
        return Result(self.rule, case, complaint, self._terms(seen[about]), case.place)

    def play(self, case: Case, ready: Ready) -> list[Seen]:
        """Run the events of a test, whatever it expects. Raises CaseError where it gives what the rule does not read."""
        script, machine = ready.script, self._machine(ready.script.trusted, ready.script.overridden)
        for name in script.given:
            if name not in machine.engine.ruleset.features:
                raise CaseError(case.place, f"`{name}` is given, but the rule does not read it")
        self.machine = machine
        machine.forget()
        seen: list[Seen] = []
        for step, event in zip(script.steps, ready.events, strict=True):
            outcome = machine.feed(event, given=script.given, score=step.score)
            seen.append(Seen(event, _verdict(outcome), outcome, step.score))
        return seen

    def _machine(self, trusted: bool, overridden: bool) -> InProcess:
        found = self._machines.get((trusted, overridden))
        if found is None:
            one = alone(self.ruleset, self.rule, trusted, overridden)
            like = self._like
            found = InProcess(one) if like is None else _judging(like._machine(trusted, overridden), one, like.rule.events)
            self._machines[trusted, overridden] = found
        return found

    def _judge(self, expected: Expected, seen: Sequence[Seen], case: Case) -> tuple[int, str | None]:
        """Index of the event in question, and what is wrong (None: nothing)."""
        last = len(seen) - 1
        fired = [number for number, each in enumerate(seen, 1) if each.verdict == FIRES]
        if expected.silent_all:
            for index, each in enumerate(seen):
                if each.verdict in (FIRES, UNKNOWN):
                    return index, f"expected to stay silent at all events, at event {index + 1} {SEEN[each.verdict]}"
        if expected.fires_on is not None and tuple(fired) != expected.fires_on:
            differing = sorted(set(fired) ^ set(expected.fires_on))
            index = min(differing[0] - 1, last) if differing else last
            return index, f"expected to fire on {list(expected.fires_on)}, fired on {fired}"
        verdict = seen[last].verdict
        for word, wanted in expected.last:
            if (verdict == word) != wanted:
                return last, f"expected {'' if wanted else 'not '}{WANTED[word]}, {SEEN[verdict]}"
        return last, self._differs(expected, seen[last], case)

    def _differs(self, expected: Expected, seen: Seen, case: Case) -> str | None:
        """What the last event led to, against the details that a test names."""
        outcome = seen.outcome
        ruling = outcome.ruling if outcome is not None else None
        facets = (
            ("action", expected.action, ruling and ruling.action),
            ("score", expected.score, ruling and ruling.score),
            ("reasons", expected.reasons, self.rule.reasons if outcome and self._acts(outcome) else ()),
            ("obligations", expected.obligations, tuple(str(each["do"]) for each in ruling.obligations) if ruling else ()),
            ("report", expected.reports, tuple(str(each["kind"]) for each in ruling.reports) if ruling else ()),
        )
        if outcome is None:
            asked = bool(expected.values) or any(wanted is not None for _, wanted, _ in facets)
            return "the last event wants no decision, so nothing can be expected of it" if asked else None
        for what, wanted, got in facets:
            if wanted is not None and wanted != got:
                return f"expected {what} {_said(wanted)}, got {_said(got)} (fired: {_said(tuple(outcome.fired_names), 'nothing')})"
        for name, text in expected.values.items():
            kind, got = self._value(name, outcome, case)
            if (text == "unknown" and got is not None) or not _equal(value_as(text, kind, case.place), got):
                return f"expected {name} = {text}, got {shown(got, kind)}"
        return None

    def _acts(self, outcome: Outcome) -> bool:
        """The rule fired, or acts by `on_missing`, and no trust rule beside it cleared it."""
        beside = any(name == TRUSTED for name in outcome.ruling.overridden_by)
        return 0 in outcome.ruling.acting and (self.rule.final or not beside)

    def _value(self, name: str, outcome: Outcome, case: Case) -> tuple[FieldType, Any]:
        """Type and value of a feature that the rule read, or of the model's score."""
        if name == SCORE:
            return FieldType("number"), outcome.model_score
        if name not in outcome.names:
            raise CaseError(case.place, f"`{name}` is not read by the rule at the last event")
        return self.ruleset.features[name].type, outcome.values[outcome.names.index(name)]

    def _terms(self, seen: Seen) -> tuple[tuple[str, str, str], ...]:
        judge = self.machine.engine.plans[seen.event.event_type].judge
        if judge is None or seen.outcome is None or not judge.rules:
            return ()
        answers = {True: "yes", False: "no ", None: "?  "}
        return tuple(
            (answers[term.result], term.text, ", ".join(f"{name} = {value}" for name, value in term.values))
            for term in judge.terms(0, seen.event, seen.outcome.values, seen.score)
        )


def _judging(machine: InProcess, ruleset: RuleSet, events: Sequence[str]) -> InProcess:
    """The same machine with other conditions: the layout of its profiles stays, the plans of these events are made anew."""
    made = copy.copy(machine)
    made.engine = engine = copy.copy(machine.engine)
    engine.ruleset = ruleset
    engine.plans = {**engine.plans, **{event: Plan(ruleset, engine.layout, event) for event in events}}
    made.forget()
    return made


def _verdict(outcome: Outcome | None) -> str:
    if outcome is None or not outcome.rules:
        return ELSEWHERE
    if outcome.failed:
        return BROKE
    return FIRES if 0 in outcome.fired else UNKNOWN if 0 in outcome.unknown_rules else SILENT  # the rule itself always comes first


def _said(what: Any, nothing: str = "none") -> str:
    return (", ".join(what) or nothing) if isinstance(what, tuple) else str(what)


def _equal(wanted: Any, got: Any) -> bool:
    if wanted is None or got is None:
        return wanted is got or (wanted is None and got != got)  # `missing` also means that nothing ever happened
    return bool(wanted == got) or (wanted != wanted and got != got)


def shown(value: Any, kind: FieldType) -> str:
    """A value as tests write it."""
    if value is None:
        return "missing"
    if value != value:
        return "never"
    if kind.kind == "money":
        return render(kind.currency, round(value)) if kind.currency else str(value)
    if kind.kind == "duration":
        return duration_text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def duration_text(ms: Any) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if ms and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms / 1000}s"
