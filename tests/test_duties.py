"""The duty map: which obligations are met by which rules, and what counts as a gap."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.cli.duties import standings
from risk.declared import Duty, Rule
from risk.duties import Proof, Standing, overview
from risk.language import examine, load

RULES = Path(__file__).parent.parent / "rules"
DAY = "2026-11-24"
LIMIT = Duty("CN-QR-D", "Static codes", "limit", "296 of 2017", ("S2",), effective="2018-04-01")
RULE = Rule(
    name="static_codes", title="Static codes", owner="compliance", severity="critical", events=("payment",), mode="live", when="remote",
    version="sha256:0", then="block", final=True, on_missing="fire", duty="CN-QR-D", review_by="2027-11-30",
)  # fmt: skip
PROVEN = {"static_codes": Proof(5, 2, 3)}


def standing(*rules: Rule, duty: Duty = LIMIT, tests: dict[str, Proof] | None = None) -> Standing:
    [found] = overview({duty.name: duty}, rules, PROVEN if tests is None else tests, DAY)
    return found


def test_a_live_rule_with_tests_meets_its_duty() -> None:
    found = standing(RULE)
    assert (found.state, found.gaps, found.owners, found.live) == ("served", (), ("compliance",), (RULE,))


@pytest.mark.parametrize(
    ("rule", "gap"),
    [
        (replace(RULE, mode="shadow"), "`static_codes` is only shadow"),
        (replace(RULE, final=False), "`static_codes` is not `final`: a trust rule or an override may clear it"),
        (replace(RULE, on_missing="skip"), "`static_codes` lets pass what it cannot decide: give it `on_missing: fire`, or an action"),
        (replace(RULE, owner=""), "nobody owns `static_codes`"),
        (replace(RULE, review_by="2026-11-23"), "`static_codes` was to be reviewed by 2026-11-23"),
    ],
)
def test_a_rule_that_serves_only_half_leaves_a_gap(rule: Rule, gap: str) -> None:
    found = standing(rule)
    assert (found.state, found.gaps) == ("gap", (gap,))


def test_a_duty_that_no_rule_names_is_a_gap_unless_somebody_else_meets_it() -> None:
    assert standing().gaps == ("no rule names it",)
    elsewhere = standing(duty=replace(LIMIT, elsewhere="the ledger"))
    assert (elsewhere.state, elsewhere.gaps) == ("elsewhere", ())
    assert standing(RULE, duty=replace(LIMIT, elsewhere="the ledger")).state == "served"


def test_a_live_rule_without_a_test_that_fires_and_one_that_stays_silent_is_a_gap() -> None:
    assert standing(RULE, tests={}).gaps == ("no test shows `static_codes` firing", "no test shows `static_codes` staying silent")
    assert standing(RULE, tests={"static_codes": Proof(2, 2, 0)}).gaps == ("no test shows `static_codes` staying silent",)


def test_a_report_need_not_act_on_what_is_missing() -> None:
    report = replace(RULE, then=None, report="LVT", on_missing="skip", final=False)
    assert standing(report, duty=replace(LIMIT, kind="report")).gaps == ()


def test_a_duty_of_tomorrow_that_is_enforced_today_is_told() -> None:
    found = standing(RULE, duty=replace(LIMIT, effective="2026-11-25"))
    assert found.gaps == ("it holds from 2026-11-25 on, and a rule is live already",)


def test_a_duty_that_no_table_explains_is_a_gap() -> None:
    [found] = overview({}, [RULE], PROVEN, DAY)
    assert (found.duty.name, found.gaps) == ("CN-QR-D", ("no `duties:` section says what it asks",))


# ---------------------------------------------------------------------------------------------------------------- in rule files

WANTED = (
    "CN-ACC-1", "CN-ACC-2", "CN-ACC-3", "CN-AUTH-B", "CN-AUTH-C", "CN-QR-B", "CN-QR-C", "CN-QR-D", "CN-QP-200", "CN-MER-2", "CN-MER-5",
    "CN-LIST-1", "CN-STOP-1", "CN-LOAN-USE", "CN-LVT-2", "CN-LVT-3", "CN-LVT-4",
)  # fmt: skip


def test_the_shipped_rules_meet_the_duties_that_payments_can_meet() -> None:
    found = {each.duty.name: each for each in standings(load([RULES]), DAY)}
    assert [name for name in WANTED if found[name].state != "served"] == []
    assert {name for name, each in found.items() if each.gaps} == {"CN-TRF-1", "CN-DORM"}
    for name in ("CN-QR-B", "CN-QR-C", "CN-QR-D"):
        assert sorted(rule.name for rule in found[name].live) == [f"{name}-BAL", f"{name}-QP"]
    for name in ("CN-LVT-2", "CN-LVT-3", "CN-LVT-4"):
        assert sorted(rule.name for rule in found[name].live) == [f"{name}-IN", f"{name}-OUT"]


def test_every_duty_of_the_table_has_a_source_and_says_how_sure_it_is() -> None:
    for duty in load([RULES]).duties.values():
        assert duty.title and duty.source and duty.evidence, duty.name


SCHEMA = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, remote: bool}
rules:
  r: {title: A, event: payment, mode: draft, when: remote, then: block, duty: CN-QR-D}
"""


def test_a_rule_set_without_a_table_may_name_any_duty() -> None:
    assert [problem.code for problem in examine([("a.yaml", SCHEMA)]).problems if problem.severity == "error"] == []


def test_a_rule_that_names_an_unknown_duty_does_not_load() -> None:
    table = "duties:\n  CN-QR-C: {title: A, kind: limit, source: b, evidence: P}\n"
    [found] = [problem for problem in examine([("a.yaml", SCHEMA), ("b.yaml", table)]).problems if problem.severity == "error"]
    assert (found.code, found.path, found.hint) == ("E455", "a.yaml", "did you mean `CN-QR-C`?")


# ---------------------------------------------------------------------------------------------------------------- the command


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["duties", "--rules", str(RULES), *arguments])
    return result.exit_code, result.output


def test_the_command_lists_duties_with_rules_tests_owners_and_gaps() -> None:
    code, text = run()
    assert code == 0
    assert "CN-QR-D" in text and "CN-QR-D-QP: live, compliance," in text
    assert "CN-DORM        gap" in text and "gap: no rule names it" in text
    assert "met by the opening of accounts" in text
    assert text.splitlines()[-1] == "37 duties: 18 served, 2 with a gap, 17 met elsewhere"


def test_the_command_can_be_asked_for_one_duty_or_for_gaps() -> None:
    code, text = run("CN-AUTH-C")
    assert code == 0 and "asks: step up, else block" in text and "CN-QR-D" not in text
    code, text = run("--gaps")
    assert "CN-TRF-1" in text and "CN-AUTH-C" not in text
    assert run("--gaps", "--strict")[0] == 1
    assert run("CN-AUTH-C", "--strict")[0] == 0


def test_the_command_suggests_the_duty_that_was_meant() -> None:
    code, text = run("CN-AUTHC")
    assert code == 2 and "did you mean `CN-AUTH-C`?" in text


def test_the_command_speaks_to_programs() -> None:
    code, text = run("CN-ACC-2", "--json")
    [said] = json.loads(text)
    assert code == 0
    assert (said["duty"], said["state"], said["number"], said["evidence"]) == ("CN-ACC-2", "served", "CNY 100000.00", ["S2"])
    assert said["rules"][0]["rule"] == "CN-ACC-2" and said["rules"][0]["tests"]["firing"] >= 1
