"""`risk replay`: receipts executed again under the rule set and the model version that they name.

Belongs here: options, files, text, exit codes. Never: what is compared (`risk.tools.replaying`).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import FINDINGS, PASSED, WRONG_FILES, RulesOption, lines_of, ruleset_at, version_at, wrong
from risk.language import RuleSet
from risk.language.list_records import BadListRecord, entry_of, key_of
from risk.lists import Entry
from risk.tools.messages import BadMessage, messages
from risk.tools.replaying import NoReceipt, Replay, Replayed, Summary

DIFFERENCES_SHOWN = 8
"""So many differing parts of one receipt are shown."""


def replay(
    file: Annotated[
        Path, typer.Argument(help="Receipts of the topic risk.receipts as JSON lines; `-` reads the standard input.", metavar="FILE")
    ],
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

    A receipt names the hash of its rule set and of its model version; give both as they were then. Exit 0: all are the same; 1: one
    differs; 2: a receipt names another rule set, or the files are wrong.
    """
    ruleset = ruleset_at("replay", rules)
    versions = [version_at("replay", ruleset, path) for path in _files(model or [])] or [version_at("replay", ruleset, None)]
    machine = Replay(ruleset, [version for version in versions if version is not None], _entries(ruleset, lists))
    try:
        summary = machine.run(messages(lines_of("replay", file)), show)
    except (BadMessage, NoReceipt) as problem:
        wrong("replay", f"{file}: {problem}")
    typer.echo(
        json.dumps(_data(summary, ruleset), indent=2, ensure_ascii=False) if as_json else _text(summary, ruleset, rules, skip_others)
    )
    passed_over = bool(summary.other_rulesets or summary.other_lists)
    if not as_json and not summary.replayed and not passed_over:
        wrong("replay", f"{file} holds no receipts")
    raise typer.Exit(FINDINGS if summary.differ else WRONG_FILES if passed_over and not skip_others else PASSED)


def _entries(ruleset: RuleSet, path: Path | None) -> list[Entry]:
    """The changes of lists in a file; those of lists that the rule set does not have are passed over."""
    found: list[Entry] = []
    try:
        for numbered in messages(lines_of("replay", path)) if path is not None else ():
            said = numbered.message
            if said.get("list") in ruleset.live_lists:
                found.append(entry_of(ruleset.lists, key_of(str(said["list"]), str(said.get("value"))), json.dumps(said).encode()))
    except (BadMessage, BadListRecord) as problem:
        wrong("replay", f"{path}: {problem}")
    return found


def _files(paths: list[Path]) -> list[Path]:
    return [file for path in paths for file in (sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path])]


def _text(summary: Summary, ruleset: RuleSet, rules: Path, skip_others: bool) -> str:
    lines = differing_lines(summary)
    for version, count in summary.own_score.most_common():
        lines.append(f"{count:,} with the score as on the receipt: model version {version} is not given (--model)")
    for other, count in summary.other_rulesets.most_common():
        said = "passed over" if skip_others else "not replayed"
        lines.append(f"{count:,} {said}: decided under rule set {other}; the files in {rules} are {ruleset.hash}")
    for state, count in summary.other_lists.most_common():
        lines.append(f"{count:,} {'passed over' if skip_others else 'not replayed'}: no change given leads to list {state}")
    if summary.other_rulesets and not skip_others:
        lines.append("give --rules the rule files as they were then (the topic risk.rulesets has them by hash)")
    return "\n".join([*lines, summary.line()])


def differing_lines(summary: Summary) -> list[str]:
    """Those that differ, part by part."""
    lines = [line for found in summary.differing for line in _differing(found)]
    if summary.differ > len(summary.differing):
        lines.append(f"and {summary.differ - len(summary.differing):,} more that differ")
    return lines


def _differing(found: Replayed) -> list[str]:
    lines = [f"{found.payment_id} (line {found.line}) differs"]
    width = max(len(part) for part, _, _ in found.differences)
    for part, held, made in found.differences[:DIFFERENCES_SHOWN]:
        lines.append(f"    {part:<{width}}  receipt {held}")
        lines.append(f"    {'':<{width}}  replay  {made}")
    if len(found.differences) > DIFFERENCES_SHOWN:
        lines.append(f"    and {len(found.differences) - DIFFERENCES_SHOWN} more parts")
    return lines


def _data(summary: Summary, ruleset: RuleSet) -> dict[str, object]:
    return {
        "ruleset": ruleset.hash,
        "replayed": summary.replayed,
        "differ": summary.differ,
        "other_rulesets": dict(summary.other_rulesets),
        "other_lists": dict(summary.other_lists),
        "score_as_on_receipt": dict(summary.own_score),
        "differing": [asdict(found) for found in summary.differing],
    }
