"""From what a condition means to Python expressions.

Rule 1: nothing from a file reaches the code but through `repr` of checked constants; names become generated identifiers.
Rule 2: three-valued logic is compiled away: each condition has code for "certainly true", "certainly false" and their
opposites ("possibly"), which differ only at the leaves, in what a missing operand makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from risk.language import runtime
from risk.language.fetching import Source, parts_of
from risk.language.meaning import (
    Absent,
    AllOf,
    Always,
    Among,
    AnyOf,
    Applied,
    AtLeast,
    Comparison,
    Computed,
    Condition,
    Const,
    Flag,
    Given,
    Holds,
    Inverse,
    Matches,
    Negative,
    Read,
    Value,
)
from risk.lists import LiveList

_OR: Final = 0
_AND: Final = 1
_NOT: Final = 2
_TEST: Final = 3

Code = tuple[str, int]
"""An expression and how tightly its outermost operator binds."""
Guard = tuple[str, str]
"""An expression that is true when a value is there, and its opposite."""

_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "lower": runtime.lower,
    "min": runtime.smallest,
    "max": runtime.largest,
    "km_between": runtime.km_between,
    "prefix": runtime.prefix,
}
_ZONED: Final = {"hour": runtime.hour_in, "weekday": runtime.weekday_in, "date": runtime.date_in}


@dataclass
class Writer:
    """Writes expressions for the conditions of one rule: ``params`` are its own.

    ``varying``: the parameters whose value differs from event to event, and the locals that hold them.
    """

    source: Source
    params: Mapping[str, Any]
    varying: Mapping[str, str] = field(default_factory=dict)
    _bound: int = 0

    # Values: code that is right once the guards hold.

    def value(self, value: Value) -> tuple[str, list[Guard]]:
        """Code of a value and, in the order in which they must be asked, the guards under which it may run."""
        match value:
            case Const(value=fixed):
                return _fixed(fixed), []
            case Given(name=name):
                return self.given(name), []
            case Read():
                return self._read(value)
            case Negative(part=part):
                code, guards = self.value(part)
                return f"(-{code})", guards
            case Computed():
                return self._computed(value)
            case Applied():
                return self._applied(value)
        raise AssertionError(f"a value without code: {value!r}")

    def given(self, name: str) -> str:
        """Code of a parameter's value."""
        return self.varying.get(name) or _fixed(self.params[name])

    def _read(self, read: Read) -> tuple[str, list[Guard]]:
        code, fetch = self.source.local(read)
        if not read.unknown:
            return fetch or code, []
        asked = f"({code} := {fetch})" if fetch else code
        return code, [(f"{asked} is not None", f"{asked} is None")]

    def _computed(self, value: Computed) -> tuple[str, list[Guard]]:
        left, guards = self.value(value.left)
        right, more = self.value(value.right)
        guards = _joined(guards, more)
        if value.op == "/" and not (isinstance(value.right, Const)):
            guards = _joined(guards, [(f"{right} != 0", f"{right} == 0")])
        if value.rounded:
            return self._rounded(value, left, right), guards
        return f"({left} {value.op} {right})", guards

    def _rounded(self, value: Computed, left: str, right: str) -> str:
        """Half up to whole units, exactly: `floor(x + 1/2)` in whole numbers wherever the factor is known or is one itself."""
        whole, factor, factor_code = left, value.right, right
        if value.left.type.kind not in ("money", "duration"):
            whole, factor, factor_code = right, value.left, left
        if isinstance(factor, Given) and factor.name in self.varying:
            rounded = self.source.constant("f", ("rounded", value.op), lambda: runtime.times if value.op == "*" else runtime.divided)
            return f"{rounded}({whole}, {factor_code})"
        known = self.number(factor)
        if known is not None and not (value.op == "/" and known == 0):
            share = 1 / known if value.op == "/" else known
            if share.denominator == 1:
                return f"({whole} * {share.numerator})"
            return f"(({whole} * {2 * share.numerator} + {share.denominator}) // {2 * share.denominator})"
        if factor.type.kind == "int":
            return f"({whole} * {factor_code})" if value.op == "*" else f"(({whole} * 2 + {factor_code}) // (2 * {factor_code}))"
        return f"(({whole} {value.op} {factor_code} + 0.5) // 1)"

    def number(self, value: Value) -> Fraction | None:
        """The exact number that a constant or a parameter was written as: 1.1 is eleven tenths."""
        if isinstance(value, Const | Given):
            return Fraction(repr(value.value if isinstance(value, Const) else self.params[value.name]))
        return None

    def _applied(self, call: Applied) -> tuple[str, list[Guard]]:
        args: list[str] = []
        guards: list[Guard] = []
        for arg in call.args:
            code, more = self.value(arg)
            args.append(code)
            guards = _joined(guards, more)
        code = self.source.call(call, self._call(call, args))
        if call.function != "prefix":
            return code, guards
        self._bound += 1
        name = f"p{self._bound}"
        return name, [*guards, (f"({name} := {code}) is not None", f"({name} := {code}) is None")]

    def _call(self, call: Applied, args: list[str]) -> str:
        if call.function in _ZONED:
            zone = call.fixed[0]
            function = self.source.constant("z", (call.function, zone), lambda: _ZONED[call.function](zone))
            return f"{function}({args[0]})"
        if call.function == "lower" and not call.never:
            return f"{args[0]}.lower()"
        plain = {"abs": "abs"} if call.never else {"abs": "abs", "min": "min", "max": "max"}
        if call.function in plain:
            self.source.namespace[call.function] = {"abs": abs, "min": min, "max": max}[call.function]
            return f"{call.function}({', '.join(args)})"
        function = self.source.constant("f", call.function, lambda: _FUNCTIONS[call.function])
        return f"{function}({', '.join([*args, *map(repr, call.fixed)])})"

    # Conditions.

    def condition(self, node: Condition, want: bool, certain: bool) -> Code:
        """Code that is true exactly when the condition is certainly (or possibly, which unknown is too) what is wanted."""
        match node:
            case AllOf(parts) | AnyOf(parts):
                both = isinstance(node, AllOf) == want
                return _join([self.condition(part, want, certain) for part in parts], _AND if both else _OR)
            case Inverse(part):
                return self.condition(part, not want, certain)
            case Always(value):
                return str(value == want), _TEST
            case AtLeast(count, parts):
                number = self.value(count)[0]
                needed = number if want else f"{len(parts)} - {number} + 1"
                counted = " + ".join(_within(self.condition(part, want, certain), _TEST + 1) for part in parts)
                return f"{counted} >= {needed}", _TEST
            case Absent(item, known):
                return self._absent(item, known == want)
        test, guards = self.test(node)
        if not want:
            test = f"not {_within(test, _NOT)}", _NOT
        if not guards:
            return test
        if certain:
            return _join([*((there, _TEST) for there, _ in guards), test], _AND)
        return _join([*((lacking, _TEST) for _, lacking in guards), test], _OR)

    def sure(self, parts: tuple[Condition, ...]) -> str:
        """Code that is true when all parts certainly hold, for when all are known to possibly hold: at most the guards are left to ask."""
        left: list[Code] = []
        for part in parts:
            if isinstance(part, AllOf):
                if inner := self.sure(part.parts):
                    left.append((inner, _AND))
            elif isinstance(part, AnyOf | Inverse | AtLeast):
                if any(isinstance(each, Value) and each.unknown for each in parts_of(part)):
                    left.append(self.condition(part, True, True))
            elif not isinstance(part, Always | Absent):
                left += [(there, _TEST) for there, _ in self.test(part)[1]]
        return _join(left, _AND)[0] if left else ""

    def _absent(self, item: Value, known: bool) -> Code:
        code, guards = self.value(item)
        found = [(there if known else lacking, _TEST) for there, lacking in guards]
        if item.never:
            found.append((f"{code} {'==' if known else '!='} {code}", _TEST))
        if not found:
            return str(known), _TEST
        return _join(found, _AND if known else _OR)

    def test(self, node: Condition) -> tuple[Code, list[Guard]]:
        """A leaf in two-valued logic, and the guards outside which it is unknown."""
        match node:
            case Flag(value):
                code, guards = self.value(value)
                return (f"{code} is True", _TEST), guards
            case Comparison(op, left, right):
                return self._comparison(op, left, right)
            case Among(item, negated, name, values):
                return self._among(item, negated, name, values)
            case Holds(texts, item, negated):
                return self._membership(item, texts, negated)
            case Matches():
                return self._matches(node)
        raise AssertionError(f"a condition without code: {node!r}")

    def _comparison(self, op: str, left: Value, right: Value) -> tuple[Code, list[Guard]]:
        (a, guards), (b, more) = self.value(left), self.value(right)
        guards = _joined(guards, more)
        if op != "!=" or not (left.never or right.never):
            return (f"{a} {op} {b}", _TEST), guards
        return _join([*_happened((left, a), (right, b)), (f"{a} != {b}", _TEST)], _AND), guards

    def _among(self, item: Value, negated: bool, name: str | None, values: tuple[Value, ...]) -> tuple[Code, list[Guard]]:
        code, guards = self.value(item)
        if name is not None:
            within = self.source.constant("l", name, lambda: self.source.lists[name])
            if isinstance(self.source.lists[name], LiveList):
                return self._listed_then(item, code, within, negated), guards
            if isinstance(self.source.lists[name], Mapping):
                return self._listed_now(item, code, within, negated), guards
            return self._looked_up(item, code, within, negated), guards
        fixed = [part for part in values if isinstance(part, Const | Given)]
        if len(fixed) == len(values):
            listed = sorted({self.value(part)[0] for part in fixed})
            varies = any(isinstance(part, Given) and part.name in self.varying for part in fixed)
            within = f"({', '.join(listed)},)" if varies else f"{{{', '.join(listed)}}}"
            return self._looked_up(item, code, within, negated), guards
        raise AssertionError("a list with names in it is compared value by value")

    def _looked_up(self, item: Value, code: str, within: str, negated: bool) -> Code:
        test = (f"{code} {'not in' if negated else 'in'} {within}", _TEST)
        return _join([*_happened((item, code)), test], _AND) if negated else test

    def _listed_now(self, item: Value, code: str, within: str, negated: bool) -> Code:
        """A list some of whose entries end: a value is in it while the event's own time is before its end."""
        self.source.namespace["_long_ago"] = -math.inf
        test = (f"{within}.get({code}, _long_ago) {'<=' if negated else '>'} e.occurred_at", _TEST)
        return _join([*_happened((item, code)), test], _AND) if negated else test

    def _listed_then(self, item: Value, code: str, within: str, negated: bool) -> Code:
        """A list that changes: it knows what was on it at the event's own time."""
        test = (f"{'not ' if negated else ''}{within}.holds({code}, e.occurred_at)", _NOT if negated else _TEST)
        return _join([*_happened((item, code)), test], _AND) if negated else test

    def _membership(self, item: Value, texts: Value, negated: bool) -> tuple[Code, list[Guard]]:
        (a, guards), (b, more) = self.value(item), self.value(texts)
        test = (f"{a} {'not in' if negated else 'in'} {b}", _TEST)
        return _join([*_happened((item, a), (texts, b)), test], _AND), _joined(guards, more)

    def _matches(self, node: Matches) -> tuple[Code, list[Guard]]:
        (text, guards), (pattern, more) = self.value(node.text), self.value(node.pattern)
        guards = _joined(guards, more)
        if node.function == "like":
            test = f"{self._glob(node.pattern)}({text})"
        elif node.function == "contains":
            test = f"{pattern} in {text}"
        else:
            test = f"{text}.{'startswith' if node.function == 'starts_with' else 'endswith'}({pattern})"
        return _join([*_happened((node.text, text), (node.pattern, pattern)), (test, _TEST)], _AND), guards


    def _glob(self, pattern: Value) -> str:
        """Code of the function that matches a text with the pattern of `like`."""
        if isinstance(pattern, Given) and pattern.name in self.varying:
            return f"{self.source.constant('f', 'like', lambda: runtime.matcher_of)}({self.varying[pattern.name]})"
        assert isinstance(pattern, Const | Given)
        glob = pattern.value if isinstance(pattern, Const) else self.params[pattern.name]
        return self.source.constant("g", glob, lambda: runtime.matcher(glob))


def _happened(*values: tuple[Value, str]) -> list[Code]:
    """Tests that a value is not NEVER, which alone does not equal itself."""
    return [(f"{code} == {code}", _TEST) for value, code in values if value.never]


def _fixed(value: Any) -> str:
    assert isinstance(value, int | float | str), f"not a constant: {value!r}"
    code = repr(value)
    return f"({code})" if code.startswith("-") else code


def _joined(guards: list[Guard], more: list[Guard]) -> list[Guard]:
    return [*guards, *(guard for guard in more if guard not in guards)]


def _within(code: Code, level: int) -> str:
    return code[0] if code[1] >= level else f"({code[0]})"


def _join(codes: list[Code], level: int) -> Code:
    """Codes joined with `and` or `or`; what is said twice in a row is said once."""
    said: list[str] = []
    for code in codes:
        text = _within(code, level + 1)
        if text not in said:
            said.append(text)
    if len(said) == 1:
        return codes[0]
    return (" and " if level == _AND else " or ").join(said), level
