"""`risk seed`: opening balances for limits, from a file into the running system.

Belongs here: options, exit codes, and the clock. Never: what a line means (`risk.seeding`), how it travels (`streams.seeding`).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import RulesOption
from risk.cli.seed import seeds_of, summary
from risk.seeding import current
from streams.publish import silence_client
from streams.seeding import send
from streams.settings import SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem


def seed(
    file: Annotated[Path, typer.Argument(help="Lines `feature,key,period,amount`, the first one these words; `-`: standard input.")],
    rules: RulesOption = Path("rules"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and tell what it would do; send nothing.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every line, not only their sums.")] = False,
) -> None:
    """Enter what was spent before we counted, for limits over days, years and lifetimes: `class_1_ever,prs_1,lifetime,CNY 900.00`.

    Several key fields are joined by `;`. A line entered again counts once; a fifth column `revision` (2, 3 ...) replaces an earlier amount.
    Enter before the first payment is let through. Exit 0: entered; 2: the file, the rules or a setting is wrong; 3: no Kafka answers.
    """
    engine, seeds = seeds_of(file, rules, int(time.time() * 1000))
    if every:
        typer.echo("\n".join(f"line {each.line}: {each.told()}" for each in current(seeds)))
    typer.echo("\n".join(summary(seeds)))
    if dry_run:
        typer.echo("nothing was sent (--dry-run)")
        return
    try:
        silence_client()
        records = asyncio.run(send(current(seeds), engine.ruleset.hash, read_settings()))
    except (SettingsProblem, TopicProblem) as error:
        for problem in error.problems:
            typer.echo(f"risk seed: {problem}", err=True)
        raise typer.Exit(2) from None
    except NoKafka as error:
        typer.echo(f"risk seed: {error}", err=True)
        raise typer.Exit(3) from None
    typer.echo(f"sent in {records:,} records; every profile's owner enters its own")
