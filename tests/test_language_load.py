"""Loading rule files: sections to facts, the rule set's own promises, and files that nobody meant well."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.declared import FieldType, Window
from risk.language import RuleFileError, RuleSet, examine, load
from risk.language.source import Problems, Scalar, read
from risk.language.values import Ago

ROOT = Path(__file__).parent.parent
SCHEMA = (ROOT / "tests" / "cases" / "check" / "schema" / "events.yaml").read_text(encoding="utf-8")

LISTS = """
lists:
  vending: {of: id payee, owner: merchant-risk, values: [shop_metro, {value: shop_vending, why: one terminal, by: merchant-risk}]}
  blocked: {of: text, source: topic}
"""
RULE = """
macros:
  small: amount_cny <= $limit and payee.id not in @vending
features:
  logins_1h: {count: login, per: payer.id, over: 1h, where: ok}
rules:
  burst:
    title: Many small payments after log-ins
    owner: payments-risk
    event: payment
    mode: live
    params: {limit: CNY 5.00, tries: 3}
    when: |
      small
      and logins_1h >= $tries
    then: block
    score: 60
    reasons: [BURST]
    tests:
      - {it: fires, given: {logins_1h: 3}, events: [{amount_cny: CNY 1.00}], expect: fires}
      - {it: is silent, given: {logins_1h: 2}, events: [{amount_cny: CNY 1.00}], expect: silent}
