"""`risk lists`: lists with `source: topic`, shown and changed while workers run.

Belongs here: options, exit codes, text. Never: records (`streams.lists`).
"""

from __future__ import annotations

import asyncio
import getpass
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from risk.cli.files import RulesOption, ruleset_at, wrong
from risk.decisions import rfc3339
from risk.language import RuleSet
from risk.language.list_records import BadListRecord
from risk.language.sections.keys import moment_ms
from risk.lists import LiveList
from streams.lists import change_list, entries_of, shown_lists
from streams.publish import silence_client
from streams.settings import Settings, SettingsProblem, read_settings
from streams.topics import NoKafka, TopicProblem

NO_KAFKA = 3


class Action(StrEnum):
    show = "show"
    add = "add"
    remove = "remove"


def lists(
    action: Annotated[Action, typer.Argument(help="show, add or remove.")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The list, as rule files name it; without, all are shown.")] = None,
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="What is put on it or taken off, written as in rule files.")] = None,
    until: Annotated[str | None, typer.Option(help="Date or time from which it no longer counts: 2027-01-15.")] = None,
    why: Annotated[str, typer.Option(help="The reason; required to add and to remove.")] = "",
    by: Annotated[str | None, typer.Option(help="Who does it; else the user of this machine.")] = None,
    rules: RulesOption = Path("rules"),
) -> None:
    """Show and change lists with `source: topic`. Every worker knows a change within a second; it counts for events from now on.

    The topic keeps each change with its time, reason and author. Exit 0: done; 2: no such list, not a value of it, or a setting is
    wrong; 3: no Kafka answers.
    """
    ruleset = ruleset_at("lists", rules)
    known = sorted(ruleset.live_lists)
    if name is not None and name not in known:
        wrong("lists", f"`{name}` is not a list with `source: topic`; {'there are ' + ', '.join(known) if known else 'there is none'}")
    silence_client()
    try:
        settings = read_settings()
        if action == Action.show:
            typer.echo("\n".join(_shown(ruleset, settings, [name] if name is not None else known)))
        else:
            _change(ruleset, settings, action == Action.add, name, value, until, why, by or getpass.getuser())
    except (SettingsProblem, TopicProblem) as error:
        wrong("lists", "\nrisk lists: ".join(error.problems))
    except BadListRecord as error:
        wrong("lists", error)
    except NoKafka as error:
        typer.echo(f"risk lists: {error}", err=True)
        raise typer.Exit(NO_KAFKA) from None


def _change(
    ruleset: RuleSet, settings: Settings, on: bool, name: str | None, value: str | None, until: str | None, why: str, by: str
) -> None:
    if name is None or value is None:
        wrong("lists", "say which list and which value: risk lists add watched usr_1 --why ...")
    if not why.strip():
        wrong("lists", "--why is required: somebody will ask")
    until_ms = moment_ms(until) if until is not None else None
    if until is not None and (until_ms is None or not on):
        wrong("lists", f"--until is a date or a time such as 2027-01-15, of a value that is added, not `{until}`")
    at_ms = asyncio.run(change_list(settings, ruleset.lists, name, value, on, until_ms, why, by))
    typer.echo(f"{value} is {'on' if on else 'off'} list {name} from {rfc3339(at_ms)} on")


def _shown(ruleset: RuleSet, settings: Settings, names: list[str]) -> list[str]:
    records = asyncio.run(shown_lists(settings))
    now_ms, lines = int(time.time() * 1000), []
    for name in names:
        live = LiveList(ruleset.lists[name])
        for entry in entries_of(records, {name: ruleset.lists[name]}):
            live.change(entry.value, entry.changes)
        held = live.at(now_ms)
        lines.append(f"{name}: {len(held):,} on it now, {len(ruleset.lists[name].values):,} in the files, {live.version}")
        lines += [_line(said) for said in records.values() if said.get("list") == name]
    return lines or ["no list has `source: topic`"]


def _line(said: dict[str, Any]) -> str:
    newest = said["changes"][-1] if said["changes"] else {}
    how = "on " if newest.get("on") else "off"
    until = f" until {newest['until']}" if newest.get("until") else ""
    return f"  {how} {said.get('value')} since {newest.get('at')}{until}: {newest.get('why') or '-'} ({newest.get('by') or '-'})"
