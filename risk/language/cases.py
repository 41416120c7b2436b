"""Tests in rule files, made ready to run: a sequence of events with their times, and what is expected of the rule.

Rule 1: from a test as written to plain values; nothing is run here (`risk.cases` does).
Rule 2: the clock of a test is its own: it starts at `START_MS` and moves only by `at`, `after` and `every`.

An item of `events:` stands for ``repeat`` events. `at` sets the clock before its first event, `after` moves it there; `every` moves
it before each of the others, and before the first too where neither is given (but not before the very first event of a test).
`{n}` counts an item's events from 1, in every field, in `model.score` and in `every`. What is left out comes from the example of the
event type; ids in it are made anew for every test, the same throughout one test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from risk.declared import NEVER, EventType, Field, FieldType, Place, Rule
from risk.language.condition import Fault, literal
from risk.language.ruleset import Case, RuleSet
from risk.language.sections.events import read_value
from risk.language.sections.keys import duration_ms, moment_ms
from risk.language.source import Block, Items, Node, Problems, Scalar
from risk.language.values import Ago

START_MS = 1_799_035_200_000
"""2027-01-04T04:00:00Z, noon of a Monday in Shanghai."""

STEPS_MAX = 20_000
CLOCK_KEYS = ("event", "repeat", "every", "after", "at")
SCORE = "model.score"


class CaseError(Exception):
    """A test that cannot be run as it is written."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a test; ``values`` by field name, in the units of events."""

    event: str
    values: Mapping[str, Any]
    score: float | None
    place: Place


@dataclass(frozen=True, slots=True)
class Expected:
    """What a test says. ``last``: of the last event, (verdict, is it that?); ``fires_on``: the events that fire, from 1, all of them."""

    last: tuple[tuple[str, bool], ...] = ()
    silent_all: bool = False
    fires_on: tuple[int, ...] | None = None
    action: str | None = None
    score: int | None = None
    reasons: tuple[str, ...] | None = None
    obligations: tuple[str, ...] | None = None
    reports: tuple[str, ...] | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """A test ready to run. ``given``: values of features, the same at every event (the model's score is on the steps).

    ``trusted``: a trust rule fires at every event too; ``overridden``: the rule's overrides hold.
    """

    steps: tuple[Step, ...]
    given: Mapping[str, Any]
    expected: Expected
    trusted: bool = False
    overridden: bool = False


def script_of(ruleset: RuleSet, rule: Rule, case: Case, number: int) -> Script:
    """``number`` tells this test's ids from those of other tests. Raises CaseError."""
    given: dict[str, Any] = {}
    score: float | None = None
    for key, node in case.given or ():
        if key.text == SCORE:
            score = _score(node)
            continue
        feature = ruleset.features.get(key.text)
        if feature is None or not isinstance(node, Scalar):
            raise CaseError(key.place, f"`{key.text}` is not a feature that can be given")
        given[key.text] = value_as(node.text, feature.type, node.place)
    trusted, overridden = (isinstance(case.node, Block) and _text(case.node, key) == "true" for key in ("trusted", "overridden"))
    return Script(tuple(_Sequence(ruleset, rule, number, score).steps(case)), given, _expected(case), trusted, overridden)


def value_as(text: str, kind: FieldType, place: Place) -> Any:
    """A value of a feature or a field as tests write it; `missing` and `unknown` are one, `never` says that nothing ever happened."""
    if text in ("missing", "unknown", "never"):
        return NEVER if text == "never" else None
    found = literal(text, kind)
    if isinstance(found, Fault):
        raise CaseError(place, found.message)
    return found[0]


