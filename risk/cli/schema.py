"""`risk schema`: a JSON Schema of rule files for editors.

Belongs here: options, writing the file. Never: the schema (`risk.tools.json_schema`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import RulesOption, ruleset_at, wrong
from risk.tools.json_schema import schema_of


def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file. Without: to the terminal.")] = None,
    rules: RulesOption = Path("rules"),
    plain: Annotated[bool, typer.Option("--plain", help="Without the names of a rule set; it then fits every rule file.")] = False,
) -> None:
    """Make a JSON Schema of rule files, for completion and errors in an editor, with the names of your rules in it.

    In VS Code with the YAML extension: risk schema --out .vscode/rules.schema.json, and in .vscode/settings.json
    "yaml.schemas": {".vscode/rules.schema.json": "rules/**/*.yaml"}. Make it again when names have changed.
    Exit 0: made; 2: the rule files are wrong (--plain needs none).
    """
    made = schema_of(None if plain else ruleset_at("schema", rules))
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        wrong("schema", problem)
    typer.echo(f"wrote {out}, {len(text) // 1024 + 1} KiB")
