"""`risk check`: load rule files, tell everything that is wrong with them, decide nothing.

Exit code: 2 with an error, 1 with a warning under `--strict`, else 0.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from risk.language import Loaded, examine, render_problems
from risk.language.problems import as_data


class Format(StrEnum):
    text = "text"
    json = "json"


def check(
    path: Annotated[Path, typer.Argument(help="The folder of rule files, or one file.")],
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 where there is a warning.")] = False,
    format: Annotated[Format, typer.Option("--format", help="For people, or for programs.")] = Format.text,
) -> None:
    """Load the rule files and tell every error and warning with its place and what to do."""
    try:
        loaded = examine([path], today=datetime.now(UTC).date())
    except (OSError, ValueError) as problem:
        print(f"risk check: {problem}", file=sys.stderr)
        raise typer.Exit(2) from None
    sys.stdout.write(
        _as_json(loaded, path) if format is Format.json else render_problems(loaded.problems, loaded.sources, loaded.summary, _root(path))
    )
    if loaded.errors:
        raise typer.Exit(2)
    if loaded.warnings and strict:
        raise typer.Exit(1)


def _root(path: Path) -> str:
    """What stands before paths of the rule set, so that an editor can jump to them."""
    root = path if path.is_dir() else path.parent
    return "" if str(root) == "." else root.as_posix().rstrip("/")


def _as_json(loaded: Loaded, path: Path) -> str:
    said = {
        "root": _root(path) or ".",
        "errors": loaded.errors,
        "warnings": loaded.warnings,
        "hash": loaded.ruleset.hash if loaded.ruleset is not None else None,
        "problems": [as_data(problem) for problem in loaded.problems],
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"
