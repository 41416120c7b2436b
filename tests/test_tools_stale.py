"""`risk stale`: what wants a look because time has passed, or because nothing uses it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.language import load
from risk.tools.messages import Numbered
from risk.tools.staleness import KINDS, Looks, Stale, looks_of, stale
from tests.tools_given import RULES, SMALL, receipts, receipts_of, shipped, small

OLD = """
overrides:
  - {rule: burst, for: payer.id usr_7, set: {tries: 9}, until: 2027-03-01, owner: payments-risk, why: a test account}

segments:
  abroad: country != "CN"
"""


def found(day: str, text: str = SMALL + OLD, looks: Looks | None = None, soon: int = 30) -> dict[str, list[str]]:
    by_kind: dict[str, list[str]] = {}
    for each in stale(load([("small.yaml", text)]), date.fromisoformat(day), soon, looks):
        by_kind.setdefault(each.kind, []).append(each.said)
    return by_kind


def test_a_day_of_review_is_near_then_passed() -> None:
    assert "review" not in found("2027-10-01", SMALL.replace("mode: shadow", "mode: shadow\n    review_by: 2029-01-01"))
    assert found("2027-11-01")["review"][0] == "rule `burst` is to be reviewed by 2027-11-30, in 29 days"
    assert found("2027-12-01")["review"][0] == "rule `burst` was to be reviewed by 2027-11-30, a day ago"


def test_a_live_or_shadow_rule_without_a_day_of_review_is_told() -> None:
    assert found("2027-01-01")["review"] == ["rule `watched` has no day of review"]


def test_overrides_end_soon_and_then_have_ended() -> None:
    assert "override" not in found("2027-01-01")
    assert found("2027-02-20")["override"] == ["the override of `burst` for payer.id usr_7 ends on 2027-03-01, in 9 days"]
    assert found("2027-03-01")["override"] == ["the override of `burst` for payer.id usr_7 ended on 2027-03-01"]


def test_entries_of_lists_end() -> None:
    assert "list" not in found("2027-05-01")
    assert found("2027-06-10")["list"] == ["entry `card_good` of list `good_cards` ends on 2027-06-30"]
    assert found("2027-07-01")["list"] == ["entry `card_good` of list `good_cards` ended on 2027-06-30"]


def test_names_that_nothing_in_use_reads_are_told() -> None:
    assert found("2027-01-01")["unused"] == ["segment `abroad` is read by nothing"]
    disabled = found("2027-01-01", SMALL.replace("mode: live", "mode: disabled"))["unused"]
    assert [said.split(" is read only by ")[0] for said in disabled] == ["list `good_cards`", "feature `tries_10m`", "feature `spent_24h`"]


def test_disabled_rules_and_rules_past_their_validity_are_told() -> None:
    assert found("2027-01-01", SMALL.replace("mode: live", "mode: disabled"))["disabled"] == ["rule `burst` is disabled"]
    ended = SMALL.replace("    review_by: 2027-11-30", "    review_by: 2027-11-30\n    valid_until: 2027-01-01")
    assert found("2027-01-01", ended)["ended"] == ["rule `burst` is no longer valid"]
    assert "ended" not in found("2026-12-31", ended)


def test_receipts_tell_which_rules_never_fired_and_which_were_always_unknown() -> None:
    looks = looks_of(shipped(), [Numbered(n, orjson.loads(raw)) for n, raw in enumerate(receipts(), 1)])
    assert looks.receipts == len(receipts()) and looks.others == 0
    found = stale(shipped(), date(2027, 1, 1), 0, looks)
    silent = {each.name for each in found if each.kind == "never fired"}
    unknown = {each.name for each in found if each.kind == "always unknown"}
    for name, rule in shipped().rules.items():
        if rule.mode in ("live", "shadow") and looks.looked[name]:
            assert (name in silent) == (not looks.fired[name] and looks.unknown[name] < looks.looked[name])
            assert (name in unknown) == (looks.unknown[name] == looks.looked[name])
        else:
            assert name not in silent | unknown


def test_a_rule_whose_field_never_comes_is_always_unknown() -> None:
    text = SMALL.replace('when: large and country != "CN"', 'when: country != "CN"')
    ruleset = load([("small.yaml", text)])
    event = {"event": "payment", "payment_id": "p", "occurred_at": "2027-01-04T04:00:00.000Z", "amount": {"currency": "CNY", "value": 1}}
    receipt = {"ruleset": ruleset.hash, "event": {**event, "payer": {"id": "u"}}, "values": {"tries_10m": 0, "spent_24h": 0}, "unknown": {}}
    looks = looks_of(ruleset, [Numbered(1, receipt), Numbered(2, {**receipt, "ruleset": "other"})])
    assert (looks.receipts, looks.others) == (1, 1)
    assert found("2027-01-01", text, looks)["always unknown"] == [
        "shadow rule `watched` was unknown at each of the 1 payments it looked at"
    ]


def test_findings_come_by_kind_and_place_with_owner_and_what_to_do() -> None:
    findings = stale(load([("small.yaml", SMALL + OLD)]), date(2028, 1, 1), 30)
    assert [KINDS.index(each.kind) for each in findings] == sorted(KINDS.index(each.kind) for each in findings)
    assert all(isinstance(each, Stale) and each.todo and each.place is not None for each in findings)
    assert "payments-risk" in {each.owner for each in findings}


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["stale", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_command_shows_places_and_ends_with_a_count(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(SMALL + OLD)
    code, said = run("--rules", tmp_path, "--today", "2028-01-01")
    assert code == 1 and f"{tmp_path.as_posix()}/rules.yaml:" in said and said.rstrip().endswith("findings")
    code, said = run("--rules", tmp_path, "--today", "2028-01-01", "--owner", "nobody")
    assert (code, said) == (0, "0 findings\n")
    code, said = run("--rules", tmp_path, "--today", "2028-01-01", "--json")
    assert code == 1 and {each["kind"] for each in json.loads(said)} >= {"review", "override"}


def test_the_command_reads_receipts(tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"
    path.write_bytes(b"\n".join(receipts_of(small(), 0)))
    assert run("--receipts", path, "--rules", RULES)[0] == 2
    path.write_bytes(b"\n".join(receipts()))
    code, said = run("--receipts", path, "--rules", RULES, "--today", "2027-01-01")
    assert code == 1 and "never fired" in said and f"by {len(receipts())} receipts" in said


@pytest.mark.parametrize("arguments", [("--today", "tomorrow"), ("--receipts", "nowhere.jsonl"), ("--rules", "nowhere")])
def test_wrong_options_end_with_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2
