"""The tone of messages, read from the sources: every text that the language can say, not only those that a test provokes.

Snippets, not sentences: no capital at the start, no full stop at the end, names in backticks, no shouting, no blame.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LANGUAGE = Path(__file__).parent.parent / "risk" / "language"
CODE = re.compile(r"[EW]\d{3}")
CAPITALS = ("YAML", "UTF", "CNY", "EUR", "U+", "IP", "RFC", "URI")
BLAME = re.compile(r"\b(please|sorry|oops|invalid|illegal|bad|must not|you have|your|forbidden|failed to)\b", re.IGNORECASE)
HOLE = "\0"


def texts() -> Iterator[tuple[str, str]]:
    """(place, text) of every message and hint that is written as a text in a call that tells a problem, or assigned to one."""
    for path in sorted(LANGUAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assigned = _assigned(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and any(isinstance(a, ast.Constant) and CODE.fullmatch(str(a.value)) for a in node.args):
                for argument in node.args:
                    for text in _said(argument, assigned):
                        if not CODE.fullmatch(text) and text not in ("error", "warning"):
                            yield f"{path.relative_to(LANGUAGE.parent.parent)}:{argument.lineno}", text


def _assigned(tree: ast.Module) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id in ("message", "told", "said", "hint"):
                found.setdefault(target.id, []).append(node.value)
    return found


def _said(node: ast.expr, assigned: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The texts that an expression can be, with a mark for what is put in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _said(body, assigned)
            yield from _said(orelse, assigned)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _said(value, assigned)
        case ast.Name(id=name):
            for value in assigned.get(name, ()):
                yield from _said(value, {})


ALL = list(texts())


def test_the_reading_of_the_sources_finds_the_messages() -> None:
    assert len(ALL) > 250
    assert any("can never be in it" in text for _, text in ALL)
    assert any("write the smaller value first" in text for _, text in ALL)


@pytest.mark.parametrize(("place", "text"), ALL, ids=[place for place, _ in ALL])
def test_a_message_is_a_snippet(place: str, text: str) -> None:
    assert text == text.strip() or text.endswith(": "), f"{place}: white space around {text!r}"
    assert not text.endswith((".", "!", "?")) or text.endswith(("...", "`?", "'?", HOLE + "?")), f"{place}: a full stop ends {text!r}"
    first = text[:1]
    assert not first.isupper() or text.startswith(CAPITALS), f"{place}: a capital starts {text!r}"
    assert text.count("`") % 2 == 0, f"{place}: a backtick is missing in {text!r}"
    assert "\n" not in text
    assert not BLAME.search(re.sub(r"`[^`]*`", "", text)), f"{place}: say what is expected, without blame: {text!r}"
    assert "!" not in re.sub(r"`[^`]*`", "", text), f"{place}: no shouting in {text!r}"
    assert '"' not in re.sub(r"`[^`]*`", "", text), f"{place}: what is written stands in backticks in {text!r}"
    assert len(text) < 180, f"{place}: {text!r} is longer than a line"
