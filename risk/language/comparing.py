"""Which values may be compared, looked up and ranged, and what people are told when they may not."""

from __future__ import annotations

from risk.declared import FieldType
from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.meaning import AllOf, Among, AnyOf, Comparison, Condition, Const, Given, Holds, Value
from risk.language.nodes import Node
from risk.language.reading import Reading
from risk.language.suggest import closest
from risk.language.typed import mixed_currency, plain_number, unknown_name, value, without_unit
from risk.language.types import NUMERIC, ORDERED, TEXTUAL, country_fault, describe, enum_fault, plural, same_family

_EQUALITY = ("==", "!=")


def compare(node: nodes.Compare, reading: Reading) -> Condition | None:
    """``left op right``."""
    left, right = value(node.left, reading), value(node.right, reading)
    if left is None or right is None:
        return None
    return _compared(node.op, left, node.left, right, node.right, node, reading)


def _compared(op: str, left: Value, left_node: Node, right: Value, right_node: Node, node: Node, reading: Reading) -> Condition | None:
    if not fits(left, left_node, right, right_node, node, reading):
        return None
    if op not in _EQUALITY and left.type.kind not in ORDERED:
        reading.say(
            "E215",
            node,
            f"`{op}` has no meaning here: `{canonical(left_node)}` is {describe(left.type)}, which has no order",
            "use `==`, `!=` or `in`",
        )
        return None
    if isinstance(left, Const) and isinstance(right, Const):
        reading.say("W305", node, "this compares two fixed values, so it is always the same", severity="warning")
    elif left == right:
        reading.say("W305", node, f"this compares `{canonical(left_node)}` with itself", severity="warning")
    return Comparison(op, left, right)


def between(node: nodes.Between, reading: Reading) -> Condition | None:
    """Both ends included. Outside is below or above, so that a never is outside of nothing either."""
    item, low, high = (value(part, reading) for part in (node.item, node.low, node.high))
    if item is None or low is None or high is None:
        return None
    ends = ((low, node.low), (high, node.high))
    misfits = [end for end, end_node in ends if not fits(item, node.item, end, end_node, node, reading)]
    if misfits:
        return None
    if item.type.kind not in ORDERED:
        reading.say("E215", node, f"`between` has no meaning here: `{canonical(node.item)}` is {describe(item.type)}, which has no order")
        return None
    smallest, largest = reading.known(low), reading.known(high)
    if smallest is not None and largest is not None and smallest > largest:
        reading.say("E210", node, f"nothing is between {canonical(node.low)} and {canonical(node.high)}", "write the smaller value first")
        return None
    if node.negated:
        return AnyOf((Comparison("<", item, low), Comparison(">", item, high)))
    return AllOf((Comparison(">=", item, low), Comparison("<=", item, high)))


def among(node: nodes.In, reading: Reading) -> Condition | None:
    """``item in @list``, ``item in [a, b]``, ``"text" in field``."""
    item = value(node.item, reading)
    match node.within:
        case nodes.ListName(name):
            return _in_list(item, name, node, reading)
        case nodes.Values(parts):
            return _in_values(item, parts, node, reading)
        case nodes.Name(name):
            return _in_name(item, name, node, reading)
    raise AssertionError(node)


def _in_list(item: Value | None, name: str, node: nodes.In, reading: Reading) -> Condition | None:
    symbol = reading.scope.lists.get(name)
    if symbol is None:
        near = closest(name, sorted(reading.scope.lists))
        reading.say(
            "E216", node.within, f"unknown list `@{name[:60]}`", f"did you mean `@{near}`?" if near else "declare it under `lists:`"
        )
        return None
    if item is None:
        return None
    if isinstance(item, Const):
        reading.say("W305", node, "this looks up a fixed value, so it is always the same", severity="warning")
    if not same_family(item.type, symbol.type) and not (_adapts(item) and symbol.type.kind in TEXTUAL):
        said = f"`@{name}` is a list of {plural(symbol.type)}; `{canonical(node.item)}` is {describe(item.type)}, so it can never be in it"
        reading.say("E208", node, said)
        return None
    return Among(item, node.negated, list=name)


def _in_values(item: Value | None, parts: tuple[Node, ...], node: nodes.In, reading: Reading) -> Condition | None:
    found = [value(part, reading) for part in parts]
    if item is None or any(each is None for each in found):
        return None
    known = [each for each in found if each is not None]
    if item.type.kind in ("bool", "texts"):
        reading.say("E201", node, f"`in` has no meaning here: `{canonical(node.item)}` is {describe(item.type)}")
        return None
    misfits = [each for each, part in zip(known, parts, strict=True) if not fits(item, node.item, each, part, node, reading)]
    if misfits:
        return None
    seen: list[Value] = []
    for each, part in zip(known, parts, strict=True):
        if each in seen:
            reading.say("W306", part, f"`{canonical(part)}` is listed twice", severity="warning")
        seen.append(each)
    if all(isinstance(each, Const | Given) for each in known):
        return Among(item, node.negated, values=tuple(known))
    tests = tuple(Comparison("!=" if node.negated else "==", item, each) for each in known)
    return AllOf(tests) if node.negated else AnyOf(tests)


