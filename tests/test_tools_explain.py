"""`risk explain`: the decision, its rules, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.language import load
from risk.tools.explained import as_data, explained
from risk.tools.explaining import Explanation, NotDecided, explain_event, explain_receipt, feed_history, machine
from risk.tools.messages import Numbered, message_of, messages
from tests.tools_given import RULES, SMALL, receipts, shipped, small


def payment(n: int, **more: Any) -> dict[str, Any]:
    return {
        "event": "payment",
        "payment_id": f"pay_{n}",
        "occurred_at": f"2027-01-04T04:00:{n:02d}.000Z",
        "amount": {"currency": "CNY", "value": 2000},
        "payer": {"id": "usr_1"},
        "card": {"id": "card_1"},
        **more,
    }


def after(count: int, event: dict[str, Any], **options: Any) -> Explanation:
    """The event explained after `count` payments with the same card."""
    engine = machine(small(), options.get("only"))
    feed_history(engine, [Numbered(n, payment(n)) for n in range(count)], None)
    return explain_event(engine, event, **options)


def run(*arguments: str | Path, stdin: bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *map(str, arguments)], input=stdin)
    return result.exit_code, result.output


def test_a_rule_that_fires_shows_each_condition_with_its_values() -> None:
    said = explained(after(2, payment(9)))
    assert "action       block" in said
    assert "points: burst 60" in said and "burst gives block" in said
    assert "yes tries_10m >= 3" in said and "tries_10m = 3" in said
    assert "yes card.id not in @good_cards" in said


def test_one_term_short_is_a_near_miss_and_more_is_not() -> None:
    one_short = after(1, payment(9))
    assert [(answer.rule.name, answer.near) for answer in one_short.rules] == [("burst", True), ("watched", False)]
    assert "near misses, one term short" in explained(one_short)
    two_short = after(0, payment(9, card={"id": "card_good"}))
    assert not any(answer.near for answer in two_short.rules)


def test_what_cannot_be_known_has_its_cause() -> None:
    event = payment(9)
    del event["card"]
    said = after(0, event)
    assert said.unknown == {"tries_10m": "no_key"}
    assert "the event has no `card.id`, which selects the profile: tries_10m" in explained(said)


def test_a_shadow_rule_says_only_what_it_would_do() -> None:
    said = after(0, payment(9, amount={"currency": "CNY", "value": 10_000}, country="US"))
    watched = next(answer for answer in said.rules if answer.rule.name == "watched")
    assert watched.answer == "fires" and watched.note == "shadow: says only what it would do"
    assert said.outcome.action == "approve"


def test_overrides_that_hold_are_told_and_act() -> None:
    override = """
overrides:
  - {rule: burst, for: payer.id usr_1, set: {tries: 1}, mode: shadow, until: 2027-03-01, owner: payments-risk, why: on trial}
