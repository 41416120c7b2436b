"""The JSON that leaves: decisions and receipts in the shapes of docs/messages.md, whatever the values."""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk.decisions import Outcome, Ruling, Writer, rfc3339, rule_fragment
from risk.declared import InForce, Rule

RECEIVED_MS, DECIDED_MS = 1_795_510_800_123, 1_795_510_800_131
RULE = Rule(
    name="mule", title="Mule", owner="o", severity="high", events=("payment",), mode="live", when="x", version="sha256:aa",
    params={"payers": 5, "share": 0.5}, then="review", score=70, reasons=("MULE_ACCOUNT",), confidential=True, duty=None,
)  # fmt: skip
SHADOW = Rule(
    name="s", title="S", owner="o", severity="low", events=("payment",), mode="shadow", when="x", version="sha256:bb", then="block"
)
WRITER = Writer("sha256:rules", {"vip": "v1"}, {each.name: rule_fragment(each) for each in (RULE, SHADOW)})
EVENT = {"event": "payment", "payment_id": "pay_1", "amount": {"currency": "CNY", "value": 19_900}, "note": "你好 \\u"}


def outcome(names: tuple[str, ...] = ("n", "total"), values: tuple[Any, ...] = (6, 150_000), **more: Any) -> Outcome:
    ruling = more.pop("ruling", None) or Ruling(
        "review", 70, [0], [1], [], ["RISK_CHECK"], [{"do": "DELAY_SETTLEMENT", "hours": 24}], [{"kind": "STR", "rule": "mule"}]
    )
    return Outcome(ruling, (RULE, SHADOW), names, values, more.pop("unknown", {}), [0, 1], [], **more)


def receipt(
    found: Outcome, late: bool = False, version: str | None = "sha256:m", top: tuple[tuple[str, float], ...] = (("n", 1.25),)
) -> bytes:
    event = json.dumps(EVENT).encode()
    return WRITER.receipt("pay_1", event, found, ("payments", 3, 812), RECEIVED_MS, DECIDED_MS, late=late, model_version=version, top=top)


def test_a_receipt_has_everything_that_the_contract_names() -> None:
    told = json.loads(receipt(outcome(model_score=0.83)))
    assert told == {
        "payment_id": "pay_1",
        "event": EVENT,
        "ruleset": "sha256:rules",
        "lists": {"vip": "v1"},
        "model": {"version": "sha256:m", "score": 0.83, "top": [["n", 1.25]]},
        "values": {"n": 6, "total": 150_000},
        "bounds": {},
        "unknown": {},
        "rules": [
            {
                "rule": "mule", "version": "sha256:aa", "mode": "live", "action": "review", "score": 70,
                "params": {"payers": 5, "share": 0.5}, "reasons": ["MULE_ACCOUNT"], "confidential": True, "duty": None,
            }
        ],
        "would_be": [
            {
                "rule": "s", "version": "sha256:bb", "mode": "shadow", "action": "block", "score": 0, "params": {}, "reasons": [],
                "confidential": False, "duty": None,
            }
        ],
        "overridden_by": [],
        "reports": [{"kind": "STR", "rule": "mule"}],
        "control": None,
        "action": "review",
        "score": 70,
        "reasons": ["RISK_CHECK"],
        "obligations": [{"do": "DELAY_SETTLEMENT", "hours": 24}],
        "degraded": False,
        "failed": False,
        "late": False,
        "source": {"topic": "payments", "partition": 3, "offset": 812},
        "received_at": "2026-11-24T09:00:00.123Z",
        "decided_at": "2026-11-24T09:00:00.131Z",
    }  # fmt: skip


def test_a_decision_says_what_a_gateway_may_see_and_no_more() -> None:
    found = outcome(degraded=True)
    raw = receipt(found)
    told = json.loads(WRITER.decision("pay_1", found, raw, DECIDED_MS, late=True))
    assert told == {
        "payment_id": "pay_1",
        "action": "review",
        "score": 70,
        "reasons": ["RISK_CHECK"],
        "obligations": [{"do": "DELAY_SETTLEMENT", "hours": 24}],
        "degraded": True,
        "late": True,
        "decided_at": "2026-11-24T09:00:00.131Z",
        "receipt": "sha256:" + hashlib.sha256(raw).hexdigest(),
        "schema": 1,
    }
    assert b"MULE_ACCOUNT" not in WRITER.decision("pay_1", found, raw, DECIDED_MS, late=True)


