"""`risk model`: list the versions of the model, compare two, promote one, roll back.

Belongs here: options, tables for the terminal, exit codes. Never: reading topics (streams.promoting), evidence (risk.learning).
"""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from risk.cli.files import FINDINGS, PASSED, WRONG_FILES, ruleset_at
from risk.decisions import rfc3339
from risk.declared import ModelDecl
from risk.learning.estimators import UNVERSIONED, VERSIONED
from risk.learning.registry import Listed, Registry
from streams.promoting import Evidence, NoSuchVersion, Topics, compare, contest, decide_act
from streams.publish import silence_client
from streams.settings import SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem

SHOWN = 19
LEARNERS = (*VERSIONED, *UNVERSIONED)
NO_KAFKA = 3


class Do(StrEnum):
    list = "list"
    compare = "compare"
    promote = "promote"
    rollback = "rollback"


def model(
    do: Annotated[Do, typer.Argument(metavar="list|compare|promote|rollback", help="What to do.", show_default=False)],
    versions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VERSION…]", help="The beginning of a hash, `newest`, `champion` or a learner. compare: two."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who decides this: goes on the record. Needed to promote and to roll back.")] = None,
    why: Annotated[str, typer.Option(help="The reason, for the record.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Promote although the evidence does not speak for it.")] = False,
    days: Annotated[int, typer.Option(min=0, help="Only payments at least so old: the younger, the fewer labels have come.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """See and choose which version of the model decides.

    Without a promotion the newest version does. A promoted one stays until the next promotion or rollback; `promote newest` lets the
    newest decide again. compare and promote look at payments decided after both versions were published, scored by both, with the labels
    that came since. `compare hybrid logistic` holds two learners of the rule files against one another over the whole learn log: each
    scored a payment before it learned of it. Exit codes: 0 done; 1 the evidence does not speak for it, or there is too little (--force
    promotes all the same); 2 no such version, an option or a setting is wrong; 3 no Kafka.
    """
    try:
        settings = read_settings()
        declared = ruleset_at("model", settings.rules).model
        if declared is None:
            _stop("the rule files have no `model:`", WRONG_FILES)
        if do in (Do.promote, Do.rollback) and not (by or "").strip():
            _stop(f"{do.value} needs --by: who decides this", WRONG_FILES)
        silence_client()
        topics = asyncio.run(Topics.read(settings, declared))
        code = _done(do, topics, declared, list(versions or ()), (by or "").strip(), why, force, days, as_json)
    except (SettingsProblem, TopicProblem) as problem:
        _stop(str(problem), WRONG_FILES)
    except NoSuchVersion as problem:
        _stop(str(problem), WRONG_FILES)
    except NoKafka as problem:
        _stop(str(problem), NO_KAFKA)
    raise typer.Exit(code)


def _stop(said: str, code: int) -> NoReturn:
    typer.echo(f"risk model: {said}", err=True)
    raise typer.Exit(code)


def _done(
    do: Do, topics: Topics, declared: ModelDecl, names: list[str], by: str, why: str, force: bool, days: int, as_json: bool
) -> int:
    registry = topics.registry
    if do is Do.list:
        _none_of(names)
        typer.echo(json.dumps(_listed_data(registry), indent=2)) if as_json else Console().print(_listed(registry), _acts(registry))
        return PASSED
    if do is Do.compare:
        if not 1 <= len(names) <= 2:
            _stop("compare takes one version, to be held against the champion, or two", WRONG_FILES)
        if len(names) == 2 and set(names) <= set(LEARNERS):
            evidence = contest(topics, declared, names[0], names[1], days)
        else:
            first, second = topics.one(names[0]), topics.one(names[1] if len(names) > 1 else "champion")
            evidence = compare(topics, declared, first, second, days)
        typer.echo(json.dumps(evidence.data(), indent=2)) if as_json else Console().print(_compared(evidence), evidence.line())
        return PASSED
    if do is Do.rollback:
        _none_of(names)
        if not registry.can_roll_back:
            _stop("there is no promotion to roll back", WRONG_FILES)
    elif len(names) != 1:
        _stop("promote takes one version", WRONG_FILES)
    act, evidence_of = decide_act(topics, declared, do.value, names[0] if names else None, by, why, days)
    if evidence_of is not None:
        Console(stderr=True).print(_compared(evidence_of), evidence_of.line())
        if not evidence_of.speaks_for and not force:
            _stop(f"not promoted: {evidence_of.line()}. --force promotes all the same, and the record says so", FINDINGS)
    asyncio.run(topics.write(act))
    typer.echo(f"{act.act}: {act.version or 'the newest version'} decides from now on, by {act.by}")
    return PASSED


def _none_of(names: list[str]) -> None:
    if names:
        _stop(f"no version is named here: {' '.join(names)}", WRONG_FILES)


def _mark(registry: Registry, listed: Listed) -> str:
    marks = ["champion"] if registry.champion is listed else []
    marks += ["promoted"] if registry.pinned == listed.version.hash else []
    return ", ".join([*marks, *(["newest"] if next(reversed(registry.versions.values())) is listed else [])])


def _listed(registry: Registry) -> Table:
    shown = Table("version", "published", "kind", "inputs", "", box=box.SIMPLE_HEAD)
    for listed in reversed(registry.versions.values()):
        version = listed.version
        shown.add_row(version.hash[:SHOWN], rfc3339(listed.at_ms), version.kind, str(len(version.inputs)), _mark(registry, listed))
    others = ", ".join(f"{count} of model {name}" for name, count in sorted(registry.others.items()))
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(registry.refused.items()) if reason != "other_model")
    said = (others and f"not shown: {others}", refused and f"without effect: {refused}")
    shown.caption = "; ".join(each for each in said if each) or None
    return shown


def _acts(registry: Registry) -> Table | str:
    if not registry.acts:
        return "no act yet: the newest version decides"
    shown = Table("at", "act", "version", "by", "why", box=box.SIMPLE_HEAD)
    for act in registry.acts:
        shown.add_row(act.at, act.act, (act.version or "newest")[:SHOWN], act.by, act.why)
    return shown


def _listed_data(registry: Registry) -> dict[str, Any]:
    versions = [
        {"version": each.version.hash, "published_at": rfc3339(each.at_ms), "kind": each.version.kind, "marks": _mark(registry, each)}
        for each in registry.versions.values()
    ]
    acts = [json.loads(act.to_bytes()) for act in registry.acts]
    champion = registry.champion.version.hash if registry.champion is not None else None
    return {"champion": champion, "versions": versions, "acts": acts, "refused": dict(registry.refused), "others": dict(registry.others)}


def _compared(evidence: Evidence) -> Table:
    shown = Table("measure", evidence.first[:SHOWN], evidence.second[:SHOWN], "difference", "95 % of draws", box=box.SIMPLE_HEAD)
    for name, told in evidence.found["measures"].items():
        cells = [f"{value:.4f} ({low:.4f} to {high:.4f})" for value, (low, high) in zip(told["values"], told["intervals"], strict=True)]
        low, high = told["difference_interval"]
        shown.add_row(name.replace("_", " "), *cells, f"{told['difference']:+.4f}", f"{low:+.4f} to {high:+.4f}")
    return shown

