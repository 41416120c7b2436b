"""Types of conditions: what each test may ask, and what it means once names are looked up and macros opened.

Rule 1: every fault is told, with a place, in the words of the language's page; nothing raises.
Rule 2: `meaning` is the only way from a tree to code, so what was not checked cannot run.
"""

from __future__ import annotations

from risk.declared import FieldType
from risk.language import comparing, lints, nodes
from risk.language.canonical import canonical
from risk.language.functions import CONDITION_FUNCTIONS, VALUE_FUNCTIONS, wanted
from risk.language.meaning import Absent, AllOf, Always, AnyOf, AtLeast, Condition, Const, Flag, Given, Inverse, Matches, Value
from risk.language.nodes import Node
from risk.language.parse import parse
from risk.language.ranges import impossible
from risk.language.reading import Reading, TooLarge
from risk.language.scope import Fault, Scope
from risk.language.typed import unknown_function, value, wrong_count
from risk.language.types import BOOL, TEXTUAL, describe

MACROS_OPEN_MAX = 10


def check(node: Node, scope: Scope, subject: str = "rule") -> tuple[FieldType | None, list[Fault]]:
    """The type of a condition and everything wrong with it, warnings last. ``subject`` names it where it can never be true."""
    reading = Reading(scope)
    found = _read(node, reading)
    lints.structure(node, reading)
    if isinstance(found, AllOf):
        _contradiction(node, found, reading, f"this {subject} can never fire" if subject == "rule" else f"this {subject} can never be true")
    type_ = BOOL if isinstance(found, Condition) else found.type if found is not None else None
    errors = [fault for fault in reading.faults if fault.severity == "error"]
    return type_, sorted(errors, key=_place) + sorted((f for f in reading.faults if f.severity != "error"), key=_place)


def _place(fault: Fault) -> tuple[int, int]:
    return fault.start, fault.end


def meaning(node: Node, scope: Scope) -> Condition:
    """What a condition means. Only for one that `check` found no error in."""
    reading = Reading(scope)
    found = _read(node, reading)
    errors = [fault for fault in reading.faults if fault.severity == "error"]
    assert isinstance(found, Condition) and not errors, f"not checked: {canonical(node)}: {errors}"
    return found


def check_value(node: Node, scope: Scope) -> tuple[Value | Condition | None, list[Fault]]:
    """What a derived field means, a value of any type or a condition, and everything wrong with it."""
    reading = Reading(scope)
    try:
        found = condition(node, reading) if _is_condition(node, reading) else value(node, reading)
    except TooLarge:
        found = None
    lints.structure(node, reading)
    return found, sorted(reading.faults, key=_place)


def _read(node: Node, reading: Reading) -> Condition | Value | None:
    try:
        if _is_condition(node, reading):
            return condition(node, reading)
        found = value(node, reading)
    except TooLarge:
        return None
    if found is None or found.type.kind == "bool":
        return Flag(found) if found is not None else None
    reading.say("E214", node, f"a condition says yes or no; this is {describe(found.type)}", "compare it with something")
    return found


def _is_condition(node: Node, reading: Reading) -> bool:
    match node:
        case nodes.Name(name):
            return name in reading.scope.macros
        case nodes.Call(function):
            return function in CONDITION_FUNCTIONS
        case nodes.Arith() | nodes.Minus() | nodes.Param():
            return False
    return not isinstance(node, nodes.LITERALS)


def condition(node: Node, reading: Reading) -> Condition | None:
    """What one condition means, or None when something in it is wrong; all parts are read even then."""
    reading.count(node)
    with reading.deeper(node):
        return _condition(node, reading)


def _condition(node: Node, reading: Reading) -> Condition | None:
    match node:
        case nodes.Or(parts) | nodes.And(parts):
            found = _all_read(parts, reading)
            if found is None:
                return None
            return AllOf(found) if isinstance(node, nodes.And) else AnyOf(_nested(parts, found, reading))
        case nodes.Not(part):
            inner = condition(part, reading)
            return None if inner is None else Inverse(_nested((part,), (inner,), reading)[0])
        case nodes.Compare():
            return comparing.compare(node, reading)
        case nodes.Between():
            return comparing.between(node, reading)
        case nodes.In():
            return comparing.among(node, reading)
        case nodes.Missing(item, known):
            return _missing(item, known, node, reading)
        case nodes.Bool(flag):
            return Always(flag)
        case nodes.Name(name) if name in reading.scope.macros:
            return _macro(name, node, reading)
        case nodes.Call(function, args) if function not in VALUE_FUNCTIONS:
            return _call(function, args, node, reading)
    return _flag(node, reading)


