"""`risk topics`: create the topics that are missing, check those that exist, show them all."""

from __future__ import annotations

import asyncio
import logging

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.settings import SettingsProblem, read_settings
from streams.topics import NoKafka, Topic, TopicProblem, TopicState, ensure_topics


def topics() -> None:
    """Create the topics that are missing and check the others. Exit 2: one does not fit; 3: no Kafka answers."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is said better below
    try:
        states = asyncio.run(ensure_topics(read_settings()))
    except (SettingsProblem, TopicProblem) as error:
        for problem in error.problems:
            typer.echo(f"risk topics: {problem}", err=True)
        raise typer.Exit(2) from None
    except NoKafka as error:
        typer.echo(f"risk topics: {error}", err=True)
        raise typer.Exit(3) from None
    Console().print(table(states))


def table(states: list[TopicState]) -> Table:
    """The topics as a table for a terminal."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in ("topic", "", "parts", "kept", "time of"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("meaning")
    for state in states:
        done = "[green]new[/]" if state.created else "fits"
        shown.add_row(state.name, done, str(state.partitions), _kept(state.topic), state.topic.stamped_by, state.topic.meaning)
    return shown


def _kept(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "newest"
    return "for ever" if topic.retention_ms is None else f"{topic.retention_ms // 86_400_000} d"
