"""What tests in rule files may expect besides the plain words, and tests that say too little or too much."""

from __future__ import annotations

import pytest

from risk.language import RuleFileError
from risk.language.cases import script_of
from tests.test_cases import RULES, result, results, ruleset

FINAL = RULES.replace("    reasons: [BURST]", "    reasons: [BURST]\n    final: true")


def test_beside_a_trust_rule_a_final_rule_still_acts() -> None:
    test = "- {it: a, trusted: true, events: [{repeat: 3}], expect: {fires: true, action: review, score: 60, reasons: [BURST]}}"
    assert result(test, rules=FINAL).complaint is None


def test_beside_a_trust_rule_any_other_rule_fires_without_acting() -> None:
    test = "- {it: a, trusted: true, events: [{repeat: 3}], expect: {fires: true, action: approve, reasons: []}}"
    assert result(test).complaint is None
    wrong = "- {it: a, trusted: true, events: [{repeat: 3}], expect: {fires: true, action: review}}"
    assert result(wrong).complaint == "expected action review, got approve (fired: burst, (trusted))"


def test_a_trust_rule_beside_it_does_not_make_a_rule_fire() -> None:
    silent, unknown, plain = results(
        """
- {it: a, trusted: true, events: [{repeat: 2}], expect: {silent_all: true, action: approve}}
- {it: b, trusted: true, given: {tries_10m: missing}, events: [{}], expect: {unknown: true, action: approve}}
- {it: c, trusted: false, events: [{repeat: 3}], expect: {fires: true, action: review}}
"""
    )
    assert (silent.complaint, unknown.complaint, plain.complaint) == (None, None, None)


@pytest.mark.parametrize(
    ("expect", "complaint"),
    [
        ("{fires: false, unknown: false}", None),
        ("{fires: false, silent: false}", "expected not silence, it was silent"),
        ("{fires: true, silent: false}", "expected to fire, it was silent"),
        ("{silent: true, silent_all: true}", None),
        ("{values: {since_login: never}}", None),
        ("{values: {since_login: missing}}", None),
        ("{values: {since_login: unknown}}", "expected since_login = unknown, got never"),
        ("{values: {model.score: missing}}", None),
    ],
)
def test_each_word_of_an_expectation_counts(expect: str, complaint: str | None) -> None:
    rules = RULES.replace("      and amount <=", "      and since_login < 5m\n      and amount <=")
    assert result(f"- {{it: a, events: [{{}}], expect: {expect}}}", rules=rules).complaint == complaint


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("events: [{}], expect: {}", "this test expects nothing"),
        (
            "events: [{}], expect: {fires: true, unknown: true}",
            "a test expects one of fires, silent, unknown or silent_all, not `fires` and `unknown` together",
        ),
        ("events: [{}], expect: {unless_possible: block}", "`unless_possible` is not a setting of `expect`"),
        ("events: [{}], expect: silent, trusted: perhaps", "`trusted` is true or false, not `perhaps`"),
        ('events: [{device.flags: ["{m}"]}], expect: silent', "only `{n}`, the number of the repetition, can stand in brackets"),
        ('events: [{model.score: "0.{m}"}], expect: silent', "only `{n}`, the number of the repetition, can stand in brackets"),
        ('events: [{after: "{n}m"}], expect: silent', "`after` is a duration such as `10m`, not `{n}m`"),
    ],
)
def test_a_test_that_says_too_little_or_too_much_is_refused(test: str, message: str) -> None:
    with pytest.raises(RuleFileError) as refused:
        ruleset(f"- {{it: a, {test}}}")
    assert [problem.message for problem in refused.value.problems if problem.severity == "error"] == [message]


def test_repetitions_are_counted_in_fields_of_every_type_in_scores_and_in_gaps() -> None:
    item = '{repeat: 3, every: "{n}m", amount: "CNY {n}.00", payer.opened_at: "{n}d ago", payment_id: "p{n}", model.score: "0.{n}"}'
    loaded = ruleset(f"- {{it: a, events: [{item}], expect: silent}}")
    steps = script_of(loaded, loaded.rules["burst"], loaded.cases["burst"][0], 1).steps
    moments = [step.values["occurred_at"] for step in steps]
    assert [moment - moments[0] for moment in moments] == [0, 120_000, 300_000]
    assert [step.values["amount"] for step in steps] == [100, 200, 300]
    assert [step.values["occurred_at"] - step.values["payer.opened_at"] for step in steps] == [86_400_000 * n for n in (1, 2, 3)]
    assert [(step.values["payment_id"], step.score) for step in steps] == [("p1", 0.1), ("p2", 0.2), ("p3", 0.3)]


def test_a_test_may_start_its_clock_anywhere() -> None:
    loaded = ruleset('- {it: a, at: "2027-02-01T00:00:00+08:00", events: [{}, {after: -1s}], expect: silent}')
    steps = script_of(loaded, loaded.rules["burst"], loaded.cases["burst"][0], 1).steps
    assert [step.values["occurred_at"] for step in steps] == [1_801_411_200_000, 1_801_411_199_000]
