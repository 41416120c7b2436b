"""Receipts executed again: the same rule set and model version on the values that stand on a receipt must give the same receipt.

Rule 1: what is compared is everything that the engine made, byte for byte; what it was given (event, values, times, source) is input.
Rule 2: a receipt of another rule set is never compared: it would differ, and that would say nothing.
Never here: reading files, printing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from risk import control
from risk.engine import GAVE_UP, Engine
from risk.events import BadEvent
from risk.language import RuleSet
from risk.learning import Version
from risk.lists import Entry
from risk.profiles import DOUBTS
from risk.tools.messages import (
    Message,
    Numbered,
    decoded,
    is_receipt,
    late_touches_of,
    model_version_of,
    payment_id_of,
    score_of,
    values_of,
    withheld_of,
)

GIVEN = frozenset({"event", "ruleset", "values", "bounds", "late", "source", "received_at", "decided_at"})
"""Parts of a receipt that the engine was given, or that say when and where it was made."""

SAME, DIFFERS, OTHER_RULESET, OTHER_LIST = "same", "differs", "other rule set", "other list"
NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One receipt executed again. ``differences``: (part, on the receipt, executed again) as JSON text; ``missing``: the state of a list
    that is not at hand.
    """

    line: int
    payment_id: str
    verdict: str
    differences: tuple[tuple[str, str, str], ...] = ()
    scored: bool = True
    missing: str = ""


@dataclass(slots=True)
class Summary:
    """What a replay found. ``other_rulesets``: receipts by the hash they name; ``other_lists``: by list and version that is not at
    hand; ``own_score``: by the model version that was not at hand.
    """

    replayed: int = 0
    differing: list[Replayed] = field(default_factory=list)
    differ: int = 0
    other_rulesets: Counter[str] = field(default_factory=Counter)
    other_lists: Counter[str] = field(default_factory=Counter)
    own_score: Counter[str] = field(default_factory=Counter)

    def add(self, found: Replayed, receipt: Message, keep: int) -> None:
        """One more receipt; of those that differ the first ``keep`` are kept."""
        if found.verdict == OTHER_RULESET:
            self.other_rulesets[str(receipt.get("ruleset"))] += 1
            return
        if found.verdict == OTHER_LIST:
            self.other_lists[found.missing] += 1
            return
        self.replayed += 1
        if not found.scored:
            self.own_score[str(model_version_of(receipt))] += 1
        if found.verdict == DIFFERS:
            self.differ += 1
            if len(self.differing) < keep:
                self.differing.append(found)

    def line(self) -> str:
        return f"replayed {self.replayed:,} receipt{'' if self.replayed == 1 else 's'}, {self.differ:,} differ"


class NoReceipt(ValueError):
    """A message that is no receipt; says which line."""


