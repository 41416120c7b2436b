"""The catalogue of metrics, and what a scrape makes of it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from risk.language import load
from risk.refusals import REASONS
from streams.health import SAMPLE, Health, begin_at_zero, bytes_of, exposition
from streams.metrics import CATALOGUE, Metrics
from streams.settings import SettingsProblem

LABELS = {
    "topic", "action", "rule", "mode", "feature", "cause", "reason", "where", "partition", "kind", "hash", "version", "measure", "verdict",
    "how", "input",
}  # fmt: skip
"""Every label there may ever be: all bounded by rule files and tables. No id of a card, an account, a person or a payment."""


def scraped(metrics: Metrics) -> dict[str, Any]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    return {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}


def test_no_metric_has_a_label_that_could_name_a_card_an_account_or_a_payment() -> None:
    for entry in CATALOGUE:
        assert set(entry.labels) <= LABELS, f"{entry.name}: a label needs a bounded set of values; then add it to LABELS here"


def test_names_follow_the_customs_of_prometheus() -> None:
    names = [entry.name for entry in CATALOGUE]
    assert len(set(names)) == len(names)
    for entry in CATALOGUE:
        assert re.fullmatch(r"risk_[a-z_]+", entry.name)
        assert entry.name.endswith("_total") == (entry.kind == "counter"), entry.name
        assert entry.meaning.endswith(".") and not entry.meaning.startswith(" "), entry.name
        assert not (entry.kind == "histogram" and not entry.buckets) and list(entry.buckets) == sorted(set(entry.buckets)), entry.name


def test_a_name_that_is_not_in_the_catalogue_cannot_be_counted() -> None:
    metrics = Metrics()
    with pytest.raises(KeyError):
        metrics.add("risk_decision_total", "approve")
    with pytest.raises(KeyError):
        metrics.observe("risk_decisions_total", 1.0)


def test_counters_add_up_and_gauges_forget() -> None:
    metrics = Metrics()
    metrics.add("risk_decisions_total", "block")
    metrics.add("risk_decisions_total", "block", by=2)
    metrics.set("risk_consumer_lag", 7, "payments", "0")
    metrics.only("risk_model_info", "sha256:a")
    metrics.only("risk_model_info", "sha256:b")
    assert metrics.value("risk_decisions_total", "block") == metrics.total("risk_decisions_total") == 3
    assert metrics.children("risk_model_info") == {("sha256:b",): 1}
    metrics.clear("risk_consumer_lag")
    assert metrics.children("risk_consumer_lag") == {}


def test_a_scrape_shows_every_metric_of_the_catalogue_with_its_meaning() -> None:
    families = scraped(Metrics())
    for entry in CATALOGUE:
        family = families[entry.name.removesuffix("_total") if entry.kind == "counter" else entry.name]
        assert (family.documentation, family.type) == (entry.meaning, entry.kind)
        assert bool(family.samples) == (not entry.labels), entry.name


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_buckets_count_what_is_at_most_their_bound(values: list[float]) -> None:
    metrics = Metrics()
    for value in values:
        metrics.observe("risk_answer_seconds", value)
    family = scraped(metrics)["risk_answer_seconds"]
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            assert sample.value == len([value for value in values if value <= float(sample.labels["le"])])
        elif sample.name.endswith("_count"):
            assert sample.value == len(values)
        else:
            assert math.isclose(sample.value, math.fsum(values), rel_tol=1e-9, abs_tol=1e-9)


def test_counters_whose_labels_are_known_begin_at_zero() -> None:
    metrics, ruleset = Metrics(), load(["rules"])
    begin_at_zero(metrics, ruleset, ["payments"])
    assert metrics.children("risk_decisions_total") == {(action,): 0 for action in ruleset.policy.actions}
    assert metrics.children("risk_dead_letters_total") == {(reason,): 0 for reason in REASONS}
    running = {(rule.name, rule.mode) for rule in ruleset.rules.values() if rule.mode in ("live", "shadow")}
    assert metrics.children("risk_rule_hits_total") == dict.fromkeys(running, 0)


@pytest.mark.parametrize("count", [0, 1, SAMPLE, 3 * SAMPLE, 10_000])
def test_the_memory_of_profiles_is_estimated_from_a_few_of_them(count: int) -> None:
    asked: list[int] = []

    def kept(i: int) -> Any:
        return SimpleNamespace(profile=SimpleNamespace(bytes_estimate=lambda: asked.append(i) or 500))

    assert bytes_of(cast(Any, {str(i): kept(i) for i in range(count)})) == 500 * count
    assert len(asked) <= 2 * SAMPLE


async def test_the_page_is_that_of_prometheus_client_written_in_pieces() -> None:
    metrics = Metrics()
    begin_at_zero(metrics, load(["rules"]), ["payments"])
    metrics.observe("risk_answer_seconds", 0.004)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    assert await exposition(metrics) == generate_latest(registry)


async def test_a_taken_port_is_a_setting_that_is_wrong() -> None:
    worker: Any = SimpleNamespace(metrics=Metrics(), engine=SimpleNamespace(ruleset=load(["rules"])), topics=defaultdict(str))
    first = Health(worker, 0)
    port = await first.start()
    try:
        with pytest.raises(SettingsProblem, match=f"RISK_METRICS_PORT: port {port} cannot be used"):
            await Health(worker, port).start()
    finally:
        await first.stop()
