"""`risk worker`: run one worker until it is told to stop. Several with one RISK_ID share the partitions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from typing import Annotated, NoReturn

import faust
import typer
import uvloop
from aiokafka.errors import ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError

from risk.language import RuleFileError, RuleSet, load
from streams.app import make_app
from streams.broadcast import read_rulesets
from streams.collector import keep_away
from streams.crashes import note
from streams.health import Health
from streams.metrics import Metrics
from streams.settings import Settings, SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem, ensure_topics, names

log = logging.getLogger("streams.worker")
STOP_SECONDS = 10.0
NOTE_SECONDS = 5.0
SELDOM_SECONDS = 10.0
NOT_ALLOWED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)


def worker(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what goes wrong.")] = False,
) -> None:
    """Decide payments: read them from Kafka, apply the rule set in RISK_RULES, write decisions.

    Stops on Ctrl-C or SIGTERM after finishing what it began. Exit codes: 0 stopped, 1 failed (start it again: it recovers),
    2 rule files or settings are wrong, 3 no Kafka.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom())
    logging.getLogger("streams").setLevel(logging.WARNING if quiet else logging.INFO)
    settings, ruleset = _prepared()
    raise typer.Exit(uvloop.run(_run(settings, ruleset)))


class Seldom(logging.Filter):
    """Lets a message of the Kafka client through once in ten seconds: while Kafka is away it says the same hundreds of times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        quiet_until = self._said.get(record.msg, 0.0)
        if record.created < quiet_until:
            return False
        self._said[record.msg] = record.created + SELDOM_SECONDS
        return True


def _prepared() -> tuple[Settings, RuleSet]:
    try:
        settings = read_settings()
    except SettingsProblem as problem:
        _stop(str(problem), 2)
    try:
        ruleset = load([settings.rules])
    except RuleFileError as error:
        error.root = "" if str(settings.rules) == "." else settings.rules.as_posix()  # word for word what `risk check` prints
        _stop(error.report.rstrip("\n"), 2)
    except OSError as error:
        _stop(f"RISK_RULES: {error}", 2)
    return settings, ruleset


def refusal(error: BaseException) -> str:
    """For whoever grants rights: which topic or group is closed to us."""
    what = ", ".join(str(each) for each in error.args) or type(error).__name__
    return f"Kafka does not allow it: {type(error).__name__} ({what}). docs/operations.md lists the rights that a worker needs."


def _stop(text: str, code: int) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(code)


async def _run(settings: Settings, ruleset: RuleSet) -> int:
    try:
        await ensure_topics(settings)
    except NoKafka as error:
        _stop(str(error), 3)
    except TopicProblem as problem:
        _stop(str(problem), 2)
    try:
        history = await read_rulesets(settings.brokers, names(settings)["rulesets"])
    except NOT_ALLOWED as error:
        _stop(refusal(error), 3)
    stop = asyncio.Event()
    failed: list[BaseException] = []

    def fail(error: BaseException) -> None:
        if not failed:
            log.critical("the worker ends: %s", refusal(error) if isinstance(error, NOT_ALLOWED) else repr(error), exc_info=error)
        failed.append(error)
        stop.set()

    instance = f"{socket.gethostname()[:20]}-{os.getpid()}-{secrets.token_hex(3)}"
    app, worker = make_app(settings, ruleset, history, instance, fail)
    health = Health(worker, settings.metrics_port, settings.metrics_host)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    settings.state.mkdir(parents=True, exist_ok=True)
    try:
        port = await health.start()
        log.info("metrics at http://127.0.0.1:%d/metrics, rule set %s", port, ruleset.hash[:19])
        await _work(app, stop, worker.metrics)
    except SettingsProblem as problem:
        _stop(str(problem), 2)
    except Exception as error:  # noqa: BLE001 - a worker that cannot start or go on must end, not stand still
        fail(error)
    if failed:
        if isinstance(failed[0], NOT_ALLOWED):
            _end(3)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(note(worker, failed[0]), NOTE_SECONDS)
        _end(1)
    await asyncio.wait_for(app.stop(), STOP_SECONDS)
    await health.stop()
    return 0


def _end(code: int) -> NoReturn:
    """At once: nothing is written any more, not even a commit. Whoever takes over recovers."""
    logging.shutdown()
    os._exit(code)


async def _work(app: faust.App, stop: asyncio.Event, metrics: Metrics) -> None:
    """Run the app until it is told to stop; raises what it crashed of."""
    await app.start()
    keep_away(metrics)
    watch = asyncio.create_task(app.wait_until_stopped())
    await asyncio.wait([asyncio.create_task(stop.wait()), watch], return_when=asyncio.FIRST_COMPLETED)
    if app.crashed:
        raise app.crash_reason or RuntimeError("the Faust app crashed")
