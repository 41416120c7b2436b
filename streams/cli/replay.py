"""`risk replay`, as the library has it for files, and besides straight from the topics.

Belongs here: options, the progress bar, exit codes, text. Never: what is compared (`risk.tools.replaying`, `streams.replaying`).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from risk.cli.files import FINDINGS, PASSED, WRONG_FILES, RulesOption, wrong
from risk.cli.replay import differing_lines
from risk.cli.replay import replay as replay_file
from streams.publish import silence_client
from streams.reader import ReadStalled
from streams.replaying import FromTopics, replay_topics
from streams.settings import Settings, SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem, ensure_topics

NO_KAFKA = 3
NEWEST = 100_000
LOST_SHOWN = 5


def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="Receipts of the topic risk.receipts as JSON lines; `-` reads the standard input.", metavar="FILE"),
    ] = None,
    from_kafka: Annotated[
        bool, typer.Option("--from-kafka", help="Read receipts, decisions, rule sets, models and lists from their topics; no FILE.")
    ] = False,
    newest: Annotated[int, typer.Option(min=0, help="With --from-kafka: so many newest decisions of a partition; 0: all.")] = NEWEST,
    rules: RulesOption = Path("rules"),
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file with the bytes of a model version, or a folder of them; may be given again. Without: scores as on the receipts."
        ),
    ] = None,
    lists: Annotated[
        Path | None, typer.Option(help="Records of the topic risk.lists as JSON lines: lists with `source: topic` are then as they were.")
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Show so many of the receipts that differ.")] = 5,
    skip_others: Annotated[bool, typer.Option("--skip-others", help="Pass over receipts of other rule sets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Execute receipts again and compare action, score, reasons, rules and all else that was decided, byte for byte.

    A receipt names the hash of its rule set and of its model version. Of a file, give both as they were then. With --from-kafka all of it
    comes from the topics: receipts that no valid decision names are passed over, and a decision must say what its receipt says. Exit 0:
    all are the same; 1: one differs, or a decision's receipt is gone; 2: a receipt names a rule set that is not at hand, or the files are
    wrong; 3: no Kafka answers.
    """
    if not from_kafka:
        if file is None:
            wrong("replay", "give a FILE of receipts, or --from-kafka")
        replay_file(file, rules, model, lists, show, skip_others, as_json)
        return
    if file is not None:
        wrong("replay", "a FILE or --from-kafka, not both")
    silence_client()
    try:
        found = asyncio.run(_replayed(read_settings(), newest, show))
    except (SettingsProblem, TopicProblem) as error:
        wrong("replay", "\nrisk replay: ".join(error.problems))
    except NoKafka as error:
        _no_kafka(str(error))
    except (KafkaError, ReadStalled, OSError) as error:
        _no_kafka(f"the topics could not be read to their end: {error}")
    typer.echo(json.dumps(_data(found), indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(found, skip_others)))
    passed_over = found.summary.other_rulesets or found.summary.other_lists
    raise typer.Exit(FINDINGS if found.differs else WRONG_FILES if passed_over and not skip_others else PASSED)


def _no_kafka(said: str) -> NoReturn:
    typer.echo(f"risk replay: {said}", err=True)
    raise typer.Exit(NO_KAFKA)


async def _replayed(settings: Settings, newest: int, show: int) -> FromTopics:
    await ensure_topics(settings)
    console = Console(stderr=True)
    columns = (TextColumn("receipts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("receipts", total=None)
        return await replay_topics(settings, newest, show, lambda done, total: bar.update(task, completed=done, total=total))


def _lines(found: FromTopics, skip_others: bool) -> list[str]:
    summary = found.summary
    lines = differing_lines(summary)
    if found.lost:
        lines.append(f"{len(found.lost):,} decisions name a receipt that is not on the topic: {', '.join(found.lost[:LOST_SHOWN])}")
    said = "passed over" if skip_others else "not replayed"
    for version, count in summary.own_score.most_common():
        lines.append(f"{count:,} with the score as on the receipt: model version {version} is not on the topic of models")
    for other, count in summary.other_rulesets.most_common():
        lines.append(f"{count:,} {said}: rule set {other} is not on its topic, or this release cannot load it")
    for state, count in summary.other_lists.most_common():
        lines.append(f"{count:,} {said}: no changes on the topic of lists lead to {state}")
    lines.append(f"{found.decisions:,} decisions count, {found.void:,} are void; {found.orphans:,} receipts that none of them names")
    return [*lines, summary.line()]


def _data(found: FromTopics) -> dict[str, object]:
    summary = found.summary
    return {
        "decisions": found.decisions,
        "void": found.void,
        "orphans": found.orphans,
        "lost": found.lost,
        "replayed": summary.replayed,
        "differ": summary.differ,
        "rulesets": dict(found.rulesets),
        "other_rulesets": dict(summary.other_rulesets),
        "other_lists": dict(summary.other_lists),
        "score_as_on_receipt": dict(summary.own_score),
        "differing": [asdict(each) for each in summary.differing],
    }
