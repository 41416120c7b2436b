"""What `deploy/` gives an operator: one dashboard, alerts, and a Prometheus configuration, all of them about metrics that there are.

The first half reads files. The second starts a real worker, lets it decide a simulated stream, and holds every expression against
what its metrics page then says.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from risk.world import World
from streams.kafka import EmbeddedKafka
from streams.metrics import CATALOGUE
from streams.publish import publish
from tests.promql import Matcher, NotPromql, Selector, asked
from tests.streams.harness import Stage, WorkerProcess

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/riskstream.json").read_text(encoding="utf-8"))
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))
OF_PROMETHEUS = {"up": {"job", "instance"}}
ADDED_BY_A_SCRAPE = {"job", "instance"}
PANELS = {"row", "stat", "timeseries", "bargauge", "table"}
GRID_WIDTH = 24
ROWS = ["Traffic and answers", "Rules", "Health", "State", "Model"]


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for note in DASHBOARD["annotations"]["list"]:
        if "expr" in note:
            yield f"annotation {note['name']}", note["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        yield f"variable {variable['name']}", variable["definition"]


def alert_rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


EXPRESSIONS = [*dashboard_expressions(), *((f"alert {rule['alert']}", rule["expr"]) for rule in alert_rules())]


def labels_of_catalogue() -> dict[str, set[str]]:
    """Labels by the name of the samples: a histogram has three kinds of them."""
    known = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for entry in CATALOGUE:
        labels = set(entry.labels) | ADDED_BY_A_SCRAPE
        if entry.kind == "histogram":
            known |= {f"{entry.name}_bucket": labels | {"le"}, f"{entry.name}_sum": labels, f"{entry.name}_count": labels}
        else:
            known[entry.name] = labels
    return known


def selectors(expression: str) -> list[Selector]:
    """The metrics of an expression; the label that `label_values(metric, label)` names is none."""
    found = asked(expression).selectors
    return found[:1] if expression.startswith("label_values") else found


# ---------------------------------------------------------------------------------------------------- the reader of PromQL itself


def test_the_reader_finds_metrics_matchers_and_groups() -> None:
    read = asked('topk(3, sum by (rule) (rate(a_total{mode="live", x=~"$x"}[5m]))) / on (instance) group_left (job) b > 0.5 and absent(c)')
    assert [selector.metric for selector in read.selectors] == ["a_total", "b", "c"]
    assert [(m.label, m.op, m.value) for m in read.selectors[0].matchers] == [("mode", "=", "live"), ("x", "=~", "$x")]
    assert read.grouped == {"rule", "instance", "job"}
    assert [selector.ranged for selector in read.selectors] == [True, False, False]


@pytest.mark.parametrize("wrong", ["sum(a", "rate(a[5])", "nosuch(a)", "a{b=c}", 'a{"b"}', "sum", "a ? b", "[5m]", "a{b='c'"])
def test_the_reader_refuses_what_it_does_not_know(wrong: str) -> None:
    with pytest.raises((NotPromql, IndexError)):
        asked(wrong)


# ---------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[f"{i} {where}" for i, (where, _) in enumerate(EXPRESSIONS)])
def test_an_expression_asks_for_metrics_and_labels_of_the_catalogue(where: str, expression: str) -> None:
    known = labels_of_catalogue()
    for selector in selectors(expression):
        assert selector.metric in known, f"{where}: no metric {selector.metric}"
        wrong = {matcher.label for matcher in selector.matchers} - known[selector.metric]
        assert not wrong, f"{where}: {selector.metric} has no label {wrong}"
    every = set[str]().union(*(known[selector.metric] for selector in selectors(expression)))
    assert asked(expression).grouped <= every, where


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[f"{i} {where}" for i, (where, _) in enumerate(EXPRESSIONS)])
def test_counters_are_read_as_rates_and_gauges_as_they_are(where: str, expression: str) -> None:
    counters = {entry.name for entry in CATALOGUE if entry.kind == "counter"}
    if "absent(" in expression:
        expression = expression[: expression.index("absent(")].removesuffix(" or ")
    for selector in selectors(expression):
        counts = selector.metric in counters or re.search(r"_(bucket|sum|count)$", selector.metric) is not None
        assert selector.ranged == counts, f"{where}: {selector.metric}"


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {selector.metric for _, expression in dashboard_expressions() for selector in selectors(expression)}
    missing = [
        entry.name
        for entry in CATALOGUE
        if entry.name not in shown and not shown & {f"{entry.name}_{part}" for part in ("bucket", "sum", "count")}
    ]
    assert not missing


def test_the_dashboard_has_the_shape_that_grafana_loads() -> None:
    assert DASHBOARD["schemaVersion"] >= 39 and DASHBOARD["id"] is None and DASHBOARD["uid"] == "riskstream" and DASHBOARD["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == ROWS
    for panel in DASHBOARD["panels"]:
        assert panel["type"] in PANELS and panel["title"], panel
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert {"defaults", "overrides"} <= panel["fieldConfig"].keys() and panel["targets"] and panel["options"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]


def test_panels_fill_the_grid_without_overlap_or_gap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for a, b in combinations(places, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart, (a, b)
    for place in places:
        assert place["x"] >= 0 and place["x"] + place["w"] <= GRID_WIDTH and place["h"] > 0
    height = max(place["y"] + place["h"] for place in places)
    assert sum(place["w"] * place["h"] for place in places) == GRID_WIDTH * height


def test_the_dashboard_reads_the_data_source_that_is_provisioned() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    uids = {source["uid"] for source in sources}
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())}
    used |= {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert used <= uids


def test_prometheus_loads_the_alerts_and_scrapes_the_default_port() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(DEPLOY / name).resolve() for name in config["rule_files"]] == [(DEPLOY / "prometheus/alerts.yml").resolve()]
    job = config["scrape_configs"][0]
    assert (job["job_name"], job["metrics_path"]) == ("riskstream", "/metrics")
    assert job["static_configs"] == [{"targets": ["localhost:9464"]}]


def test_every_alert_says_how_bad_it_is_what_happens_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alert_rules()]
    assert len(set(names)) == len(names)
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for rule in alert_rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert re.fullmatch(r"[0-9]+[sm]", rule.get("for", "0s")), rule["alert"]
        assert f"`{rule['alert']}`" in operations, f"docs/operations.md does not explain {rule['alert']}"
        for label in re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"]):
            kept = asked(rule["expr"]).grouped or set[str]().union(*(labels_of_catalogue()[s.metric] for s in selectors(rule["expr"])))
            assert label in kept, f"{rule['alert']}: {label} is not in the result"


# ---------------------------------------------------------------------------------------------------- a real worker

PAYMENTS = 400
POISON = [b"{", b'{"event": "payment"}', b'{"event": "nosuch"}']


class Page:
    """One scrape, and the ids that were in the events."""

    def __init__(self, text: str, ids: set[str]) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        self.ids = ids

    def values(self, selector: Selector) -> list[float]:
        """Samples that the selector picks; `$instance` and what a scrape adds pick all."""
        return [s.value for s in self.samples if s.name == selector.metric and all(_picks(m, s.labels) for m in selector.matchers)]


def _picks(matcher: Any, labels: dict[str, str]) -> bool:
    """Whether a sample answers a matcher; of one that leaves something out only the label must be there."""
    if matcher.label in ADDED_BY_A_SCRAPE:
        return True
    if matcher.label not in labels or matcher.op in ("!=", "!~"):
        return matcher.label in labels
    found = labels[matcher.label]
    return found == matcher.value if matcher.op == "=" else re.fullmatch(matcher.value, found) is not None


def _ids(value: Any, found: set[str]) -> None:
    """Every text of an event that could name somebody: ids, addresses, all that is no short word."""
    for key, each in value.items():
        if isinstance(each, dict):
            _ids(each, found)
        elif isinstance(each, str) and (key in ("id", "person", "account", "ip", "bin", "payment_id", "note", "creator") or "_" in each):
            found.add(each)


async def _settled(worker: WorkerProcess, payments: int) -> str:
    """The metrics page once so many records of payments are read, all is committed and a version of the model scores."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        page = await worker.page("/metrics")
        shown = Page(page, set())
        read = sum(shown.values(Selector("risk_events_total", [Matcher("topic", "=~", ".*payments")])))
        left = sum(shown.values(Selector("risk_consumer_lag")) + shown.values(Selector("risk_in_flight")))
        if read >= payments and not left and "risk_model_info{" in page and 'risk_model_quality{measure="auc"}' in page:
            return page
        await asyncio.sleep(0.2)
    raise AssertionError(f"not all decided, or no version of the model, within a minute:\n{page}\n{worker.text()}")


