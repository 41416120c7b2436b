"""`risk demo`: Kafka, one worker and simulated payments, live in this terminal.

Belongs here: options, last words, exit codes, what is removed afterwards. Never: what a run does (streams.demo.play) or how it is
shown (streams.demo.show).
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from risk.language import RuleFileError, RuleSet, load
from streams.audit import Audit
from streams.demo.child import WorkerEnded
from streams.demo.figures import WARM_UP_SECONDS, Figures
from streams.demo.play import Run, Stopped, delete_topics
from streams.demo.reasons import Teller
from streams.demo.screen import Facts
from streams.demo.settings import LABEL_DAY_SECONDS, own_settings
from streams.demo.show import Show
from streams.kafka import EmbeddedKafka, KafkaProblem
from streams.kafka_jars import JarsProblem
from streams.publish import NotPublished, silence_client
from streams.settings import Settings, SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem

UNATTENDED_SECONDS = 20.0
SWITCH_SECONDS = 0.0005
"""A thread that draws gives the interpreter back so soon; with the default of 5 ms each picture would show in the latencies."""
LOG = "worker.log"
PROBLEMS: dict[type[Exception], int] = {
    SettingsProblem: 2,
    RuleFileError: 2,
    TopicProblem: 2,
    NoKafka: 3,
    KafkaProblem: 3,
    JarsProblem: 3,
    NotPublished: 3,
    Stopped: 1,
}
"""What ends it, told to the person at the terminal, and the exit code."""
SECONDS_HELP = f"Length of the stream. Default: at a terminal until Ctrl-C, else {UNATTENDED_SECONDS:.0f}."


def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help=SECONDS_HELP)] = None,
    rate: Annotated[float, typer.Option(min=1, help="Payments a second; what customers do besides comes on top.")] = 120.0,
    partitions: Annotated[int | None, typer.Option(min=1, max=64, help="Partitions of the topics. Default: RISK_PARTITIONS.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same customers and attacks.")] = 17,
) -> None:
    """Show payments being decided: starts Kafka (or uses RISK_BROKERS), a worker and a simulated stream.

    All it makes is its own, and removed afterwards. Exit codes: 0 every payment was decided once; 1 one was lost or decided twice,
    or the worker failed; 2 rules or settings are wrong; 3 no Kafka.
    """
    console = Console()
    show = Show(console, time.monotonic(), live=console.is_terminal and not console.is_dumb_terminal)
    if seconds is None and not console.is_terminal:
        seconds = UNATTENDED_SECONDS
    sys.setswitchinterval(SWITCH_SECONDS)
    silence_client()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="riskstream-demo-"))
    try:
        code = _demo(show, folder, seconds, rate, partitions, seed)
    except WorkerEnded as ended:
        code = ended.code
        typer.echo(str(ended), err=True)
    except tuple(PROBLEMS) as problem:
        code = next(code for kind, code in PROBLEMS.items() if isinstance(problem, kind))
        typer.echo(problem.report if isinstance(problem, RuleFileError) else str(problem), err=True)
    except KeyboardInterrupt:  # before there was a stream
        code = 0
        _last_words(show, Audit(), Figures())
    if code and (folder / LOG).exists():
        typer.echo(f"kept for a look: {folder}", err=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)


def _demo(show: Show, folder: Path, seconds: float | None, rate: float, partitions: int | None, seed: int) -> int:
    given = read_settings()
    ruleset = load([given.rules])  # a wrong rule set is told before anything starts, with the paths that its author knows
    settings = own_settings(given, folder, secrets.token_hex(3), partitions)
    with _kafka(settings, folder, show) as (settings, alive):
        facts: list[Facts] = []

        async def began(pages: str) -> None:
            facts.append(_facts(settings, ruleset, seconds, pages + "/metrics"))
            await show.run(run.figures, facts[0])

        run = Run(settings, Teller(ruleset), folder / LOG, rate, seconds, seed, show.say, began, alive)
        counted = asyncio.run(run.play())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left takes a moment
        right = not counted.lost and not counted.double
        if right and "brokers" in settings.given:
            asyncio.run(delete_topics(settings))
    if facts:
        show.last_picture(run.figures, facts[0])
    _last_words(show, counted, run.figures)
    return 0 if right else 1


@contextmanager
def _kafka(settings: Settings, folder: Path, show: Show) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """The settings with a Kafka that answers, and a check that raises KafkaProblem when ours has ended."""
    if "brokers" in settings.given:
        show.say(f"using the Kafka at {settings.brokers}, topics {settings.topic_prefix}*")
        yield settings, lambda: None
        return
    show.say("starting Kafka (the very first time its jars are fetched)")
    kafka = EmbeddedKafka(folder / "kafka")

    def alive() -> None:
        if kafka.pid is None:
            raise KafkaProblem(f"Kafka ended by itself; its log is {kafka.log}")

    with kafka:
        yield dataclasses.replace(settings, brokers=kafka.bootstrap), alive


def _facts(settings: Settings, ruleset: RuleSet, seconds: float | None, metrics: str) -> Facts:
    model = ruleset.model
    return Facts(
        seconds=seconds,
        kafka=settings.brokers,
        metrics=metrics,
        actions=ruleset.policy.actions,
        titles={name: rule.title for name, rule in ruleset.rules.items()},
        label_day_seconds=LABEL_DAY_SECONDS,
        learns=model is not None and model.learner != "fixed",
    )


def _last_words(show: Show, counted: Audit, figures: Figures) -> None:
    p50_ms, p99_ms, decisions, warm = figures.latency_ms()
    without = f", first {WARM_UP_SECONDS:.0f} s left out" if warm else ""
    if decisions:
        show.line(f"latency: from publishing to the decision read, {decisions:,} payments{without}")
    if counted.double:
        show.line(f"{len(counted.double)} decided twice: {', '.join(counted.double[:5])}")
    if counted.lost:
        show.line(f"{len(counted.lost)} lost: {', '.join(counted.lost[:5])}")
    show.line(last_line(counted, p50_ms, p99_ms))


def last_line(counted: Audit, p50_ms: float | None, p99_ms: float | None) -> str:
    """What the demo ends with, for people and scripts. Latencies in milliseconds, `-` where nothing was decided."""
    p50, p99 = ("-" if each is None else f"{each:.1f}" for each in (p50_ms, p99_ms))
    return (
        f"demo: {counted.payments} payments, {counted.decided} decided, {counted.actions['block']} blocked, "
        f"{counted.actions['review']} reviewed, p50 {p50} ms, p99 {p99} ms, {len(counted.lost)} lost"
    )
