"""Types of values: names, literals, arithmetic, functions that give a value.

Rule 1: each function here returns what the value means, or None after its fault is told; nothing is told twice.
"""

from __future__ import annotations

from risk.declared import FieldType
from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.currencies import CURRENCIES, minor_units, whole_units
from risk.language.functions import CONDITION_FUNCTIONS, VALUE_FUNCTIONS, applied
from risk.language.literal import share
from risk.language.meaning import Applied, Computed, Const, Given, Negative, Read, Value
from risk.language.nodes import Node
from risk.language.reading import Reading
from risk.language.scope import Symbol
from risk.language.suggest import closest
from risk.language.syntax import DIGITS_MAX
from risk.language.types import BOOL, DURATION, INT, NUMBER, NUMERIC, ORDERED, TEXT, UNIT_MS, arithmetic, describe

PRODUCT_DIGITS_MAX = 300
_READ_DIGITS = 19


def value(node: Node, reading: Reading) -> Value | None:
    """What a value means, or None when something in it is wrong."""
    reading.count(node)
    match node:
        case nodes.Name(name):
            return _name(name, node, reading)
        case nodes.Param(name):
            return _param(name, node, reading)
        case nodes.Arith():
            return _arith(node, reading)
        case nodes.Minus(part):
            return _minus(part, node, reading)
        case nodes.Call(function, args):
            return _call(function, args, node, reading)
        case nodes.Money(currency, text):
            return _money(currency, text, node, reading)
        case nodes.Or() | nodes.And() | nodes.Not() | nodes.Compare() | nodes.In() | nodes.Between() | nodes.Missing():
            reading.say("E214", node, "a condition stands where a value is wanted", "join conditions with `and`, `or`, `not`")
            return None
    return constant(node)


def constant(node: Node) -> Const:
    """A literal's meaning."""
    match node:
        case nodes.Number(text):
            return Const(NUMBER, False, False, float(text)) if "." in text else Const(INT, False, False, int(text))
        case nodes.Percent(text):
            return Const(NUMBER, False, False, share(text))
        case nodes.Duration(count, unit):
            return Const(DURATION, False, False, count * UNIT_MS[unit])
        case nodes.Text(text):
            return Const(TEXT, False, False, text, literal=True)
        case nodes.Bool(flag):
            return Const(BOOL, False, False, flag)
    raise AssertionError(f"not a value: {node!r}")


def read(symbol: Symbol) -> Read:
    """A name's meaning. Only features can be never; only optional names can be unknown."""
    return Read(symbol.type, symbol.optional, symbol.optional and symbol.kind == "feature", symbol)


def unknown_name(name: str, node: Node, reading: Reading) -> None:
    """E202, with the nearest name and what it is."""
    scope = reading.scope
    if name in scope.params:
        return reading.say("E202", node, f"unknown name `{name}`", f"a parameter is written `${name}`")
    if name in scope.lists:
        return reading.say("E202", node, f"unknown name `{name}`", f"a list is written `@{name}` and stands after `in`")
    near = closest(name, sorted([*scope.names, *scope.macros]))
    detail = scope.names[near].detail if near is not None and near in scope.names else "macro"
    hint = f"did you mean `{near}`?{f' ({detail})' if detail else ''}" if near else None
    if near is None and name.isalpha() and len(scope.names) < 200:
        hint = f'a text is written in quotes: `"{name}"`'
    return reading.say("E202", node, f"unknown name `{name[:60]}`", hint)


def _name(name: str, node: Node, reading: Reading) -> Value | None:
    if name in reading.scope.macros:
        reading.say("E214", node, f"macro `{name}` is a condition; here a value is wanted", "join conditions with `and`, `or`, `not`")
        return None
    symbol = reading.scope.names.get(name)
    if symbol is None:
        unknown_name(name, node, reading)
        return None
    return read(symbol)


def _param(name: str, node: Node, reading: Reading) -> Value | None:
    symbol = reading.scope.params.get(name)
    if symbol is not None:
        return Given(symbol.type, False, False, name)
    near = closest(name, sorted(reading.scope.params))
    reading.say(
        "E203", node, f"unknown parameter `${name[:60]}`", f"did you mean `${near}`?" if near else "declare it under `params:` of this rule"
    )
    return None


def _money(currency: str, text: str, node: Node, reading: Reading) -> Value | None:
    if currency not in CURRENCIES:
        near = closest(currency, sorted(CURRENCIES))
        reading.say("E217", node, f"`{currency}` is not a currency", f"did you mean `{near} {text}`?" if near else None)
        return None
    minor = minor_units(text, currency)
    if minor is None:
        reading.say("E217", node, f"{currency} has {CURRENCIES[currency]} decimals; `{text}` has more")
        return None
    return Const(FieldType("money", currency=currency), False, False, minor)


def _minus(part: Node, node: Node, reading: Reading) -> Value | None:
    inner = value(part, reading)
    if inner is None:
        return None
    if inner.type.kind not in ORDERED or inner.type.kind == "time":
        reading.say("E201", node, f"`-` wants a number; `{canonical(part)}` is {describe(inner.type)}")
        return None
    if isinstance(inner, Const):
        return Const(inner.type, False, False, -inner.value)
    return Negative(inner.type, inner.unknown, inner.never, inner)


