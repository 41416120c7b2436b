"""The table of everything that `risk check` can say, read from the calls in the sources of the language: code, message, what to do.

Belongs here: finding the texts. Never: a word of them, and nothing that a worker needs: `python -m streams.tables docs` asks for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import risk.language

SOURCES = Path(risk.language.__file__).parent
CODE = re.compile(r"[EW]\d{3}")
HOLE = "…"
NOT_TEXTS = frozenset({"error", "warning"})
TEXT_NAMES = frozenset({"message", "told", "said", "hint", "what", "unit"})


def told() -> list[tuple[str, str, str]]:
    """(code, message, what to do), each once, by code; `…` stands for what is put in."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                assigned = _assigned(function)
                for node in ast.walk(function):
                    for code, message, hint in _told_by(node, function, assigned):
                        found[code, message] = found.get((code, message)) or hint
    return [(code, message, hint) for (code, message), hint in sorted(found.items())]


def _told_by(node: ast.AST, function: ast.FunctionDef, assigned: dict[str, list[ast.expr]]) -> Iterator[tuple[str, str, str]]:
    """A call or a tuple that holds a code, and after it the message and what to do."""
    parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
    at = next((i for i, part in enumerate(parts) if _code(part)), None)
    codes = [_code(parts[at])] if at is not None else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_refuse":
        at, codes = 0, ["E006"]
    elif not codes and parts and isinstance(parts[0], ast.Name) and parts[0].id == "code" and isinstance(node, ast.Call):
        at, codes = 0, sorted({code for each in ast.walk(function) if (code := _code(each))})  # one of several, as a loop has it
    texts = [said for part in parts[at + 1 :] if (said := list(_said(part, assigned)))] if at is not None else []
    if texts:
        hints = " · ".join(dict.fromkeys(texts[1])) if len(texts) > 1 else ""
        for message in texts[0]:
            yield from ((code, message, hints) for code in codes)


def _code(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value) else ""


def _assigned(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id in TEXT_NAMES:
                found.setdefault(target.id, []).append(node.value)
    return found


def _said(node: ast.expr, assigned: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The texts that an expression can be."""
    match node:
        case ast.Constant(value=str(text)):
            if text not in NOT_TEXTS and not CODE.fullmatch(text):
                yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _said(body, assigned)
            yield from _said(orelse, assigned)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _said(value, assigned)
        case ast.BinOp(left=left, right=right):
            for first in _said(left, assigned):
                rest = list(_said(right, assigned)) or [HOLE]
                yield from (first + second for second in rest)
        case ast.Call(func=ast.Name(id="did_you_mean")):
            yield f"did you mean `{HOLE}`?"
        case ast.Name(id=name):
            for value in assigned.get(name, ()):
                yield from _said(value, {})
