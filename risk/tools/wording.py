"""What a rule set declares, said in words: types, windows, features, what a rule does.

Belongs here: words that more than one tool uses. Never: layout, HTML, places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from risk.declared import Feature, FieldType, Rule, Window
from risk.language.render import duration, render_value

KINDS = {
    "text": "text",
    "texts": "several texts",
    "int": "whole number",
    "number": "number",
    "bool": "yes or no",
    "time": "time",
    "duration": "duration",
    "country": "country",
}
AGGREGATES = {
    "sum": "sum of {field}",
    "avg": "average {field}",
    "min": "smallest {field}",
    "max": "largest {field}",
    "p95": "{field} that 95% stay under",
    "distinct": "number of different {field}",
    "last": "last {field}",
}


def type_words(kind: FieldType) -> str:
    """`money CNY`, `card id`, `approved | declined`."""
    match kind.kind:
        case "id":
            return f"{kind.entity} id"
        case "enum":
            return " | ".join(kind.values)
        case "money":
            return f"money {kind.currency}" if kind.currency else "money of the event's currency"
    return KINDS[kind.kind]


def window_words(window: Window, ending_ms: int = 0) -> str:
    """`in the last 24 hours`, `since the start of the day in Asia/Shanghai`, `ever`."""
    ending = f", up to {long_duration(ending_ms)} before" if ending_ms else ""
    match window.kind:
        case "lifetime":
            return "ever" + ending
        case "calendar":
            return f"since the start of the {window.unit} in {window.zone}" + ending
    return f"in the last {long_duration(window.length_ms).removeprefix('1 ')}" + ending


def long_duration(ms: int) -> str:
    """`10 minutes`, `24 hours`, `90 days`."""
    for size, name in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")):
        if ms % size == 0 and (ms > size or name == "second" or ms == size):
            count = ms // size
            return f"{24 * count} hours" if (name, count) == ("day", 1) else f"{count} {name}{'' if count == 1 else 's'}"
    return duration(ms)


def feature_words(feature: Feature) -> str:
    """What a feature answers, as a sentence without a full stop."""
    events = joined([f"`{name}`" for name in feature.of])
    keys = joined([f"`{name}`" for name in feature.per], "and")
    where = f" where `{feature.where}`" if feature.where else ""
    of = f"{events}{where} with the same {keys}"
    match feature.agg:
        case "count":
            said = f"number of {of} {window_words(feature.window, feature.ending_ms)}"
        case "since_last":
            said = f"time since the last {of}"
        case "since_first":
            said = f"time since the first {of}"
        case _:
            what = AGGREGATES[feature.agg].format(field=f"`{feature.field}`")
            said = f"{what} of {of} {window_words(feature.window, feature.ending_ms)}"
    return "; ".join([said, *_conditions(feature)])


def _conditions(feature: Feature) -> list[str]:
    said = []
    if feature.read_with != feature.per:
        said.append(f"found by the deciding event's {joined([f'`{name}`' for name in feature.read_with], 'and')}")
    if feature.with_current:
        said.append("the event that is decided counts too")
    if feature.counts == "passed":
        said.append("only payments that were not refused, declined or taken back")
    if feature.has_if_none:
        said.append(f"{value_words(feature.if_none, feature.type)} where there is none")
    return said


def value_words(value: Any, kind: FieldType) -> str:
    return render_value(value, kind)


def does_words(rule: Rule) -> str:
    """`block, 60 points`: what a rule does when it fires."""
    said = [rule.then] if rule.then else []
    if rule.unless_possible:
        said.append(f"{rule.unless_possible} where that is not possible")
    if rule.score:
        said.append(f"{rule.score} points")
    if rule.trust:
        said.append("trusts: clears the band and rules that are not final")
    said += [obligation_words(each) for each in rule.obligations]
    if rule.report:
        said.append(f"report {rule.report}")
    return ", ".join(said) or "nothing"


def obligation_words(obligation: Mapping[str, Any]) -> str:
    """`DELAY_SETTLEMENT (hours 24)`."""
    more = ", ".join(f"{key} {value}" for key, value in obligation.items() if key != "do")
    return f"{obligation['do']} ({more})" if more else str(obligation["do"])


def joined(words: Sequence[str], last: str = "or") -> str:
    """`a, b or c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`, `2 entries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{number:,} {noun}s"
