"""What is said of a text that is not a condition.

Rule 1: here are words and places only; a text is never changed or guessed at.
Rule 2: limits have names: they keep hostile files from costing more than they may.
"""

from __future__ import annotations

import re
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedInput

from risk.language import nodes
from risk.language.currencies import CURRENCIES
from risk.language.scope import Fault
from risk.language.suggest import closest

CONDITION_CHARACTERS_MAX = 4000
NESTING_MAX = 40
DIGITS_MAX = 18

_INSTEAD = {
    "&&": "and", "||": "or", "!": "not", "===": "==", "=>": ">=", "=<": "<=", "<>": "!=",
}  # fmt: skip
_CLOSING = {"LPAR": ("RPAR", ")"), "LSQB": ("RSQB", "]")}
_KEYWORDS = ("and", "or", "not", "in", "between", "is", "missing", "known", "true", "false")
_OPERATOR_TYPES = {"OR", "AND", "COMPARE", "PLUS", "MINUS", "STAR", "SLASH", "IN", "BETWEEN", "IS"}


class Refused(Exception):
    """The grammar fits, but what was written has no meaning; carries the fault out of the parser."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def unquoted(token: str) -> str:
    """The text between the quotes. ``\\"`` and ``\\\\`` are a quote and a backslash; any other backslash is just that."""
    return re.sub(r'\\(["\\])', r"\1", token[1:-1])


def length_fault(text: str) -> Fault | None:
    """E108 for a text that is too long to be looked at."""
    if len(text) <= CONDITION_CHARACTERS_MAX:
        return None
    return Fault(
        "E108",
        0,
        1,
        f"a condition has at most {CONDITION_CHARACTERS_MAX:,} characters; this one has {len(text):,}",
        "split it with macros, or put many values into a list",
    )


def depth_fault(node: nodes.Node) -> Fault | None:
    """E108 for a tree deeper than the limit; brackets, `not` and chains of operators all count."""
    level = [node]
    for _ in range(NESTING_MAX):
        level = [child for parent in level for child in parent.children()]
        if not level:
            return None
    return _too_deep(node.start, node.start + 1)


def _too_deep(start: int, end: int) -> Fault:
    return Fault("E108", start, end, f"this is nested deeper than {NESTING_MAX} levels", "give parts of it a name under `macros:`")


def chained(parts: list[Any]) -> Fault:
    """E107 for `a < b < c`; parts are value, operator, value, operator, ..."""
    second = parts[3]
    middle = parts[2]
    name = middle.name if isinstance(middle, nodes.Name) else "value"
    return Fault(
        "E107",
        second.start_pos,
        second.end_pos,
        "two comparisons in a row",
        f"for a range write `{name} between low and high`, or join two comparisons with `and`",
    )


def token_faults(text: str, tokens: list[Token]) -> list[Fault]:
    """What can be told without parsing: mistakes that are terminals of their own, numbers too long, brackets that do not match."""
    if not tokens:
        return [Fault("E101", 0, max(len(text), 1), "the condition is empty")]
    faults = [fault for token in tokens if (fault := _token_fault(token))]
    return faults or _bracket_faults(tokens)


def _token_fault(token: Token) -> Fault | None:
    start, end = token.start_pos or 0, token.end_pos or 0
    said, hint, code = "", None, "E101"
    match token.type:
        case "ASSIGN":
            code, said = "E102", "one `=` does not compare; use `==`"
        case "FOREIGN" if token in _INSTEAD:
            code, said = "E103", f"`{token}` is not an operator here; use `{_INSTEAD[token]}`"
        case "FOREIGN":
            code, said = "E103", f"`{token}` is not part of the language"
        case "SINGLE_QUOTED":
            code, said, hint = "E105", "texts stand in double quotes", f'write `"{token[1:-1]}"`'
        case "OPEN_TEXT":
            code, said, hint = "E105", "this text has no closing quote", 'put `"` at its end'
        case "COMMENT":
            said, hint = "a condition has no comments", "put the comment on a YAML line of its own, above the key"
        case "BAD_NUMBER":
            return _bad_number(token, start, end)
        case "OTHER":
            return _stray(token, start, end)
        case "NUMBER" | "PERCENT" | "DURATION" | "MONEY" if sum(c.isdigit() for c in token) > DIGITS_MAX:
            code, said = "E108", f"a number has at most {DIGITS_MAX} digits"
    return Fault(code, start, end, said, hint) if said else None


def _bad_number(token: Token, start: int, end: int) -> Fault:
    hint: str | None = "numbers look like `6` or `0.8`, durations like `10m` or `24h`, shares like `80%`"
    if units := re.fullmatch(r"([0-9]+)(ms|sec|secs|min|mins|hr|hrs|hour|hours|day|days|week|weeks|[SMHDW])", token):
        unit = "m" if units[2].startswith("mi") else units[2][0].lower()
        hint = None if units[2] == "ms" else f"write `{units[1]}{unit}`"
    elif re.fullmatch(r"[0-9]+\.[0-9]+[smhdw]", token):
        hint = "durations are whole: write `90m` for one and a half hours"
    elif re.fullmatch(r"[0-9]+(_[0-9]+)+", token):
        hint = f"write `{token.replace('_', '')}`"
    shown = token if len(token) <= 30 else token[:30] + "..."
    return Fault("E106", start, end, f"`{shown}` is not a number, a duration or a share", hint)


