"""Comments and blank lines of a rule file, with their places: what a YAML parser throws away.

Never here: where they are printed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from risk.language.source import Block, File, Items, Node, Scalar

BLOCK_STYLES = ("|", ">")


@dataclass(frozen=True, slots=True)
class Comment:
    """``text`` from the `#` on, none is a blank line; ``line`` and ``column`` count from 1; ``own``: nothing else is on its line."""

    line: int
    column: int
    text: str
    own: bool


class Comments:
    """All comments of a file. Each is taken once, by the part of the file that prints it."""

    def __init__(self, file: File, root: Block) -> None:
        self.file = file
        self.found = list(_comments(file, list(_spans(root))))
        self._taken: set[int] = set()

    @property
    def left(self) -> list[Comment]:
        """Comments that no part of the file took."""
        return [each for i, each in enumerate(self.found) if i not in self._taken and each.text]

    def beside(self, line: int) -> Comment | None:
        """The comment at the end of a line that holds something else."""
        for i in range(self._first(line), len(self.found)):
            each = self.found[i]
            if each.line != line:
                break
            if not each.own and i not in self._taken:
                self._taken.add(i)
                return each
        return None

    def between(self, after: int, before: int, column_min: int = 0) -> list[Comment]:
        """Own-line comments and blank lines of the lines after ``after`` and before ``before``, up to the first left of ``column_min``.

        Blank lines after the last comment taken stay where they are when a column is asked for.
        """
        taken: list[int] = []
        for i in range(self._first(after + 1), len(self.found)):
            each = self.found[i]
            if each.line >= before or (each.text and each.column < column_min):
                break
            if each.own and i not in self._taken:
                taken.append(i)
        while column_min and taken and not self.found[taken[-1]].text:
            taken.pop()
        self._taken.update(taken)
        return [self.found[i] for i in taken]

    def any_in(self, first: int, last: int) -> bool:
        """Whether a comment stands on these lines; one at the end of the last does not count."""
        at = range(self._first(first), self._first(last + 1))
        return any(self.found[i].text and (self.found[i].own or self.found[i].line < last) for i in at)

    def _first(self, line: int) -> int:
        return bisect_left(self.found, line, key=lambda each: each.line)


def first_line(node: Node) -> int:
    return node.file.place(node.start).line


def last_line(node: Node) -> int:
    """The last line that holds something of a node; the end that the parser gives may lie behind comments."""
    if isinstance(node, Scalar):
        if node.style not in BLOCK_STYLES:
            return node.file.place(max(node.end - 1, node.start)).line
        shown = node.file.text[node.start : node.end].rstrip()
        return node.file.place(node.start + max(len(shown) - 1, 0)).line
    if is_flow(node):
        return node.file.place(node.end - 1).line
    children = [value for _, value in node] if isinstance(node, Block) else list(node.items)
    keys = [key for key, _ in node] if isinstance(node, Block) else []
    return max([first_line(node), *map(last_line, children), *map(first_line, keys)])


def is_flow(node: Node) -> bool:
    return not isinstance(node, Scalar) and node.file.text[node.start : node.start + 1] in ("{", "[")


def _spans(node: Node) -> Iterator[tuple[int, int]]:
    """Offsets of every scalar, keys among them; of a block scalar without its first line, where a comment may stand."""
    if isinstance(node, Scalar):
        start = node.file.line_end(node.start) if node.style in BLOCK_STYLES else node.start
        yield min(start, node.end), node.end
    elif isinstance(node, Items):
        for item in node.items:
            yield from _spans(item)
    else:
        for key, value in node:
            yield key.start, key.end
            yield from _spans(value)


def _comments(file: File, spans: list[tuple[int, int]]) -> Iterator[Comment]:
    starts = [start for start, _ in spans]

    def inside(offset: int) -> bool:
        i = bisect_left(starts, offset + 1) - 1
        return i >= 0 and spans[i][0] <= offset < spans[i][1]

    for number, start in enumerate(file.starts, 1):
        line = file.text[start : file.line_end(start)]
        if not line.strip():
            if start < len(file.text) and not _within_text(file, spans, starts, start):
                yield Comment(number, 1, "", True)
            continue
        for found in re.finditer(r"(?:^|(?<=[ \t]))#", line):
            if not inside(start + found.start()):
                yield Comment(number, found.start() + 1, line[found.start() :].rstrip(), not line[: found.start()].strip())
                break


def _within_text(file: File, spans: list[tuple[int, int]], starts: list[int], offset: int) -> bool:
    """Whether a blank line is a part of a scalar's text. The end of a block scalar takes in the blank lines after it."""
    i = bisect_left(starts, offset + 1) - 1
    return i >= 0 and spans[i][0] <= offset < spans[i][0] + len(file.text[spans[i][0] : spans[i][1]].rstrip())
