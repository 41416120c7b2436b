"""What `risk test --mutate` and `--coverage` show: mutants that no test noticed, terms that never decided.

Belongs here: text and the progress bar. Never: making or judging mutants (`risk.mutation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from risk.language import RuleSet, render_problems
from risk.mutation import Decisive, Mutant, Verdict, decisive_terms, judged, mutants


def show_mutants(ruleset: RuleSet, root: str, rule: str | None) -> bool:
    """Make and judge all mutants, or those that concern ``rule``, and tell what no test noticed; whether all were noticed."""
    verdicts = list(_with_progress(ruleset, mutants(ruleset, rule)))
    unnoticed = [verdict.mutant for verdict in verdicts if verdict.answer == "unnoticed"]
    untested = {mutant.rules[0] for mutant in unnoticed if not any(ruleset.cases.get(each) for each in mutant.rules)}
    for name in sorted(untested):
        typer.echo(f"\n{name} has no test, so nothing notices any of its mutants")
    told = [mutant.problem for mutant in unnoticed if mutant.rules[0] not in untested]
    if told:
        typer.echo("\n" + render_problems(told, ruleset.sources, "", root).rstrip("\n"))
    typer.echo("\n" + mutant_summary(verdicts))
    return not unnoticed


def _with_progress(ruleset: RuleSet, found: Sequence[Mutant]) -> Iterator[Verdict]:
    """The verdicts, with a bar where somebody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("mutants", total=len(found))
        for verdict in judged(ruleset, found):
            progress.advance(task)
            yield verdict


def mutant_summary(verdicts: Sequence[Verdict]) -> str:
    """``612 mutants: 570 noticed, 0 unnoticed, 42 not judged``, and below it why these are not."""
    answers = Counter(verdict.answer for verdict in verdicts)
    counts = ", ".join(f"{answers[answer]} {answer}" for answer in ("noticed", "unnoticed", "not judged"))
    reasons = Counter(verdict.reason for verdict in verdicts if verdict.reason is not None)
    head = f"{len(verdicts)} mutant{'' if len(verdicts) == 1 else 's'}: {counts}"
    return "\n".join([head, *(f"   {number} not judged: {reason}" for reason, number in reasons.most_common())])


def show_coverage(ruleset: RuleSet, root: str, rule: str | None) -> bool:
    """Tell for each rule the terms that no test hangs on; whether there is none."""
    found = list(decisive_terms(ruleset, rule))
    width = max((len(term.rule.name) for term in found), default=0)
    typer.echo("")
    for name, group in groupby(found, key=lambda term: term.rule.name):
        terms = list(group)
        idle = [term for term in terms if not term.tests]
        typer.echo(f"{name:<{width}}  {len(terms) - len(idle)} of {len(terms)} terms decisive")
        for term in idle:
            typer.echo(f"   never decisive: {_term(term, root)}")
    never = sum(1 for term in found if not term.tests)
    typer.echo(f"{len(found)} term{'' if len(found) == 1 else 's'}: {len(found) - never} decisive, {never} never decisive")
    return not never


def _term(term: Decisive, root: str) -> str:
    place = term.spot.file.place(term.spot.start)
    path = (Path(root) / place.path).as_posix() if root else place.path
    inside = f" in macro `{term.macro}`" if term.macro is not None else ""
    return f"{term.text}{inside}  ({path}:{place.line}:{place.column})"