def _arith(node: nodes.Arith, reading: Reading) -> Value | None:
    left, right = value(node.left, reading), value(node.right, reading)
    if left is None or right is None:
        return None
    type_ = arithmetic(node.op, left.type, right.type)
    if type_ is None:
        _no_arithmetic(node, left, right, reading)
        return None
    if node.op == "/" and reading.known(right) == 0:
        reading.say("E218", node.right, "this divides by zero")
        return None
    rounded = type_.kind in ("money", "duration") and node.op in "*/"
    unknown = left.unknown or right.unknown or (node.op == "/" and not isinstance(right, Const))
    result = Computed(type_, unknown, left.never or right.never, node.op, left, right, rounded)
    if digits(result) > PRODUCT_DIGITS_MAX:
        reading.say("E108", node, f"this can grow beyond {PRODUCT_DIGITS_MAX} digits", "multiply fewer values")
        return None
    return result


def digits(part: Value) -> int:
    """The most digits a whole number can have here: past some hundred, Python's division would fail."""
    match part:
        case Const() | Given():
            return DIGITS_MAX
        case Computed(op=op, left=left, right=right):
            return digits(left) + digits(right) if op in "*/" else max(digits(left), digits(right)) + 1
        case Negative(part=inner):
            return digits(inner)
        case Applied(args=args):
            return max(_READ_DIGITS, *map(digits, args))
    return _READ_DIGITS


def _no_arithmetic(node: nodes.Arith, left: Value, right: Value, reading: Reading) -> None:
    pairs = ((left, node.left, right, node.right), (right, node.right, left, node.left))
    for one, one_node, other, other_node in pairs:
        if one.type.kind in ("duration", "time") and other.type.kind in NUMERIC and node.op in "+-":
            return without_unit(other, other_node, reading)
        if one.type.kind == "money" and other.type.kind in NUMERIC and node.op in "+-":
            return plain_number(one, one_node, other, other_node, reading)
        if one.type.kind == other.type.kind == "money" and one.type.currency is None and node.op != "*":
            return mixed_currency(one_node, other, node, reading)
    said = f"`{node.op}` has no meaning between {describe(left.type)} and {describe(right.type)}"
    return reading.say("E201", node, said)


def without_unit(other: Value, other_node: Node, reading: Reading) -> None:
    """E206: a plain number where a duration is wanted."""
    n = canonical(other_node)
    hint = f"write `{n}h`, `{n}m` or `{n}d`" if isinstance(other, Const) and other.type.kind == "int" else None
    reading.say("E206", other_node, "a duration needs a unit", hint)


def plain_number(money: Value, money_node: Node, other: Value, other_node: Node, reading: Reading) -> None:
    """E204: a plain number where an amount of money is wanted."""
    currency = money.type.currency
    hint = f"use an amount of money, like `{currency or 'CNY'} 5.00`"
    if isinstance(other, Const) and currency:
        hint = (
            f"write `{whole_units(other.value, currency)}`"
            if isinstance(other.value, int)
            else f"write `{currency} {other.value:.{CURRENCIES.get(currency, 2)}f}`"
        )
    shown = f"{canonical(money_node)} is an amount of money"
    reading.say("E204", other_node, f"{shown}; {canonical(other_node)} is a plain number", hint)


def mixed_currency(event_node: Node, other: Value, whole: Node, reading: Reading) -> None:
    """E205: money of the event's own currency beside money of a fixed one."""
    name = canonical(event_node)
    currency = other.type.currency
    said = f"`{name}` is in the currency of each payment, so it cannot be compared with money in {currency}"
    fields = [s.name for s in reading.scope.names.values() if s.kind == "field" and s.type.kind == "money" and s.type.currency == currency]
    near = sorted((f for f in fields if f.startswith(name)), key=len) or fields
    reading.say("E205", whole, said, f"use `{near[0]}`, the same amount converted" if near and near[0].startswith(name) else None)


def _call(function: str, args: tuple[Node, ...], node: Node, reading: Reading) -> Value | None:
    if function in CONDITION_FUNCTIONS:
        reading.say("E214", node, f"`{function}` gives yes or no; here a value is wanted", "use it as a condition of its own")
        return None
    if function not in VALUE_FUNCTIONS:
        unknown_function(function, node, reading)
        return None
    if wrong_count(function, args, node, reading, VALUE_FUNCTIONS[function]):
        return None
    found = [value(arg, reading) for arg in args]
    if any(each is None for each in found):
        return None
    return applied(function, args, [each for each in found if each is not None], node, reading)


def unknown_function(function: str, node: Node, reading: Reading) -> None:
    """E209 for a function that the language does not have."""
    near = closest(function, sorted({**VALUE_FUNCTIONS, **CONDITION_FUNCTIONS}))
    listed = ", ".join(sorted({**VALUE_FUNCTIONS, **CONDITION_FUNCTIONS}))
    reading.say("E209", node, f"unknown function `{function[:60]}`", f"did you mean `{near}`?" if near else f"there are {listed}")


def wrong_count(function: str, args: tuple[Node, ...], node: Node, reading: Reading, wanted: tuple[int, int, str]) -> bool:
    """E209 when a function has too few or too many values."""
    fewest, most, example = wanted
    if fewest <= len(args) <= most:
        return False
    number = f"{fewest}" if fewest == most else f"at least {fewest}" if len(args) < fewest else f"at most {most}"
    plural = "value" if number.endswith(" 1") or number == "1" else "values"
    reading.say("E209", node, f"`{function}` takes {number} {plural}, not {len(args)}", f"write it like `{example}`")
    return True
