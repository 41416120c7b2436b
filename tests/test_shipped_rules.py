"""The rules that we ship: they load without a warning, their tests hold, and they keep the promises of the public contract."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from risk.cases import Result, run
from risk.engine import InProcess
from risk.events import Event
from risk.language import RuleSet, load
from risk.sources import rule_files

RULES = Path(__file__).parent.parent / "rules"
PATTERNS = ("1_card_testing", "2_account_takeover", "3_promotion_ring", "4_mule_account", "5_instalment_first_order", "6_wallet_limits")
STATUTORY = ("CN-AUTH-B", "CN-AUTH-C", "CN-QR-D-BAL", "CN-QR-D-QP", "CN-MER-2", "CN-ACC-1", "CN-ACC-2", "CN-ACC-3", "CN-LIST-1")
NOON_MS = 1_799_035_200_000  # 2027-01-04, Shanghai


@pytest.fixture(scope="module")
def ruleset() -> RuleSet:
    return load(rule_files(RULES))


@pytest.fixture(scope="module")
def results(ruleset: RuleSet) -> list[Result]:
    return list(run(ruleset))


def test_the_shipped_files_load_without_a_warning(ruleset: RuleSet) -> None:
    assert [problem.message for problem in ruleset.warnings] == []


def test_every_test_in_the_files_holds(results: list[Result]) -> None:
    assert [f"{r.rule.name}: {r.case.it}: {r.complaint}" for r in results if r.failed] == []


def test_no_known_gap_has_closed_unnoticed(results: list[Result]) -> None:
    assert [r.case.it for r in results if r.todo and r.passed] == []


def test_each_pattern_has_live_rules_with_tests_that_fire_and_that_stay_silent(ruleset: RuleSet, results: list[Result]) -> None:
    for pattern in PATTERNS:
        live = [rule for rule in ruleset.rules.values() if rule.place and pattern in rule.place.path and rule.mode == "live"]
        assert live, pattern
        for rule in live:
            assert len([r for r in results if r.rule is rule]) >= 3, rule.name


def test_rules_that_one_reads_have_an_owner_a_reason_and_a_day_of_review(ruleset: RuleSet) -> None:
    for rule in ruleset.rules.values():
        assert rule.owner and rule.reasons and rule.review_by and rule.title, rule.name


@pytest.mark.parametrize("name", STATUTORY)
def test_statutory_limits_are_final_and_strict_when_a_value_is_missing(ruleset: RuleSet, name: str) -> None:
    rule = ruleset.rules[name]
    assert rule.mode == "live" and rule.final and rule.rollout == 1.0
    assert rule.on_missing in ("fire", "review")
    assert rule.duty is not None


def test_limits_count_only_money_that_went_in_days_of_shanghai(ruleset: RuleSet) -> None:
    for name in ("balance_b_today", "balance_c_today", "static_bal_today", "static_quick_today"):
        feature = ruleset.features[name]
        assert (feature.counts, feature.per) == ("passed", ("payer.person",)), name
        assert (feature.window.unit, feature.window.zone) == ("day", "Asia/Shanghai"), name


# ---------------------------------------------------------------------------------------------------------------- the public contract

PAYMENT = {
    "event": "payment", "payment_id": "pay_7f3a", "occurred_at": "2026-11-24T09:00:00.123Z", "retry_of": None,
    "amount": {"currency": "CNY", "value": 19900},
    "payer": {
        "id": "usr_1", "person": "prs_9c", "natural": True, "age_band": "adult", "account": "acc_1", "account_class": "II",
        "opened_at": "2025-10-20T00:00:00.000Z",
    },
    "payee": {
        "id": "shop_9", "type": "merchant", "person": "prs_77", "account": "acc_900", "mcc": "5691",
        "opened_at": "2026-08-01T00:00:00.000Z", "trading_since": "2026-08-09T00:00:00.000Z",
    },
    "same_name": False, "cross_border": False,
    "funding": "balance", "auth_level": "B", "stepup_available": True, "channel": "live", "code": "none", "remote": True,
    "card": {"id": "card_ab12", "bin": "62148300", "country": "CN"},
    "device": {"id": "dev_5", "first_seen_at": "2026-11-20T08:00:00.000Z", "flags": ["rooted"]},
    "ip": "203.0.113.7", "ip_country": "CN", "province": "SH", "address": {"id": "adr_4"},
    "order": {
        "id": "ord_2", "items": 1, "category": "apparel", "virtual": False, "coupon": None, "discount": {"currency": "CNY", "value": 0},
    },
    "instalment": {
        "terms": 6, "lender": "len_1", "limit": {"currency": "CNY", "value": 800000}, "used": {"currency": "CNY", "value": 0},
        "activated_at": "2026-11-23T10:00:00.000Z",
    },
    "content": {"note": "note_3", "creator": "usr_77", "live_room": "room_1", "dwell_ms": 48000}, "consents": ["behaviour_for_credit"],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["payment", "transfer", "payout", "instalment"])
def test_the_payment_of_the_contract_decodes_whole(ruleset: RuleSet, kind: str) -> None:
    event = ruleset.schema.decode(orjson.dumps(PAYMENT | {"event": kind}))
    assert ruleset.schema.extra_fields == 0
    assert (event.amount, event.payer_account_class, event.instalment_limit, event.content_dwell_ms) == (19900, "II", 800000, 48000)
    assert event.device_flags is not None and list(event.device_flags) == ["rooted"]


def test_six_fields_are_enough_for_a_payment(ruleset: RuleSet) -> None:
    needed = ("event", "payment_id", "occurred_at", "amount")
    least = {key: PAYMENT[key] for key in needed} | {"payer": {"id": "usr_1"}, "payee": {"id": "shop_9"}}
    event = ruleset.schema.decode(orjson.dumps(least))
    required = [name for name, field in ruleset.schema.types["payment"].fields.items() if not field.optional]
    assert required == ["payment_id", "occurred_at", "amount", "payer.id", "payee.id"]
    assert event.payer_person is None


AT = {"occurred_at": "2026-11-24T09:00:00.123Z"}


@pytest.mark.parametrize(
    "message",
    [
        AT
        | {
            "event": "payment_result", "payment_id": "pay_1", "outcome": "declined", "reason_code": "51", "own_fault": False,
            "amount": PAYMENT["amount"], "payer": PAYMENT["payer"], "payee": PAYMENT["payee"], "card": {"id": "card_1"},
            "device": {"id": "dev_1"}, "ip": "203.0.113.7",
        },
        AT | {"event": "challenge_result", "payment_id": "pay_1", "result": "abandoned"},
        AT | {"event": "login", "payer": {"id": "usr_1"}, "device": {"id": "dev_1"}, "ip": "203.0.113.7", "ok": True},
        AT | {"event": "profile_change", "payer": {"id": "usr_1"}, "what": "payout_account"},
        AT | {"event": "registration", "payer": {"id": "usr_1"}, "device": {"id": "dev_1"}, "ip": "203.0.113.7", "inviter": "usr_2"},
        AT | {"event": "behaviour", "payer": {"id": "usr_1"}, "kind": "live_watch", "content": {"live_room": "room_1"}, "dwell_ms": 9000},
        {"event": "label", "payment_id": "pay_7f3a", "verdict": "fraud", "kind": "chargeback", "version": 1, "known_at": AT["occurred_at"]},
    ],
    ids=lambda message: str(message["event"]),
)  # fmt: skip
def test_activity_and_labels_of_the_contract_decode_whole(ruleset: RuleSet, message: dict[str, object]) -> None:
    before = ruleset.schema.extra_fields
    event = ruleset.schema.decode(orjson.dumps(message))
    assert ruleset.schema.extra_fields == before
    assert event.occurred_at == 1_795_510_800_123


# ---------------------------------------------------------------------------------------------------------------- money, all rules at once


def paid(ruleset: RuleSet, number: int, yuan: str, **rest: object) -> Event:
    """An ordinary customer's payment from the balance; all rules of the set are on."""
    values = {
        "payment_id": f"pay_{number}", "occurred_at": NOON_MS + number * 1000, "amount": round(float(yuan) * 100), "payer.id": "usr_1",
        "payer.person": "prs_1", "payer.account": "acc_1", "payer.account_class": "III", "payer.opened_at": NOON_MS - 400 * 86_400_000,
        "payer.age_band": "adult", "payee.id": "shop_1", "payee.type": "merchant", "payee.person": "prs_2", "same_name": False,
        "funding": "balance", "auth_level": "B", "stepup_available": False, "code": "none", "remote": True, "device.id": "dev_1",
    }  # fmt: skip
    return ruleset.schema.build("payment", values | rest)


