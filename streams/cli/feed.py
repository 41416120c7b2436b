"""`risk feed`: publish a stream that somebody else recorded.

Belongs here: options, messages for the terminal, exit codes. Never: reading or publishing (streams.recorded, streams.publish).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from risk.language.sections.keys import duration_ms
from streams.labelled import labelled, relabelled
from streams.publish import NotPublished, progress_bar, publish, silence_client
from streams.recorded import MapProblem, Recorded, count_rows, lines, read_map, rows
from streams.settings import SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem

MAP_HELP = "YAML: for each field of our JSON its column. Not needed for a file of `risk simulate --out`."
LABELS_HELP = "Send labels too, each so long (`7d`, `36h`) after its payment in the stream's own time: the map's `labels:` says of what."
SPEED_HELP = "`recorded` keeps the distances in time, a number is so many times faster, `flat` does not wait."


def speed_of(text: str) -> float | None:
    """1.0 for `recorded`, N for a number, None for `flat`. Raises ValueError for anything else."""
    if text == "recorded":
        return 1.0
    if text == "flat":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"--speed is `recorded`, `flat` or a number of times, like 60; got {text!r}")
    return speed


def delay_of(text: str) -> int:
    """Milliseconds of `7d`, `36h`, `90m`, `0s`. Raises ValueError for anything else."""
    found = 0 if text == "0" else duration_ms(text)
    if found is None:
        raise ValueError(f"--labels is how late they come, like 7d, 36h or 90m; got {text!r}")
    return found


def feed(
    file: Annotated[Path, typer.Argument(help="A Parquet file, or JSON lines.", exists=True, dir_okay=False)],
    map_file: Annotated[Path | None, typer.Option("--map", help=MAP_HELP)] = None,
    speed: Annotated[str, typer.Option(help=SPEED_HELP)] = "recorded",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many rows.")] = None,
    labels: Annotated[str | None, typer.Option(metavar="DELAY", help=LABELS_HELP)] = None,
) -> None:
    """Publish a recorded stream to Kafka, row by row, keyed by payer.

    Exit codes: 0 all acknowledged, 2 the map, the file or a setting is wrong, 3 no Kafka, or it went away.
    """
    try:
        settings = read_settings()
        pace = speed_of(speed)
        messages = _messages(file, map_file, limit, labels)
        total = count_rows(file) if map_file is not None else None
        # Look at the first row before Kafka is asked for anything: a wrong map is then said at once.
        messages = itertools.chain(list(itertools.islice(messages, 1)), messages)
        if limit is not None:
            total = limit if total is None else min(limit, total)
        silence_client()
        with progress_bar(file.name, total, Console(stderr=True)) as tell:
            published = asyncio.run(publish(messages, settings, speed=pace, tell=tell))
    except (MapProblem, SettingsProblem, TopicProblem, ValueError) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    except (NoKafka, NotPublished) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(3) from None
    typer.echo(published.line() + (" (stopped early)" if published.interrupted else ""))


def _messages(file: Path, map_file: Path | None, limit: int | None, labels: str | None) -> Iterator[Recorded]:
    """What is published: the first ``limit`` rows, and with ``labels`` what was found out of their payments."""
    row_map = None if map_file is None else read_map(map_file)
    if labels is None:
        return itertools.islice(lines(file) if row_map is None else rows(file, row_map), limit)
    if row_map is None:
        return relabelled(file, delay_of(labels), limit)
    return labelled(file, row_map, delay_of(labels), limit)
