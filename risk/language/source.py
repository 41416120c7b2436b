"""YAML as text with places: what every section reads from.

Rule 1: every scalar is text; nothing here guesses numbers, dates or yes/no.
Rule 2: a node knows where it is written, and a scalar can say where any part of its text stands in the file, whichever way it is
quoted or folded.
Rule 3: hostile files end as problems: anchors, aliases, tags, depth, size and control characters are refused, none is followed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from risk.declared import Place
from risk.language.problems import Problem, Severity

FILE_CHARACTERS_MAX = 4_000_000
DEPTH_MAX = 24
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class File:
    """One rule file: its path inside the rule set and its text with LF line ends."""

    path: str
    text: str
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.starts = [0, *(m.end() for m in re.finditer("\n", self.text))]

    def place(self, offset: int) -> Place:
        line = bisect_right(self.starts, offset)
        return Place(self.path, line, offset - self.starts[line - 1] + 1)

    def line_end(self, offset: int) -> int:
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text and where it stands: ``start`` and ``end`` are offsets in the file, quotes and block header included."""

    file: File
    text: str
    style: str
    start: int
    end: int

    @property
    def place(self) -> Place:
        return self.file.place(self.start)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the file of the part ``text[start:end]``."""
        places = _offsets(self)
        if not places:
            return self.start, self.end
        first = places[min(start, len(places) - 1)] if start < len(places) else places[-1] + 1
        return first, max(places[min(end, len(places)) - 1] + 1, first + 1) if end > start else first + 1


@dataclass(frozen=True, slots=True)
class Items:
    """A YAML list."""

    file: File
    items: tuple[Node, ...]
    start: int
    end: int

    @property
    def place(self) -> Place:
        return self.file.place(self.start)


@dataclass(frozen=True, slots=True)
class Block:
    """A YAML mapping: keys in order, each once (a key written twice is a problem and its second value is left out)."""

    file: File
    entries: dict[str, tuple[Scalar, Node]]
    start: int
    end: int

    @property
    def place(self) -> Place:
        return self.file.place(self.start)

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        return iter(self.entries.values())

    def get(self, key: str) -> Node | None:
        found = self.entries.get(key)
        return found[1] if found else None

    def key(self, key: str) -> Scalar:
        return self.entries[key][0]


Node = Scalar | Items | Block


class Problems:
    """Collects what is wrong, so that one run tells everything."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.errors = 0

    def error(self, code: str, node: Node, message: str, hint: str | None = None) -> None:
        self.at(code, node.file, node.start, node.end, message, hint)

    def warning(self, code: str, node: Node, message: str, hint: str | None = None) -> None:
        self.at(code, node.file, node.start, node.end, message, hint, "warning")

    def inside(
        self, code: str, scalar: Scalar, start: int, end: int, message: str, hint: str | None = None, severity: Severity = "error"
    ) -> None:
        """About a part of a scalar's text."""
        first, last = scalar.span(start, end)
        self.at(code, scalar.file, first, last, message, hint, severity)

    def at(self, code: str, file: File, start: int, end: int, message: str, hint: str | None = None, severity: Severity = "error") -> None:
        place = file.place(start)
        shown = file.text[start : min(max(end, start + 1), file.line_end(start))].rstrip()
        self.add(Problem(code, severity, place.path, place.line, place.column, max(1, len(shown)), message, hint))

    def at_place(self, code: str, place: Place, length: int, message: str, hint: str | None = None, severity: Severity = "error") -> None:
        """About something whose node is no longer at hand."""
        self.add(Problem(code, severity, place.path, place.line, place.column, length, message, hint))

    def add(self, problem: Problem) -> None:
        self.found.append(problem)
        self.errors += problem.severity == "error"


def where(node: Node) -> str:
    """`file:line:column`, for hints that name a second place."""
    place = node.place
    return f"{place.path}:{place.line}:{place.column}"


class _Refused(Exception):
    """The rest of this file cannot be read; the problem is already told."""


def read(path: str, raw: str | bytes, problems: Problems) -> tuple[File, Block | None]:
    """The file as nodes; None where it is empty or cannot be read at all, which is then told as a problem."""
    file = File(path, _text(path, raw, problems))
    try:
        node = _compose(file, problems)
    except _Refused:
        return file, None
    if node is None or (isinstance(node, Scalar) and not node.text):
        return file, None
    if not isinstance(node, Block):
        problems.error("E005", node, "a rule file has sections: `events:`, `lists:`, `macros:`, `features:`, `rules:` and so on")
        return file, None
    return file, node


