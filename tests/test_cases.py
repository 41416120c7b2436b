"""Tests in rule files: what they can say, and what a failing one tells."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from risk.cases import Result, run, shown
from risk.cli import app
from risk.declared import NEVER, FieldType
from risk.language import RuleSet, load
from risk.language.cases import script_of

command = import_module("risk.cli.test")  # `from risk.cli.test import test` would be collected

EVENTS = """
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: money CNY
      payer.id: id user
      payer.opened_at: optional time
      device.id: optional id device
      device.flags: optional texts
      channel: optional app | qr
      stepup_available: optional bool
    example: {amount: CNY 5.00, payer.id: usr_1, payer.opened_at: 400d ago, device.id: dev_1, stepup_available: true}
  login:
    fields: {occurred_at: time, payer.id: id user, device.id: optional id device, ok: bool}
    example: {payer.id: usr_1, device.id: dev_1, ok: true}
  payment_result:
    fields:
      payment_id: id payment
      occurred_at: time
      outcome: approved | declined | reversed | expired | refunded
      payer.id: optional id user
    example: {payment_id: pay_1, payer.id: usr_1, outcome: approved}
"""

POLICY = """
policy:
  score_bands: [{score: 80, then: block}, {score: 50, then: review}, {score: 30, then: challenge}]
  model: {bands: [{score: 40%, points: 40}]}
"""

RULES = """
lists:
  friends: {of: id user, values: [usr_1]}
features:
  tries_10m: {count: payment, per: device.id, over: 10m, with_current: true}
  users_1h: {distinct: payer.id, of: payment, per: device.id, over: 1h, with_current: true}
  spent_1h: {sum: amount, of: payment, per: payer.id, over: 1h, counts: passed}
  since_login: {since_last: login, per: payer.id, where: ok}
rules:
  burst:
    title: Many tries
    owner: team
    event: payment
    mode: MODE
    params: {tries: 3}
    when: |
      tries_10m >= $tries
      and amount <= CNY 10.00
    then: review
    score: 60
    reasons: [BURST]
    tests:
TESTS
"""


def ruleset(tests: str, mode: str = "shadow", rules: str = RULES) -> RuleSet:
    indented = "\n".join(("      " + line) if line.strip() else line for line in tests.strip("\n").splitlines())
    return load([("events.yaml", EVENTS), ("policy.yaml", POLICY), ("rules.yaml", rules.replace("MODE", mode).replace("TESTS", indented))])


def results(tests: str, **rest: Any) -> list[Result]:
    return list(run(ruleset(tests, **rest)))


def result(tests: str, **rest: Any) -> Result:
    (only,) = results(tests, **rest)
    return only


@pytest.mark.parametrize(
    "test",
    [
        "given: {tries_10m: 3}, events: [{}], expect: fires",
        "given: {tries_10m: 2}, events: [{}], expect: silent",
        "given: {tries_10m: missing}, events: [{}], expect: unknown",
        "events: [{repeat: 2}], expect: silent_all",
        "events: [{repeat: 4}], expect: {fires_on: [3, 4], action: review, score: 60, reasons: [BURST]}",
        "events: [{repeat: 2}], expect: {silent: true, action: approve, score: 0, reasons: []}",
        "given: {tries_10m: missing}, events: [{}], expect: {unknown: true, action: approve}",
        "events: [{repeat: 3, every: 1m}], expect: {fires: true, values: {tries_10m: 3}}",
        "events: [{repeat: 3, amount: CNY 1.00, device.id: missing}], expect: {unknown: true, values: {tries_10m: missing}}",
    ],
)
def test_an_expectation_that_holds_passes(test: str) -> None:
    assert result(f"- {{it: a, {test}}}").complaint is None


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ("events: [{}], expect: fires", "expected to fire, it was silent"),
        ("given: {tries_10m: 3}, events: [{}], expect: silent", "expected silence, it fired"),
        ("given: {tries_10m: missing}, events: [{}], expect: silent", "expected silence, it was unknown"),
        ("events: [{repeat: 3}], expect: silent_all", "expected to stay silent at all events, at event 3 it fired"),
        ("events: [{repeat: 4}], expect: {fires_on: [4]}", "expected to fire on [4], fired on [3, 4]"),
        ("events: [{repeat: 3}], expect: {fires: true, action: block}", "expected action block, got review (fired: burst)"),
        ("events: [{repeat: 3}], expect: {fires: true, score: 70}", "expected score 70, got 60 (fired: burst)"),
        ("events: [{repeat: 3}], expect: {fires: true, reasons: [BUST]}", "expected reasons BUST, got BURST (fired: burst)"),
        ("events: [{repeat: 3}], expect: {fires: true, values: {tries_10m: 4}}", "expected tries_10m = 4, got 3"),
        (
            "events: [{repeat: 3}], expect: {fires: true, values: {spent_1h: CNY 1.01}}",
            "`spent_1h` is not read by the rule at the last event",
        ),
        ("events: [{}, {event: login}], expect: fires", "expected to fire, the rule does not look at this event"),
    ],
)
def test_an_expectation_that_does_not_hold_says_what_came(test: str, complaint: str) -> None:
    assert result(f"- {{it: a, {test}}}").complaint == complaint


def test_the_clock_moves_by_after_every_and_at() -> None:
    loaded = ruleset(
        """
