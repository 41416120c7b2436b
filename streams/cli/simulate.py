"""`risk simulate`: play the simulated world to a file or to Kafka.

Belongs here: options, messages for the terminal, exit codes, the one place where the world's start is taken from the clock.
Never: what happens in the world (risk.world).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Table

from risk.language import RuleFileError, RuleSet, load
from risk.world import World
from risk.world.measure import measure
from risk.world.report import Report
from streams.publish import NotPublished, Published, progress_bar, publish, silence_client
from streams.settings import SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem

FILE_START = "2026-11-24T01:00:00Z"  # fixed, so that a seed names a file
FILE_PAYMENTS = 10_000
PIPE_COLUMNS = 160
TAIL_MS = 2_000  # live, results of the last payments still come; then it ends


def simulate(
    seed: Annotated[int, typer.Option(help="Same seed, same world.")] = 17,
    rate: Annotated[float, typer.Option(min=0.001, help="Payments a second (of event time; with --to-kafka that is the clock's).")] = 50.0,
    payments: Annotated[int | None, typer.Option(min=1, help=f"Stop after so many. To Kafka: never; to a file: {FILE_PAYMENTS:,}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write JSON lines here, `-` for the terminal: topic, key, due_ms, value.")] = None,
    to_kafka: Annotated[bool, typer.Option("--to-kafka", help="Publish, in real time.")] = False,
    start: Annotated[str | None, typer.Option(help=f"First moment, RFC 3339. To Kafka: now; to a file: {FILE_START}.")] = None,
    fraud_share: Annotated[float, typer.Option(min=0.0, max=0.5, help="Share of fraud among payments.")] = 0.012,
    label_day: Annotated[float, typer.Option(min=0.0, help="Labels wait days: so many seconds stand for one. 86400 is as in life.")] = 4.0,
    report: Annotated[bool, typer.Option(help="After writing a file: precision and recall of each rule on it.")] = True,
    rules: Annotated[Path | None, typer.Option(help="The rule set of the report. Default: RISK_RULES.")] = None,
) -> None:
    """Simulate customers and attackers: to a file, with a report on the rules, or live to Kafka.

    Exit codes: 0 done, 2 options, rules or settings are wrong, 3 no Kafka, or it went away.
    """
    try:
        if (out is None) == (not to_kafka):
            raise ValueError("either --out FILE or --to-kafka")
        settings = read_settings()
        start_ms = milliseconds(start or FILE_START) if start or out else int(time.time() * 1000)
        world = World(
            seed,
            start_ms,
            rate=rate,
            payments=payments if payments or to_kafka else FILE_PAYMENTS,
            fraud_share=fraud_share,
            label_delay=label_day / 86_400,
            tail_ms=TAIL_MS if to_kafka else None,
        )
        if out is None:
            silence_client()
            with progress_bar(f"world {seed}", payments, Console(stderr=True)) as tell:
                published = asyncio.run(publish(world, settings, tell=tell))
            typer.echo(published.line())
            return
        ruleset = load([rules or settings.rules]) if report else None  # before the file: a wrong rule set is told at once
        typer.echo(_write(world, out).line().replace("published", "wrote"), err=str(out) == "-")
        if ruleset is not None:
            _report(world, ruleset, _console(to_stderr=str(out) == "-"))
    except RuleFileError as wrong:
        typer.echo(wrong.report, err=True)
        raise typer.Exit(2) from None
    except (SettingsProblem, TopicProblem, ValueError, OSError) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    except (NoKafka, NotPublished) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(3) from None


def milliseconds(text: str) -> int:
    """An RFC 3339 time in milliseconds since 1970. Raises ValueError, also for one without a zone."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"--start needs a time zone, like {FILE_START}; got {text!r}")
    return round(moment.timestamp() * 1000)


def _write(world: World, out: Path) -> Published:
    if str(out) == "-":
        return _write_lines(world, sys.stdout)
    with out.open("w", encoding="utf-8") as file:
        return _write_lines(world, file)


def _write_lines(world: World, file: TextIO) -> Published:
    counts: Counter[str] = Counter()
    began = time.monotonic()
    for record in world:
        counts[record.topic] += 1
        file.write(f'{{"topic":"{record.topic}","key":"{record.key}","due_ms":{record.due_ms},"value":{record.value.decode()}}}\n')
    return Published(counts, time.monotonic() - began)


def _report(world: World, ruleset: RuleSet, console: Console) -> None:
    """Play the world once more, through the engine, and print what the rules made of it."""
    figures, refused = measure(world, ruleset)
    print_report(figures, console)
    if refused:
        console.print(f"{refused:,} messages could not be read under this rule set")


def print_report(figures: Report, console: Console) -> None:
    """Both tables, and one line over all."""
    table = Table("rule", "fired", "fraud", "precision", "mostly meets", "recall", "episodes met", title="rules")
    silent = [row.rule for row in figures.rules() if not row.fired]
    for row in figures.rules():
        if not row.fired:
            continue
        shares = (_share(row.precision), row.target or "", _share(row.recall), _share(row.episodes_met))
        table.add_row(row.rule, f"{row.fired:,}", f"{row.right:,}", *shares)
    console.print(table)
    if silent:
        console.print(f"never fired: {', '.join(silent)}")
    table = Table("attack", "payments", "episodes", "not approved", "episodes met", "rules", title="attacks")
    for each in figures.attacks():
        met = (_share(each.stopped), _share(each.episodes_met))
        table.add_row(each.attack, f"{each.payments:,}", f"{each.episodes:,}", *met, ", ".join(each.best_rules))
    console.print(table)
    actions = ", ".join(f"{count:,} {action}" for action, count in figures.actions.most_common())
    console.print(
        f"{figures.payments:,} payments, {figures.fraud:,} fraud: {actions}; "
        f"not approved: precision {_share(figures.precision())}, recall {_share(figures.recall())}. The model took no part."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _console(*, to_stderr: bool) -> Console:
    """The terminal; a file or a pipe gets lines that are wide enough for the tables."""
    console = Console(stderr=to_stderr)
    return console if console.is_terminal else Console(stderr=to_stderr, width=PIPE_COLUMNS)
