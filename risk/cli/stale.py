"""`risk stale`: what in the rule files wants a look because time has passed.

Belongs here: options, the day from the clock, text, exit codes. Never: what is stale (`risk.tools.staleness`).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import FINDINGS, RulesOption, lines_of, ruleset_at, wrong
from risk.tools.messages import BadMessage, messages
from risk.tools.staleness import Looks, Stale, as_data, looks_of
from risk.tools.staleness import stale as findings


def stale(
    rules: RulesOption = Path("rules"),
    receipts: Annotated[
        Path | None,
        typer.Option(help="Receipts of the topic risk.receipts as JSON lines: also rules that never fired, or never could be known."),
    ] = None,
    today: Annotated[str | None, typer.Option(help="Take this as the day, like 2027-01-31. Default: today, UTC.")] = None,
    soon: Annotated[int, typer.Option(min=0, help="So many days ahead an end is near.")] = 30,
    owner: Annotated[str | None, typer.Option(help="Only what this owner answers for.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell what has gone stale: days of review, overrides and list entries that ended or soon do, names nobody reads, disabled rules.

    Exit 0: nothing; 1: something wants a look; 2: the files or an option are wrong.
    """
    ruleset = ruleset_at("stale", rules)
    try:
        day = date.fromisoformat(today) if today is not None else datetime.now(UTC).date()
        looks = looks_of(ruleset, messages(lines_of("stale", receipts))) if receipts is not None else None
    except BadMessage as problem:
        wrong("stale", f"{receipts}: {problem}")
    except ValueError:
        wrong("stale", f"--today is a day like 2027-01-31, not {today}")
    if looks is not None and not looks.receipts:
        wrong("stale", f"{receipts} holds no receipts of this rule set ({looks.others:,} others)")
    found = [each for each in findings(ruleset, day, soon, looks) if owner is None or each.owner == owner]
    typer.echo(json.dumps(as_data(found), indent=2, ensure_ascii=False) if as_json else _text(found, looks, rules))
    raise typer.Exit(FINDINGS if found else 0)


def _text(found: list[Stale], looks: Looks | None, rules: Path) -> str:
    lines: list[str] = []
    for kind, group in groupby(found, key=lambda each: each.kind):
        lines += [*([""] if lines else []), kind]
        lines += [line for each in group for line in _one(each, rules)]
    if looks is not None:
        others = f"; {looks.others:,} receipts of other rule sets were left out" if looks.others else ""
        lines += [*([""] if lines else []), f"by {looks.receipts:,} receipts{others}"]
    return "\n".join([*lines, f"{len(found)} finding{'' if len(found) == 1 else 's'}"])


def _one(each: Stale, rules: Path) -> list[str]:
    root = rules if rules.is_dir() else rules.parent
    place = f"{(root / each.place.path).as_posix()}:{each.place.line}: " if each.place is not None else ""
    return [f"  {place}{each.said}", f"    = {each.todo}{f' ({each.owner})' if each.owner else ''}"]