def _all_read(parts: tuple[Node, ...], reading: Reading) -> tuple[Condition, ...] | None:
    found = [condition(part, reading) for part in parts]
    return None if any(each is None for each in found) else tuple(each for each in found if each is not None)


def _nested(parts: tuple[Node, ...], found: tuple[Condition, ...], reading: Reading) -> tuple[Condition, ...]:
    """An `and` below the top that can never hold is told here; at the top `check` does it."""
    for part, each in zip(parts, found, strict=True):
        if isinstance(each, AllOf) and isinstance(part, nodes.And):
            _contradiction(part, each, reading, "this part can never be true")
    return found


def _contradiction(node: Node, found: AllOf, reading: Reading, so: str) -> None:
    parts = node.parts if isinstance(node, nodes.And) else (node,) * len(found.parts)
    if clash := impossible(found.parts, reading.known):
        reading.say("E210", parts[clash[0]], f"{clash[1]}, so {so}")


def _flag(node: Node, reading: Reading) -> Condition | None:
    found = value(node, reading)
    if found is None:
        return None
    if found.type.kind != "bool":
        said = f"`{canonical(node)}` is {describe(found.type)}, not a condition" if len(canonical(node)) < 60 else "this is not a condition"
        reading.say("E214", node, said, "compare it with something")
        return None
    return Flag(found)


def _missing(item: Node, known: bool, node: Node, reading: Reading) -> Condition | None:
    if _is_condition(item, reading):
        reading.say("E214", node, f"`is {'known' if known else 'missing'}` asks about a value, not about a condition")
        return None
    found = value(item, reading)
    if found is None:
        return None
    if not found.unknown and not found.never:
        always = "true" if known else "false"
        reading.say("W304", node, f"`{canonical(item)}` is never missing, so this is always {always}", severity="warning")
    return Absent(found, known)


def _macro(name: str, node: Node, reading: Reading) -> Condition | None:
    if name in reading.opened:
        cycle = " -> ".join([*reading.opened[reading.opened.index(name) :], name])
        reading.say("E212", node, f"macro `{name}` uses itself: {cycle}")
        return None
    text = reading.scope.macros[name]
    inner = parse(text)
    with reading.inside(name, node):
        if len(reading.opened) > MACROS_OPEN_MAX:
            reading.say("E219", node, f"macros use one another more than {MACROS_OPEN_MAX} deep")
            return None
        if isinstance(inner, list):
            for fault in inner:
                reading.say(fault.code, node, fault.message, fault.hint)
            return None
        return condition(inner, reading)


def _call(function: str, args: tuple[Node, ...], node: Node, reading: Reading) -> Condition | None:
    if function not in CONDITION_FUNCTIONS:
        unknown_function(function, node, reading)
        return None
    if wrong_count(function, args, node, reading, CONDITION_FUNCTIONS[function]):
        return None
    if function == "at_least":
        return _at_least(args, node, reading)
    text, pattern = value(args[0], reading), value(args[1], reading)
    if text is None or pattern is None:
        return None
    if function == "contains" and text.type.kind == "texts":
        return comparing.holds(text, args[0], pattern, args[1], False, node, reading)
    if not wanted(TEXTUAL, "texts", function, args, [text, pattern], reading):
        return None
    if function == "like" and not (isinstance(pattern, Const) or (isinstance(pattern, Given) and pattern.type.kind == "text")):
        reading.say("E209", args[1], "`like` wants its pattern in quotes", f"write it like `{CONDITION_FUNCTIONS['like'][2]}`")
        return None
    return Matches(function, text, pattern)


def _at_least(args: tuple[Node, ...], node: Node, reading: Reading) -> Condition | None:
    parts = _all_read(args[1:], reading)
    count = value(args[0], reading)
    if count is None or parts is None:
        return None
    if not isinstance(count, Const | Given) or count.type.kind != "int":
        reading.say("E209", args[0], "`at_least` starts with a whole number", f"write it like `{CONDITION_FUNCTIONS['at_least'][2]}`")
        return None
    number = reading.known(count)
    if number is not None and number > len(parts):
        conditions = "1 condition" if len(parts) == 1 else f"{len(parts)} conditions"
        reading.say("E211", node, f"`at_least({number}, ...)` has only {conditions}, so it can never be true")
    if number is not None and number < 1:
        reading.say("E211", node, f"`at_least({number}, ...)` is always true", "count from 1")
    return AtLeast(count, _nested(args[1:], parts, reading))
