"""The statutory pack with all rules on at once: limits to the fen, midnight in Shanghai, reports beside the decision, guesses in shadow."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from risk.decisions import Outcome
from risk.engine import InProcess
from risk.language import RuleSet, load
from risk.language.source import Block, Items, Scalar
from risk.language.values import Ago

RULES = Path(__file__).parent.parent / "rules"
LIMITS = (
    "CN-ACC-1", "CN-ACC-2", "CN-ACC-3", "CN-AUTH-B", "CN-AUTH-C", "CN-QR-B-BAL", "CN-QR-B-QP", "CN-QR-C-BAL", "CN-QR-C-QP",
    "CN-QR-D-BAL", "CN-QR-D-QP",
)  # fmt: skip
"""Sums over a period, each with a number of the law."""
SINGLE = ("CN-QP-200", "CN-MER-2", "CN-LOAN-USE")
LISTS = ("CN-LIST-1", "CN-STOP-1")
REPORTS = ("CN-LVT-2-OUT", "CN-LVT-2-IN", "CN-LVT-3-OUT", "CN-LVT-3-IN", "CN-LVT-4-OUT", "CN-LVT-4-IN")
TYPOLOGIES = ("T1", "T2", "T5", "T7", "T8", "T9", "T10", "T16")
QUICK = {"funding": "debit_qp", "card.id": "card_1"}


@pytest.fixture(scope="module")
def ruleset() -> RuleSet:
    return load([RULES])


class Day:
    """Payments of one customer under all rules, in the order of arrival."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.machine = InProcess(ruleset)
        self.number = 0

    def pay(self, yuan: str, at: str = "2027-01-04T12:00:00+08:00", event: str = "payment", **rest: Any) -> Outcome:
        self.number += 1
        now = int(datetime.fromisoformat(at).timestamp() * 1000)
        kind = self.machine.engine.schema.types[event]
        values = {name: now - value.ms if isinstance(value, Ago) else value for name, value in kind.example.items()}
        values |= {"payment_id": f"pay_{self.number}", "occurred_at": now, "amount": round(float(yuan) * 100), **rest}
        outcome = self.machine.feed(self.machine.engine.schema.build(event, values))
        assert outcome is not None
        return outcome

    def reports(self, yuan: str, **rest: Any) -> list[str]:
        return [str(each["rule"]) for each in self.pay(yuan, **rest).ruling.reports]


@pytest.fixture
def day(ruleset: RuleSet) -> Day:
    return Day(ruleset)


# ---------------------------------------------------------------------------------------------------------------- how they are written


@pytest.mark.parametrize("name", [*LIMITS, *SINGLE, *LISTS])
def test_nothing_clears_a_statutory_rule_and_nothing_missing_passes_it(ruleset: RuleSet, name: str) -> None:
    rule = ruleset.rules[name]
    assert (rule.mode, rule.final, rule.trust, rule.rollout) == ("live", True, False, 1.0)
    assert rule.on_missing == "fire" if name not in LISTS else "review"
    assert rule.then in ("block", "challenge")
    assert rule.then == "block" or rule.unless_possible == "block"
    assert rule.duty in ruleset.duties


@pytest.mark.parametrize("name", [*LIMITS, *REPORTS])
def test_every_sum_of_a_limit_or_report_counts_what_passed_per_person(ruleset: RuleSet, name: str) -> None:
    sums = [feature for feature in ruleset.features.values() if feature.agg == "sum" and feature.name in ruleset.checked[name].rule.when]
    assert sums
    for feature in sums:
        assert feature.counts == "passed" and feature.per in (("payer.person",), ("payee.person",)), feature.name
        assert feature.window.kind == "lifetime" or feature.window.zone == "Asia/Shanghai", feature.name


