"""`risk replay`: receipts executed again, and every tampered one found."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from risk.cli import app
from risk.engine import Engine
from risk.learning import Learner, Version
from risk.tools.messages import Numbered
from risk.tools.replaying import NoReceipt, Replay, Summary
from tests.tools_given import RULES, receipts, receipts_of, shipped

DECIDED = ("action", "score", "reasons", "obligations", "rules", "would_be", "overridden_by", "reports", "failed", "lists")


@pytest.fixture(scope="module")
def version() -> Version:
    """A version that the shipped model could have learned: every weight its own number."""
    model = shipped().model
    assert model is not None
    learner = Learner(model)
    for n in range(60):
        x = [(n * 7 + i * 3) % 11 / 3.0 for i, _ in enumerate(model.inputs)]
        learner.offer(f"pay_{n}", x, n * 1000, True)
        learner.label(f"pay_{n}", "fraud" if n % 3 == 0 else "legitimate", "chargeback", 1, n * 1000 + 500)
    return learner.version()


def parsed(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(raw)
    return found


def replayed(found: list[dict[str, Any]], *versions: Version) -> Summary:
    return Replay(shipped(), versions).run([Numbered(n, each) for n, each in enumerate(found, 1)], keep=len(found))


def test_receipts_of_a_world_replay_without_a_difference() -> None:
    summary = replayed([parsed(raw) for raw in receipts()])
    assert (summary.replayed, summary.differ) == (len(receipts()), 0), summary.differing[:1]
    actions = {parsed(raw)["action"] for raw in receipts()}
    assert len(actions) > 1, actions


def test_receipts_with_a_model_replay_with_its_version(version: Version) -> None:
    scored = [parsed(raw) for raw in receipts_of(shipped(), 300, version)]
    assert any(each["model"]["score"] for each in scored) and any(each["model"]["top"] for each in scored)
    with_version = replayed(scored, version)
    assert (with_version.replayed, with_version.differ, with_version.own_score) == (len(scored), 0, {}), with_version.differing[:1]
    without = replayed(scored)
    assert (without.differ, without.own_score) == (0, {version.hash: len(scored)})


def test_another_score_than_the_version_gives_is_found(version: Version) -> None:
    receipt = parsed(receipts_of(shipped(), 20, version)[5])
    receipt["model"]["score"] += 2**-40
    summary = replayed([receipt], version)
    assert summary.differ == 1 and [part for part, _, _ in summary.differing[0].differences] == ["model.score"]


def test_a_receipt_before_the_first_version_has_no_score_even_where_versions_are_given(version: Version) -> None:
    assert replayed([parsed(raw) for raw in receipts()[:50]], version).differ == 0


@pytest.mark.parametrize("part", DECIDED)
def test_a_receipt_with_one_part_changed_is_found(part: str) -> None:
    receipt = max((parsed(raw) for raw in receipts()), key=lambda each: len(each["rules"]))
    changed: dict[str, Any] = {"action": "review" if receipt["action"] == "block" else "block", "score": 1, "failed": True, "lists": {}}
    receipt[part] = changed.get(part, [*receipt[part], "more"] if isinstance(receipt[part], list) else None)
    summary = replayed([receipt])
    assert summary.differ == 1 and summary.differing[0].differences[0][0].startswith(part)


def test_a_rule_taken_off_a_receipt_is_found() -> None:
    receipt = next(each for each in map(parsed, receipts()) if each["rules"])
    gone = receipt["rules"].pop(0)["rule"]
    summary = replayed([receipt])
    assert any(part == "rules" and gone in again for part, _, again in summary.differing[0].differences)


def test_a_value_changed_so_that_a_rule_answers_otherwise_is_found() -> None:
    receipt = next(each for each in map(parsed, receipts()) if each["action"] == "approve" and "paid_to_account_180d" in each["values"])
    receipt["values"] |= {"balance_b_today": 10**9, "balance_c_today": 10**9, "class_1_ever": 10**9, "balance_this_year": 10**9}
    summary = replayed([receipt])
    assert summary.differ == 1 and "action" in [part for part, _, _ in summary.differing[0].differences]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_change_of_what_was_decided_goes_unnoticed(data: st.DataObject) -> None:
    found = [parsed(raw) for raw in receipts()]
    receipt = copy.deepcopy(data.draw(st.sampled_from(found)))
    receipt["action"] = data.draw(st.sampled_from([a for a in ("approve", "challenge", "review", "block") if a != receipt["action"]]))
    assert replayed([receipt]).differ == 1


def test_a_receipt_of_another_rule_set_is_refused_not_compared() -> None:
    summary = replayed([{**parsed(receipts()[0]), "ruleset": "sha256:other"}])
    assert (summary.replayed, summary.differ, summary.other_rulesets) == (0, 0, {"sha256:other": 1})


def test_a_degraded_receipt_replays_as_decided_without_its_late_values() -> None:
    engine = Engine(shipped())
    receipt = parsed(receipts()[3])
    event: Any = shipped().schema.decode(orjson.dumps(receipt["event"]))
    plan = engine.plans[event.event_type]
    late = next(index for index, touch in enumerate(plan.touches) if touch.features)
    values = [0] * len(plan.names)
    values[plan.slices[late]] = [None] * len(plan.touches[late].features)
    outcome = engine.decide(plan, event, values, [late])
    raw = engine.writer.receipt(
        event.payment_id, orjson.dumps(receipt["event"]), outcome, ("payments", 0, 1), 1, 2, late=True, model_version=None
    )
    assert outcome.degraded and parsed(raw)["action"] != "approve"
    assert replayed([parsed(raw)]).differ == 0
    nothing_late = engine.decide(plan, event, [0] * len(plan.names), [len(plan.touches)])
    raw = engine.writer.receipt(
        event.payment_id, orjson.dumps(receipt["event"]), nothing_late, ("payments", 0, 1), 1, 2, late=True, model_version=None
    )
    assert replayed([parsed(raw)]).differ == 0


def test_what_is_no_receipt_is_refused() -> None:
    with pytest.raises(NoReceipt, match="line 1 is no receipt"):
        replayed([{"payment_id": "pay_1", "action": "approve"}])


def test_a_receipt_whose_event_was_damaged_differs() -> None:
    receipt = parsed(receipts()[0])
    del receipt["event"]["amount"]
    summary = replayed([receipt])
    assert summary.differ == 1 and "missing_field" in summary.differing[0].differences[0][2]


def run(folder: Path, lines: list[bytes], *options: str) -> tuple[int, str]:
    (folder / "receipts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    result = CliRunner().invoke(app, ["replay", str(folder / "receipts.jsonl"), "--rules", str(RULES), *options])
    return result.exit_code, result.output


def test_the_command_tells_how_many_and_which_differ(tmp_path: Path) -> None:
    lines = list(receipts()[:30])
    assert run(tmp_path, lines) == (0, "replayed 30 receipts, 0 differ\n")
    tampered = parsed(lines[7])
    tampered["score"] += 1
    lines[7] = orjson.dumps(tampered)
    code, said = run(tmp_path, lines)
    assert code == 1
    assert f"{tampered['payment_id']} (line 8) differs" in said and f"receipt {tampered['score']}" in said
    assert said.endswith("replayed 30 receipts, 1 differ\n")
    code, said = run(tmp_path, lines, "--json", "--show", "0")
    assert code == 1 and json.loads(said)["differ"] == 1


def test_the_command_refuses_other_rule_sets_unless_asked_to_skip_them(tmp_path: Path) -> None:
    other = orjson.dumps({**parsed(receipts()[0]), "ruleset": "sha256:other"})
    code, said = run(tmp_path, [other, receipts()[1]])
    assert code == 2 and "1 not replayed: decided under rule set sha256:other" in said and "replayed 1 receipt, 0 differ" in said
    assert run(tmp_path, [other, receipts()[1]], "--skip-others")[0] == 0


def test_the_command_takes_the_bytes_of_a_version(tmp_path: Path, version: Version) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "one.bin").write_bytes(version.to_bytes())
    lines = list(receipts_of(shipped(), 20, version))
    code, said = run(tmp_path, lines)
    assert code == 0 and f"with the score as on the receipt: model version {version.hash} is not given" in said
    assert run(tmp_path, lines, "--model", str(tmp_path / "versions")) == (0, f"replayed {len(lines)} receipts, 0 differ\n")


def test_an_empty_file_proves_nothing(tmp_path: Path) -> None:
    code, said = run(tmp_path, [])
    assert code == 2 and "holds no receipts" in said