class _Sequence:
    """Turns the items of one test into its events, in order."""

    def __init__(self, ruleset: RuleSet, rule: Rule, number: int, score: float | None) -> None:
        self.types = ruleset.schema.types
        self.usual = next((name for name in rule.events if self.types[name].default), rule.events[0])
        self.number = number
        self.score = score
        self.clock_ms = START_MS
        self.made = 0

    def steps(self, case: Case) -> list[Step]:
        found: list[Step] = []
        if isinstance(case.node, Block) and (start := _text(case.node, "at")) is not None:
            self.clock_ms = _moment(case.node, start)
        for item in case.events:
            name = _text(item, "event") or self.usual
            if name not in self.types:
                raise CaseError(item.place, f"unknown event `{name}`")
            repeat = int(_text(item, "repeat") or 1)
            if self.made + repeat > STEPS_MAX:
                raise CaseError(item.place, f"a test has at most {STEPS_MAX} events")
            for n in range(1, repeat + 1):
                self._tick(item, n)
                found.append(self._step(item, self.types[name], n))
        return found

    def _tick(self, item: Block, n: int) -> None:
        at, after = _text(item, "at"), _text(item, "after")
        if n == 1 and at is not None:
            self.clock_ms = _moment(item, at)
        elif n == 1 and after is not None:
            self.clock_ms += _duration(item, after)
        elif self.made:
            self.clock_ms += _duration(item, (_text(item, "every") or "0s").replace("{n}", str(n)))
        self.made += 1

    def _step(self, item: Block, kind: EventType, n: int) -> Step:
        values: dict[str, Any] = {name: self._fresh(kind.fields[name], value) for name, value in kind.example.items()}
        if kind.decide:
            values["payment_id"] = f"pay_t{self.number}_{self.made}"
        values["occurred_at"] = self.clock_ms
        score = self.score
        for key, node in item:
            if key.text == SCORE:
                score = _score(_numbered(node, n))
            elif key.text not in CLOCK_KEYS:
                values[key.text] = _read(kind, key, _numbered(node, n))
        for name, value in values.items():
            if isinstance(value, Ago):
                values[name] = self.clock_ms - value.ms
        moment = kind.fields["occurred_at"].path
        for other in kind.fields.values():
            if other.path == moment and values.get(other.name) is not None and other.name != "occurred_at":
                values["occurred_at"] = values[other.name]  # two fields of one place in the JSON: a label occurs when it becomes known
        return Step(kind.name, {name: value for name, value in values.items() if value is not None}, score, item.place)

    def _fresh(self, field: Field, value: Any) -> Any:
        return f"{value}_t{self.number}" if field.type.kind == "id" else value


def _read(kind: EventType, key: Scalar, node: Node) -> Any:
    found = kind.fields.get(key.text)
    if found is None:
        raise CaseError(key.place, f"`{key.text}` is not a field of event `{kind.name}`")
    problems = Problems()
    value = read_value(found, node, problems)
    if problems.found:
        raise CaseError(key.place, problems.found[0].message)
    return value


def _numbered(node: Node, n: int) -> Node:
    if isinstance(node, Scalar):
        return replace(node, text=node.text.replace("{n}", str(n))) if "{n}" in node.text else node
    if isinstance(node, Items):
        return replace(node, items=tuple(_numbered(item, n) for item in node.items))
    return node


def _score(node: Node) -> float | None:
    if not isinstance(node, Scalar):
        raise CaseError(node.place, "the model's score is one number")
    score = value_as(node.text, FieldType("number"), node.place)
    return None if score is None else float(score)


def _text(block: Block, key: str) -> str | None:
    node = block.get(key)
    return node.text.strip() if isinstance(node, Scalar) else None


def _moment(item: Block, text: str) -> int:
    found = moment_ms(text)
    if found is None:
        raise CaseError(item.place, f"`{text}` is not a time")
    return found


def _duration(item: Block, text: str) -> int:
    """Milliseconds; `-1s` goes back, for events that are stamped earlier than they arrive."""
    found = duration_ms(text.removeprefix("-"))
    if found is None:
        raise CaseError(item.place, f"`{text}` is not a duration")
    return -found if text.startswith("-") else found


def _expected(case: Case) -> Expected:
    said = case.expect
    if isinstance(said, Scalar):
        return Expected(silent_all=True) if said.text == "silent_all" else Expected(last=((said.text, True),))
    answers = ((word, _text(said, word)) for word in ("fires", "silent", "unknown"))
    last = tuple((word, answer == "true") for word, answer in answers if answer is not None)
    fires_on, values, score = said.get("fires_on"), said.get("values"), _text(said, "score")
    return Expected(
        last=last,
        silent_all=_text(said, "silent_all") == "true",
        fires_on=None if fires_on is None else tuple(int(text) for text in _texts(fires_on)),
        action=_text(said, "action"),
        score=None if score is None else int(score),
        reasons=_words(said, "reasons"),
        obligations=_words(said, "obligations"),
        reports=_words(said, "report"),
        values={key.text: node.text.strip() for key, node in values if isinstance(node, Scalar)} if isinstance(values, Block) else {},
    )


def _words(said: Block, key: str) -> tuple[str, ...] | None:
    node = said.get(key)
    return None if node is None else tuple(_texts(node))


def _texts(node: Node) -> list[str]:
    nodes = node.items if isinstance(node, Items) else (node,)
    return [each.text.strip() for each in nodes if isinstance(each, Scalar)]