def texts(node: Any) -> str:
    """All that is written in a test, as one text."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Items):
        return " ".join(texts(item) for item in node.items)
    assert isinstance(node, Block)
    return " ".join(f"{key.text} {texts(value)}" for key, value in node)


@pytest.mark.parametrize("name", [*LIMITS, *REPORTS])
def test_each_limit_is_tested_at_the_fen_and_at_the_end_of_its_period(ruleset: RuleSet, name: str) -> None:
    written = [" ".join(texts(event) for event in case.events) for case in ruleset.cases[name]]
    assert any("CNY 0.01" in text for text in written), "at the fen"
    if name != "CN-ACC-1":  # a lifetime has no end
        assert any("15:59:59.999Z" in text and "16:00:00.000Z" in text for text in written), "at midnight in Shanghai"


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_does_nothing_else(ruleset: RuleSet, name: str) -> None:
    rule = ruleset.rules[name]
    assert (rule.mode, rule.report, rule.final, rule.confidential) == ("live", "LVT", True, True)
    assert (rule.then, rule.score, rule.obligations, rule.on_missing) == (None, 0, (), "skip")


def test_typologies_that_are_guesses_only_watch(ruleset: RuleSet) -> None:
    added = [rule for rule in ruleset.rules.values() if rule.place and rule.place.path.startswith("typologies/")]
    assert {rule.mode for rule in added} == {"shadow"}
    named = [reference for rule in ruleset.rules.values() for reference in rule.references]
    assert [each for each in TYPOLOGIES if not any(text.split(":")[0] == each for text in named)] == []


# ---------------------------------------------------------------------------------------------------------------- what they do together


@pytest.mark.parametrize(
    ("limit", "conditions", "rule"),
    [
        ("5000.00", {"code": "dynamic", "auth_level": "B"}, "CN-QR-B-BAL"),
        ("5000.00", {"code": "dynamic", "auth_level": "B", **QUICK}, "CN-QR-B-QP"),
        ("1000.00", {"code": "dynamic", "auth_level": "C"}, "CN-QR-C-BAL"),
        ("500.00", {"code": "static_merchant", "remote": False}, "CN-QR-D-BAL"),
        ("500.00", {"code": "static_merchant", "remote": False, **QUICK}, "CN-QR-D-QP"),
    ],
)
def test_a_code_limit_allows_itself_and_nothing_more_until_midnight(day: Day, limit: str, conditions: dict[str, Any], rule: str) -> None:
    assert day.pay(limit, **conditions).action == "approve"
    over = day.pay("0.01", at="2027-01-04T23:59:59.999+08:00", **conditions)
    assert over.action in ("challenge", "block") and rule in over.fired_names
    assert day.pay(limit, at="2027-01-05T00:00:00.000+08:00", **conditions).action == "approve"


def test_small_quick_pay_adds_up_to_a_thousand_a_day(day: Day) -> None:
    conditions = {"code": "dynamic", "auth_level": "C", **QUICK}
    assert [day.pay("200.00", **conditions).action for _ in range(5)] == ["approve"] * 5
    assert day.pay("0.01", **conditions).fired_names == ["CN-QR-C-QP"]


def test_balance_and_quick_pay_have_a_limit_each(day: Day) -> None:
    assert day.pay("5000.00", code="dynamic", auth_level="B").action == "approve"
    assert day.pay("5000.00", code="dynamic", auth_level="B", **QUICK).action == "approve"


def test_a_refused_payment_leaves_all_limits_as_they_were(day: Day) -> None:
    refused = day.pay("5000.01", code="dynamic", auth_level="B", stepup_available=False)
    assert (refused.action, sorted(refused.fired_names)) == ("block", ["CN-AUTH-B", "CN-QR-B-BAL"])
    assert day.pay("5000.00", code="dynamic", auth_level="B").action == "approve"


def test_quick_pay_of_more_than_200_asks_the_bank(day: Day) -> None:
    assert day.pay("200.00", auth_level="C", **QUICK).action == "approve"
    asked = day.pay("200.01", auth_level="C", **QUICK)
    assert (asked.action, asked.ruling.reasons) == ("challenge", ["LIMIT_QUICK_PAY"])
    assert day.pay("200.01", auth_level="B", **QUICK).action == "approve"


def test_a_stop_ends_by_itself_after_48_hours_and_says_nothing_of_the_police(day: Day) -> None:
    account = {"payer.account": "acc_stopped_1"}
    held = day.pay("1.00", at="2028-06-30T09:59:59.999+08:00", **account)
    assert (held.action, held.ruling.reasons) == ("block", ["RISK_CHECK"])
    assert day.pay("1.00", at="2028-06-30T10:00:00.000+08:00", **account).action == "approve"


def test_a_new_merchant_waits_for_its_money_and_the_customer_for_nothing(day: Day) -> None:
    new = day.pay("100.00", **{"payee.opened_at": 1_798_000_000_000})
    assert (new.action, new.ruling.reasons) == ("approve", [])
    assert new.ruling.obligations == [{"do": "DELAY_SETTLEMENT", "hours": 24}]
    assert day.pay("100.00").ruling.obligations == []


# ---------------------------------------------------------------------------------------------------------------- reports


def test_reports_stand_beside_the_decision_and_never_in_it(day: Day, ruleset: RuleSet) -> None:
    person = {"payer.person": "prs_rich", "payer.account_class": "III", "payee.type": "merchant", "event": "payment"}
    assert day.reports("190000.00", **person) == []
    outcome = day.pay("500000.00", event="transfer", **{"payee.person": "prs_seller", "funding": "debit_qp", "card.id": "card_1"})
    assert (outcome.action, [each["rule"] for each in outcome.ruling.reports]) == ("approve", ["CN-LVT-3-IN"])
    writer = day.machine.engine.writer
    receipt = writer.receipt("pay_1", b"{}", outcome, ("payments", 0, 1), 1, 2, late=False, model_version=None)
    decision = orjson.loads(writer.decision("pay_1", outcome, receipt, 2, late=False))
    assert orjson.loads(receipt)["reports"] == [{"kind": "LVT", "rule": "CN-LVT-3-IN"}]
    assert "LVT" not in orjson.dumps(decision).decode() and decision["reasons"] == []


def test_in_and_out_are_not_set_off_against_each_other(day: Day) -> None:
    company = {"payer.natural": False, "payer.person": "prs_firm", "payer.account_class": "III", "same_name": True, "payee.type": "bank"}
    merchant = {"payee.type": "merchant", "payee.person": "prs_firm", **QUICK}
    assert day.reports("1999999.99", **merchant) == []
    assert day.reports("1999999.99", event="payout", **company) == []
    assert day.reports("0.01", **merchant) == ["CN-LVT-2-IN"]
    assert day.reports("0.01", event="payout", **company) == ["CN-LVT-2-OUT"]


def test_a_report_is_due_once_a_day(day: Day) -> None:
    person = {"payee.type": "person", "payee.person": "prs_seller", **QUICK}
    days = ["2027-01-04T23:59:59.999+08:00", "2027-01-05T00:00:00+08:00", "2027-01-05T23:59:59.999+08:00", "2027-01-06T00:00:00+08:00"]
    assert [day.reports("500000.00", event="transfer", at=at, **person) for at in days] == [
        ["CN-LVT-3-IN"], ["CN-LVT-3-IN"], [], ["CN-LVT-3-IN"],
    ]  # fmt: skip


def test_abroad_the_threshold_is_lower_and_its_own(day: Day) -> None:
    person = {"event": "transfer", "payee.person": "prs_seller", **QUICK}
    assert day.reports("199999.99", cross_border=True, **person) == []
    assert day.reports("300000.00", cross_border=False, **person) == []
    assert day.reports("0.01", cross_border=True, **person) == ["CN-LVT-4-IN"]
