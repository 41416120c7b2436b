"""The workload that figures are compared by: its payments never change, its reference is right, and the engine agrees with it."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from bench import rules as compiled_rules
from bench import rules_compared
from bench.w1.compare import differences
from bench.w1.gold import GOLD_PAYMENTS, run_gold
from bench.w1.latency import quantile
from bench.w1.make_rules import written
from bench.w1.reference import Answer, answers, values_of
from bench.w1.stream import DRAIN, GOLD, LAT, Message, Mode, messages
from bench.w1.task import RULES, VALUES, read_task
from risk.engine import InProcess
from risk.language import RuleSet, load
from risk.learning import fixed_version


@pytest.fixture(scope="module")
def ruleset() -> RuleSet:
    return load([RULES])


@pytest.fixture(scope="module")
def gold() -> list[Message]:
    return list(messages(GOLD, GOLD_PAYMENTS))


def in_process(ruleset: RuleSet, payments: list[Message]) -> dict[str, Answer]:
    """The engine's answers; a repeat is left out, as the worker does."""
    assert ruleset.model is not None
    engine = InProcess(ruleset, fixed_version(ruleset.model))
    found: dict[str, Answer] = {}
    for payment in payments:
        if payment.payment_id not in found:
            outcome = engine.feed(ruleset.schema.decode(payment.value))
            assert outcome is not None
            values = dict(zip(outcome.names, outcome.values, strict=True))
            fired = [int(name.removeprefix("w1_")) for name in outcome.fired_names]
            found[payment.payment_id] = Answer(outcome.action, outcome.model_score, fired, [values[name] for name in VALUES])
    return found


@pytest.mark.parametrize(
    ("mode", "count", "expected"),
    [
        (GOLD, 20_000, "d62913a708c78e45d38ed5b8739423fbab67aaab78fc19ff3ff33cc1bf4d0b41"),
        (DRAIN, 30_000, "e1bf529e807d6da55bdd931c6bfd12704929e06047015fab9b539d02eb7680c5"),
        (LAT, 45_000, "5af21ca35b8add5b506d977f0e3cdf3cce9c302b42157c7617ecc9ddd0c2c2a3"),
    ],
    ids=["gold", "drain", "lat"],
)
def test_the_payments_are_the_same_bytes_for_everybody(mode: Mode, count: int, expected: str) -> None:
    found = hashlib.sha256()
    for payment in messages(mode, count):
        found.update(payment.key + b" " + payment.value + b"\n")
    assert found.hexdigest() == expected


def test_a_payment_names_its_id_and_is_keyed_by_its_card(ruleset: RuleSet, gold: list[Message]) -> None:
    for payment in gold[:500]:
        event = ruleset.schema.decode(payment.value)
        assert (event.payment_id, event.card_id.encode()) == (payment.payment_id, payment.key)


def test_gold_holds_repeats_late_payments_and_full_windows(ruleset: RuleSet, gold: list[Message]) -> None:
    times = [ruleset.schema.decode(payment.value).occurred_at for payment in gold]
    assert GOLD_PAYMENTS - len({payment.payment_id for payment in gold}) == 195
    assert sum(later < earlier for earlier, later in pairwise(times)) > 100
    assert max(times) - min(times) > 24 * 3_600_000


def test_the_rule_files_are_those_of_the_task() -> None:
    stale = [name for name, text in written().items() if (RULES / name).read_text(encoding="utf-8") != text]
    assert not stale, f"{stale} are not what task.json says: python -m bench.w1.make_rules"


def test_all_fifty_rules_run(ruleset: RuleSet) -> None:
    assert len(ruleset.rules) == len(read_task().rules) == 50
    assert set(ruleset.reads("payment")) == set(VALUES)


def test_the_engine_agrees_with_the_reference(ruleset: RuleSet, gold: list[Message]) -> None:
    payments = gold[:2_000]
    expected = dict(answers((payment.value for payment in payments), read_task()))
    result = differences(expected, in_process(ruleset, payments))
    assert (result.total, result.expected) == (0, len({payment.payment_id for payment in payments})), result.first


@pytest.mark.kafka
def test_a_worker_on_kafka_agrees_with_the_reference(broker: str, tmp_path: Path) -> None:
    result = run_gold(broker, tmp_path, 2_000)
    assert result.total == 0, result
    assert result.expected > 1_900


def payment(number: int, at: int, amount: int, **ids: str) -> dict[str, object]:
    usual = {"card_id": "c", "device_id": "d", "customer_id": "u", "merchant_id": "m", "ip": "i"}
    return {"payment_id": f"p{number}", "occurred_at_ms": at, "amount_minor": amount, **usual, **ids}


def test_the_reference_counts_what_lies_in_the_window_and_no_more() -> None:
    before = payment(1, 1_000, 10, card_id="other")
    edge = payment(2, 60_000, 20)
    newer = payment(3, 120_001, 40)
    asked = payment(4, 120_000, 80)
    history = {("card", "c"): [edge, newer, asked]}
    history |= {key: [before, edge, newer, asked] for key in (("device", "d"), ("customer", "u"), ("merchant", "m"), ("ip", "i"))}
    values = values_of(asked, history)
    assert (values["card_count_1m"], values["card_sum_1m"]) == (1, 80)  # a payment a whole minute before is outside
    assert (values["card_count_10m"], values["card_sum_10m"]) == (2, 100)  # a newer one that came first is outside too
    assert (values["device_count_24h"], values["device_cards_24h"]) == (3, 2)


def test_every_way_to_differ_is_counted() -> None:
    right = Answer("approve", 0.1, [], [0] * len(VALUES))
    wrong = right._replace(values=[1, *right.values[1:]])
    expected = {"same": right, "other": right, "missing": right}
    result = differences(expected, {"same": right, "other": wrong, "unasked": right}, repeated=2)
    assert (result.other_answer, result.missing, result.unasked, result.repeated, result.total) == (1, 1, 1, 2, 5)
    assert result.first == [f"other: {VALUES[0]} 0, not 1"]


def test_quantiles_are_values_that_were_measured() -> None:
    waited = [float(i) for i in range(1, 1001)]
    assert [quantile(waited, share) for share in (0.5, 0.99, 0.999, 1.0)] == [501.0, 991.0, 1000.0, 1000.0]


def test_the_rules_that_are_timed_have_six_terms_each() -> None:
    rules = compiled_rules.conditions(compiled_rules.random.Random(1), 200)
    assert {len(terms) for terms in rules} == {compiled_rules.TERMS}
    loaded, judge = compiled_rules.compiled(compiled_rules.tested(compiled_rules.rule_file(rules)))
    assert len(judge.rules) == 200 and not [problem for problem in loaded.warnings if problem.severity == "error"]


def test_an_engine_that_is_not_installed_is_told_and_one_that_disagrees_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> rules_compared.Ask:
        raise ImportError

    monkeypatch.setattr(rules_compared, "EVENTS", 5)
    monkeypatch.setattr(rules_compared, "OTHERS", {"absent": missing})
    found = rules_compared.measure()
    assert found.others_us == {"absent": None} and "not installed" in rules_compared.rows(found)[1][1]
    monkeypatch.setattr(rules_compared, "OTHERS", {"wrong": lambda texts: lambda event: list(range(len(texts)))})
    with pytest.raises(rules_compared.Disagreement, match="wrong says"):
        rules_compared.measure()
