"""`risk test`: runs the tests that stand in rule files and shows what fails.

Belongs here: the command, the text it prints, the JUnit file. Never: running a test (`risk.cases`) or reading rule files.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree as Xml

import typer

from risk.cases import Result, run
from risk.cli.held import show_coverage, show_mutants
from risk.declared import Place, Rule
from risk.language import RuleFileError, RuleSet, load
from risk.sources import rule_files

PASSED, FINDINGS, WRONG_FILES = 0, 1, 2
TEXT_WIDTH = 44
"""Columns that a part of a condition gets before its values."""


def test(
    path: Annotated[Path, typer.Argument(help="A folder of rule files.")] = Path("rules"),
    rule: Annotated[str | None, typer.Option(help="Only the tests of this rule.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results to this file as JUnit XML.")] = None,
    mutate: Annotated[bool, typer.Option("--mutate", help="Change each limit, comparison and term a little: does a test notice?")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Show the terms that no test hangs on.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="With --coverage: exit 1 where a term is never decisive.")] = False,
) -> None:
    """Run the tests that stand in rule files. Exit 0: all hold; 1: one fails, or no test notices a mutant; 2: the files are wrong."""
    ruleset = _load(path)
    if rule is not None and rule not in ruleset.rules:
        typer.echo(f"there is no rule `{rule}` in {path}", err=True)
        raise typer.Exit(WRONG_FILES)
    shown = Shown(path, width=max((len(name) for name, cases in ruleset.cases.items() if cases), default=0))
    results: list[Result] = []
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    for name, group in groupby(run(ruleset, rule), key=lambda result: result.rule.name):
        of_rule = list(group)
        seconds[name], started = time.perf_counter() - started, time.perf_counter()
        typer.echo(shown.of_rule(of_rule))
        results.extend(of_rule)
    for _, group in groupby((result for result in results if result.failed), key=lambda result: result.rule.name):
        typer.echo("\n" + shown.of_failures(list(group)))
    typer.echo(("\n" if any(result.failed for result in results) else "") + summary(results))
    if junit is not None:
        _write(junit, junit_xml(results, shown, seconds))
    if any(result.failed for result in results):
        if mutate or coverage:
            typer.echo("mutants and coverage are told once all tests hold")
        raise typer.Exit(FINDINGS)
    root = _root(path)
    decided = not coverage or show_coverage(ruleset, root, rule) or not strict
    noticed = not mutate or show_mutants(ruleset, root, rule)
    raise typer.Exit(PASSED if decided and noticed else FINDINGS)


def _load(path: Path) -> RuleSet:
    try:
        return load(rule_files(path))
    except RuleFileError as wrong:
        typer.echo(wrong.report, err=True)
    except (OSError, ValueError) as wrong:
        typer.echo(str(wrong), err=True)
    raise typer.Exit(WRONG_FILES)


def _root(path: Path) -> str:
    """What stands before paths of the rule set, so that an editor can jump to them."""
    root = path if path.is_dir() else path.parent
    return "" if str(root) == "." else root.as_posix().rstrip("/")


def _write(junit: Path, report: bytes) -> None:
    try:
        junit.write_bytes(report)
    except OSError as wrong:
        typer.echo(f"the JUnit file cannot be written: {wrong}", err=True)
        raise typer.Exit(WRONG_FILES) from None


class Shown:
    """The text of results. ``root``: what was asked for, put before the paths inside the rule set; ``width``: of the names of rules."""

    def __init__(self, root: Path, width: int = 0) -> None:
        self.root = root
        self.width = width

    def place(self, place: Place | None) -> str:
        if place is None:
            return str(self.root)
        return f"{self.root if self.root.is_file() else self.root / place.path}:{place.line}"

    def of_rule(self, results: Sequence[Result]) -> str:
        """A line with the counts; tests marked `todo` below it."""
        counts = [f"{_count(r.passed and not r.todo for r in results)} passed"]
        counts += [f"{number} failed" for number in (_count(r.failed for r in results),) if number]
        counts += [f"{number} todo" for number in (_count(r.todo for r in results),) if number]
        line = f"{results[0].rule.name:<{self.width}}  {', '.join(counts)}"
        return "\n".join([line, *(self.of_todo(r) for r in results if r.todo)])

    def of_failures(self, results: Sequence[Result]) -> str:
        """The failing tests of one rule, in full."""
        rule = results[0].rule
        lines = [f"{rule.name}  ({self.place(rule.place)}, {rule.mode})"]
        for result in results:
            lines += [f"   FAIL {result.case.it}", *(f"        {line}" for line in self.reason(result))]
        return "\n".join(lines)

    def of_todo(self, result: Result) -> str:
        if result.passed:
            return f"   TODO {result.case.it}: passes now, so remove `todo: {result.case.todo}` ({self.place(result.case.place)})"
        return f"   todo {result.case.it}: {result.case.todo}"

    def reason(self, result: Result) -> list[str]:
        """What was expected and what came; then each part of the condition with the values of that event."""
        lines = [f"{self.place(result.place)}: {result.complaint}"]
        return lines + [f"{answer} {text:<{TEXT_WIDTH}}  {values}".rstrip() for answer, text, values in result.terms]


def summary(results: Sequence[Result]) -> str:
    """``6 rules, 61 tests: 61 passed, 0 failed, 1 todo``; a test marked `todo` is none of the tests that pass or fail."""
    rules = len({result.rule.name for result in results})
    tests = [result for result in results if not result.todo]
    passed = sum(result.passed for result in tests)
    heads = f"{rules} rule{'' if rules == 1 else 's'}, {len(tests)} test{'' if len(tests) == 1 else 's'}"
    return f"{heads}: {passed} passed, {len(tests) - passed} failed, {len(results) - len(tests)} todo"


def junit_xml(results: Sequence[Result], shown: Shown, seconds: dict[str, float]) -> bytes:
    """One suite a rule, as continuous-integration tools read it; `todo` is "skipped"."""
    root = Xml.Element("testsuites", name="risk test", tests=str(len(results)), failures=str(_count(r.failed for r in results)))
    for name, group in groupby(results, key=lambda result: result.rule.name):
        of_rule = list(group)
        suite = Xml.SubElement(root, "testsuite", name=name, time=f"{seconds.get(name, 0.0):.3f}")
        suite.set("tests", str(len(of_rule)))
        suite.set("failures", str(_count(r.failed for r in of_rule)))
        suite.set("skipped", str(_count(r.todo for r in of_rule)))
        for result in of_rule:
            _junit_case(suite, result.rule, result, shown)
    Xml.indent(root)
    written: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _junit_case(suite: Xml.Element, rule: Rule, result: Result, shown: Shown) -> None:
    case = Xml.SubElement(suite, "testcase", classname=rule.name, name=result.case.it)
    case.set("file", shown.place(result.case.place).rpartition(":")[0])
    case.set("line", str(result.case.place.line))
    if result.failed:
        lines = shown.reason(result)
        Xml.SubElement(case, "failure", message=result.complaint or "").text = "\n".join(lines)
    elif result.todo:
        Xml.SubElement(case, "skipped", message=f"todo: {result.case.todo}")


def _count(answers: Iterable[bool]) -> int:
    return sum(1 for answer in answers if answer)
