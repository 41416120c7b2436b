"""Problems of rule files, and the one form in which they are shown.

Rule 1: a problem has a place, says what is wrong in a snippet (no capital, no full stop) and, where it can, what to do instead.
Rule 2: nothing here finds a problem; sections and checks do. Nothing here reads a file either: the texts are an argument.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. ``line`` and ``column`` count from 1, ``length`` is what the carets cover (characters of that line)."""

    code: str
    severity: Severity
    path: str
    line: int
    column: int
    length: int
    message: str
    hint: str | None = None


class RuleFileError(Exception):
    """The rule files cannot be used. ``problems`` has every error and warning, ``report`` the text a person reads."""

    def __init__(self, problems: Iterable[Problem], sources: Mapping[str, str], summary: str = "", root: str = "") -> None:
        self.problems = list(problems)
        self.sources = dict(sources)
        self.summary = summary
        super().__init__(summary or f"{len(self.problems)} problems in rule files")
        self.root = root

    @property
    def report(self) -> str:
        return render_problems(self.problems, self.sources, self.summary, self.root)


def render_problems(problems: Iterable[Problem], sources: Mapping[str, str], summary: str = "", root: str = "") -> str:
    """All problems in order of place, a blank line between them, the summary last. ``root`` is put before every path."""
    lines: dict[str, list[str]] = {}
    shown = [render_one(problem, sources, root, lines) for problem in in_order(problems)]
    if summary:
        shown.append(summary)
    return "\n\n".join(shown) + "\n" if shown else ""


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By place, each once: a macro that is wrong is met at every use, but told once per place."""
    return sorted(dict.fromkeys(problems), key=lambda p: (p.path, p.line, p.column, p.code, p.message))


def render_one(problem: Problem, sources: Mapping[str, str], root: str = "", split: dict[str, list[str]] | None = None) -> str:
    """One problem. ``split``: keeps the lines of files from one call to the next."""
    head = f"{problem.path}:{problem.line}:{problem.column}: {problem.severity}[{problem.code}]: {problem.message}"
    lines = (split or {}).get(problem.path)
    if lines is None:
        lines = sources.get(problem.path, "").split("\n")
        if split is not None:
            split[problem.path] = lines
    shown = [head]
    gutter = " " * len(str(problem.line))
    if problem.line <= len(lines):
        source = lines[problem.line - 1]
        before, covered = source[: problem.column - 1], source[problem.column - 1 : problem.column - 1 + problem.length]
        shown.append(f"{gutter} |")
        shown.append(f"{problem.line} | {_clipped(source)}".rstrip())
        under = f"{_blank(before[:LINE_SHOWN_MAX])}{'^' * max(1, _width(covered[:LINE_SHOWN_MAX]))}"
        shown.append(f"{gutter} | {under}"[:LINE_SHOWN_MAX])
    if problem.hint:
        shown.append(f"{gutter} = {problem.hint}")
    text = "\n".join(shown)
    return _under(root, text, sources) if root else text


LINE_SHOWN_MAX = 400


def _clipped(source: str) -> str:
    """A line that a terminal can bear: control characters shown as a mark, an endless one cut."""
    plain = "".join(c if c == "\t" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in source[:LINE_SHOWN_MAX])
    return plain + (" ..." if len(source) > LINE_SHOWN_MAX else "")


def _blank(text: str) -> str:
    """White space as wide as ``text`` on a terminal, so that carets stand under wide characters too."""
    return "".join("\t" if c == "\t" else " " * _width(c) for c in text)


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _under(root: str, text: str, sources: Mapping[str, str]) -> str:
    """Put ``root`` before each path of the rule set that is followed by a line number, so that editors can jump there."""
    paths = "|".join(re.escape(path) for path in sorted(sources, key=len, reverse=True))
    return re.sub(rf"(?<![\w/.-])({paths})(?=:\d)", lambda m: f"{root}/{m[1]}", text) if paths else text


def as_data(problem: Problem) -> dict[str, Any]:
    """For `--format json`."""
    return asdict(problem)


def count(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was probably meant."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    if found:
        return found[0]
    lowered = {choice.lower(): choice for choice in choices}
    return lowered.get(word.lower())


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    match = nearest(word, list(choices))
    return f"did you mean `{match}`?" if match else None


def one_of(choices: Iterable[str]) -> str:
    """`a, b or c` for messages that list what is allowed."""
    words = list(choices)
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
