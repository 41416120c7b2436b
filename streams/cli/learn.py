"""`risk learn`: the learner of the stream, told a history: a recorded file, or a learn log.

Belongs here: options, files, tables for the terminal, exit codes. Never: learning (`risk.learning`), figures (`risk.tools.history_report`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from risk.cli.files import WRONG_FILES, RulesOption, ruleset_at, wrong
from risk.learning import BadRecord, ModelError
from risk.tools.history import LOG_HEAD, BadLog, History, records, written
from risk.tools.history_report import WORDS, Report, page, report, shown
from streams.cli.feed import delay_of
from streams.labelled import labelled, relabelled
from streams.reader import Reader
from streams.recorded import MapProblem, Recorded, count_rows, lines, read_map, rows
from streams.settings import SettingsProblem, read_settings
from streams.teach import LEARN_PARTITION, horizon_of
from streams.topics import NoKafka, names

NO_KAFKA = 3
STEP = 200
FROM_HELP = "A Parquet file or JSON lines, with --map; a file of `risk simulate --out`; or a learn log that --log wrote."
DELAY_HELP = (
    "How long after its payment each label comes (`7d`, `36h`), in the stream's own time. Default: 7d with --map, else as in the file."
)


def learn(
    file: Annotated[Path | None, typer.Option("--from", help=FROM_HELP, exists=True, dir_okay=False)] = None,
    from_topic: Annotated[
        bool, typer.Option("--from-topic", help="The learn log of the stream: the topic risk.learn, read whole.")
    ] = False,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="YAML: for each field of our JSON its column, as `risk feed` reads it.")
    ] = None,
    delay: Annotated[str | None, typer.Option(help=DELAY_HELP)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many rows.")] = None,
    rules: RulesOption = Path("rules"),
    save: Annotated[
        Path | None, typer.Option(help="Write the newest version here: `risk replay --model` and `risk explain --model` read it.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Write the learn log here: `--from` reads it again.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report here, with plots.")] = None,
) -> None:
    """Learn from history by the code of the stream: each payment is scored by the version in force, and learned when its label is known.

    From raw events, payments go through the whole engine, and the policy's decision says what was let through. From a learn log
    comes exactly the model of the stream that wrote it. Exit codes: 0 done; 2 a file, the map, an option or a setting is wrong; 3 no Kafka.
    """
    if (file is None) == (not from_topic):
        wrong("learn", "either --from FILE or --from-topic")
    console = Console(highlight=False)
    try:
        with _writer(log) as keep:
            history = History(ruleset_at("learn", rules), horizon_of, keep)
            if file is None:
                asyncio.run(_from_topic(history))
            else:
                _from_file(history, file, map_file, delay, limit)
        made = report(history)
        _print(made, console)
        if save is not None and history.version is not None:
            save.write_bytes(history.version.to_bytes())
        if html is not None:
            html.write_text(page(made, f"What {file.name if file is not None else 'the learn log'} taught"), encoding="utf-8")
    except (MapProblem, ModelError, BadLog, BadRecord, SettingsProblem, ValueError, OSError) as problem:
        wrong("learn", problem)
    except NoKafka as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(NO_KAFKA) from None
    if save is not None and history.version is None:
        typer.echo("no version was fit to score: nothing saved", err=True)
        raise typer.Exit(WRONG_FILES)


# ---- histories


def _from_file(history: History, file: Path, map_file: Path | None, delay: str | None, limit: int | None) -> None:
    with file.open("rb") as opened:
        if opened.read(len(LOG_HEAD)) == LOG_HEAD:
            opened.seek(0)
            with _progress(file.name, None) as step:
                for n, raw in enumerate(itertools.islice(records(opened), limit), start=1):
                    history.record(raw)
                    step(n)
            return
    total = count_rows(file) if map_file is not None else None
    with _progress(file.name, min(limit, total) if limit and total else limit or total) as step:
        for message in _messages(file, map_file, delay, limit):
            history.message(message.value, message.due_ms)
            step(len(history.payments))


def _messages(file: Path, map_file: Path | None, delay: str | None, limit: int | None) -> Iterator[Recorded]:
    if map_file is None:
        return itertools.islice(lines(file), limit) if delay is None else relabelled(file, delay_of(delay), limit)
    row_map = read_map(map_file)
    if row_map.fraud is None and delay is None:
        return itertools.islice(rows(file, row_map), limit)
    return labelled(file, row_map, delay_of(delay or "7d"), limit)


async def _from_topic(history: History) -> None:
    settings = read_settings()
    topic = names(settings)["learn"]
    async with Reader(settings.brokers) as reader:
        first, last = await reader.range(topic, LEARN_PARTITION)
        with _progress(topic, last - first) as step:
            async for batch in reader.read(topic, LEARN_PARTITION, first, last):
                for record in batch:
                    try:
                        history.record(record.value or b"")
                    except BadRecord:
                        history.counts["unreadable"] += 1
                    step(record.offset + 1 - first)


@contextmanager
def _writer(log: Path | None) -> Iterator[Callable[[bytes], object]]:
    if log is None:
        yield lambda raw: None
        return
    with log.open("wb") as file:
        file.write(LOG_HEAD)
        yield lambda raw: file.write(written(raw))


@contextmanager
def _progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    words = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*words, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total)

        def step(done: int) -> None:
            if done % STEP == 0:
                bar.update(task, completed=done)

        yield step


# ---- words


def _print(made: Report, console: Console) -> None:
    for name, value in made.facts.items():
        console.print(f"{name}: {value}", soft_wrap=True)
    tables = [("scored before learned", "scores of", made.contenders)]
    if made.maturities:
        tables.append(("by the age that labels are given", "days", {f"{days:g}": each for days, each in made.maturities.items()}))
    if made.analysts is not None:
        tables.append(("verdicts of analysts, apart", "scores of", {"in force": made.analysts}))
    for title, first, rows_of in tables:
        table = Table("figure", *(f"{first} {name}" if first == "days" else name for name in rows_of), title=title)
        table.add_row("payments, frauds", *(f"{each.examples:,}, {each.frauds:,}" for each in rows_of.values()))
        for figure, words in WORDS.items():
            cells = []
            for each in rows_of.values():
                value, around = shown(each.figures[figure])
                cells.append(f"{value} ({around})" if around else value)
            table.add_row(words, *cells)
        console.print(table)
    if made.over_baseline is not None:
        value, around = shown(made.over_baseline)
        console.print(f"average precision in force minus logistic, paired: {value} ({around})")
