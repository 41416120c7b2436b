"""The printer: a file's nodes and comments as lines.

Sections, and the entries in them, stay in the order in which they are written; the keys of a rule, a feature, a list and a test get the
order of their tables. What is in braces stays in braces, what is in a block stays in a block; a feature goes on one line where it fits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from risk.language.parse import parse
from risk.language.problems import Problem, render_problems
from risk.language.sections.rules import RULE_KEYS
from risk.language.source import Block, Items, Node, Problems, Scalar, read
from risk.tools.layout import flow
from risk.tools.layout.comments import BLOCK_STYLES, Comment, Comments, first_line, is_flow, last_line
from risk.tools.layout.conditions import condition_lines, on_one_line
from risk.tools.layout.texts import quoted, written

FEATURE_KEYS = (
    "count", "sum", "avg", "min", "max", "p95", "distinct", "last", "since_last", "since_first",
    "of", "per", "read_with", "over", "ending", "where", "counts", "with_current", "if_none", "about",
)  # fmt: skip
LIST_KEYS = ("of", "about", "owner", "review_by", "confidential", "source", "values")
CASE_KEYS = ("it", "todo", "at", "trusted", "overridden", "given", "events", "expect")
Path = tuple[str, ...]
"""Where a node stands: the keys that lead to it, `*` for an item of a list."""


class BadRuleFile(ValueError):
    """The file cannot be read as YAML; ``report`` shows where."""

    def __init__(self, problems: list[Problem], path: str, text: str) -> None:
        super().__init__(f"{path} cannot be read")
        self.report = render_problems(problems, {path: text})


class CannotFormat(ValueError):
    """A layout would lose a comment or change what is said; the file is better left as it is."""


def formatted(path: str, raw: str | bytes) -> str:
    """The file in the one layout. Raises BadRuleFile, CannotFormat."""
    problems = Problems()
    file, root = read(path, raw, problems)
    if problems.found:
        raise BadRuleFile(problems.found, path, file.text)
    if root is None:
        return file.text.strip() + "\n" if file.text.strip() else ""
    if is_flow(root):
        raise CannotFormat(f"{path}: the whole file stands in braces; write its sections one below the other")
    printer = Printer(Comments(file, root))
    text = "\n".join(printer.file(root)).rstrip("\n") + "\n"
    _check(path, root, printer.comments, text)
    return text


def _check(path: str, root: Block, comments: Comments, text: str) -> None:
    lost = comments.left
    if lost:
        raise CannotFormat(
            f"{path}:{lost[0].line}: a comment stands where no layout can keep it; move it to a line of its own: {lost[0].text[:60]}"
        )
    problems = Problems()
    file, again = read(path, text, problems)
    if problems.found or again is None or not _same(root, again, ()):
        raise CannotFormat(f"{path} would say something else afterwards; this is a mistake of `risk fmt`, the file is left as it is")
    if Counter(each.text for each in comments.found) - Counter({"": len(comments.found)}) != Counter(
        each.text for each in Comments(file, again).found if each.text
    ):
        raise CannotFormat(f"{path} would lose or double a comment; this is a mistake of `risk fmt`, the file is left as it is")


def _same(one: Node, other: Node, path: Path) -> bool:
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        return one.text == other.text or (is_condition(path) and one.text.strip() != "" and parse(one.text) == parse(other.text))
    if isinstance(one, Items) and isinstance(other, Items):
        return len(one.items) == len(other.items) and all(_same(a, b, (*path, "*")) for a, b in zip(one.items, other.items, strict=True))
    if isinstance(one, Block) and isinstance(other, Block):
        reordered = order_of(path) is not None
        if one.entries.keys() != other.entries.keys() or (not reordered and list(one.entries) != list(other.entries)):
            return False
        return all(_same(value, other.entries[key.text][1], (*path, key.text)) for key, value in one)
    return False


def is_condition(path: Path) -> bool:
    match path:
        case ("rules", _, "when") | ("macros" | "segments", _) | ("features", _, "where"):
            return True
    return False


def order_of(path: Path) -> tuple[str, ...] | None:
    """The order of the keys of a mapping; None where it stays as written."""
    match path:
        case ("rules", _):
            return RULE_KEYS
        case ("rules", _, "tests", "*"):
            return CASE_KEYS
        case ("features", _):
            return FEATURE_KEYS
        case ("lists", _):
            return LIST_KEYS
    return None


def ordered(block: Block, path: Path) -> list[tuple[Scalar, Node]]:
    order = order_of(path)
    entries = list(block)
    if order is None:
        return entries
    return sorted(entries, key=lambda entry: order.index(entry[0].text) if entry[0].text in order else len(order))


@dataclass(frozen=True, slots=True)
class _Aligned:
    """One row of a table, and the comment beside it with its column (from 0)."""

    name: str
    row: flow.Row
    value: Node
    comment: str
    column: int


class Printer:
    """Prints one file. Each method gives whole lines; comments are taken from ``comments`` as they are printed."""

    def __init__(self, comments: Comments) -> None:
        self.comments = comments

    def file(self, root: Block) -> list[str]:
        return self.block(root, 0, (), 0, len(root.file.starts) + 1)

    def block(self, block: Block, indent: int, path: Path, after: int, limit: int) -> list[str]:
        """A mapping in block style. ``after``: the line before it; ``limit``: the line of what follows it."""
        entries = list(block)
        column = block.file.place(entries[0][0].start).column
        heads: dict[str, list[Comment]] = {}
        bodies: dict[str, list[str]] = {}
        for i, (key, value) in enumerate(entries):
            following = first_line(entries[i + 1][0]) if i + 1 < len(entries) else limit
            heads[key.text] = self.comments.between(after, first_line(key))
            bodies[key.text] = self.entry(key, value, indent, (*path, key.text), following)
            after = last_line(value) if not _empty(value) else first_line(key)
        tail = self.comments.between(after, limit, column)
        self._align(block, heads, bodies, indent, path)
        lines: list[str] = []
        for key, _ in ordered(block, path):
            lines += [*self._head(heads[key.text], indent, path, not lines), *bodies[key.text]]
        return [*lines, *_shown(tail, indent)]

    def _head(self, head: Sequence[Comment], indent: int, path: Path, first: bool) -> list[str]:
        """Comments and blank lines before an entry: one blank line before each section and each rule, none between the keys of a rule."""
        lines = _shown(head, indent)
        if path == ("rules",) or (not path and not first):
            return ["", *_without_first_blank(lines)]
        if not path:
            return _without_first_blank(lines)
        return [line for line in lines if line] if len(path) == 2 and path[0] == "rules" else lines

    def entry(self, key: Scalar, value: Node, indent: int, path: Path, limit: int) -> list[str]:
        """A key with its value, from the line of the key on."""
        start = " " * indent + self.text(key, False, ()) + ":"
        key_line = first_line(key)
        if isinstance(value, Scalar):
            return self._scalar(start, key_line, value, indent, path)
        if not is_flow(value):
            if path[:1] == ("features",) and len(path) == 2 and isinstance(value, Block):
                one = self._feature(start, key_line, value, path)
                if one is not None:
                    return [one]
            start = self._beside(start, key_line)
            return [start, *self._nested(value, indent, path, key_line, limit)]
        if self.comments.any_in(first_line(value), last_line(value)):
            return self._as_written(start + " ", value)
        opened = self._opened(start, value, path)
        if opened is None:
            start = self._beside(start, key_line)
            return [start, *self._nested(value, indent, path, key_line, limit)]
        return self._beside_last(opened, [key_line, last_line(value)])

    def _nested(self, value: Node, indent: int, path: Path, after: int, limit: int) -> list[str]:
        if isinstance(value, Block):
            return self.block(value, indent + 2, path, after, limit)
        assert isinstance(value, Items)
        return self.items(value, indent + 2, (*path, "*"), after, limit)

    def items(self, items: Items, indent: int, path: Path, after: int, limit: int) -> list[str]:
        """A list in block style, or one in brackets that is opened into one."""
        column = items.file.place(items.start).column if not is_flow(items) else 0
        lines: list[str] = []
        for i, item in enumerate(items.items):
            following = first_line(items.items[i + 1]) if i + 1 < len(items.items) else limit
            lines += _shown(self.comments.between(after, first_line(item)), indent)
            lines += self._item(item, indent, path, following)
            after = last_line(item)
        if column:
            lines += _shown(self.comments.between(after, limit, column), indent)
        return lines

    def _item(self, item: Node, indent: int, path: Path, limit: int) -> list[str]:
        start = " " * indent + "-"
        line = first_line(item)
        if isinstance(item, Scalar):
            return self._scalar(start, line, item, indent, path)
        if is_flow(item):
            if self.comments.any_in(line, last_line(item)):
                return self._as_written(start + " ", item)
            parts = self.parts(item, path)
            one = f"{start} {flow.enclosed(item, parts)}"
            found = [one] if len(one) <= flow.WIDTH else flow.filled(item, parts, start + " ")
            return self._beside_last(found, [last_line(item)])
        nested = self.block(item, indent + 2, path, line - 1, limit) if isinstance(item, Block) else self._inner(item, indent, path, limit)
        head = 0
        while nested[head].lstrip().startswith("#"):
            head += 1
        before = [" " * indent + each.lstrip() for each in nested[:head]]
        return [*before, f"{start} {nested[head].lstrip()}", *nested[head + 1 :]]

    def _inner(self, item: Items, indent: int, path: Path, limit: int) -> list[str]:
        return self.items(item, indent + 2, (*path, "*"), first_line(item) - 1, limit)

    def text(self, scalar: Scalar, in_flow: bool, path: Path) -> str:
        """A scalar on one line; a condition in its canonical form."""
        said = on_one_line(scalar.text) if is_condition(path) else None
        return written(scalar, in_flow, said)

    def parts(self, node: Node, path: Path) -> list[str]:
        """The entries of something in braces, conditions among them in their canonical form."""
        if isinstance(node, Block) and path[:1] == ("features",) and len(path) == 2:
            return [f"{self.text(key, True, ())}: {self._in_flow(value, (*path, key.text))}".rstrip() for key, value in ordered(node, path)]
        return flow.parts_of(node, lambda scalar, inside: self.text(scalar, inside, ()), lambda block: ordered(block, path))

    def _in_flow(self, value: Node, path: Path) -> str:
        if isinstance(value, Scalar):
            return self.text(value, True, path)
        return flow.on_one_line(value, lambda scalar, inside: self.text(scalar, inside, ()))

    def _opened(self, start: str, value: Node, path: Path) -> list[str] | None:
        """Braces and brackets: on one line or filled; None for a list of mappings that is to become a block."""
        parts = self.parts(value, path)
        one = f"{start} {flow.enclosed(value, parts)}"
        if len(one) <= flow.WIDTH:
            return [one]
        if isinstance(value, Items) and any(isinstance(item, Block) for item in value.items):
            return None
        return flow.filled(value, parts, start + " ")

    def _feature(self, start: str, key_line: int, value: Block, path: Path) -> str | None:
        """A feature in block style on one line, where it fits and no comment stands in it."""
        if self.comments.any_in(key_line, last_line(value)):
            return None
        for key, each in value:
            several = is_flow(each) is False and not isinstance(each, Scalar)
            if several or (isinstance(each, Scalar) and "\n" in each.text.strip() and not is_condition((*path, key.text))):
                return None
        one = f"{start} {flow.enclosed(value, self.parts(value, path))}"
        if len(one) > flow.WIDTH or "\n" in one:
            return None
        return self._beside(one, last_line(value))

    def _scalar(self, start: str, key_line: int, value: Scalar, indent: int, path: Path) -> list[str]:
        if is_condition(path):
            found = self._condition(start, key_line, value, indent, path)
            if found is not None:
                return found
        if value.style in BLOCK_STYLES:
            kept = _block_scalar(value, indent + 2)
            if kept is not None:
                return [self._beside(f"{start} {kept[0]}", key_line), *kept[1:]]
        one = f"{start} {self.text(value, False, path)}".rstrip()
        return self._beside_last([one], [key_line, last_line(value)])

    def _condition(self, start: str, key_line: int, value: Scalar, indent: int, path: Path) -> list[str] | None:
        """`when: |` with one term a line; a macro on one line where it fits."""
        lines = condition_lines(value.text, indent + 2)
        if lines is None:
            return None
        held = [key_line] if value.style in BLOCK_STYLES else [key_line, last_line(value)]  # where a comment can stand beside it
        if path[0] != "rules":
            one = f"{start} {self.text(value, False, path)}"
            if len(one) <= flow.WIDTH:
                return self._beside_last([one], held)
        return [*self._beside_last([f"{start} |"], held), *(" " * (indent + 2) + line for line in lines)]

    def _as_written(self, start: str, value: Node) -> list[str]:
        """Braces with comments in them: their lines as they are, moved to where they stand now."""
        file, first, last = value.file, first_line(value), last_line(value)
        shift = len(start) + 1 - file.place(value.start).column
        end = file.line_end(value.end)
        head, *rest = file.text[value.start : end].split("\n")
        for line in range(first, last + 1):
            self.comments.beside(line)
        self.comments.between(first, last + 1)
        moved = [" " * max(0, len(line) - len(line.lstrip()) + shift) + line.strip() for line in rest]
        return [start + head.rstrip(), *(line.rstrip() for line in moved)]

    def _beside(self, line: str, source_line: int) -> str:
        found = self.comments.beside(source_line)
        return line if found is None else line.ljust(max(found.column - 1, len(line) + 2)) + found.text

    def _beside_last(self, lines: list[str], source_lines: Sequence[int]) -> list[str]:
        """With the comment beside it; those between key and value, where the value was on a line of its own, go above."""
        first, last = source_lines[0], source_lines[-1]
        above = [found for found in [self.comments.beside(first) if first != last else None] if found is not None]
        above += [found for found in self.comments.between(first, last) if found.text]
        indent = len(lines[0]) - len(lines[0].lstrip())
        return [*_shown(above, indent), *lines[:-1], self._beside(lines[-1], last)]

    def _align(self, block: Block, heads: dict[str, list[Comment]], bodies: dict[str, list[str]], indent: int, path: Path) -> None:
        """Features, and the fields of an event, in columns: those with no blank line between."""
        if path != ("features",) and not (len(path) == 3 and path[0] == "events" and path[2] == "fields"):
            return
        group: list[_Aligned] = []
        for key, value in block:
            row = self._row(key, value, bodies[key.text], indent, (*path, key.text))
            if row is None or any(not each.text for each in heads[key.text]):
                _lay_out(group, bodies, indent, inside=path == ("features",))
                group = []
            if row is not None:
                group.append(row)
        _lay_out(group, bodies, indent, inside=path == ("features",))

    def _row(self, key: Scalar, value: Node, body: Sequence[str], indent: int, path: Path) -> _Aligned | None:
        """None for what is no row: a block, or braces with comments in them."""
        head = self.text(key, False, ()) + ":"
        if isinstance(value, Scalar):
            said = self.text(value, False, path)
            row, plain = flow.Row(head, (), (), said), [f"{' ' * indent}{head} {said}".rstrip()]
        elif is_flow(value) or len(body) == 1:
            keys = tuple(each.text for each, _ in ordered(value, path)) if isinstance(value, Block) else ()
            parts = self.parts(value, path)
            row = flow.Row(head, keys, tuple(parts)) if keys else flow.Row(head, (), (), flow.enclosed(value, parts))
            plain = self._opened(" " * indent + head, value, path) or []
        else:
            return None
        if len(body) != len(plain) or list(body[:-1]) != plain[:-1] or not body[-1].startswith(plain[-1]):
            return None
        comment = body[-1][len(plain[-1]) :].lstrip()
        return _Aligned(key.text, row, value, comment, len(body[-1]) - len(comment))


def _lay_out(group: Sequence[_Aligned], bodies: dict[str, list[str]], indent: int, *, inside: bool) -> None:
    """``inside``: columns inside the braces too."""
    if len(group) < 2:
        return
    for each, line in zip(group, flow.columns([each.row for each in group], indent, inside=inside), strict=True):
        lines = [line]
        if len(line) > flow.WIDTH and each.row.keys:
            lines = flow.filled(each.value, each.row.parts, line[: line.index("{")])
        if each.comment:
            lines[-1] = lines[-1].ljust(max(each.column, len(lines[-1]) + 2)) + each.comment
        bodies[each.name] = lines


def _block_scalar(value: Scalar, indent: int) -> list[str] | None:
    """A text of several lines as it is written, moved to ``indent``; None where its white space says more than that."""
    header, *body = value.file.text[value.start : value.end].rstrip().split("\n")
    sign = re.match(r"([|>][-+]?)(?!\d)", header)
    if sign is None or not body or value.text.endswith("\n\n") or "+" in sign[1] or "\t" in value.text:
        return None
    least = min(len(line) - len(line.lstrip(" ")) for line in body if line.strip())
    return [sign[1], *((" " * indent + line[least:]).rstrip() for line in body)]


def _empty(value: Node) -> bool:
    return isinstance(value, Scalar) and not value.text and not value.style


def _shown(comments: Sequence[Comment], indent: int) -> list[str]:
    """The comments as lines, never two blank lines together."""
    lines: list[str] = []
    for each in comments:
        if each.text or (lines and lines[-1]) or not lines:
            lines.append(" " * indent + each.text if each.text else "")
    return lines


def _without_first_blank(lines: list[str]) -> list[str]:
    return lines[1:] if lines and not lines[0] else lines


__all__ = ["BadRuleFile", "CannotFormat", "Printer", "formatted", "quoted"]