class Replay:
    """Executes receipts of one rule set again. ``versions``: the model versions at hand; ``entries``: what was changed on lists."""

    def __init__(self, ruleset: RuleSet, versions: Iterable[Version] = (), entries: Iterable[Entry] = ()) -> None:
        self.ruleset = ruleset
        self._entries: dict[str, list[Entry]] = {name: [] for name in ruleset.live_lists}
        for entry in entries:
            self._entries[entry.name].append(entry)
        self._states = {name: live.versions(self._entries[name]) for name, live in ruleset.live_lists.items()}
        self.versions: Mapping[str, Version] = {version.hash: version for version in versions}
        self.engine = Engine(ruleset)

    def run(self, receipts: Iterable[Numbered], keep: int) -> Summary:
        """All receipts; the first ``keep`` that differ are kept. Raises NoReceipt."""
        summary = Summary()
        for numbered in receipts:
            summary.add(self.one(numbered), numbered.message, keep)
        return summary

    def one(self, numbered: Numbered) -> Replayed:
        """One receipt. Raises NoReceipt."""
        receipt = numbered.message
        if not is_receipt(receipt):
            raise NoReceipt(f"line {numbered.line} is no receipt: it has no `event` and `ruleset`; decisions and events cannot be replayed")
        payment_id = payment_id_of(receipt) or "?"
        if receipt["ruleset"] != self.ruleset.hash:
            return Replayed(numbered.line, payment_id, OTHER_RULESET)
        missing = self._missing_list(receipt)
        if missing is not None:
            return Replayed(numbered.line, payment_id, OTHER_LIST, missing=missing)
        self._set_lists(receipt)
        version = self.versions.get(model_version_of(receipt) or "")
        scored = version is not None or model_version_of(receipt) is None
        try:
            again = self._again(receipt, version)
        except BadEvent as refused:
            difference = ("event", NOTHING, f"cannot be read: {refused.reason}, {refused.detail}")
            return Replayed(numbered.line, payment_id, DIFFERS, (difference,), scored)
        differences = tuple(_differences(receipt, again))
        return Replayed(numbered.line, payment_id, DIFFERS if differences else SAME, differences, scored)

    def _missing_list(self, receipt: Message) -> str | None:
        """A list that stood as no changes at hand tell: its name and version."""
        named = receipt.get("lists")
        for name, states in self._states.items():
            wanted = named.get(name) if isinstance(named, dict) else None
            if wanted not in states:
                return f"{name} {wanted}"
        return None

    def _set_lists(self, receipt: Message) -> None:
        """The lists as they were when it was decided."""
        changed = False
        for name, live in self.ruleset.live_lists.items():
            wanted = receipt["lists"][name]
            if live.version != wanted:
                live.stand_at(self._entries[name], self._states[name][wanted])
                changed = True
        if changed:
            self.engine.lists_changed()

    def _again(self, receipt: Message, version: Version | None) -> Message:
        """The receipt as the engine makes it from the event and the values. Raises BadEvent."""
        event: Any = decoded(self.engine.schema, receipt["event"])  # its fields are the schema's
        plan = self.engine.plans[event.event_type]
        if not plan.decide:
            raise BadEvent("unknown_event", f"event: {event.event_type} is never decided")
        if self.engine.version is not version:
            self.engine.use(version)
        given = score_of(receipt) if version is None else None
        values = values_of(plan, receipt)
        if GAVE_UP in (receipt.get("unknown") or {}).values():
            outcome = self.engine.give_up(plan, event)
        else:
            DOUBTS.withheld.update(withheld_of(receipt))
            outcome = self.engine.decide(plan, event, values, late_touches_of(plan, receipt), given)
        mildest = self.ruleset.policy.actions[0]
        control.again(outcome, mildest, receipt.get("control"))
        top: Sequence[Any] = ()
        if version is None:
            top = _own(receipt, "top") or ()
        elif outcome.inputs is not None and outcome.action != mildest:
            top = version.top(outcome.inputs)
        raw = self.engine.writer.receipt(
            event.payment_id,
            orjson.dumps(receipt["event"]),
            outcome,
            ("", 0, 0),
            0,
            0,
            late=False,
            model_version=model_version_of(receipt) if version is None else version.hash,
            top=top,
        )
        made: Message = orjson.loads(raw)
        missing = [name for name in plan.names if name not in (receipt.get("values") or {})]
        if missing:
            made["values that the rules read"] = missing
        return made


def _own(receipt: Message, key: str) -> Any:
    model = receipt.get("model")
    return model.get(key) if isinstance(model, dict) else None


def _differences(receipt: Message, again: Message) -> Iterable[tuple[str, str, str]]:
    for part in dict.fromkeys((*receipt, *again)):
        if part not in GIVEN:
            yield from _compare(part, receipt.get(part), again.get(part))


def _compare(part: str, held: Any, made: Any) -> Iterable[tuple[str, str, str]]:
    """Byte for byte: 1 is not 1.0, and 0.0 is not -0.0. Mappings part by part, so that one can see what differs."""
    if isinstance(held, dict) and isinstance(made, dict):
        for key in dict.fromkeys((*held, *made)):
            yield from _compare(f"{part}.{key}", held.get(key), made.get(key))
    elif _text(held) != _text(made):
        if isinstance(held, list) and isinstance(made, list) and len(held) == len(made):
            for i, (one, other) in enumerate(zip(held, made, strict=True)):
                yield from _compare(f"{part}[{i}]", one, other)
        else:
            yield part, _short(held), _short(made)


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _short(value: Any) -> str:
    """Rules by their names, other parts as JSON."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "rule" in each for each in value):
        return ", ".join(str(each["rule"]) for each in value)
    return NOTHING if value is None else _text(value)