- it: clock
  events:
    - {repeat: 3, every: 10s}
    - {after: 1h}
    - {every: 5s, repeat: 2}
    - {at: "2027-02-01T00:00:00Z", repeat: 2, every: 1d}
    - {amount: CNY 3.00}
  expect: silent
"""
    )
    script = script_of(loaded, loaded.rules["burst"], loaded.cases["burst"][0], 1)
    start, february = 1_799_035_200_000, 1_801_440_000_000
    assert [step.values["occurred_at"] - start for step in script.steps[:6]] == [0, 10_000, 20_000, 3_620_000, 3_625_000, 3_630_000]
    assert [step.values["occurred_at"] - february for step in script.steps[6:]] == [0, 86_400_000, 86_400_000]


def test_ids_of_the_example_are_the_same_within_a_test_and_new_in_the_next() -> None:
    loaded = ruleset(
        """
- {it: one, events: [{repeat: 2}, {event: login}, {payer.id: usr_1}], expect: silent}
- {it: two, events: [{}], expect: silent}
"""
    )
    rule, cases = loaded.rules["burst"], loaded.cases["burst"]
    first, second = script_of(loaded, rule, cases[0], 1), script_of(loaded, rule, cases[1], 2)
    payers = [step.values["payer.id"] for step in first.steps]
    assert payers[0] == payers[1] == payers[2] != payers[3] == "usr_1"
    assert second.steps[0].values["payer.id"] not in payers
    assert len({step.values.get("payment_id") for step in first.steps}) == 4, "each payment has an id of its own"


def test_numbers_of_a_repeated_item_start_at_one() -> None:
    items = '{repeat: 2, device.id: "dev_{n}", device.flags: ["f{n}", rooted]}, {device.id: "x{n}"}'
    loaded = ruleset(f"- {{it: n, events: [{items}], expect: silent}}")
    steps = script_of(loaded, loaded.rules["burst"], loaded.cases["burst"][0], 1).steps
    assert [step.values["device.id"] for step in steps] == ["dev_1", "dev_2", "x1"]
    assert steps[1].values["device.flags"] == ("f2", "rooted")


def test_an_age_counts_back_from_its_own_event() -> None:
    loaded = ruleset("- {it: age, events: [{payer.opened_at: 1d ago}, {after: 2d, payer.opened_at: 1d ago}], expect: silent}")
    steps = script_of(loaded, loaded.rules["burst"], loaded.cases["burst"][0], 1).steps
    assert [step.values["occurred_at"] - step.values["payer.opened_at"] for step in steps] == [86_400_000, 86_400_000]


def test_missing_leaves_an_optional_field_out() -> None:
    loaded = ruleset("- {it: none, events: [{device.id: missing}], expect: silent}")
    (step,) = script_of(loaded, loaded.rules["burst"], loaded.cases["burst"][0], 1).steps
    assert "device.id" not in step.values


def test_each_test_starts_without_memory() -> None:
    test = "- {it: NAME, events: [{repeat: 2, amount: CNY 1.00, device.id: dev_9}], expect: silent_all}"
    assert [r.complaint for r in results("\n".join(test.replace("NAME", name) for name in "abc"))] == [None] * 3


@pytest.mark.parametrize("mode", ["draft", "shadow", "disabled"])
def test_a_rule_is_tested_whatever_its_mode(mode: str) -> None:
    assert result("- {it: a, events: [{repeat: 3}], expect: {fires: true, action: review}}", mode=mode).passed


def test_validity_rollout_and_the_other_rules_are_left_out() -> None:
    rules = RULES.replace("    score: 60", "    score: 60\n    rollout: 0%\n    rollout_by: payer.id\n    valid_from: 2030-01-01")
    other = "other: {title: x, owner: t, event: payment, mode: shadow, when: amount > CNY 0.00, then: block, reasons: [X]}"
    rules = rules.replace("rules:\n", f"rules:\n  {other}\n", 1)
    assert result("- {it: a, events: [{repeat: 3}], expect: {fires: true, action: review, score: 60}}", rules=rules).passed


def test_the_models_points_count_only_where_the_test_sets_a_score() -> None:
    without, low, high = results(
        """