def _text(path: str, raw: str | bytes, problems: Problems) -> str:
    if isinstance(raw, bytes):
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as problem:
            line = raw[: problem.start].count(b"\n") + 1
            problems.add(Problem("E002", "error", path, line, 1, 1, "this file is not UTF-8 text", "save it as UTF-8"))
            return ""
    else:
        text = raw
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > FILE_CHARACTERS_MAX:
        message = f"this file has {len(text):,} characters; at most {FILE_CHARACTERS_MAX:,} are read"
        problems.add(Problem("E002", "error", path, 1, 1, 1, message, "a long list belongs on the topic: `source: topic`"))
        return ""
    bad = re.search("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if bad:
        place = File(path, text).place(bad.start())
        message = f"a rule file cannot hold the control character U+{ord(bad[0]):04X}"
        problems.add(Problem("E002", "error", path, place.line, place.column, 1, message, None))
        return ""
    return text


def _compose(file: File, problems: Problems) -> Node | None:
    events = cast("Iterator[Any]", yaml.parse(file.text, Loader=LOADER))
    root: Node | None = None
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    _refuse(file, event, problems, "a rule file holds one document; `---` starts a second")
            elif isinstance(event, yaml.NodeEvent):
                root = _node(file, event, events, 0, problems)
    except yaml.YAMLError as problem:
        _tell(file, problem, problems)
        raise _Refused from None
    return root


def _node(file: File, event: Any, events: Iterator[Any], depth: int, problems: Problems) -> Node:
    if depth > DEPTH_MAX:
        _refuse(file, event, problems, f"nested deeper than {DEPTH_MAX} levels")
    if isinstance(event, yaml.AliasEvent):
        _refuse(
            file,
            event,
            problems,
            f"`*{event.anchor}` refers to another place; rule files have no aliases",
            "write the value here, or make it a macro or a list",
        )
    if event.anchor:
        _refuse(
            file,
            event,
            problems,
            f"`&{event.anchor}` marks a place; rule files have no anchors",
            "write the value where it is needed, or make it a macro or a list",
        )
    if event.tag:
        _refuse(file, event, problems, "rule files have no tags (`!...`)", "remove the tag; every value is read as text")
    start: int = _start(event)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(file, event.value, event.style or "", start, _end(event))
    if isinstance(event, yaml.SequenceStartEvent):
        return _items(file, start, events, depth, problems)
    return _block(file, start, events, depth, problems)


def _start(event: Any) -> int:
    return cast("int", event.start_mark.index)


def _end(event: Any) -> int:
    return cast("int", event.end_mark.index)


def _items(file: File, start: int, events: Iterator[Any], depth: int, problems: Problems) -> Items:
    items: list[Node] = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            return Items(file, tuple(items), start, _end(event))
        items.append(_node(file, event, events, depth + 1, problems))
    raise AssertionError("the parser ended inside a list")


def _block(file: File, start: int, events: Iterator[Any], depth: int, problems: Problems) -> Block:
    entries: dict[str, tuple[Scalar, Node]] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            return Block(file, entries, start, _end(event))
        key = _node(file, event, events, depth + 1, problems)
        value = _node(file, next(events), events, depth + 1, problems)
        if not isinstance(key, Scalar):
            problems.error("E005", key, "a key is one word, not a list or a mapping")
        elif key.text in entries:
            first = where(entries[key.text][0])
            problems.error(
                "E001", key, f"`{key.text}` is written twice", f"first written at {first}; YAML would silently keep only the last"
            )
        else:
            entries[key.text] = (key, value)
    raise AssertionError("the parser ended inside a mapping")


def _refuse(file: File, event: Any, problems: Problems, message: str, hint: str | None = None) -> None:
    problems.at("E006", file, _start(event), _end(event), message, hint)
    raise _Refused


def _tell(file: File, problem: yaml.YAMLError, problems: Problems) -> None:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    offset = min(mark.index, len(file.text)) if mark else 0
    what = getattr(problem, "problem", None) or str(problem).split("\n", maxsplit=1)[0]
    context = getattr(problem, "context", None) or ""
    hint = None
    if "parsing a flow" in context:
        opening = getattr(problem, "context_mark").index  # noqa: B009 the C parser's errors have it, the base class does not
        hint = "put a text that holds a comma, a bracket or `: ` in quotes"
        problems.at("E000", file, opening, opening + 1, f"this `{file.text[opening]}` is not closed, or a comma is missing after it", hint)
        return
    if "scanning a quoted scalar" in context:
        opening = min(getattr(problem, "context_mark").index, len(file.text) - 1)  # noqa: B009 as above
        sign = file.text[opening]
        said = f"this quotation mark {sign} is not closed" if "end of stream" in what else f"this text in {sign} cannot be read: {what}"
        problems.at("E000", file, opening, opening + 1, said, None if "end of stream" not in what else "write the same sign at its end")
        return
    if "did not find expected key" in what:
        hint = "this line is indented otherwise than the lines that it belongs to"
    if "mapping values are not allowed" in what:
        hint = "a text that holds `: ` needs quotes; or this line is indented too far"
    elif "cannot start any token" in what and file.text[offset : offset + 1] in "\t@%`":
        hint = "indent with spaces, not tabs" if file.text[offset : offset + 1] == "\t" else "put the value in quotes"
    problems.at("E000", file, offset, offset + 1, f"this is not YAML: {what}" + (f" {context}" if context else ""), hint)


def _offsets(scalar: Scalar) -> list[int]:
    """For each character of the scalar's text, the offset in the file of the character that it was read from.

    All five styles keep the characters that are not white space in order, so a walk that skips the source's white space
    (indentation, folds) and reads the escapes of the quoted styles meets each one.
    """
    source = scalar.file.text
    at, stop = scalar.start, scalar.end
    if scalar.style in ("|", ">"):
        at = min(scalar.file.line_end(at) + 1, stop)
    elif scalar.style:
        at, stop = at + 1, stop - 1
    last = max(stop - 1, scalar.start)
    places: list[int] = []
    for character in scalar.text:
        if not character.isspace():
            while at < stop and (source[at].isspace() or (scalar.style == '"' and source.startswith("\\\n", at))):
                at += 1 if source[at] != "\\" else 2
        places.append(min(at, last))
        if not character.isspace() or (at < stop and (source[at].isspace() or source[at] == "\\")):
            at += _length(source, at, scalar.style)
    return places


_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)


def _length(source: str, at: int, style: str) -> int:
    """How many characters of the source make the next one of the text."""
    if style == '"' and source.startswith("\\", at):
        escape = _ESCAPE.match(source, at)
        return len(escape[0]) if escape else 1
    return 2 if style == "'" and source.startswith("''", at) else 1
