"""`risk fmt`: rule files in the one layout.

Belongs here: options, reading and writing files, exit codes. Never: the layout (`risk.tools.layout`).
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import FINDINGS, PASSED, WRONG_FILES, bytes_of, wrong
from risk.sources import rule_files
from risk.tools.layout import BadRuleFile, CannotFormat, formatted


def fmt(
    path: Annotated[
        Path, typer.Argument(help="A folder of rule files, or one file; `-` reads the standard input, writes the output.")
    ] = Path("rules"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 where a file is not in the layout.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
) -> None:
    """Bring rule files into the one layout: order of keys, one term of a condition a line, braces, quotes, blank lines.

    Comments stay, and no meaning changes: what a file says before and after is compared before it is written.
    Exit 0: done, or nothing to do; 1: with --check, a file is not in the layout; 2: a file cannot be read or formatted.
    """
    if str(path) == "-":
        sys.stdout.write(_one(path, "stdin.yaml", bytes_of("fmt", path)) or "")
        return
    try:
        files = rule_files(path)
    except (OSError, ValueError) as problem:
        wrong("fmt", problem)
    changed = failed = 0
    for inside, raw in files:
        place = path if path.is_file() else path / inside
        text = _one(place, inside, raw)
        if text is None:
            failed += 1
        elif text.encode() != raw:
            changed += 1
            _change(place, raw, text, write=not (check or diff), diff=diff)
    typer.echo(_summary(len(files), changed, failed, written=not (check or diff)), err=diff)
    raise typer.Exit(WRONG_FILES if failed else FINDINGS if check and changed else PASSED)


def _one(place: Path, inside: str, raw: bytes) -> str | None:
    """The formatted text; None where that cannot be, which is told."""
    try:
        return formatted(inside, raw)
    except BadRuleFile as found:
        typer.echo(found.report, err=True)
    except CannotFormat as found:
        typer.echo(f"{place}: {found}", err=True)
    if str(place) == "-":
        raise typer.Exit(WRONG_FILES)
    return None


def _change(place: Path, raw: bytes, text: str, *, write: bool, diff: bool) -> None:
    if diff:
        before, after = raw.decode(errors="replace").splitlines(keepends=True), text.splitlines(keepends=True)
        sys.stdout.writelines(difflib.unified_diff(before, after, str(place), f"{place} (formatted)"))
        return
    if write:
        try:
            place.write_bytes(text.encode())
        except OSError as problem:
            wrong("fmt", problem)
    typer.echo(f"{'formatted' if write else 'not in the layout:'} {place}")


def _summary(files: int, changed: int, failed: int, *, written: bool) -> str:
    same, of = files - changed - failed, "file" if files == 1 else "files"
    said = f"{files} {of}: {changed} {'changed' if written else 'would change'}, {same} in the layout already"
    return said + (f", {failed} cannot be formatted" if failed else "")