def _in_name(item: Value | None, name: str, node: nodes.In, reading: Reading) -> Condition | None:
    symbol = reading.scope.names.get(name)
    if symbol is None and name in reading.scope.lists:
        reading.say("E202", node.within, f"unknown name `{name}`", f"a list is written `@{name}`")
        return None
    if symbol is None:
        unknown_name(name, node.within, reading)
        return None
    texts = value(node.within, reading)
    if texts is None or item is None:
        return None
    return holds(texts, node.within, item, node.item, node.negated, node, reading)


def holds(texts: Value, texts_node: Node, item: Value, item_node: Node, negated: bool, node: Node, reading: Reading) -> Condition | None:
    """Whether one text is among the several that a field holds."""
    if texts.type.kind != "texts":
        hint = (
            f"write `contains({canonical(texts_node)}, {canonical(item_node)})`"
            if texts.type.kind in TEXTUAL
            else "after `in` comes a list or values in brackets"
        )
        reading.say("E208", node, f"`{canonical(texts_node)}` is {describe(texts.type)}, so nothing can be in it", hint)
        return None
    if item.type.kind not in TEXTUAL:
        reading.say(
            "E208",
            node,
            f"`{canonical(texts_node)}` holds texts; `{canonical(item_node)}` is {describe(item.type)}, so it can never be in it",
        )
        return None
    if texts.type.values and isinstance(item, Const) and (wrong := enum_fault(item.value, texts.type, 0, 0, canonical(texts_node))):
        reading.say("E207", item_node, wrong.message, wrong.hint)
        return None
    return Holds(texts, item, negated)


def fits(left: Value, left_node: Node, right: Value, right_node: Node, node: Node, reading: Reading) -> bool:
    """Whether two values can be equal at all; else the fault is told."""
    for one, one_node, other, other_node in ((left, left_node, right, right_node), (right, right_node, left, left_node)):
        if _adapts(one) and other.type.kind in TEXTUAL:
            return _text_fits(one, one_node, other.type, other_node, reading)
    if left.type.kind == "texts" or right.type.kind == "texts":
        texts_node, item_node = (left_node, right_node) if left.type.kind == "texts" else (right_node, left_node)
        hint = f"write `{canonical(item_node)} in {canonical(texts_node)}`"
        reading.say("E201", node, f"`{canonical(texts_node)}` holds several texts, so it cannot be compared", hint)
        return False
    if same_family(left.type, right.type):
        return True
    _misfit(left, left_node, right, right_node, node, reading)
    return False


def _adapts(item: Value) -> bool:
    """A quoted text or a text parameter stands for an id, a country or an enumeration's value too."""
    return (isinstance(item, Const) and item.literal) or (isinstance(item, Given) and item.type.kind == "text")


def _text_fits(text: Value, text_node: Node, type_: FieldType, other_node: Node, reading: Reading) -> bool:
    written = reading.known(text)
    wrong = None
    if written is not None and type_.kind == "enum":
        wrong = enum_fault(written, type_, 0, 0, canonical(other_node))
    elif written is not None and type_.kind == "country":
        wrong = country_fault(written, 0, 0)
    if wrong is None:
        return True
    what = "" if isinstance(text, Const) else f"parameter `{canonical(text_node)}`: "
    reading.say(wrong.code, text_node, what + wrong.message, wrong.hint)
    return False


def _misfit(left: Value, left_node: Node, right: Value, right_node: Node, node: Node, reading: Reading) -> None:
    for one, one_node, other, other_node in ((left, left_node, right, right_node), (right, right_node, left, left_node)):
        kinds = one.type.kind, other.type.kind
        if kinds[0] == "money" and kinds[1] in NUMERIC:
            return plain_number(one, one_node, other, other_node, reading)
        if kinds[0] == "duration" and kinds[1] in NUMERIC:
            return without_unit(other, other_node, reading)
        if kinds == ("money", "money") and one.type.currency is None:
            return mixed_currency(one_node, other, node, reading)
    if left.type.kind == right.type.kind == "money":
        said = f"`{canonical(left_node)}` is in {left.type.currency} and `{canonical(right_node)}` in {right.type.currency}"
        said += "; amounts of two currencies cannot be compared"
        return reading.say("E205", node, said)
    said = f"`{canonical(left_node)}` is {describe(left.type)} and `{canonical(right_node)}` is {describe(right.type)}"
    return reading.say("E201", node, f"{said}; they can never be equal", _misfit_hint(left, left_node, right, right_node))


def _misfit_hint(left: Value, left_node: Node, right: Value, right_node: Node) -> str | None:
    for one, other, other_node in ((left, right, right_node), (right, left, left_node)):
        if one.type.kind == "time":
            return "compare how long ago it was: `occurred_at - that_time < 30d`"
        if one.type.kind == "bool" and isinstance(other, Const) and other.value in ("true", "false", "yes", "no"):
            return "write `true` or `false` without quotes"
        if one.type.kind in NUMERIC and isinstance(other, Const) and isinstance(other.value, str):
            return f"write {other.value} without quotes" if other.value.replace(".", "", 1).isdigit() else None
        if one.type.kind in TEXTUAL and isinstance(other, Const) and other.type.kind in NUMERIC:
            return f'write `"{canonical(other_node)}"`'
    return None