def actions(ruleset: RuleSet, *payments: Event) -> list[str]:
    machine = InProcess(ruleset)
    outcomes = [machine.feed(payment) for payment in payments]
    return [outcome.action for outcome in outcomes if outcome is not None]


def test_an_ordinary_payment_is_approved(ruleset: RuleSet) -> None:
    assert actions(ruleset, paid(ruleset, 1, "199.00")) == ["approve"]


def test_of_two_times_3000_at_once_one_passes_a_day_limit_of_5000(ruleset: RuleSet) -> None:
    second = paid(ruleset, 2, "3000.00", occurred_at=NOON_MS + 1000)
    assert actions(ruleset, paid(ruleset, 1, "3000.00"), second) == ["approve", "block"]


def test_after_a_blocked_6000_exactly_5000_passes_and_not_a_fen_more(ruleset: RuleSet) -> None:
    payments = (paid(ruleset, 1, "6000.00"), paid(ruleset, 2, "5000.00"), paid(ruleset, 3, "0.01"))
    assert actions(ruleset, *payments) == ["block", "approve", "block"]


def test_the_second_of_two_stamped_a_second_earlier_still_counts(ruleset: RuleSet) -> None:
    earlier = paid(ruleset, 2, "3000.00", occurred_at=NOON_MS)
    assert actions(ruleset, paid(ruleset, 1, "3000.00"), earlier) == ["approve", "block"]


def test_a_customer_who_steps_up_is_not_limited_at_the_lower_level(ruleset: RuleSet) -> None:
    asked = paid(ruleset, 1, "6000.00", stepup_available=True)
    retried = paid(ruleset, 2, "6000.00", auth_level="A", retry_of="pay_1")
    assert actions(ruleset, asked, retried) == ["challenge", "approve"]


def test_trust_does_not_clear_a_limit(ruleset: RuleSet) -> None:
    bill = {"payee.id": "util_power_sh", "auth_level": "C"}
    payments = (paid(ruleset, 1, "600.00", **bill), paid(ruleset, 2, "600.00", **bill))
    assert actions(ruleset, *payments) == ["approve", "block"]


def test_a_gateway_that_sends_six_fields_meets_the_strict_side_of_the_limits(ruleset: RuleSet) -> None:
    least = {key: PAYMENT[key] for key in ("event", "payment_id", "occurred_at", "amount")}
    event = ruleset.schema.decode(orjson.dumps(least | {"payer": {"id": "usr_1"}, "payee": {"id": "shop_9"}}))
    assert actions(ruleset, event) == ["block"]
