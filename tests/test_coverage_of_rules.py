"""Which terms of a rule its tests hang on, and how `risk test --coverage` says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from risk.language import load
from risk.mutation import decisive_terms
from risk.sources import rule_files
from tests.test_mutation import PLANTED, command, tiny

SHIPPED = Path(__file__).parent.parent / "rules"
APP = 'channel == "app"'


def hanging(when: str, tests: str) -> dict[str, int]:
    """Term -> how many tests hang on it."""
    return {term.text: term.tests for term in decisive_terms(tiny(when, tests))}


@pytest.mark.parametrize(
    ("when", "test", "decisive"),
    [
        (f"{APP} and amount > CNY 5.00", "events: [{channel: app, amount: CNY 9.00}], expect: fires", [1, 1]),
        (f"{APP} and amount > CNY 5.00", "events: [{channel: qr, amount: CNY 9.00}], expect: silent", [1, 0]),
        (f"{APP} and amount > CNY 5.00", "events: [{channel: qr, amount: CNY 1.00}], expect: silent", [0, 0]),
        (f"{APP} or amount > CNY 5.00", "events: [{channel: app, amount: CNY 9.00}], expect: fires", [0, 0]),
        (f"{APP} or amount > CNY 5.00", "events: [{channel: app, amount: CNY 1.00}], expect: fires", [1, 0]),
        (f"not ({APP} and amount > CNY 5.00)", "events: [{channel: app, amount: CNY 1.00}], expect: fires", [0, 1]),
        (f"{APP} and amount > CNY 5.00", "events: [{channel: missing, amount: CNY 1.00}], expect: silent", [0, 1]),
        (
            "at_least(2, amount > CNY 5.00, channel is known, tries_10m >= 3)",
            "given: {tries_10m: 1}, events: [{channel: app, amount: CNY 9.00}], expect: fires",
            [1, 1, 0],
        ),
        ("model.score >= 0.7 and amount > CNY 1.00", "events: [{model.score: 0.8, amount: CNY 9.00}], expect: fires", [1, 1]),
        ("payer.id in @friends", "events: [{payer.id: usr_a}], expect: fires", [1]),
    ],
)
def test_a_term_is_decisive_where_its_other_answer_would_change_the_rules(when: str, test: str, decisive: list[int]) -> None:
    assert list(hanging(when, f"{{it: a, {test}}}").values()) == decisive


def test_the_terms_of_a_macro_are_told_where_they_are_written() -> None:
    ruleset = tiny("cheap and amount > CNY 1.00", "{it: a, events: [{channel: app}], expect: fires}")
    found = [(term.text, term.macro, term.spot.file.path) for term in decisive_terms(ruleset)]
    assert found == [
        ("channel is known", "cheap", "parts.yaml"),
        ("amount <= CNY 10.00", "cheap", "parts.yaml"),
        ("amount > CNY 1.00", None, "rules.yaml"),
    ]


def test_only_events_of_which_the_test_speaks_count() -> None:
    events = "events: [{channel: app, amount: CNY 9.00}, {channel: qr, amount: CNY 1.00}]"
    when = f"{APP} and amount > CNY 5.00"
    assert list(hanging(when, f"{{it: a, {events}, expect: silent}}").values()) == [0, 0]
    assert list(hanging(when, f"{{it: a, {events}, expect: {{fires_on: [1]}}}}").values()) == [1, 1]


def test_each_test_counts_once_and_a_known_gap_never() -> None:
    two = "{it: a, events: [{amount: CNY 9.00}], expect: fires}, {it: b, events: [{repeat: 3, amount: CNY 1.00}], expect: silent_all}"
    gap = "{it: c, todo: T-1, events: [{amount: CNY 9.00}], expect: silent}"
    assert hanging("amount > CNY 5.00", f"{two}, {gap}") == {"amount > CNY 5.00": 2}


def test_every_term_of_the_shipped_rules_is_decisive_in_a_test() -> None:
    idle = [f"{term.rule.name}: {term.text}" for term in decisive_terms(load(rule_files(SHIPPED))) if not term.tests]
    assert idle == []


TWO_TERMS = PLANTED.replace("      amount <= $small\n", '      amount <= $small\n      and channel != "qr"\n')
SILENT = TWO_TERMS.replace("{amount: CNY 5.00}", "{amount: CNY 6.00, channel: app}").replace("{fires: true, score: 40}", "silent")


def test_the_command_lists_terms_that_are_never_decisive(tmp_path: Path) -> None:
    assert command(tmp_path, SILENT, "--coverage") == (
        0,
        """\
small_payment  1 passed
1 rule, 1 test: 1 passed, 0 failed, 0 todo

small_payment  1 of 2 terms decisive
   never decisive: channel != "qr"  (RULES/rules.yaml:12:11)
2 terms: 1 decisive, 1 never decisive
""",
    )


def test_under_strict_a_term_that_is_never_decisive_is_exit_code_1(tmp_path: Path) -> None:
    assert command(tmp_path, SILENT, "--coverage", "--strict")[0] == 1
    assert command(tmp_path, PLANTED, "--coverage", "--strict")[0] == 0
