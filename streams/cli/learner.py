"""`risk learner`: the one learner of a group, in a process of its own.

Belongs here: options, messages for the terminal, exit codes. Never: reading the log (streams.alone), learning (streams.learning).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import NoReturn

import typer
import uvloop

from risk.declared import ModelDecl
from risk.language import RuleFileError, load
from streams.alone import Alone
from streams.settings import Settings, SettingsProblem, read_settings
from streams.teach import learns
from streams.topics import NoKafka, TopicProblem, ensure_topics

log = logging.getLogger("streams.learner")


def learner() -> None:
    """Learn from the labels of a group whose workers run with RISK_LEARN_IN=process, and publish versions of its model.

    Of several, one learns and the others stand by. Exit codes: 0 stopped, 1 failed (start it again: it recovers), 2 rule files or
    settings are wrong, 3 no Kafka.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("streams").setLevel(logging.INFO)
    try:
        settings = read_settings()
        ruleset = load([settings.rules])
    except SettingsProblem as problem:
        _stop(str(problem), 2)
    except RuleFileError as error:
        _stop(error.report.rstrip("\n"), 2)
    except OSError as error:
        _stop(f"RISK_RULES: {error}", 2)
    if settings.learn_in != "process":
        _stop("RISK_LEARN_IN is `worker`: then a worker learns. Set it to `process`, for the workers as for this command", 2)
    model = ruleset.model
    if model is None or not learns(model):
        _stop("the rule files have no `model:` that learns", 2)
    raise typer.Exit(uvloop.run(_run(settings, model)))


def _stop(text: str, code: int) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)


async def _run(settings: Settings, model: ModelDecl) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    alone = Alone(settings, model)
    try:
        await ensure_topics(settings)
        server, port = await alone.page()
    except NoKafka as error:
        _stop(str(error), 3)
    except (TopicProblem, SettingsProblem) as problem:
        _stop(str(problem), 2)
    log.info("metrics at http://127.0.0.1:%d/metrics, learns model %s", port, model.name)
    try:
        await alone.run(stop)
    except Exception as error:  # whatever it is: its supervisor starts it anew, and it recovers from the log
        log.critical("the learner ends: %r", error, exc_info=error)
        return 1
    finally:
        await server.cleanup()
    return 0
