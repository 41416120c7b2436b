"""A tree written back as text, in one form only: `parse(canonical(node)) == node`."""

from __future__ import annotations

from risk.language import nodes

_LEVELS = {nodes.Or: 0, nodes.And: 1, nodes.Not: 2, nodes.Compare: 3, nodes.In: 3, nodes.Between: 3, nodes.Missing: 3}
_SUM, _PRODUCT, _ATOM = 4, 5, 6


def canonical(node: nodes.Node) -> str:
    """The condition on one line, with brackets only where needed: by the grammar, or by a reader (`and` inside `or`)."""
    return _text(node)


def quoted(text: str) -> str:
    """A text as conditions write it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _level(node: nodes.Node) -> int:
    if isinstance(node, nodes.Arith):
        return _SUM if node.op in "+-" else _PRODUCT
    return _LEVELS.get(type(node), _ATOM)


def _at(node: nodes.Node, level: int) -> str:
    text = _text(node)
    return text if _level(node) >= level else f"({text})"


def _text(node: nodes.Node) -> str:
    match node:
        case nodes.Or(parts):
            # `a and b or c` needs no brackets for the grammar, but W301 asks for them.
            return " or ".join(_at(part, 2) for part in parts)
        case nodes.And(parts):
            return " and ".join(_at(part, 2) for part in parts)
        case nodes.Not(part):
            return f"not {_at(part, 2)}"
        case nodes.Compare(op, left, right):
            return f"{_at(left, _SUM)} {op} {_at(right, _SUM)}"
        case nodes.In(item, within, negated):
            return f"{_at(item, _SUM)} {'not ' if negated else ''}in {_text(within)}"
        case nodes.Between(item, low, high, negated):
            return f"{_at(item, _SUM)} {'not ' if negated else ''}between {_at(low, _SUM)} and {_at(high, _SUM)}"
        case nodes.Missing(item, known):
            return f"{_at(item, _SUM)} is {'known' if known else 'missing'}"
        case nodes.Arith(op, left, right):
            level = _level(node)
            return f"{_at(left, level)} {op} {_at(right, level + 1)}"
        case nodes.Minus(part):
            return f"-{_at(part, _ATOM)}"
    return _leaf(node)


def _leaf(node: nodes.Node) -> str:
    match node:
        case nodes.Call(function, args):
            return f"{function}({', '.join(_text(arg) for arg in args)})"
        case nodes.Values(parts):
            return f"[{', '.join(_at(part, _SUM) for part in parts)}]"
        case nodes.Number(text):
            return text
        case nodes.Percent(text):
            return f"{text}%"
        case nodes.Duration(count, unit):
            return f"{count}{unit}"
        case nodes.Money(currency, text):
            return f"{currency} {text}"
        case nodes.Text(value):
            return quoted(value)
        case nodes.Bool(value):
            return "true" if value else "false"
        case nodes.Name(name):
            return name
        case nodes.Param(name):
            return f"${name}"
        case nodes.ListName(name):
            return f"@{name}"
    raise AssertionError(f"a node that no text has: {node!r}")
