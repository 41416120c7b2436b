"""How a condition is broken into lines: one term of the outermost `and` or `or` a line, longer ones inside their brackets.

Never here: YAML.
"""

from __future__ import annotations

from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.nodes import Node
from risk.language.parse import parse

WIDTH = 100
"""Columns of the file that a line of a condition may fill before its brackets are opened."""
ARGUMENTS_INDENT = 6


def condition_lines(text: str, indent: int) -> list[str] | None:
    """The lines of a condition that starts at column ``indent`` (from 0); None where it cannot be read."""
    tree = parse(text)
    if not isinstance(tree, Node):
        return None
    if isinstance(tree, nodes.Or | nodes.And):
        word = "or" if isinstance(tree, nodes.Or) else "and"
        lines: list[str] = []
        for i, part in enumerate(tree.parts):
            lines += _term(part, f"{word} " if i else "", indent)
        return lines
    return _term(tree, "", indent)


def on_one_line(text: str) -> str | None:
    """The condition in its canonical form; None where it cannot be read."""
    tree = parse(text)
    return canonical(tree) if isinstance(tree, Node) else None


def _term(part: Node, prefix: str, indent: int) -> list[str]:
    """A part, in brackets where it is an `and` or `or`, after ``prefix``."""
    bracketed = isinstance(part, nodes.Or | nodes.And)
    whole = canonical(part)
    line = f"{prefix}({whole})" if bracketed else prefix + whole
    if indent + len(line) <= WIDTH:
        return [line]
    if isinstance(part, nodes.Or | nodes.And):
        return _bracket(part, f"{prefix}(", indent)
    if isinstance(part, nodes.Not) and isinstance(part.part, nodes.Or | nodes.And):
        return _bracket(part.part, f"{prefix}not (", indent)
    if isinstance(part, nodes.Call) and part.function == "at_least":
        return _call(part, prefix, indent)
    return [line]


def _bracket(part: nodes.Or | nodes.And, opening: str, indent: int) -> list[str]:
    word = "or " if isinstance(part, nodes.Or) else "and "
    inside = " " * len(opening)
    lines: list[str] = []
    for i, each in enumerate(part.parts):
        found = _term(each, word if i else "", indent + len(opening))
        lines += [opening + found[0] if not i else inside + found[0], *(inside + line for line in found[1:])]
    lines[-1] += ")"
    return lines


def _call(call: nodes.Call, prefix: str, indent: int) -> list[str]:
    """`at_least(2,` and one condition a line."""
    inside = " " * ARGUMENTS_INDENT
    arguments = [inside + canonical(each) + "," for each in call.args[1:]]
    arguments[-1] = arguments[-1][:-1] + ")"
    return [f"{prefix}{call.function}({canonical(call.args[0])},", *arguments]
