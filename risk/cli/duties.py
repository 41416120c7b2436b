"""`risk duties`: obligations with the rules that meet them, their tests, owners, and gaps.

Belongs here: options, the text, exit codes. Never: what a gap is (`risk.duties`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import FINDINGS, RulesOption, ruleset_at, wrong
from risk.duties import Proof, Standing, as_data, counted, overview
from risk.language import RuleSet
from risk.language.problems import count
from risk.language.sections.cases import fires, stays_silent
from risk.language.suggest import closest


def duties(
    duty: Annotated[str | None, typer.Argument(help="Only this duty, such as CN-QR-D, with all that is known of it.")] = None,
    rules: RulesOption = Path("rules"),
    gaps: Annotated[bool, typer.Option("--gaps", help="Only duties with a gap.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 where there is a gap.")] = False,
) -> None:
    """Show which obligations are met, by which live rules, who answers for them, and what is missing.

    Exit 0: shown; 1: a gap, under --strict; 2: the rule files or an option is wrong.
    """
    ruleset = ruleset_at("duties", rules)
    everything = standings(ruleset, datetime.now(UTC).date().isoformat())
    shown = [each for each in everything if each.gaps] if gaps else everything
    if duty is not None:
        shown = [each for each in shown if each.duty.name == duty]
        if duty not in {each.duty.name for each in everything}:
            hint = closest(duty, [each.duty.name for each in everything])
            wrong("duties", f"there is no duty `{duty}` in {rules}" + (f"; did you mean `{hint}`?" if hint else ""))
    if as_json:
        typer.echo(json.dumps([as_data(each) for each in shown], indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join([*_text(shown, in_full=duty is not None), "", _summary(everything)]))
    if strict and any(each.gaps for each in shown):
        raise typer.Exit(FINDINGS)


def standings(ruleset: RuleSet, day: str) -> list[Standing]:
    """The duty map of a rule set. ``day``: today as an ISO date."""
    tests = {}
    for name, cases in ruleset.cases.items():
        proving = [case for case in cases if case.todo is None]
        tests[name] = Proof(len(proving), sum(fires(case) for case in proving), sum(stays_silent(case) for case in proving))
    return overview(ruleset.duties, ruleset.rules.values(), tests, day)


def _text(shown: Sequence[Standing], in_full: bool) -> Iterator[str]:
    width = max((len(each.duty.name) for each in shown), default=0)
    margin = " " * (width + 2)
    for each in shown:
        yield f"{each.duty.name:<{width}}  {each.state:<9}  {each.duty.title}".rstrip()
        facts = (each.duty.number, each.duty.entity, each.duty.window)
        what = ", ".join(fact for fact in facts if fact)
        since = f"since {each.duty.effective}" if each.duty.effective else ""
        evidence = ", ".join(each.duty.evidence)
        yield f"{margin}{' · '.join(part for part in (what, each.duty.source, evidence, since) if part)}".rstrip()
        if in_full:
            for label, text in (("asks", each.duty.action), ("note", each.duty.about)):
                if text:
                    yield f"{margin}{label}: {text}"
        for rule in each.rules:
            tests = each.tests[rule.name]
            place = f"  {rule.place.path}:{rule.place.line}" if rule.place else ""
            yield f"{margin}{rule.name}: {rule.mode}, {rule.owner or 'no owner'}, {count(tests.all, 'test')}{place}"
        if each.state == "elsewhere" or (in_full and each.duty.elsewhere):
            yield f"{margin}met by {each.duty.elsewhere}"
        for gap in each.gaps:
            yield f"{margin}gap: {gap}"


def _summary(everything: Sequence[Standing]) -> str:
    """`38 duties: 20 served, 2 with a gap, 16 met elsewhere`."""
    numbers = counted(everything)
    heads = f"{len(everything)} {'duty' if len(everything) == 1 else 'duties'}"
    return f"{heads}: {numbers['served']} served, {numbers['gap']} with a gap, {numbers['elsewhere']} met elsewhere"