def test_flags_and_a_missing_model_are_told() -> None:
    told = json.loads(receipt(outcome(degraded=True, failed=True), late=True, version=None, top=()))
    assert (told["degraded"], told["failed"], told["late"]) == (True, True, True)
    assert told["model"] == {"version": None, "score": None, "top": []}


def test_what_raised_the_score_is_told_as_reasons_that_a_customer_may_read() -> None:
    writer = Writer("sha256:rules", {}, {}, {"n": "VELOCITY", "total": "UNUSUAL_AMOUNT", "hour": "UNUSUAL_TIME"})
    top = [("n (log) x total", 1.2), ("total", 0.5), ("hour", -0.4), ("device", 0.3)]
    found = outcome((), (), ruling=Ruling("challenge", 30, []))
    raw = writer.receipt("pay_1", b"{}", found, ("payments", 3, 812), 1, 2, late=False, model_version="sha256:m", top=top)
    assert json.loads(raw)["model"]["reasons"] == ["VELOCITY", "UNUSUAL_AMOUNT"]


def test_nothing_fired_is_empty_lists() -> None:
    told = json.loads(receipt(outcome((), (), ruling=Ruling("approve", 0, []))))
    assert (told["rules"], told["would_be"], told["values"], told["reasons"], told["obligations"]) == ([], [], {}, [], [])


def test_never_and_unknown_are_null_and_unknown_has_its_cause() -> None:
    names, values = ("never", "unknown", "text", "yes", "share", "n"), (math.nan, None, 'a"b\\', True, 0.1, 3)
    told = json.loads(receipt(outcome(names, values, unknown={"unknown": "cold"})))
    assert told["values"] == {"never": None, "unknown": None, "text": 'a"b\\', "yes": True, "share": 0.1, "n": 3}
    assert told["unknown"] == {"unknown": "cold"}


def test_yes_and_no_are_not_taken_for_whole_numbers() -> None:
    assert json.loads(receipt(outcome(("a", "b"), (True, False))))["values"] == {"a": True, "b": False}
    assert b'"values":{"a":true,"b":1}' in receipt(outcome(("a", "b"), (True, 1)))


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.none(), st.floats(), st.text(max_size=5), st.booleans()), max_size=6))
def test_values_are_told_as_they_are(values: list[Any]) -> None:
    names = tuple(f"f{number}" for number in range(len(values)))
    told = json.loads(receipt(outcome(names, tuple(values))))["values"]
    assert list(told) == list(names)
    for found, value in zip(told.values(), values, strict=True):
        if isinstance(value, float) and not math.isfinite(value):
            assert found is None
        else:
            assert found == value and type(found) is type(value)


def test_payments_with_other_values_do_not_share_names() -> None:
    assert json.loads(receipt(outcome(("a", "b"), (1, 2))))["values"] == {"a": 1, "b": 2}
    assert json.loads(receipt(outcome(("b", "a"), (1, 2))))["values"] == {"b": 1, "a": 2}
    assert json.loads(receipt(outcome((), ())))["values"] == {}


def test_names_with_hyphens_and_dots_are_told_whole() -> None:
    assert json.loads(receipt(outcome(("a-b", "c.d"), (1, 2))))["values"] == {"a-b": 1, "c.d": 2}


def test_a_rule_under_an_override_is_told_as_it_was_in_force() -> None:
    note = {"for": "payee.id shop_42", "set": {"payers": 9}, "mode": None, "until": "2027-01-15", "owner": "o", "why": "bursts"}
    held = {0: InForce({"payers": 9, "share": 0.5}, "live", (note,))}
    (told,) = json.loads(receipt(outcome(in_force=held)))["rules"]
    assert told["params"] == {"payers": 9, "share": 0.5}
    assert told["overrides"] == [note]
    assert "overrides" not in json.loads(receipt(outcome()))["rules"][0]


def test_the_same_outcome_is_the_same_receipt_byte_for_byte() -> None:
    assert receipt(outcome()) == receipt(outcome())


@given(st.integers(0, 4_102_444_800_000))
def test_times_are_utc_with_milliseconds(ms: int) -> None:
    text = rfc3339(ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert datetime.fromisoformat(text) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def test_times_before_1970_and_many_different_seconds() -> None:
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"
    assert len({rfc3339(second * 1000) for second in range(200)}) == 200, "the memory of seconds is small and begins anew"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
