"""`risk docs`: the static site of a rule set.

Belongs here: options, writing the files. Never: a page (`risk.tools.site`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import RulesOption, ruleset_at, wrong
from risk.tools.site import site_of

MARK = "style.css"
"""A folder that holds it, and an index, is taken for a site of ours, whose old pages may go."""


def docs(
    out: Annotated[Path, typer.Option(help="The folder for the site. Pages there of an earlier site are replaced.")] = Path("site"),
    rules: RulesOption = Path("rules"),
) -> None:
    """Write a static site of the rules: a page a rule with its condition and tests, owners, reason codes, features, lists, the graph.

    It opens from the folder (OUT/index.html), needs no server and no script. The same rule files give the same site, byte for byte.
    Exit 0: written; 2: the rule files are wrong, or the folder cannot be written or holds something else.
    """
    pages = site_of(ruleset_at("docs", rules))
    try:
        _clear(out)
        for path, text in pages.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text, encoding="utf-8")
    except OSError as problem:
        wrong("docs", problem)
    typer.echo(f"wrote {len(pages)} files to {out}; open {out / 'index.html'}")


def _clear(out: Path) -> None:
    """Remove the pages of an earlier site, and nothing else."""
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / MARK).is_file() or not (out / "index.html").is_file():
        wrong("docs", f"{out} holds something else than a site of rules; name another folder with --out")
    for page in [*out.glob("*.html"), *(out / "rules").glob("*.html")]:
        page.unlink()
