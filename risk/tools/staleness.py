"""What has gone stale in a rule set: dates that passed, overrides about to end, names that nobody uses, rules that never fire.

Rule 1: the day is an argument; receipts are optional, and say more: which rules never fired, which never could be known.
Rule 2: a finding has a kind, a place, a sentence and what to do; a rule has one of each kind at most.
Never here: printing, files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from risk.declared import Place, Rule
from risk.engine import Engine
from risk.events import BadEvent
from risk.language import RuleSet
from risk.language.sections.keys import moment_ms
from risk.language.source import Block, Node, Scalar
from risk.tools.messages import Numbered, decoded, is_receipt, late_touches_of, score_of, values_of
from risk.tools.uses import Uses
from risk.tools.written import Written, written

REVIEW, OVERRIDE, LIST, UNUSED, DISABLED, ENDED, SILENT, UNKNOWN = (
    "review",
    "override",
    "list",
    "unused",
    "disabled",
    "ended",
    "never fired",
    "always unknown",
)
KINDS = (REVIEW, OVERRIDE, LIST, UNUSED, DISABLED, ENDED, SILENT, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Stale:
    """One finding. ``name``: of the rule, list or other thing; ``todo``: what to do; ``owner``: who."""

    kind: str
    name: str
    place: Place | None
    said: str
    todo: str
    owner: str = ""


@dataclass(slots=True)
class Looks:
    """What receipts tell of rules: how often each looked, fired (whatever its mode), was unknown; receipts of other rule sets."""

    receipts: int = 0
    others: int = 0
    looked: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


def stale(ruleset: RuleSet, today: date, soon_days: int, looks: Looks | None = None) -> list[Stale]:
    """All findings, by kind in the order of `KINDS`, then by place. ``soon_days``: so long before its end a date is near."""
    files = written(ruleset)
    found = [*_reviews(ruleset, files, today, soon_days), *_overrides(files, today, soon_days), *_entries(files, today, soon_days)]
    found += [*_unused(ruleset, files), *_out_of_use(ruleset, today), *(_by_receipts(ruleset, looks) if looks is not None else ())]
    return sorted(
        found, key=lambda each: (KINDS.index(each.kind), each.place.path if each.place else "", each.place.line if each.place else 0)
    )


def looks_of(ruleset: RuleSet, receipts: Iterable[Numbered]) -> Looks:
    """Judge each receipt of this rule set again by its values: receipts tell what acted, not what looked. Others are counted only."""
    engine, looks = Engine(ruleset), Looks()
    for numbered in receipts:
        receipt = numbered.message
        if not is_receipt(receipt) or receipt["ruleset"] != ruleset.hash:
            looks.others += 1
            continue
        try:
            event = decoded(ruleset.schema, receipt["event"])
        except BadEvent:
            looks.others += 1
            continue
        plan = engine.plans[event.event_type]
        outcome = engine.decide(plan, event, values_of(plan, receipt), late_touches_of(plan, receipt), score_of(receipt))
        looks.receipts += 1
        looks.looked.update(rule.name for rule in plan.rules)
        looks.fired.update(outcome.fired_names)
        looks.unknown.update(plan.rules[i].name for i in outcome.unknown_rules)
    return looks


def _reviews(ruleset: RuleSet, files: Written, today: date, soon_days: int) -> Iterator[Stale]:
    for name, rule in ruleset.rules.items():
        if rule.mode not in ("live", "shadow"):
            continue
        if rule.review_by is None:
            yield Stale(REVIEW, name, rule.place, f"rule `{name}` has no day of review", "give it `review_by:`", rule.owner)
        else:
            yield from _dated(REVIEW, name, rule.place, f"rule `{name}`", rule.review_by, today, soon_days, rule.owner)
    for name, entry in files.of("lists").items():
        review = entry.text("review_by")
        if review is not None:
            yield from _dated(REVIEW, name, entry.place, f"list `{name}`", review, today, soon_days, entry.text("owner") or "")


def _dated(kind: str, name: str, place: Place | None, what: str, by: str, today: date, soon_days: int, owner: str) -> Iterator[Stale]:
    day = _day(by)
    if day is None:
        return
    if day < today:
        yield Stale(
            kind, name, place, f"{what} was to be reviewed by {by}, {_days((today - day).days)} ago", "look at it and set a new day", owner
        )
    elif day <= today + timedelta(days=soon_days):
        yield Stale(
            kind, name, place, f"{what} is to be reviewed by {by}, in {_days((day - today).days)}", "look at it and set a new day", owner
        )


def _overrides(files: Written, today: date, soon_days: int) -> Iterator[Stale]:
    for node in files.overrides:
        said = {key.text: value.text.strip() for key, value in node if isinstance(value, Scalar)}
        day = _day(said.get("until", ""))
        what = f"the override of `{said.get('rule', '')}` for {said.get('for', '')}"
        if day is not None and day <= today:
            yield Stale(OVERRIDE, said.get("rule", ""), node.place, f"{what} ended on {said['until']}", "remove it", said.get("owner", ""))
        elif day is not None and day <= today + timedelta(days=soon_days):
            ends = f"{what} ends on {said['until']}, in {_days((day - today).days)}"
            yield Stale(OVERRIDE, said.get("rule", ""), node.place, ends, "let it end, or give it a later date", said.get("owner", ""))


def _entries(files: Written, today: date, soon_days: int) -> Iterator[Stale]:
    for name, entry in files.of("lists").items():
        for item in entry.items("values"):
            said = _texts(item)
            day = _day(said.get("until", ""))
            what = f"entry `{said.get('value', '')}` of list `{name}`"
            who = said.get("by", "") or entry.text("owner") or ""
            if day is not None and day <= today:
                yield Stale(LIST, name, item.place, f"{what} ended on {said['until']}", "remove it, or give it a later date", who)
            elif day is not None and day <= today + timedelta(days=soon_days):
                yield Stale(LIST, name, item.place, f"{what} ends on {said['until']}", "let it end, or give it a later date", who)
        if not entry.items("values") and entry.text("source") != "topic":
            yield Stale(LIST, name, entry.place, f"list `{name}` is empty", "fill it, or remove it", entry.text("owner") or "")


def _texts(node: Node) -> dict[str, str]:
    return {key.text: value.text.strip() for key, value in node if isinstance(value, Scalar)} if isinstance(node, Block) else {}


def _unused(ruleset: RuleSet, files: Written) -> Iterator[Stale]:
    """Names that no rule in use reads, neither itself nor through other names."""
    uses = Uses(ruleset, files)
    idle = {("rule", name) for name, rule in ruleset.rules.items() if rule.mode == "disabled"}
    alive = {user for user in uses.reads if user[0] in ("rule", "model", "override") and user not in idle}
    waiting = list(alive)
    while waiting:
        for read in uses.reads.get(waiting.pop(), ()):
            if read not in alive:
                alive.add(read)
                waiting.append(read)
    for section, kind in (("features", "feature"), ("lists", "list"), ("macros", "macro"), ("segments", "segment")):
        for name, entry in files.of(section).items():
            if (kind, name) not in alive:
                only = ", ".join(f"`{each}`" for _, each in uses.users.get((kind, name), ()))
                said = (
                    f"{kind} `{name}` is read only by {only}, which nothing in use reads" if only else f"{kind} `{name}` is read by nothing"
                )
                yield Stale(UNUSED, name, entry.place, said, "remove it", entry.text("owner") or "")


def _out_of_use(ruleset: RuleSet, today: date) -> Iterator[Stale]:
    now_ms = moment_ms(today.isoformat()) or 0
    for name, rule in ruleset.rules.items():
        if rule.mode == "disabled":
            yield Stale(DISABLED, name, rule.place, f"rule `{name}` is disabled", "remove it; its history keeps it", rule.owner)
        elif rule.mode != "draft" and rule.valid_until_ms is not None and rule.valid_until_ms <= now_ms:
            yield Stale(
                ENDED, name, rule.place, f"rule `{name}` is no longer valid", "remove it, or give it a later `valid_until`", rule.owner
            )


def _by_receipts(ruleset: RuleSet, looks: Looks) -> Iterator[Stale]:
    for name, rule in ruleset.rules.items():
        looked = looks.looked[name]
        if rule.mode not in ("live", "shadow") or not looked:
            continue
        if looks.unknown[name] == looked:
            said = f"{_head(rule)} was unknown at each of the {looked:,} payments it looked at"
            yield Stale(UNKNOWN, name, rule.place, said, "`risk explain` a receipt with --rule to see which value is missing", rule.owner)
        elif not looks.fired[name]:
            sometimes = f", unknown at {looks.unknown[name]:,}" if looks.unknown[name] else ""
            said = f"{_head(rule)} fired at none of the {looked:,} payments it looked at{sometimes}"
            yield Stale(SILENT, name, rule.place, said, "is the pattern rare, or the threshold out of reach?", rule.owner)


def _head(rule: Rule) -> str:
    return f"{rule.mode} rule `{rule.name}`"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count} days"


def as_data(found: Iterable[Stale]) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.kind,
            "name": each.name,
            "place": f"{each.place.path}:{each.place.line}" if each.place is not None else None,
            "said": each.said,
            "todo": each.todo,
            "owner": each.owner,
        }
        for each in found
    ]
