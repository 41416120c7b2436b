"""`risk seed`, the part that needs no Kafka: read a file of opening balances, tell what is wrong with it or what it will do.

Belongs here: files and words. Never: what a seed is (`risk.seeding`), and sending it (`streams/cli/seed.py`, which is the command).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from risk.cli.files import WRONG_FILES, lines_of, ruleset_at, wrong
from risk.engine import Engine
from risk.language.problems import count
from risk.seeding import Seed, SeedReader, current, told

PROBLEMS_SHOWN = 50


def seeds_of(file: Path, rules: Path, now_ms: int) -> tuple[Engine, list[Seed]]:
    """The opening balances of a file. Ends with exit code 2 where a line is wrong: then nothing is entered."""
    engine = Engine(ruleset_at("seed", rules))
    seeds, problems = SeedReader(engine, now_ms).read(_texts(file))
    for problem in problems[:PROBLEMS_SHOWN]:
        typer.echo(f"{file}: {problem}", err=True)
    if problems:
        more = f" (the first {PROBLEMS_SHOWN} are shown)" if len(problems) > PROBLEMS_SHOWN else ""
        typer.echo(f"risk seed: {count(len(problems), 'line')} cannot be used{more}; nothing is entered", err=True)
        raise typer.Exit(WRONG_FILES)
    return engine, seeds


def _texts(file: Path) -> Iterator[str]:
    for raw in lines_of("seed", file):
        try:
            yield raw.decode("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8")
        except UnicodeDecodeError:
            wrong("seed", f"{file} is not UTF-8 text")


def summary(seeds: list[Seed]) -> list[str]:
    """What entering will do, a line for each feature; and what would be read by nothing."""
    entered = current(seeds)
    lines = [f"  {line}" for line in told(entered)]
    ended = len(seeds) - len(entered)
    if ended:
        lines.append(f"  left out: {count(ended, 'line')} of a period that is over")
    return [f"{count(len(entered), 'opening balance')}:", *lines]
