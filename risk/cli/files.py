"""What several commands do first: load the rule set, open a file of JSON, and end with exit code 2 where that fails.

Belongs here: reading files that a command names, and the words for what is wrong with them. Never: a command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from risk.language import RuleFileError, RuleSet, load
from risk.learning import ModelError, Version, VersionError, fixed_version
from risk.sources import rule_files

PASSED, FINDINGS, WRONG_FILES = 0, 1, 2

RulesOption = Annotated[Path, typer.Option("--rules", "--path", envvar="RISK_RULES", help="The folder of rule files, or one file.")]


def wrong(command: str, said: object) -> NoReturn:
    """Say what is wrong with the files or options, and end."""
    typer.echo(f"risk {command}: {said}", err=True)
    raise typer.Exit(WRONG_FILES)


def ruleset_at(command: str, path: Path) -> RuleSet:
    """The rule set in a folder or file; what is wrong with it is shown as `risk check` shows it."""
    try:
        return load(rule_files(path))
    except RuleFileError as found:
        typer.echo(found.report, err=True)
        raise typer.Exit(WRONG_FILES) from None
    except (OSError, ValueError) as problem:
        wrong(command, problem)


def lines_of(command: str, path: Path) -> Iterator[bytes]:
    """The lines of a file, `-` for the standard input, one at a time: a file of receipts may be larger than memory."""
    try:
        if str(path) == "-":
            yield from sys.stdin.buffer
            return
        with path.open("rb") as file:
            yield from file
    except OSError as problem:
        wrong(command, problem)


def bytes_of(command: str, path: Path) -> bytes:
    """The whole of a small file, `-` for the standard input."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as problem:
        wrong(command, problem)


def version_at(command: str, ruleset: RuleSet, path: Path | None) -> Version | None:
    """The model version in a file (its canonical bytes). Without one: that of a fixed model, which the rule files say; else None."""
    model = ruleset.model
    try:
        if path is None:
            return fixed_version(model) if model is not None and model.learner == "fixed" else None
        version = Version.from_bytes(bytes_of(command, path))
    except (VersionError, ModelError) as problem:
        wrong(command, f"{path or 'the model'}: {problem}")
    if model is None or not version.fits(model):
        wrong(command, f"{path}: this version does not read what `model:` of the rule files declares")
    return version
