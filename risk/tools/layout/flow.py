"""Mappings and lists in braces and brackets: on one line, filled over several, or in columns below one another.

Never here: comments, and what stands in blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from risk.language.source import Block, Node, Scalar

WIDTH = 140
GAP_MAX = 12
"""So many spaces at most are put in to bring what follows under the line above; where more were needed, none are."""

Write = Callable[[Scalar, bool], str]
"""A scalar, and whether it stands inside braces, as text."""


def parts_of(node: Node, write: Write, order: Callable[[Block], list[tuple[Scalar, Node]]] | None = None) -> list[str]:
    """What stands between the brackets, one text an entry."""
    if isinstance(node, Block):
        entries = order(node) if order is not None else list(node)
        return [f"{write(key, True)}: {on_one_line(value, write)}".rstrip() for key, value in entries]
    assert not isinstance(node, Scalar)
    return [on_one_line(item, write) for item in node.items]


def on_one_line(node: Node, write: Write) -> str:
    if isinstance(node, Scalar):
        return write(node, True)
    return enclosed(node, parts_of(node, write))


def enclosed(node: Node, parts: Sequence[str]) -> str:
    opening, closing = ("{", "}") if isinstance(node, Block) else ("[", "]")
    return f"{opening}{', '.join(parts)}{closing}"


def filled(node: Node, parts: Sequence[str], prefix: str) -> list[str]:
    """As many entries on a line as fit, the next lines under the first entry."""
    opening, closing = ("{", "}") if isinstance(node, Block) else ("[", "]")
    lines, line = [], prefix + opening
    pad = " " * len(line)
    for i, part in enumerate(parts):
        said = part + ("," if i < len(parts) - 1 else closing)
        if i and len(line) + 1 + len(said) > WIDTH:
            lines.append(line)
            line = pad + said
        else:
            line += (" " if i else "") + said
    return [*lines, line]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: the key with its colon, the keys and the texts of what stands in braces (none: ``text`` is all)."""

    head: str
    keys: tuple[str, ...]
    parts: tuple[str, ...]
    text: str = ""


def columns(rows: Sequence[Row], indent: int, *, inside: bool) -> list[str]:
    """The rows with their values under one another; ``inside``: in braces too, what has the same key as in the row above or below."""
    start = indent + max(len(row.head) for row in rows) + 2
    at = [[start + 1] for _ in rows]
    for j in range(1, max(len(row.parts) for row in rows) if inside else 0):
        _column(rows, at, j)
    lines = []
    for row, places in zip(rows, at, strict=True):
        line = (" " * indent + row.head).ljust(start)
        if not row.keys:
            lines.append((line + row.text).rstrip())
            continue
        line += "{"
        for j, part in enumerate(row.parts):
            line = (line.ljust(places[j]) if inside else line + " " * bool(j)) + part + ("," if j < len(row.parts) - 1 else "}")
        plain = (" " * indent + row.head).ljust(start) + "{" + ", ".join(row.parts) + "}"
        lines.append(line if len(line) <= WIDTH or len(line) == len(plain) else plain)
    return lines


def _column(rows: Sequence[Row], at: list[list[int]], j: int) -> None:
    """Where entry ``j`` of each row starts."""
    natural = [at[r][j - 1] + len(row.parts[j - 1]) + 2 if len(row.parts) > j else 0 for r, row in enumerate(rows)]
    first = 0
    while first < len(rows):
        last = first
        while last + 1 < len(rows) and natural[last + 1] and natural[first] and rows[last + 1].keys[: j + 1] == rows[first].keys[: j + 1]:
            last += 1
        run = range(first, last + 1)
        wanted = max(natural[r] for r in run)
        near = all(wanted - natural[r] <= GAP_MAX for r in run)
        for r in run:
            if natural[r]:
                at[r].append(wanted if near else natural[r])
        first = last + 1
