"""`risk names`: every name that a rule can use, and who uses it.

Belongs here: options and exit codes. Never: finding names (`risk.tools.names`).
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import FINDINGS, RulesOption, ruleset_at
from risk.tools.names import as_data, details, matching, names_of, suggestion, table

DETAILS_MAX = 12
"""So many names that a word finds are shown in full; more are listed."""


class Kind(StrEnum):
    event = "event"
    field = "field"
    feature = "feature"
    list = "list"
    macro = "macro"
    segment = "segment"
    setting = "setting"
    rule = "rule"
    param = "param"


def names(
    word: Annotated[str | None, typer.Argument(help="Only names that hold this word.")] = None,
    rules: RulesOption = Path("rules"),
    kind: Annotated[Kind | None, typer.Option(help="Only names of this kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the names of the rule files: type, where defined, who uses each. With a WORD: those names in full.

    Exit 0: found; 1: no name holds the word (near ones are suggested); 2: the rule files are wrong.
    """
    ruleset = ruleset_at("names", rules)
    known = names_of(ruleset)
    found = matching(known, word, kind)
    if as_json:
        typer.echo(json.dumps(as_data(found), indent=2, ensure_ascii=False))
    elif found:
        root = rules if rules.is_dir() else rules.parent
        shown = "" if str(root) == "." else root.as_posix()
        typer.echo(details(found, shown) if word is not None and len(found) <= DETAILS_MAX else table(found, shown), nl=False)
    if word is not None and not found:
        near = suggestion(matching(known, None, kind), word)
        typer.echo(f"no {kind or 'name'} holds `{word}`" + (f"; did you mean `{near}`?" if near else ""), err=True)
        raise typer.Exit(FINDINGS)