@pytest.fixture(scope="module")
def scrape(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """What a worker's metrics page says after a few hundred simulated payments, their labels, some poison and a repeat."""

    async def story() -> Page:
        folder = tmp_path_factory.mktemp("deploy")
        async with Stage(broker, folder, _rules(folder), partitions=2) as stage:
            worker = await stage.worker().ready()
            world = World(3, int(time.time() * 1000) - 3_600_000, rate=20.0, payments=PAYMENTS, fraud_share=0.3)
            await publish(world, stage.settings, speed=None)
            payments = [record for record in world if record.topic == "payments"]
            again = payments[0]
            conflict = json.dumps({**json.loads(again.value), "occurred_at": "2026-01-01T00:00:00.000Z"}).encode()
            for value in (*POISON, again.value, conflict):
                await stage.producer.send_and_wait(stage.topics["payments"], value, key=again.key.encode())
            found: set[str] = set()
            for record in world:
                _ids(json.loads(record.value), found)
            page = Page(await _settled(worker, len(payments) + 2 + len(POISON)), found - _words())
            assert await worker.stop() == 0, worker.text()
            return page

    return asyncio.run(story())


def _rules(folder: Path) -> Path:
    """The shipped rules, with a model that publishes after a few labels: the stream is short."""
    rules = folder / "rules"
    for source in sorted((ROOT / "rules").rglob("*.yaml")):
        target = rules / source.relative_to(ROOT / "rules")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        if source.name == "model.yaml":
            text = re.sub(r"publish_every: \d+", "publish_every: 20\n    mean_score_max: 1.0\n    baseline_margin: 1.0", text)
            text = re.sub(r"presume_after_days: \d+", "presume_after_days: 0.00005", text)
        target.write_text(text, encoding="utf-8")
    return rules


def _words() -> set[str]:
    """Words of the schema: an enumeration's values are no ids."""
    text = (ROOT / "rules/events.yaml").read_text(encoding="utf-8")
    return set(re.findall(r"[A-Za-z0-9_]+", re.sub(r"example:.*?(?=\n  [a-z#]|\Z)", "", text, flags=re.DOTALL)))


@pytest.mark.kafka
def test_every_expression_finds_its_metrics_on_the_page_of_a_real_worker(scrape: Page) -> None:
    later = {entry.name for entry in CATALOGUE if entry.appears}
    for where, expression in EXPRESSIONS:
        for selector in selectors(expression):
            if selector.metric not in OF_PROMETHEUS and selector.metric not in later - {sample.name for sample in scrape.samples}:
                assert scrape.values(selector), f"{where}: nothing on the page for {selector.metric} {selector.matchers}"


@pytest.mark.kafka
def test_every_metric_of_the_catalogue_is_on_the_page_of_a_real_worker(scrape: Page) -> None:
    found = {sample.name for sample in scrape.samples}
    missing = [entry.name for entry in CATALOGUE if entry.name not in found and f"{entry.name}_count" not in found and not entry.appears]
    assert not missing, "a metric that appears later says so in the catalogue"


@pytest.mark.kafka
def test_labels_on_the_page_are_those_of_the_catalogue(scrape: Page) -> None:
    known = labels_of_catalogue()
    for sample in scrape.samples:
        if not sample.name.endswith("_created"):
            assert set(sample.labels) | ADDED_BY_A_SCRAPE == known[sample.name], sample.name


@pytest.mark.kafka
def test_no_id_of_the_stream_is_a_label_of_the_page(scrape: Page) -> None:
    assert len(scrape.ids) > PAYMENTS
    shown = {value for sample in scrape.samples for value in sample.labels.values()}
    assert not shown & scrape.ids


@pytest.mark.kafka
def test_the_page_counts_what_was_sent(scrape: Page) -> None:
    def total(metric: str) -> float:
        return sum(scrape.values(Selector(metric)))

    assert total("risk_decisions_total") == total("risk_decide_seconds_count") == PAYMENTS
    assert total("risk_repeats_total") == 1
    refused = {sample.labels["reason"]: sample.value for sample in scrape.samples if sample.name == "risk_dead_letters_total"}
    assert {reason: count for reason, count in refused.items() if count} == {
        "bad_json": 1, "missing_field": 1, "unknown_event": 1, "conflicting_repeat": 1,
    }  # fmt: skip
    assert total("risk_ready") == total("risk_connected") == 1 and total("risk_partitions") == 2 and total("risk_consumer_lag") == 0
    assert total("risk_profiles") > 0 and total("risk_profile_bytes") > 200 * total("risk_profiles")
    assert total("risk_changelog_bytes_total") > 0 and total("risk_receipt_bytes_total") > 0
    assert total("risk_labels_total") > 0 and total("risk_rule_hits_total") > 0


async def _until_connected(worker: WorkerProcess, value: float) -> None:
    until = time.monotonic() + 40
    while (await worker.metrics()).get("risk_connected") != value:
        assert worker.process.poll() is None and time.monotonic() < until, worker.text()[-3_000:]
        await asyncio.sleep(0.2)


@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_the_page_tells_that_kafka_is_away_and_the_worker_goes_on_when_it_is_back(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka")
    with kafka:
        async with Stage(kafka.bootstrap, tmp_path, partitions=2) as stage:
            worker = await stage.worker().ready()
            await _until_connected(worker, 1)
            kafka.stop()
            await _until_connected(worker, 0)
            assert json.loads(await worker.page("/health")) == {"ready": True, "connected": False, "partitions": [0, 1]}
            kafka.start()
            payment = next(record for record in World(3, int(time.time() * 1000), payments=1) if record.topic == "payments")
            await stage.producer.send_and_wait(stage.topics["payments"], payment.value, key=payment.key.encode())
            await stage.answered(1)
            await _until_connected(worker, 1)
