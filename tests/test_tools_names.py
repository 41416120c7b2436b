"""`risk names`: every name, what it is, who uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.language import load
from risk.sources import rule_files
from risk.tools.names import Known, matching, names_of
from tests.tools_given import RULES, SMALL, shipped, small


@pytest.fixture
def names() -> list[Known]:
    return names_of(small())


def one(names: list[Known], kind: str, name: str) -> Known:
    found = [each for each in names if (each.kind, each.name) == (kind, name)]
    assert len(found) == 1, found
    return found[0]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    (folder / "rules.yaml").write_text(SMALL)
    result = CliRunner().invoke(app, ["names", *arguments, "--rules", str(folder / "rules.yaml")])
    return result.exit_code, result.output


def test_every_name_of_the_rule_set_is_there(names: list[Known]) -> None:
    ruleset = small()
    for kind, of_kind in (("feature", ruleset.features), ("list", ruleset.lists), ("macro", ruleset.macros), ("rule", ruleset.rules)):
        assert [each.name for each in names if each.kind == kind] == list(of_kind)
    assert {"amount", "card.id", "payer.id"} <= {each.name for each in names if each.kind == "field"}


def test_a_name_has_its_type_its_place_and_its_users(names: list[Known]) -> None:
    feature = one(names, "feature", "tries_10m")
    assert (
        feature.type == "whole number" and feature.place is not None and small().sources["small.yaml"].split("\n")[feature.place.line - 1]
    )
    assert feature.used_by == ("rule burst",)
    assert "in the last 10 minutes" in feature.about
    assert one(names, "list", "good_cards").used_by == ("rule burst",)
    assert one(names, "macro", "large").used_by == ("rule being_written", "rule watched")
    assert one(names, "field", "amount").used_by == ("feature spent_24h", "macro large")
    assert one(names, "field", "country").used_by == ("feature spent_24h", "rule watched")


def test_a_name_that_only_a_message_reads_is_used(names: list[Known]) -> None:
    assert one(names, "feature", "spent_24h").used_by == ("rule burst",)


def test_a_parameter_belongs_to_its_rule(names: list[Known]) -> None:
    param = one(names, "param", "$tries")
    assert (param.about, param.used_by) == ("3", ("rule burst",))


def test_the_model_and_settings_are_users_and_names_too() -> None:
    names = names_of(shipped())
    assert "the model" in one(names, "feature", "since_credentials").used_by
    assert one(names, "setting", "uplift").used_by and one(names, "setting", "year").used_by == ("feature balance_this_year",)


def test_a_feature_of_the_shipped_rules_that_nobody_uses_would_be_seen() -> None:
    assert [each.name for each in names_of(shipped()) if each.kind in ("feature", "macro", "list") and not each.used_by] == []


def test_a_word_finds_names_that_hold_it_whatever_its_signs(names: list[Known]) -> None:
    assert {each.name for each in matching(names, "TRIES", None)} == {"tries_10m", "$tries"}
    assert [each.name for each in matching(names, "@good", None)] == ["good_cards"]
    assert [each.name for each in matching(names, "$tries", "param")] == ["$tries"]


def test_the_command_lists_finds_and_suggests(tmp_path: Path) -> None:
    code, said = run(tmp_path)
    assert code == 0 and "features\n" in said and f"{tmp_path.as_posix()}/rules.yaml:" in said
    code, said = run(tmp_path, "tries_10m")
    assert code == 0 and "used by rule burst" in said
    code, said = run(tmp_path, "trys_10m")
    assert code == 1 and "did you mean `tries_10m`?" in said
    code, said = run(tmp_path, "--kind", "macro", "--json")
    assert code == 0 and [each["name"] for each in json.loads(said)] == ["large"]


def test_wrong_rule_files_are_told_as_by_check(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: {x: {}}\n")
    result = CliRunner().invoke(app, ["names", "--rules", str(tmp_path)])
    assert result.exit_code == 2 and "error[E" in result.output


def test_decisions_and_labels_are_told_where_features_count_them() -> None:
    features = """
features:
  refused: {count: decision, per: payer.id, over: 1h, where: action == "block"}
  frauds:  {count: label, per: payer.id, over: 30d, where: verdict == "fraud"}
"""
    files = [*rule_files(RULES), ("more.yaml", f"{features}lists: {{watched: {{of: id user, source: topic}}}}\n".encode())]
    known = {each.name: each for each in names_of(load(files)) if each.kind == "event"}
    assert "our answers" in known["decision"].about and known["decision"].used_by == ("feature refused",)
    assert "features see its payment's fields too" in known["label"].about
    watched = one(names_of(load(files)), "list", "watched")
    assert watched.about.startswith("0 entries in the files, changed while workers run")
