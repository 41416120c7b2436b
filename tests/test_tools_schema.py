"""`risk schema`: what editors know of rule files; the shipped ones fit, and mistakes do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.language import RuleSet, load
from risk.language.loading import SECTIONS
from risk.language.sections.rules import RULE_KEYS
from risk.sources import rule_files
from risk.tools import schema_words
from risk.tools.json_schema import schema_of
from tests.tools_given import RULES, SMALL, SPARKOV, shipped, small
from tests.tools_schema_check import as_editors_read, faults


def sets() -> dict[str, RuleSet]:
    return {"rules": shipped(), "sparkov": load(rule_files(SPARKOV))}


@pytest.mark.parametrize("named", [True, False], ids=["with names", "plain"])
@pytest.mark.parametrize(("name", "folder"), [("rules", RULES), ("sparkov", SPARKOV)])
def test_every_shipped_file_fits(name: str, folder: Path, named: bool) -> None:
    schema = schema_of(sets()[name] if named else None)
    for path, raw in rule_files(folder):
        assert list(faults(schema, as_editors_read(raw.decode()))) == [], path


def test_the_small_rule_set_fits() -> None:
    assert list(faults(schema_of(small()), as_editors_read(SMALL))) == []


MISTAKES = [
    ("mode: live", "mode: livee"),
    ("then: block", "then: blok"),
    ("severity: high", "severity: hihg"),
    ("    when: |\n      tries", "    wen: |\n      tries"),
    ("score: 60", "score: 600"),
    ("score: 60", "score: sixty"),
    ("events: [{repeat: 3, every: 10s}]", "events: [{repeat: 3, every: 10}]"),
    ("events: [{repeat: 3, every: 10s}]", "events: [{repeat: 3, paid_by: x}]"),
    ("events: [{repeat: 3, every: 10s}]", "events: [{event: pament}]"),
    ("expect: silent", "expect: quiet"),
    ("{fires_on: [3], action: block}", "{fires_on: [3], acton: block}"),
    ("expect: silent", "given: {tries_10min: 3}\n        expect: silent"),
    ("count: payment", "count: pament"),
    ("{count: payment, per: card.id", "{count: payment, sum: amount, per: card.id"),
    ("review_by: 2027-11-30", "review_by: next year"),
    ("    event: payment\n    mode: live", "    event: paymen\n    mode: live"),
    ("    owner: payments-risk\n    severity", "    severity"),
    ("lists:", "list:"),
    ("until: 2027-06-30", "untill: 2027-06-30"),
    ("  burst:", "  2burst:"),
    ("with_current: true", "with_current: maybe"),
]


@pytest.mark.parametrize(("right", "wrong"), MISTAKES, ids=[wrong.strip().split("\n")[-1] for _, wrong in MISTAKES])
def test_a_mistake_is_seen(right: str, wrong: str) -> None:
    assert right in SMALL
    assert list(faults(schema_of(small()), as_editors_read(SMALL.replace(right, wrong, 1))))


def test_without_names_the_shape_is_still_known() -> None:
    plain = schema_of(None)
    assert list(faults(plain, as_editors_read(SMALL.replace("tries_10m: {count: payment", "tries_10m: {count: anything")))) == []
    assert list(faults(plain, as_editors_read(SMALL.replace("mode: live", "mode: livee"))))


def test_every_section_and_every_key_of_a_rule_is_described() -> None:
    assert set(schema_words.SECTIONS) == set(SECTIONS)
    assert set(schema_words.RULE) == set(RULE_KEYS)


def test_names_of_the_rule_set_are_offered() -> None:
    made: Any = schema_of(shipped())
    assert "card_tries_10m" in made["definitions"]["test"]["properties"]["given"]["properties"]
    assert "CARD_TESTING" in json.dumps(made["definitions"]["rule"]["properties"]["reasons"])
    step = made["definitions"]["step"]["properties"]
    assert "balance" in step["funding"]["anyOf"][0]["enum"] and step["repeat"]["description"]
    assert made["definitions"]["rule"]["properties"]["event"]["anyOf"][0]["enum"] == ["payment", "transfer", "payout", "instalment"]


def test_the_command_writes_the_same_file_every_time(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(SMALL)
    out = tmp_path / "schema.json"
    runner = CliRunner()
    arguments = ["schema", "--rules", str(tmp_path / "rules.yaml")]
    result = runner.invoke(app, [*arguments, "--out", str(out)])
    assert result.exit_code == 0 and out.read_text() == runner.invoke(app, arguments).output
    assert json.loads(out.read_text())["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert runner.invoke(app, ["schema", "--plain", "--rules", "nowhere"]).exit_code == 0
    assert runner.invoke(app, ["schema", "--rules", "nowhere"]).exit_code == 2
    assert runner.invoke(app, [*arguments, "--out", str(tmp_path)]).exit_code == 2