- {it: a, given: {tries_10m: 3}, events: [{}], expect: {fires: true, score: 60, action: review}}
- {it: b, given: {tries_10m: 3}, events: [{model.score: 0.39}], expect: {fires: true, score: 60}}
- {it: c, given: {tries_10m: 3}, events: [{model.score: 40%}], expect: {fires: true, score: 100, action: block}}
"""
    )
    assert (without.complaint, low.complaint, high.complaint) == (None, None, None)


def test_a_refused_payment_gives_its_quota_back_within_a_test() -> None:
    rules = RULES.replace("tries_10m >= $tries\n      and amount <= CNY 10.00", "spent_1h + amount > CNY 50.00")
    rules = rules.replace("params: {tries: 3}\n    ", "")
    test = """
- it: gives back
  events:
    - {amount: CNY 60.00}
    - {amount: CNY 50.00, payment_id: pay_a}
    - {event: payment_result, payment_id: pay_a, outcome: declined}
    - {amount: CNY 50.00}
    - {amount: CNY 0.01}
  expect: {fires_on: [1, 5], values: {spent_1h: CNY 50.00}}
"""
    assert result(test, rules=rules).complaint is None


def test_a_known_gap_does_not_fail_and_is_noticed_when_it_closes() -> None:
    gap, closed = results(
        """
- {it: a, todo: T-1, events: [{}], expect: fires}
- {it: b, todo: T-2, given: {tries_10m: 3}, events: [{}], expect: fires}
"""
    )
    assert (gap.passed, gap.failed, closed.passed, closed.failed) == (False, False, True, False)
    text = command.Shown(Path("rules"))
    assert text.of_todo(gap) == "   todo a: T-1"
    assert "passes now, so remove `todo: T-2`" in text.of_todo(closed)


def test_given_a_feature_that_the_rule_does_not_read_is_a_failure() -> None:
    complaint = result("- {it: a, given: {since_login: 5m}, events: [{}], expect: silent}").complaint
    assert complaint == "`since_login` is given, but the rule does not read it"


def test_an_event_that_would_be_a_dead_letter_says_so() -> None:
    complaint = result("- {it: a, events: [{}, {device.id: 4111 1111 1111 1111}], expect: silent}").complaint
    assert complaint is not None
    assert complaint.startswith("event 2 would be a dead letter: card_number")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (123456, FieldType("money", currency="CNY"), "CNY 1234.56"),
        (900_000, FieldType("duration"), "15m"),
        (1_500, FieldType("duration"), "1.5s"),
        (None, FieldType("int"), "missing"),
        (NEVER, FieldType("duration"), "never"),
        (True, FieldType("bool"), "true"),
    ],
)
def test_values_are_shown_as_tests_write_them(value: Any, kind: FieldType, text: str) -> None:
    assert shown(value, kind) == text


def test_obligations_and_reports_can_be_expected() -> None:
    rules = RULES.replace("    reasons: [BURST]", "    reasons: [BURST]\n    obligations: [{do: DENY_BENEFIT}]\n    report: STR")
    right, wrong = results(
        """