"""
    said = explain_event(machine(load([("small.yaml", SMALL + override)])), payment(9))
    burst = said.rules[0]
    assert (burst.answer, burst.mode, burst.note) == ("fires", "shadow", "shadow: says only what it would do")
    assert "override for payer.id usr_1 until 2027-03-01: tries 1, mode shadow (on trial)" in explained(said)
    assert "yes tries_10m >= 1" in explained(said)
    json.dumps(as_data(said))


def test_a_draft_can_be_asked_alone() -> None:
    said = after(0, payment(9, amount={"currency": "CNY", "value": 10_000}), only="being_written")
    assert [(answer.rule.name, answer.answer) for answer in said.rules] == [("being_written", "fires")]


def test_the_history_ends_where_the_payment_itself_stands() -> None:
    engine = machine(small())
    fed = feed_history(engine, [Numbered(n, payment(n)) for n in range(1, 9)], "pay_3")
    assert (fed.events, fed.met_itself_at) == (2, 3)


def test_lines_of_a_history_that_are_no_events_are_told() -> None:
    engine = machine(small())
    fed = feed_history(engine, [Numbered(1, {"event": "nothing"}), Numbered(2, payment(2))], None)
    assert fed.events == 1 and fed.refused[0][0] == 1 and "unknown_event" in fed.refused[0][1]


def test_every_receipt_of_a_world_is_explained_with_the_decision_it_names() -> None:
    engine = machine(shipped())
    for raw in receipts():
        receipt = orjson.loads(raw)
        said = explain_receipt(engine, receipt)
        assert (said.outcome.action, said.outcome.ruling.score) == (receipt["action"], receipt["score"])
        assert said.unknown == receipt["unknown"]
        assert not [note for note in said.notes if "another rule set" in note or "the receipt says" in note]
        for answer in said.rules:
            results = {term.result for term in answer.terms}
            by_terms = "silent" if False in results else "unknown" if None in results else "fires"
            assert answer.answer == by_terms or (answer.note or "").startswith("not valid"), answer


def test_a_receipt_of_another_rule_set_is_explained_and_said_to_be() -> None:
    receipt = {**orjson.loads(receipts()[0]), "ruleset": "sha256:other", "values": {}, "unknown": {}}
    said = explain_receipt(machine(shipped()), receipt)
    assert any("another rule set" in note for note in said.notes)
    assert "absent" in said.unknown.values()


def test_an_event_that_informs_has_nothing_to_explain() -> None:
    login = {"event": "login", "occurred_at": "2027-01-04T04:00:00.000Z", "payer": {"id": "usr_1"}, "ok": True}
    with pytest.raises(NotDecided, match="informs and is never decided"):
        explain_event(machine(shipped()), login)


def test_messages_are_read_plain_and_as_simulate_writes_them() -> None:
    assert message_of(b'{"event": "login"}') == {"event": "login"}
    assert message_of(b'{"topic": "activity", "key": "usr_1", "due_ms": 1, "value": {"event": "login"}}') == {"event": "login"}
    assert [each.line for each in messages([b"\n", b"{}\n"])] == [2]


def test_the_command_explains_a_file_with_its_history(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(SMALL)
    (tmp_path / "event.json").write_text(json.dumps(payment(9)))
    (tmp_path / "before.jsonl").write_text("".join(json.dumps(payment(n)) + "\n" for n in range(12)))
    code, said = run(tmp_path / "event.json", "--history", tmp_path / "before.jsonl", "--rules", tmp_path / "rules.yaml")
    assert code == 0
    assert "9 events of" in said and "up to line 10, where this payment stands" in said
    assert "tries_10m = 10" in said


def test_the_command_speaks_json_for_programs(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(SMALL)
    code, said = run("-", "--rules", tmp_path / "rules.yaml", "--json", "--rule", "burst", stdin=json.dumps(payment(9)).encode())
    assert code == 0
    found = json.loads(said)
    assert found["action"] == "approve" and [rule["rule"] for rule in found["rules"]] == ["burst"]
    assert found["rules"][0]["terms"][0] == {"text": "tries_10m >= 3", "holds": False, "values": {"tries_10m": "1"}}


def test_as_data_can_always_be_written_as_json() -> None:
    engine = machine(shipped())
    for raw in receipts()[:50]:
        json.dumps(as_data(explain_receipt(engine, orjson.loads(raw))), allow_nan=False)


@pytest.mark.parametrize(
    ("event", "options", "said"),
    [
        (b"{", (), "is not JSON"),
        (b"[1]", (), "no object"),
        (b'{"event": "payment"}', (), "would be a dead letter: missing_field"),
        (json.dumps(payment(1)).encode(), ("--rule", "card_testing_brust"), "did you mean `card_testing_burst`?"),
        (json.dumps(payment(1, payee={"id": "s"})).encode(), ("--rule", "mule_fan_in_out"), "looks at transfer, payout, not at `payment`"),
        (json.dumps(payment(1)).encode(), ("--history", "nowhere.jsonl"), "nowhere.jsonl"),
        (json.dumps(payment(1)).encode(), ("--model", "nowhere.bin"), "nowhere.bin"),
    ],
)
def test_what_is_wrong_with_the_input_is_said_with_exit_code_2(event: bytes, options: tuple[str, ...], said: str) -> None:
    code, output = run("-", "--rules", RULES, *options, stdin=event)
    assert code == 2 and said in output, output
