"""Every metric, in one catalogue, and the numbers behind them.

Counting is a plain dictionary on the decision path; Prometheus objects are made at a scrape only. Never a card, account or payment
id as a label: labels come from rule files, topics and tables, all bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

MILLISECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
LAGS = (0.01, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0, 3600.0, 86400.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric: its name in Prometheus, kind, labels and meaning. ``buckets`` in the metric's own unit.

    ``appears``: what must have happened before it has a sample; empty for what every worker shows from its first scrape.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()
    appears: str = ""


CATALOGUE: tuple[Entry, ...] = (
    Entry("risk_events_total", "counter", ("topic",), "Records read, by topic."),
    Entry("risk_decisions_total", "counter", ("action",), "Payments decided, by action."),
    Entry("risk_decisions_degraded_total", "counter", (), "Payments decided without all their values."),
    Entry("risk_decisions_late_total", "counter", (), "Payments decided after their deadline."),
    Entry("risk_decisions_failed_total", "counter", (), "Payments decided by on_error: a rule or the model raised."),
    Entry("risk_gave_up_total", "counter", ("topic",), "Records that crashed a worker twice: decided by on_error, put aside or left out."),
    Entry("risk_repeats_total", "counter", (), "Repeats of a payment already seen: counted, not decided again."),
    Entry("risk_redeliveries_total", "counter", (), "Records that came again after a takeover."),
    Entry("risk_rule_hits_total", "counter", ("rule", "mode"), "Times a rule fired."),
    Entry("risk_rule_unknowns_total", "counter", ("rule",), "Times a rule could not be decided for want of a value."),
    Entry(
        "risk_values_unknown_total", "counter", ("feature", "cause"), "Values that were unknown, by cause.", appears="a value was unknown"
    ),
    Entry("risk_dead_letters_total", "counter", ("reason",), "Records that could not be read, by reason."),
    Entry("risk_extra_fields_total", "counter", (), "Fields of events that the schema does not know: ignored."),
    Entry("risk_late_events_total", "counter", ("topic",), "Events older than one already seen in their partition."),
    Entry("risk_touches_total", "counter", ("where",), "Profiles asked: local in process, remote over Kafka."),
    Entry("risk_touches_void_total", "counter", (), "Touches that a stale owner of their source sent: left out."),
    Entry("risk_answers_unwanted_total", "counter", (), "Answers of profiles that came after the decision."),
    Entry("risk_decide_seconds", "histogram", (), "Judging a payment and writing down its answer, without any waiting.", MILLISECONDS),
    Entry("risk_answer_seconds", "histogram", (), "From the broker's timestamp of a payment to its decision on the broker.", MILLISECONDS),
    Entry("risk_event_lag_seconds", "histogram", (), "From a payment's own time to its decision.", LAGS),
    Entry("risk_consumer_lag", "gauge", ("topic", "partition"), "Records not yet read.", appears="a partition is owned"),
    Entry("risk_in_flight", "gauge", ("topic", "partition"), "Records read and not yet committed.", appears="a partition is owned"),
    Entry("risk_pending", "gauge", (), "Payments that wait for values of remote profiles."),
    Entry("risk_order_waiting", "gauge", (), "Events of a backlog whose touches wait for earlier ones of other workers."),
    Entry("risk_order_given_up_total", "counter", (), "Events applied out of order: what comes before them had not arrived in time."),
    Entry("risk_profiles", "gauge", ("kind",), "Profiles remembered, wherever they are held.", appears="a partition is owned"),
    Entry("risk_profiles_held", "gauge", ("where",), "Profiles by where they are: live, packed (in memory), stored (on disk)."),
    Entry("risk_profiles_moved_total", "counter", ("where",), "Profiles that became live, packed or stored, or are gone: expired wholly."),
    Entry("risk_profile_rows_gone_total", "counter", ("cause",), "Rows of profiles that were let go: expired, or thinned to totals."),
    Entry("risk_profile_bytes", "gauge", ("kind",), "Memory of live profiles, estimated from a sample.", appears="a partition is owned"),
    Entry("risk_packed_bytes", "gauge", (), "Memory of the packed profiles."),
    Entry("risk_stored_bytes", "gauge", (), "Disk that stored profiles take."),
    Entry("risk_changelog_bytes_total", "counter", (), "Bytes written to the changelog of profiles."),
    Entry("risk_receipt_bytes_total", "counter", (), "Bytes written to receipts."),
    Entry("risk_commits_total", "counter", (), "Commits of offsets."),
    Entry("risk_takeovers_total", "counter", (), "Partitions taken over."),
    Entry("risk_partitions", "gauge", (), "Partitions that this worker owns."),
    Entry("risk_standing_still_seconds", "gauge", (), "How long records have waited without one being committed; 0 while all goes on."),
    Entry("risk_ready", "gauge", (), "1 while payments are being decided; 0 while starting, taking over or rebalancing."),
    Entry("risk_connected", "gauge", (), "1 while Kafka's coordinator of the group answers; 0 when Kafka is away."),
    Entry("risk_ruleset_info", "gauge", ("hash",), "1 for the rule set in force.", appears="partitions are assigned"),
    Entry("risk_model_info", "gauge", ("version",), "1 for the model version in force.", appears="a version was published"),
    Entry("risk_model_age_seconds", "gauge", (), "Since when the version in force is published.", appears="a version was published"),
    Entry("risk_model_pinned", "gauge", (), "1 while a promoted version is in force, 0 while the newest one is."),
    Entry(
        "risk_model_records_refused_total",
        "counter",
        ("reason",),
        "Records of the topic of models without effect: corrupt, under a foreign key, or of another model.",
    ),
    Entry(
        "risk_model_quality",
        "gauge",
        ("measure",),
        "How good scores were before they were learned from: auc, average_precision, log_loss; and what the learner counts.",
        appears="the worker owns the learner",
    ),
    Entry("risk_model_scores_missing_total", "counter", (), "Payments decided without a score."),
    Entry(
        "risk_labels_joined_total",
        "counter",
        ("how",),
        "Labels for features of labels: entered into profiles, waiting for their payment, old (their version stands already, or a newer "
        "one), unknown (the payment never came); and payments_dropped: payments let go for want of room.",
    ),
    Entry(
        "risk_control_payments_total",
        "counter",
        ("how",),
        "Payments that the control group may let through: let_through, stopped, or spent (stopped because the day's money was).",
    ),
    Entry("risk_control_spent", "gauge", (), "Money that the control group let through on its newest Shanghai day, in minor units."),
    Entry(
        "risk_drift_total",
        "counter",
        ("input",),
        "Times that the score, or an input of the model (its values, or that it is missing), was found to have changed.",
        appears="the worker owns the learner",
    ),
    Entry(
        "risk_label_delay_seconds",
        "gauge",
        (),
        "From a payment to its label: the median of the newest thousand.",
        appears="a label was learned",
    ),
    Entry(
        "risk_unlabelled_share",
        "gauge",
        (),
        "Of the newest thousand lessons, those that no label taught: payments presumed legitimate.",
        appears="a lesson was learned",
    ),
    Entry("risk_offers_lost_total", "counter", (), "Payments that came again after a crash and could not be offered to the learner again."),
    Entry("risk_model_versions_refused_total", "counter", (), "Versions that failed their checks and were not published."),
    Entry("risk_learn_records_refused_total", "counter", (), "Records of the learn log that cannot be read."),
    Entry("risk_labels_total", "counter", ("verdict",), "Labels read, by verdict."),
    Entry("risk_collector_pause_seconds", "gauge", (), "Longest time that Python's garbage collector has stopped this worker."),
    Entry("risk_process_resident_bytes", "gauge", (), "Memory of the worker."),
    Entry("risk_process_cpu_seconds_total", "counter", (), "Processor time of the worker."),
)

_BY_NAME = {entry.name: entry for entry in CATALOGUE}


class Metrics(Collector):
    """The numbers of one worker. A name that is not in the catalogue is a KeyError."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {entry.name: {} for entry in CATALOGUE if entry.kind != "histogram"}
        self._buckets: dict[str, list[int]] = {e.name: [0] * (len(e.buckets) + 1) for e in CATALOGUE if e.kind == "histogram"}
        self._sums: dict[str, float] = dict.fromkeys(self._buckets, 0.0)
        self._bounds: dict[str, tuple[float, ...]] = {e.name: e.buckets for e in CATALOGUE if e.kind == "histogram"}
        for entry in CATALOGUE:
            if entry.kind != "histogram" and not entry.labels:
                self._values[entry.name][()] = 0.0

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Count up."""
        values = self._values[name]
        values[labels] = values.get(labels, 0) + by

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._values[name][labels] = value

    def only(self, name: str, *labels: str) -> None:
        """Make this the one child of an info gauge, with value 1."""
        self._values[name] = {labels: 1}

    def clear(self, name: str) -> None:
        """Forget all children of a gauge: what it spoke of is gone."""
        self._values[name].clear()

    def observe(self, name: str, value: float) -> None:
        """Put one measurement into its bucket."""
        self._buckets[name][bisect_left(self._bounds[name], value)] += 1
        self._sums[name] += value

    def value(self, name: str, *labels: str) -> float:
        """What a counter or gauge stands at (0 if it never moved)."""
        return self._values[name].get(labels, 0)

    def total(self, name: str) -> float:
        """All children of a counter together."""
        found = 0.0
        for value in self._values[name].values():
            found += value
        return found

    def children(self, name: str) -> dict[tuple[str, ...], float]:
        """A copy of all children by their labels."""
        return dict(self._values[name])

    def collect(self) -> Iterator[Metric]:
        """What a scrape sees."""
        for entry in CATALOGUE:
            if entry.kind == "histogram":
                yield self._histogram(entry)
                continue
            family = (CounterMetricFamily if entry.kind == "counter" else GaugeMetricFamily)(
                entry.name.removesuffix("_total") if entry.kind == "counter" else entry.name, entry.meaning, labels=entry.labels
            )
            for labels, value in list(self._values[entry.name].items()):
                family.add_metric(labels, value)
            yield family

    def _histogram(self, entry: Entry) -> HistogramMetricFamily:
        family = HistogramMetricFamily(entry.name, entry.meaning)
        counts, running, buckets = self._buckets[entry.name], 0, []
        for bound, count in zip([*entry.buckets, float("inf")], counts, strict=True):
            running += count
            buckets.append(("+Inf" if bound == float("inf") else repr(bound), running))
        family.add_metric((), buckets, self._sums[entry.name])
        return family