- {it: a, events: [{repeat: 3}], expect: {fires: true, obligations: [DENY_BENEFIT], report: STR}}
- {it: b, events: [{repeat: 2}], expect: {silent: true, obligations: [DENY_BENEFIT]}}
""",
        rules=rules,
    )
    assert right.complaint is None
    assert wrong.complaint == "expected obligations DENY_BENEFIT, got none (fired: nothing)"


# ---------------------------------------------------------------------------------------------------------------- the command


def folder(tmp_path: Path, tests: str, mode: str = "shadow") -> Path:
    indented = "\n".join(("      " + line) if line.strip() else line for line in tests.strip("\n").splitlines())
    (tmp_path / "patterns").mkdir()
    (tmp_path / "events.yaml").write_text(EVENTS)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "patterns" / "burst.yaml").write_text(RULES.replace("MODE", mode).replace("TESTS", indented))
    return tmp_path


FAILING = """
- {it: fires at three, events: [{repeat: 3}], expect: {fires: true, action: block}}
- {it: is silent at two, events: [{repeat: 2}], expect: silent}
- {it: a gap, todo: T-1, events: [{}], expect: fires}
"""


def test_a_failing_test_prints_the_condition_with_the_values_of_that_event(tmp_path: Path) -> None:
    root = folder(tmp_path, FAILING)
    outcome = CliRunner().invoke(app, ["test", str(root)])
    assert outcome.exit_code == 1
    assert outcome.output.splitlines() == [
        "burst  1 passed, 1 failed, 1 todo",
        "   todo a gap: T-1",
        "",
        f"burst  ({root}/patterns/burst.yaml:10, shadow)",
        "   FAIL fires at three",
        f"        {root}/patterns/burst.yaml:23: expected action block, got review (fired: burst)",
        "        yes tries_10m >= 3                                tries_10m = 3",
        "        yes amount <= CNY 10.00                           amount = CNY 5.00",
        "",
        "1 rule, 2 tests: 1 passed, 1 failed, 1 todo",
    ]


def test_when_all_hold_each_rule_has_a_line_and_the_exit_code_is_0(tmp_path: Path) -> None:
    root = folder(tmp_path, "- {it: a, events: [{}], expect: silent}")
    outcome = CliRunner().invoke(app, ["test", str(root)])
    assert (outcome.exit_code, outcome.output) == (0, "burst  1 passed\n1 rule, 1 test: 1 passed, 0 failed, 0 todo\n")


def test_files_that_are_wrong_are_told_as_risk_check_tells_them_with_exit_code_2(tmp_path: Path) -> None:
    root = folder(tmp_path, "- {it: a, events: [{}], expect: silent}", mode="livee")
    outcome = CliRunner().invoke(app, ["test", str(root)])
    assert outcome.exit_code == 2
    assert "mode is draft, shadow, live or disabled, not `livee`" in outcome.output


@pytest.mark.parametrize("arguments", [["/no/such/folder"], ["RULES", "--rule", "bust"]])
def test_asking_for_what_is_not_there_is_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    root = folder(tmp_path, "- {it: a, events: [{}], expect: silent}")
    outcome = CliRunner().invoke(app, ["test", *(str(root) if each == "RULES" else each for each in arguments)])
    assert outcome.exit_code == 2
    assert "there is no" in outcome.output


def test_the_junit_file_says_the_same(tmp_path: Path) -> None:
    root = folder(tmp_path, FAILING)
    report = tmp_path / "junit.xml"
    CliRunner().invoke(app, ["test", str(root), "--junit", str(report)])
    suites = Xml.fromstring(report.read_bytes())
    (suite,) = suites
    assert suite.attrib | {"time": ""} == {"name": "burst", "tests": "3", "failures": "1", "skipped": "1", "time": ""}
    assert [case.get("name") for case in suite] == ["fires at three", "is silent at two", "a gap"]
    failure = suite[0].find("failure")
    assert failure is not None and "expected action block, got review" in (failure.get("message") or "")
    assert suite[2].find("skipped") is not None


def test_a_junit_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path, "- {it: a, events: [{}], expect: silent}")
    outcome = CliRunner().invoke(app, ["test", str(root), "--junit", str(tmp_path / "no" / "junit.xml")])
    assert outcome.exit_code == 2
    assert "the JUnit file cannot be written" in outcome.output