def _stray(token: Token, start: int, end: int) -> Fault:
    shown = str(token) if token.isprintable() else f"U+{ord(token[0]):04X}"
    hint = {
        "%": "a share is written without a space: `80%`",
        "@": "a list is written `@name`",
        "$": "a parameter is written `$name`",
        "\u201c": 'use the plain quote `"`',
        "\u201d": 'use the plain quote `"`',
        ".": "a number starts with a digit: `0.8`",
        "{": 'lists of values stand in square brackets: `["a", "b"]`',
    }.get(str(token))
    return Fault("E101", start, end, f"`{shown}` is not part of the language", hint)


def _bracket_faults(tokens: list[Token]) -> list[Fault]:
    open_: list[Token] = []
    for token in tokens:
        start, end = token.start_pos or 0, token.end_pos or 0
        if token.type in _CLOSING:
            open_.append(token)
            if len(open_) > NESTING_MAX:
                return [_too_deep(start, end)]
        elif token.type in ("RPAR", "RSQB"):
            if not open_:
                return [Fault("E104", start, end, f"`{token}` closes a bracket that was never opened")]
            opening = open_.pop()
            wanted, sign = _CLOSING[opening.type]
            if token.type != wanted:
                return [
                    Fault(
                        "E104",
                        opening.start_pos or 0,
                        opening.end_pos or 0,
                        f"`{opening}` is closed by `{token}`",
                        f"close it with `{sign}`",
                    )
                ]
    if open_:
        opening = open_[-1]
        sign = _CLOSING[opening.type][1]
        return [
            Fault("E104", opening.start_pos or 0, opening.end_pos or 0, f"this `{opening}` is never closed", f"add `{sign}` where it ends")
        ]
    return []


def unexpected(tokens: list[Token], token: Token | None, error: UnexpectedInput) -> Fault:
    """The one word that does not fit. ``error`` tells what would have."""
    accepted = set(getattr(error, "accepts", None) or getattr(error, "expected", None) or ())
    wants_value = "NUMBER" in accepted
    if token is None or token.type == "$END":
        last = tokens[-1]
        start, end = last.start_pos or 0, last.end_pos or 0
        if wants_value:
            return Fault("E101", start, end, f"something must follow `{_shown(last)}`", _wanted_after(last))
        return Fault("E101", start, end, f"the condition ends too early, after `{_shown(last)}`", _listed(accepted))
    start, end = token.start_pos or 0, token.end_pos or 0
    before = next((t for t in reversed(tokens) if (t.end_pos or 0) <= start), None)
    return _misplaced(token, before, start, end, wants_value, accepted)


def _misplaced(token: Token, before: Token | None, start: int, end: int, wants_value: bool, accepted: set[str]) -> Fault:
    if token.type == "NAME" and token.lower() in _KEYWORDS:
        return Fault("E101", start, end, f"`{token}` is not a word of the language", f"write `{token.lower()}`")
    if before is not None and before.type == "NAME" and token.type == "NUMBER" and re.fullmatch(r"[A-Za-z$]{2,6}", before):
        near = before.upper() if before.upper() in CURRENCIES else closest(before.upper(), sorted(CURRENCIES))
        hint = f"did you mean `{near} {token}`?" if near else "an amount is written like `CNY 5.00`"
        return Fault("E217", before.start_pos or 0, before.end_pos or 0, f"`{before}` is not a currency", hint)
    if before is None:
        return Fault("E101", start, end, f"a condition cannot start with `{_shown(token)}`")
    if wants_value and token.type in _OPERATOR_TYPES | {"RPAR", "RSQB", "COMMA", "MISSING", "KNOWN"}:
        return Fault("E101", start, end, f"something is missing between `{_shown(before)}` and `{_shown(token)}`", _wanted_after(before))
    if wants_value and token.type == "LSQB":
        return Fault("E101", start, end, "values in square brackets stand only after `in`", None)
    if token.type == "COMMA":
        return Fault(
            "E101",
            start,
            end,
            "a comma stands only between the values of a function or a list",
            "large numbers are written without commas: `5000`",
        )
    if token.type == "LIST":
        return Fault("E101", start, end, f"a list stands only after `in`: `name in {_shown(token)}`")
    if wants_value:
        return Fault("E101", start, end, f"`{_shown(token)}` cannot follow `{_shown(before)}`", _wanted_after(before))
    hint = _listed(accepted) or "join two conditions with `and` or `or`"
    return Fault("E101", start, end, f"`{_shown(token)}` cannot follow `{_shown(before)}`", hint)


def _wanted_after(before: Token) -> str:
    if before.type in ("AND", "OR", "NOT"):
        return f"write a condition after `{before}`"
    return f"write a value after `{_shown(before)}`"


def _listed(accepted: set[str]) -> str | None:
    if accepted & {"MISSING", "KNOWN"}:
        return "write `is missing`, `is not missing` or `is known`"
    if accepted >= {"IN", "BETWEEN"} and "AND" not in accepted:
        return "write `not in` or `not between`"
    if accepted == {"AND"} or ("AND" in accepted and "OR" not in accepted):
        return "a range is written `between low and high`"
    if accepted & {"LIST", "LSQB"}:
        return 'after `in` comes a list, `@name`, or values in brackets, `["a", "b"]`'
    return None


def _shown(token: Token) -> str:
    return str(token) if len(token) <= 30 else token[:30] + "..."