"""


def loaded(*texts: str, schema: str = SCHEMA) -> RuleSet:
    return load([("events.yaml", schema), *((f"{i}.yaml", text) for i, text in enumerate(texts))])


def codes(*texts: str, schema: str = SCHEMA) -> list[str]:
    return [problem.code for problem in examine([("events.yaml", schema), *((f"{i}.yaml", text) for i, text in enumerate(texts))]).problems]


def feature(line: str) -> RuleSet:
    return loaded(f"policy: {{settings: {{year: calendar year in Asia/Shanghai}}}}\nfeatures:\n  f: {line}\n")


def version(*texts: str, schema: str = SCHEMA) -> str:
    return loaded(*texts, schema=schema).rules["burst"].version


class TestEvents:
    def test_a_name_with_dots_is_a_path_in_the_producers_json(self) -> None:
        field = loaded().schema.types["payment"].fields["payer.id"]
        assert (field.path, field.attr, field.type) == (("payer", "id"), "payer_id", FieldType("id", entity="user"))

    def test_money_reads_currency_and_value_at_its_path(self) -> None:
        field = loaded().schema.types["payment"].fields["amount_cny"]
        assert (field.path, field.currency_path) == (("amount_cny", "value"), ("amount_cny", "currency"))

    def test_money_in_minor_units_without_a_currency_field(self) -> None:
        schema = SCHEMA.replace("amount_cny:    money CNY", "amount_cny:    {type: money CNY, from: amount_minor, minor: true}")
        field = loaded(schema=schema).schema.types["payment"].fields["amount_cny"]
        assert (field.path, field.currency_path, field.type.currency) == (("amount_minor",), None, "CNY")

    def test_money_in_minor_units_beside_a_currency_field(self) -> None:
        schema = SCHEMA.replace("amount:        money ", "amount:        {type: money, from: a.minor, currency: a.code} ")
        field = loaded(schema=schema).schema.types["payment"].fields["amount"]
        assert (field.path, field.currency_path) == (("a", "minor"), ("a", "code"))

    def test_a_key_with_a_dot_is_named_as_a_list(self) -> None:
        schema = SCHEMA.replace(
            "payer.age:     duration", "payer.age:     {type: duration, from: [user, account.age], unit: s, source: attested}"
        )
        field = loaded(schema=schema).schema.types["payment"].fields["payer.age"]
        assert (field.path, field.unit, field.source) == (("user", "account.age"), "s", "attested")

    def test_an_event_like_another_has_its_fields_and_may_add_some(self) -> None:
        schema = SCHEMA + "  refund:\n    like: payout\n    decide: true\n    fields: {reason: optional text}\n"
        types = loaded(schema=schema).schema.types
        assert set(types["refund"].fields) == {*types["payout"].fields, "reason"}

    def test_an_example_is_kept_as_values(self) -> None:
        schema = SCHEMA.replace(
            "payer.age:     duration", "payer.age:     duration\n      opened_at:     optional time\n      tags: optional texts"
        ).replace("payer.age: 400d", "payer.age: 400d, opened_at: 20d ago, tags: [a, b], card.id: missing")
        example = loaded(schema=schema).schema.types["payment"].example
        assert example["amount_cny"] == 19_900
        assert example["amount"] == ("CNY", 19_900)
        assert example["payer.age"] == 400 * 86_400_000
        assert example["remote"] is True
        assert example["opened_at"] == Ago(20 * 86_400_000)
        assert example["tags"] == ("a", "b")
        assert example["payee.mcc"] == "5691"
        assert "card.id" not in example


class TestFeatures:
    def test_types_follow_the_question(self) -> None:
        kinds = {
            "{count: payment, per: payer.id, over: 1h}": "int",
            "{distinct: card.id, of: payment, per: payer.id, over: 1h}": "int",
            "{sum: amount_cny, of: payment, per: payer.id, over: 1h}": "money",
            "{avg: amount_cny, of: payment, per: payer.id, over: 1h}": "money",
            "{last: funding, of: payment, per: payer.id}": "enum",
            "{since_last: login, per: payer.id}": "duration",
        }
        assert {line: feature(line).features["f"].type.kind for line in kinds} == kinds

    @pytest.mark.parametrize(
        ("over", "window"),
        [
            ("10m", Window("sliding", 600_000)),
            ("30d", Window("sliding", 30 * 86_400_000)),
            ("calendar day in Asia/Shanghai", Window("calendar", 0, "day", "Asia/Shanghai")),
            ("lifetime", Window("lifetime")),
            ("$year", Window("calendar", 0, "year", "Asia/Shanghai")),
        ],
    )
    def test_windows(self, over: str, window: Window) -> None:
        assert feature(f"{{count: payment, per: payer.id, over: {over}}}").features["f"].window == window

    def test_read_with_selects_by_another_role_of_the_same_entity(self) -> None:
        found = feature("{count: registration, per: inviter, read_with: payer.id, over: 24h}").features["f"]
        assert (found.per, found.read_with, found.entity) == (("inviter",), ("payer.id",), ("user",))

    def test_a_key_that_is_no_id_is_its_own_entity(self) -> None:
        assert feature("{count: payment, per: [payer.id, payee.mcc], over: 24h}").features["f"].entity == ("user", "payee.mcc")

    def test_a_condition_is_kept_with_its_macros_written_out(self) -> None:
        ruleset = loaded(
            "macros: {far: remote}\nfeatures: {f: {count: payment, per: payer.id, over: 1h, where: far and amount_cny > CNY 5.00}}"
        )
        assert ruleset.features["f"].where == "remote and amount_cny > CNY 5.00"

    def test_a_predicate_holds_where_the_condition_certainly_does(self) -> None:
        ruleset = loaded(LISTS, RULE)
        holds = ruleset.predicate("logins_1h", "login")
        assert holds is not None
        values = {"occurred_at": 1, "payer.id": "usr_1", "device.id": "dev_1"}
        assert holds(ruleset.schema.build("login", {**values, "ok": True}))
        assert not holds(ruleset.schema.build("login", {**values, "ok": False}))

    def test_a_feature_without_a_condition_has_no_predicate(self) -> None:
        assert feature("{count: payment, per: payer.id, over: 1h}").predicate("f", "payment") is None

    def test_a_feature_of_labels_counts_what_a_label_says(self) -> None:
        schema = (
            SCHEMA + "  label:\n    fields: {payment_id: id payment, occurred_at: time, verdict: fraud | legitimate, payee.id: id payee}\n"
        )
        found = loaded('features: {f: {count: label, per: payee.id, over: 90d, where: verdict == "fraud"}}', schema=schema).features["f"]
        assert found.of == ("label",)


class TestRuleSet:
    def test_rules_reads_and_judge_of_an_event(self) -> None:
        ruleset = loaded(LISTS, RULE)
        assert [rule.name for rule in ruleset.rules_of("payment")] == ["burst"]
        assert ruleset.rules_of("transfer") == ()
        assert ruleset.reads("payment") == ("logins_1h",)
        judge = ruleset.judge("payment", {"logins_1h": 0})
        example = {**ruleset.schema.types["payment"].example, "payment_id": "pay_1", "occurred_at": 1, "amount_cny": 500}
        event = ruleset.schema.build("payment", example)
        assert judge(event, [3], None) == ([0], [])
        assert judge(event, [2], None) == ([], [])
        assert judge(event, [None], None) == ([], [0])

    def test_drafts_and_disabled_rules_are_checked_but_not_run(self) -> None:
        for mode in ("draft", "disabled"):
            ruleset = loaded(LISTS, RULE.replace("mode: live", f"mode: {mode}"))
            assert ruleset.rules_of("payment") == ()
            assert ruleset.reads("payment") == ()
            assert ruleset.rules["burst"].mode == mode

    def test_the_model_reads_features_that_the_event_can_select(self) -> None:
        model = "model: {name: m, inputs: [{read: logins_1h, as: log}, {read: cards_1h, as: log}]}\n"
        ruleset = loaded(
            "features: {logins_1h: {count: login, per: payer.id, over: 1h}, cards_1h: {count: payment, per: card.id, over: 1h}}\n" + model
        )
        assert ruleset.reads("payment") == ("cards_1h", "logins_1h")
        assert ruleset.reads("transfer") == ("logins_1h",)
        assert ruleset.model is not None
        assert [each.name for each in ruleset.model.inputs] == ["logins_1h", "cards_1h"]

    def test_settings_of_the_policy_are_parameters_of_every_rule(self) -> None:
        rule = RULE.replace("logins_1h >= $tries", "logins_1h >= $tries * $uplift")
        ruleset = loaded(LISTS, rule, "policy: {settings: {uplift: 1.5}}")
        judge = ruleset.judge("payment", {"logins_1h": 0})
        example = {**ruleset.schema.types["payment"].example, "payment_id": "pay_1", "occurred_at": 1, "amount_cny": 500}
        event = ruleset.schema.build("payment", example)
        assert judge(event, [4], None) == ([], [])
        assert judge(event, [5], None) == ([0], [])

    def test_overrides_and_segments_are_kept(self) -> None:
        ruleset = loaded(
            LISTS,
            RULE,
            'segments:\n  digital: payee.mcc in ["5815"]\n'
            "overrides:\n"
            "  - {rule: burst, for: segment digital, set: {limit: CNY 4.00}, until: 2027-01-15}\n"
            "  - {rule: burst, for: payee.id shop_42, mode: shadow, until: 2027-01-15, owner: payments-risk, why: RISK-1}\n",
        )
        first, second = ruleset.overrides
        assert (first.rule, first.segment, first.params) == ("burst", "digital", {"limit": 400})
        assert (second.field, second.value, second.mode, second.until_ms) == ("payee.id", "shop_42", "shadow", 1_799_971_200_000)
        assert ruleset.segments["digital"].when == 'payee.mcc in ["5815"]'

    def test_cases_keep_their_text_and_place(self) -> None:
        first, _ = loaded(LISTS, RULE).cases["burst"]
        assert first.it == "fires"
        assert (first.place.path, first.place.line) == ("1.yaml", 20)
        amount = first.events[0].get("amount_cny")
        assert isinstance(amount, Scalar)
        assert amount.text == "CNY 1.00"

    def test_lists_hold_values_as_events_have_them(self) -> None:
        lists = loaded(
            "lists: {yuan: {of: money CNY, values: [CNY 1.00]}, quick: {of: duration, values: [1h]}, many: {of: text, source: topic}}"
        ).lists
        assert lists["yuan"].values == {100}
        assert lists["quick"].values == {3_600_000}
        assert lists["many"].values == frozenset()

    def test_a_rule_for_some_days_has_them_in_milliseconds(self) -> None:
        rule = loaded(
            LISTS, RULE.replace("then: block", "then: block\n    valid_from: 2026-11-01\n    valid_until: 2026-11-02T00:00:00+08:00")
        ).rules["burst"]
        assert rule.valid_from_ms == 1_793_491_200_000
        assert rule.valid_until_ms == 1_793_491_200_000 + 16 * 3_600_000


class TestVersions:
    def test_the_hash_does_not_depend_on_line_ends_or_the_order_of_files(self) -> None:
        first = load([("a.yaml", SCHEMA), ("b.yaml", LISTS)])
        assert load([("b.yaml", LISTS.replace("\n", "\r\n")), ("a.yaml", SCHEMA.encode())]).hash == first.hash
        assert load([("a.yaml", SCHEMA), ("c.yaml", LISTS)]).hash != first.hash
        assert load([("a.yaml", SCHEMA), ("b.yaml", LISTS + "#")]).hash != first.hash

    def test_a_rules_version_changes_with_whatever_can_change_its_answer(self) -> None:
        base = version(LISTS, RULE)
        changes = {
            "own threshold": (LISTS, RULE.replace("tries: 3", "tries: 4")),
            "own action": (LISTS, RULE.replace("then: block", "then: review")),
            "macro": (LISTS, RULE.replace("amount_cny <= $limit", "amount_cny < $limit")),
            "list": (LISTS.replace("shop_metro", "shop_bus"), RULE),
            "feature's window": (LISTS, RULE.replace("over: 1h", "over: 2h")),
            "feature's condition": (LISTS, RULE.replace("where: ok", "where: not ok")),
        }
        for what, texts in changes.items():
            assert version(*texts) != base, what
        assert (
            version(LISTS, RULE, schema=SCHEMA.replace("amount_cny:    money CNY", "amount_cny:    {type: money CNY, from: total}")) != base
        )
        assert version(LISTS, RULE, "overrides: [{rule: burst, for: payee.id a, set: {tries: 4}, until: 2027-01-01}]") != base

    def test_a_rules_version_stays_with_what_it_does_not_read(self) -> None:
        base = version(LISTS, RULE)
        assert version(LISTS.replace("{of: text,", "{of: id card,"), RULE) == base
        assert version(LISTS, "# a comment\n" + RULE.replace("logins_1h: 2}", "logins_1h: 1}")) == base
        assert version(LISTS, RULE.replace("      small\n      and", "      (small) and")) == base
        assert version("macros: {more: remote}\nfeatures: {f: {count: payment, per: payer.id, over: 1h}}", LISTS, RULE) == base


class TestShippedRules:
    def test_they_load_without_a_warning(self) -> None:
        ruleset = load([ROOT / "rules"])
        assert ruleset.warnings == []
        assert ruleset.rules

    def test_every_event_has_a_judge(self) -> None:
        ruleset = load([ROOT / "rules"])
        for name, event in ruleset.schema.types.items():
            if event.decide:
                slots = {feature: i for i, feature in enumerate(ruleset.reads(name))}
                assert ruleset.judge(name, slots).rules == ruleset.rules_of(name)


class TestPlaces:
    @pytest.mark.parametrize(
        "text",
        [
            "k: one two  three",
            "k: one\n  two\n   three",
            "k: 'one two''s three'",
            "k: 'one\n\n  two three'",
            'k: "one \\"two\\" three"',
            'k: "one \\\n   two\\tthree"',
            "k: |\n  one\n    two\n  three\n",
            "k: |2-  # how many\n  one\n    two\n\n  three",
            "k: >-\n  one\n  two\n\n  three",
            "k: >+\n    one two\n      three\n\n",
            "a: b\nk:   |\n\n   one\n   two three\n",
        ],
    )
    def test_every_word_is_found_where_it_is_written(self, text: str) -> None:
        _, block = read("x.yaml", text, Problems())
        assert block is not None
        scalar = block.get("k")
        assert isinstance(scalar, Scalar)
        for word in ("one", "two", "three"):
            start = scalar.text.index(word)
            first, last = scalar.span(start, start + len(word))
            assert text[first:last] == word


class TestCommand:
    def test_exit_codes(self, tmp_path: Path) -> None:
        (tmp_path / "events.yaml").write_text(SCHEMA, encoding="utf-8")
        run = CliRunner()
        assert run.invoke(app, ["check", str(tmp_path)]).exit_code == 0
        (tmp_path / "a.yaml").write_text("macros: {unused: remote}\n", encoding="utf-8")
        warned = run.invoke(app, ["check", str(tmp_path)])
        assert warned.exit_code == 0
        assert warned.output.startswith(f"{tmp_path}/a.yaml:1:10: warning[W302]")
        assert run.invoke(app, ["check", str(tmp_path), "--strict"]).exit_code == 1
        (tmp_path / "b.yaml").write_text("macros: {wrong: remote and}\n", encoding="utf-8")
        assert run.invoke(app, ["check", str(tmp_path)]).exit_code == 2
        assert run.invoke(app, ["check", str(tmp_path / "nowhere")]).exit_code == 2

    def test_json_has_every_problem_with_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("macros: {wrong: remote and}\n", encoding="utf-8")
        told = CliRunner().invoke(app, ["check", str(tmp_path), "--format", "json"])
        assert '"path": "a.yaml"' in told.output
        assert '"line": 1' in told.output

    def test_an_error_carries_the_report_that_check_prints(self) -> None:
        with pytest.raises(RuleFileError) as wrong:
            loaded("rulez: {}")
        assert "did you mean `rules`?" in wrong.value.report
        assert [field.name for field in fields(wrong.value.problems[0])][:3] == ["code", "severity", "path"]
