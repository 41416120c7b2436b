"""`risk check`: load rule files, tell everything that is wrong with them, decide nothing.

Exit code: 2 with an error, 1 with a warning under `--strict`, else 0.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from risk.language import Loaded, examine, render_problems
from risk.language.formats import as_json, github, sarif
from risk.tools.state import left_by_a_payment, told


class Format(StrEnum):
    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


def check(
    path: Annotated[Path, typer.Argument(help="The folder of rule files, or one file.")],
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 where there is a warning.")] = False,
    format: Annotated[Format, typer.Option("--format", help="For people, programs, GitHub or code scanning.")] = Format.text,
) -> None:
    """Load the rule files and tell every error and warning with its place and what to do."""
    try:
        loaded = examine([path], today=datetime.now(UTC).date())
    except (OSError, ValueError) as problem:
        print(f"risk check: {problem}", file=sys.stderr)
        raise typer.Exit(2) from None
    sys.stdout.write(_shown(loaded, _root(path), format))
    if loaded.errors:
        raise typer.Exit(2)
    if loaded.warnings and strict:
        raise typer.Exit(1)


def _root(path: Path) -> str:
    """What stands before paths of the rule set, so that an editor can jump to them."""
    root = path if path.is_dir() else path.parent
    return "" if str(root) == "." else root.as_posix().rstrip("/")


def _shown(loaded: Loaded, root: str, format: Format) -> str:
    match format:
        case Format.json:
            return as_json(loaded.problems, root, loaded.ruleset.hash if loaded.ruleset is not None else None)
        case Format.github:
            return github(loaded.problems, loaded.summary, root)
        case Format.sarif:
            return sarif(loaded.problems, version("riskstream"), root)
    *problems, summary = render_problems(loaded.problems, loaded.sources, loaded.summary, root).splitlines(keepends=True)
    left = left_by_a_payment(loaded.ruleset) if loaded.ruleset is not None else None
    state = f"{told(left)}\n" if left is not None and left.rows else ""
    return "".join((*problems, state, summary))
