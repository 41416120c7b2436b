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
    machine = Replay(ruleset, [version for version in versions if version is not None])
    try:
        summary = machine.run(messages(lines_of("replay", file)), show)
    except (BadMessage, NoReceipt) as problem:
        wrong("replay", f"{file}: {problem}")
    typer.echo(
        json.dumps(_data(summary, ruleset), indent=2, ensure_ascii=False) if as_json else _text(summary, ruleset, rules, skip_others)
    )
    if not as_json and not summary.replayed and not summary.other_rulesets:
        wrong("replay", f"{file} holds no receipts")
    raise typer.Exit(FINDINGS if summary.differ else WRONG_FILES if summary.other_rulesets and not skip_others else PASSED)


def _files(paths: list[Path]) -> list[Path]:
    return [file for path in paths for file in (sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path])]


def _text(summary: Summary, ruleset: RuleSet, rules: Path, skip_others: bool) -> str:
    lines = [line for found in summary.differing for line in _differing(found)]
    if summary.differ > len(summary.differing):
        lines.append(f"and {summary.differ - len(summary.differing):,} more that differ")
    for version, count in summary.own_score.most_common():
        lines.append(f"{count:,} with the score as on the receipt: model version {version} is not given (--model)")
    for other, count in summary.other_rulesets.most_common():
        said = "passed over" if skip_others else "not replayed"
        lines.append(f"{count:,} {said}: decided under rule set {other}; the files in {rules} are {ruleset.hash}")
    if summary.other_rulesets and not skip_others:
        lines.append("give --rules the rule files as they were then (the topic risk.rulesets has them by hash)")
    return "\n".join([*lines, summary.line()])


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
        "score_as_on_receipt": dict(summary.own_score),
        "differing": [asdict(found) for found in summary.differing],
    }
