"""The table of settings: what is read, what is refused, and that nothing outside it is a setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.settings import PREFIX, TABLE, Settings, SettingsProblem, help_text, read_settings

ROOT = Path(__file__).parent.parent


def test_without_an_environment_every_setting_has_its_default() -> None:
    assert read_settings({}) == Settings()
    assert read_settings({}).given == frozenset()


def test_a_setting_is_read_and_counts_as_given() -> None:
    settings = read_settings({"RISK_DEADLINE_MS": "250", "RISK_RULES": "other/rules", "RISK_LATE_MS_MAX": "1000"})
    assert settings.deadline_ms == 250
    assert settings.rules == Path("other/rules")
    assert settings.late_ms_max == 1_000
    assert settings.given == {"deadline_ms", "rules", "late_ms_max"}


def test_an_empty_variable_is_the_default() -> None:
    assert read_settings({"RISK_PARTITIONS": "", "RISK_TOPIC_PREFIX": ""}) == Settings(given=frozenset({"topic_prefix"}))


def test_several_brokers_are_a_list_with_commas() -> None:
    assert read_settings({"RISK_BROKERS": "a:9092, b:9093"}).brokers == "a:9092,b:9093"


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("RISK_BROKERS", "localhost", "host:port"),
        ("RISK_BROKERS", "localhost:99999", "host:port"),
        ("RISK_PARTITIONS", "0", "from 1 to 10000"),
        ("RISK_PARTITIONS", "four", "whole number"),
        ("RISK_IN_FLIGHT", "-1", "whole number"),
        ("RISK_DEADLINE_MS", "1.5", "whole number"),
        ("RISK_TOPIC_PREFIX", "a b", "letters, digits"),
        ("RISK_ID", "..", "expected a name"),
        ("RISK_METRICS_PORT", "70000", "from 0 to 65535"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_was_expected(variable: str, text: str, says: str) -> None:
    with pytest.raises(SettingsProblem) as caught:
        read_settings({variable: text})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}: expected ")
    assert says in problem


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsProblem) as caught:
        read_settings({"RISK_PARTITIONS": "x", "RISK_DEADLINE_MS": "y"})
    assert len(caught.value.problems) == 2


def test_a_misspelt_setting_is_an_error_and_a_stranger_is_not() -> None:
    with pytest.raises(SettingsProblem, match="Did you mean RISK_BROKERS"):
        read_settings({"RISK_BROKER": "a:1"})
    assert read_settings({"RISK_APPETITE": "high"}) == Settings()


def test_every_setting_is_in_the_help_with_its_meaning() -> None:
    text = help_text()
    for row in TABLE:
        assert row.variable in text
        assert row.meaning in text
        assert row.meaning.endswith("."), row.variable


def test_no_code_reads_a_variable_that_is_not_in_the_table() -> None:
    known = {row.variable for row in TABLE}
    for path in [*sorted((ROOT / "risk").rglob("*.py")), *sorted((ROOT / "streams").rglob("*.py"))]:
        for name in re.findall(rf'(?:environ\.get\(|environ\[|getenv\()"({PREFIX}[A-Z_]+)"', path.read_text(encoding="utf-8")):
            assert name in known, f"{path.relative_to(ROOT)} reads {name}: add it to the table in streams/settings.py"
