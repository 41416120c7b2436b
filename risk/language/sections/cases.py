"""The `tests` of a rule: shape, names and values checked, the text kept for `risk.language.cases`, which runs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from risk.declared import EventType, Feature, Field, FieldType
from risk.language.condition import Fault, literal
from risk.language.conditions import SCORE
from risk.language.problems import did_you_mean, one_of
from risk.language.ruleset import Case
from risk.language.sections.derive import NOT_SENT
from risk.language.sections.events import read_value
from risk.language.sections.keys import Keys, as_block, duration_ms, moment_ms
from risk.language.sections.policy import check_action
from risk.language.sections.rules import RuleDraft
from risk.language.source import Block, Items, Node, Problems, Scalar
from risk.language.values import described

CASE_KEYS = ("it", "events", "given", "expect", "todo", "at", "trusted", "overridden")
STEP_KEYS = ("event", "repeat", "every", "after", "at")
EXPECT_WORDS = ("fires", "silent", "unknown", "silent_all")
EXPECT_KEYS = (*EXPECT_WORDS, "fires_on", "action", "score", "reasons", "values", "obligations", "report")
REPEAT_MAX = 10_000
NO_VALUE = ("missing", "never", "unknown")


def read_cases(
    draft: RuleDraft, types: Mapping[str, EventType], features: Mapping[str, Feature], actions: tuple[str, ...], problems: Problems
) -> tuple[Case, ...]:
    node = draft.block.get("tests")
    if node is None or not draft.rule.events:
        return ()
    if not isinstance(node, Items):
        problems.error("E005", node, "`tests` is a list", "start each test with `- it: WHAT IT SHOWS`")
        return ()
    reading = _CaseReading(draft, types, features, actions, problems)
    return tuple(case for item in node.items if (case := reading.case(item)) is not None)


def fires(case: Case) -> bool:
    """Whether the test shows the rule firing."""
    return _expects(case, "fires") or (isinstance(case.expect, Block) and _some(case.expect.get("fires_on")))


def stays_silent(case: Case) -> bool:
    """Whether the test shows the rule not firing."""
    return (
        _expects(case, "silent") or _expects(case, "silent_all") or (isinstance(case.expect, Block) and _none(case.expect.get("fires_on")))
    )


def _expects(case: Case, word: str) -> bool:
    if isinstance(case.expect, Scalar):
        return case.expect.text == word
    said = case.expect.get(word)
    return isinstance(said, Scalar) and said.text == "true"


def _some(node: Node | None) -> bool:
    return isinstance(node, Scalar) or (isinstance(node, Items) and bool(node.items))


def _none(node: Node | None) -> bool:
    return isinstance(node, Items) and not node.items


def _first(key: Scalar, value: Scalar) -> str:
    """How long before the first repetition; `after` is said once, so it counts none."""
    return value.text.replace("{n}", "1") if key.text == "every" else value.text


class _CaseReading:
    """Reads the tests of one rule."""

    def __init__(
        self,
        draft: RuleDraft,
        types: Mapping[str, EventType],
        features: Mapping[str, Feature],
        actions: tuple[str, ...],
        problems: Problems,
    ) -> None:
        self.draft, self.types, self.features, self.actions, self.problems = draft, types, features, actions, problems
        events = draft.rule.events
        self.usual = next((name for name in events if types[name].default), events[0])

    def case(self, node: Node) -> Case | None:
        block = as_block(node, "a test", self.problems)
        if block is None:
            return None
        keys = Keys(block, "a test", CASE_KEYS, self.problems)
        if not keys.require("it", "events", "expect", at=block, hint="a test has `it: WHAT IT SHOWS`, `events:` and `expect:`"):
            return None
        events = self._events(keys)
        given = keys.mapping("given")
        for key, value in given or ():
            self._given(key, value)
        expect = keys.node("expect")
        if isinstance(expect, Items) or expect is None:
            self.problems.error("E425", block.key("expect"), f"`expect` is {one_of(EXPECT_WORDS)}, or a mapping")
            return None
        self._expect(expect)
        keys.flag("trusted")
        keys.flag("overridden")
        at = keys.scalar("at")
        if at is not None and moment_ms(at.text) is None:
            self.problems.error("E423", at, f"`at` is a time such as `2027-01-04T04:00:00Z`, not `{at.text}`")
        return Case(keys.text("it") or "", events, given, expect, keys.text("todo"), block.place, block)

    def _events(self, keys: Keys) -> tuple[Block, ...]:
        node = keys.node("events")
        if not isinstance(node, Items) or not node.items:
            self.problems.error(
                "E005", keys.block.key("events"), "`events` is a list with at least one event", "write `events: [{amount: CNY 1.00}]`"
            )
            return ()
        blocks = [block for item in node.items if (block := as_block(item, "an event of a test", self.problems)) is not None]
        for block in blocks:
            self._event(block)
        names = {self._name_of(block) for block in blocks}
        if names and names <= self.types.keys() and not names & set(self.draft.rule.events):
            self.problems.error(
                "E424",
                blocks[-1],
                f"no event of this test is one that rule `{self.draft.rule.name}` looks at",
                f"it looks at {', '.join(self.draft.rule.events)}",
            )
        return tuple(blocks)

    def _name_of(self, block: Block) -> str:
        event = block.get("event")
        return event.text if isinstance(event, Scalar) else self.usual

    def _event(self, block: Block) -> None:
        name = self._name_of(block)
        if name not in self.types:
            at = block.get("event") or block
            self.problems.error("E226", at, f"unknown event `{name}`", did_you_mean(name, self.types))
            return
        fields = self.types[name].fields
        for key, value in block:
            if key.text in STEP_KEYS:
                self._step(key, value)
            elif key.text == SCORE:
                counted = self._counted(value)
                if counted is not None:
                    self._number(key, counted)
            elif key.text in fields and fields[key.text].derived is not None:
                self.problems.error("E420", key, f"`{key.text}` is derived, so a test cannot set it", NOT_SENT)
            elif key.text in fields:
                self._field(fields[key.text], value)
            else:
                hint = did_you_mean(key.text, (*fields, *STEP_KEYS, SCORE))
                self.problems.error("E420", key, f"event `{name}` has no field `{key.text}`", hint)

    def _field(self, field: Field, value: Node) -> None:
        """Check the value that a test writes; `{n}` counts the repetitions."""
        counted = self._counted(value)
        if counted is None:
            return
        if isinstance(value, Scalar) and value.text == "missing":
            if not field.optional:
                self.problems.error("E422", value, f"`{field.name}` is never missing: an event without it is a dead letter")
            return
        read_value(field, counted, self.problems)

    def _counted(self, value: Node) -> Node | None:
        """The value of the first repetition; None where something else stands in brackets, which is told."""
        if isinstance(value, Items):
            items = [self._counted(item) for item in value.items]
            return None if None in items else replace(value, items=tuple(item for item in items if item is not None))
        if not isinstance(value, Scalar) or "{" not in value.text:
            return value
        rest = value.text.replace("{n}", "1")
        if "{" in rest:
            self.problems.error("E422", value, "only `{n}`, the number of the repetition, can stand in brackets")
            return None
        return replace(value, text=rest)

    def _step(self, key: Scalar, value: Node) -> None:
        if not isinstance(value, Scalar):
            self.problems.error("E005", value, f"`{key.text}` is one value")
        elif key.text == "repeat" and not (re.fullmatch(r"\d{1,6}", value.text) and 1 <= int(value.text) <= REPEAT_MAX):
            self.problems.error("E423", value, f"`repeat` is a whole number from 1 to {REPEAT_MAX}, not `{value.text}`")
        elif key.text in ("every", "after") and duration_ms(_first(key, value).removeprefix("-")) is None:
            unit = f"write `{value.text}s`, `{value.text}m` or `{value.text}h`" if value.text.isdigit() else None
            self.problems.error("E423", value, f"`{key.text}` is a duration such as `10m`, not `{value.text}`", unit)
        elif key.text == "at" and moment_ms(value.text) is None:
            self.problems.error("E423", value, f"`at` is a time with its zone such as `2027-01-04T04:00:00Z`, not `{value.text}`")

    def _given(self, key: Scalar, value: Node) -> None:
        if key.text == SCORE:
            self._number(key, value)
        elif key.text not in self.features:
            self.problems.error(
                "E421",
                key,
                f"`{key.text}` is not a feature",
                did_you_mean(key.text, (*self.features, SCORE)) or "`given` sets features; fields are set in `events`",
            )
        else:
            self._typed(key, value, self.features[key.text].type)

    def _number(self, key: Scalar, value: Node) -> None:
        self._typed(key, value, FieldType("number"))

    def _typed(self, key: Scalar, value: Node, kind: FieldType) -> None:
        if not isinstance(value, Scalar):
            self.problems.error("E005", value, f"`{key.text}` is one value")
            return
        found = literal(value.text, kind) if value.text not in NO_VALUE else None
        if isinstance(found, Fault):
            self.problems.error("E422", value, f"`{key.text}` is {described(kind)}, not `{value.text}`", found.hint)

    def _expect(self, expect: Scalar | Block) -> None:
        if isinstance(expect, Scalar):
            if expect.text not in EXPECT_WORDS:
                self.problems.error(
                    "E425", expect, f"a test expects {one_of(EXPECT_WORDS)}, not `{expect.text}`", did_you_mean(expect.text, EXPECT_WORDS)
                )
            return
        keys = Keys(expect, "`expect`", EXPECT_KEYS, self.problems)
        said = {word for word in EXPECT_WORDS if keys.flag(word)} - ({"silent"} if "silent_all" in keys else set())
        if len(said) > 1:
            both = " and ".join(f"`{word}`" for word in EXPECT_WORDS if word in said)
            self.problems.error("E425", expect, f"a test expects one of {one_of(EXPECT_WORDS)}, not {both} together")
        if not expect.entries:
            self.problems.error("E425", expect, "this test expects nothing", f"write {one_of(f'`{word}`' for word in EXPECT_WORDS)}")
        if "score" in keys:
            keys.whole("score", 0, 100)
        action = keys.scalar("action")
        if action is not None:
            check_action(action, self.actions, self.problems)
        for number in keys.scalars("fires_on"):
            if not re.fullmatch(r"[1-9]\d{0,5}", number.text):
                self.problems.error("E425", number, f"`fires_on` lists numbers of events, from 1, not `{number.text}`")
        for key, value in keys.mapping("values") or ():
            if key.text == SCORE or key.text not in self.features:
                if key.text != SCORE:
                    self.problems.error("E421", key, f"`{key.text}` is not a feature", did_you_mean(key.text, self.features))
            else:
                self._typed(key, value, self.features[key.text].type)
