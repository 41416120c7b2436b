"""What a PromQL expression asks for: metrics, the labels it matches and the labels it groups by.

Not a whole parser: it reads every word of an expression and knows which of them are functions, operators, labels or metrics. A word
or a character that it cannot place is an error, so that nothing is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "group", "stddev"}
FUNCTIONS = {"rate", "irate", "increase", "delta", "histogram_quantile", "clamp_min", "absent", "label_values"}
GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
OPERATORS = {"and", "or", "unless", "bool", "offset"}

TOKEN = re.compile(
    r"""\s+
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<range>\[(?:[0-9]+[smhdw]|\$__rate_interval|\$__range)\])
      | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<matcher>=~|!~|!=)
      | (?P<sign>==|<=|>=|[-+*/%^<>=(){},])
    """,
    re.VERBOSE,
)


class NotPromql(Exception):
    """The expression has a part that this reader does not know."""


@dataclass(frozen=True)
class Matcher:
    """``label`` ``op`` "value"."""

    label: str
    op: str
    value: str


@dataclass
class Selector:
    """One metric in an expression, with its matchers."""

    metric: str
    matchers: list[Matcher] = field(default_factory=list)
    ranged: bool = False


@dataclass
class Asked:
    """All that an expression asks for. ``grouped``: labels of by, on and the like."""

    selectors: list[Selector] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)


def tokens(expression: str) -> list[tuple[str, str]]:
    """(kind, text) of every token. Raises NotPromql."""
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if match is None:
            raise NotPromql(f"{expression[at : at + 20]!r} in {expression!r}")
        if match.lastgroup is not None:
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return found


def asked(expression: str) -> Asked:
    """Read an expression. Raises NotPromql."""
    result, parts = Asked(), tokens(expression)
    _check_brackets(expression, parts)
    i = 0
    while i < len(parts):
        kind, text = parts[i]
        following = parts[i + 1][1] if i + 1 < len(parts) else ""
        i += 1
        if kind == "range":
            if not result.selectors:
                raise NotPromql(f"a range without a metric in {expression!r}")
            result.selectors[-1].ranged = True
        elif kind == "word" and text in GROUPINGS:
            i = _labels(parts, i, result.grouped)
        elif kind == "word" and text in AGGREGATIONS | FUNCTIONS:
            if following not in ("(", "by", "without"):
                raise NotPromql(f"`{text}` without brackets in {expression!r}")
        elif kind == "word" and text not in OPERATORS:
            if following == "(":
                raise NotPromql(f"unknown function `{text}` in {expression!r}")
            result.selectors.append(Selector(text))
            if following == "{":
                i = _matchers(parts, i, result.selectors[-1], expression)
        elif kind in ("text", "matcher") or text in "{}":
            raise NotPromql(f"{text} stands nowhere in {expression!r}")
    return result


def _labels(parts: list[tuple[str, str]], i: int, into: set[str]) -> int:
    """`(a, b)` from i on; nothing where group_left has no labels."""
    if i >= len(parts) or parts[i][1] != "(":
        return i
    while parts[i][1] != ")":
        if parts[i][0] == "word":
            into.add(parts[i][1])
        i += 1
    return i + 1


def _matchers(parts: list[tuple[str, str]], i: int, selector: Selector, expression: str) -> int:
    i += 1
    while parts[i][1] != "}":
        label, op, value = [*parts[i : i + 3], ("", ""), ("", "")][:3]
        if label[0] != "word" or op[1] not in ("=", "!=", "=~", "!~") or value[0] != "text":
            raise NotPromql(f"a matcher of `{selector.metric}` is not label, operator and text in {expression!r}")
        selector.matchers.append(Matcher(label[1], op[1], value[1][1:-1]))
        i += 3
        if parts[i][1] == ",":
            i += 1
    return i + 1


def _check_brackets(expression: str, parts: list[tuple[str, str]]) -> None:
    closing, waiting = {"(": ")", "{": "}"}, []
    for _, text in parts:
        if text in closing:
            waiting.append(closing[text])
        elif text in (")", "}") and (not waiting or waiting.pop() != text):
            raise NotPromql(f"brackets do not match in {expression!r}")
    if waiting:
        raise NotPromql(f"brackets do not match in {expression!r}")
