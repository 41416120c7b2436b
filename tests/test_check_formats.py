"""`risk check --format`: the same problems at the same places, for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.language.formats import github, sarif
from risk.language.problems import Problem
from tests.test_language_load import SCHEMA

WRONG = "macros: {wrong: remote and}\nrules:\n  a: {title: x, event: payment, mode: live, when: 'method == \"x\" and 1', then: blok}\n"
ODD = Problem("E999", "warning", "a b/ü,1.yaml", 3, 5, 2, "half of `100%`: no", "write\nless")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.yaml").write_text(SCHEMA, encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(WRONG, encoding="utf-8")
    return tmp_path


def told(folder: Path, format: str) -> str:
    result = CliRunner().invoke(app, ["check", str(folder), "--format", format])
    assert result.exit_code == 2
    return result.output


def test_every_format_tells_the_same_problems_at_the_same_places(folder: Path) -> None:
    in_text = set(re.findall(r"^(.+?):(\d+):(\d+): (error|warning)\[(\w+)\]", told(folder, "text"), re.MULTILINE))
    assert len(in_text) >= 4
    annotations = re.findall(
        r"^::(\w+) file=(.+?),line=(\d+),col=(\d+),endColumn=\d+,title=risk check (\w+)::", told(folder, "github"), re.M
    )
    assert {(path, line, column, severity, code) for severity, path, line, column, code in annotations} == in_text
    found = set()
    for result in json.loads(told(folder, "sarif"))["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]
        region = place["region"]
        uri = place["artifactLocation"]["uri"]
        found.add((uri, str(region["startLine"]), str(region["startColumn"]), result["level"], result["ruleId"]))
        assert region["endColumn"] > region["startColumn"]
    assert found == in_text
    said = json.loads(told(folder, "json"))
    assert {
        (f"{said['root']}/{p['path']}", str(p["line"]), str(p["column"]), p["severity"], p["code"]) for p in said["problems"]
    } == in_text


def test_every_code_of_sarif_is_declared_once(folder: Path) -> None:
    run = json.loads(told(folder, "sarif"))["runs"][0]
    declared = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert sorted(set(declared)) == declared
    assert {result["ruleId"] for result in run["results"]} == set(declared)


def test_what_a_workflow_command_cannot_hold_is_escaped() -> None:
    assert github([ODD], "1 warning", "rules") == (
        "::warning file=rules/a b/ü%2C1.yaml,line=3,col=5,endColumn=7,title=risk check E999"
        "::half of `100%25`: no%0Awrite%0Aless\n1 warning\n"
    )


def test_a_place_in_sarif_is_a_uri() -> None:
    result = json.loads(sarif([ODD], "1.0"))["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%BC%2C1.yaml"
    assert result["message"]["text"] == "half of `100%`: no\nwrite\nless"


def test_files_without_problems_give_an_empty_report(tmp_path: Path) -> None:
    (tmp_path / "events.yaml").write_text(SCHEMA, encoding="utf-8")
    shown = {format: CliRunner().invoke(app, ["check", str(tmp_path), "--format", format]) for format in ("github", "sarif", "json")}
    assert all(result.exit_code == 0 for result in shown.values())
    assert json.loads(shown["sarif"].output)["runs"][0]["results"] == []
    assert shown["github"].output == "7 events, 0 features, 0 lists, 0 macros, 0 rules: 0 errors, 0 warnings\n"
    assert json.loads(shown["json"].output)["hash"].startswith("sha256:")
