"""What a worker counts: one payment decided, decisions written, and the gauges that a scrape asks for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from risk.decisions import Outcome
from risk.declared import Rule
from streams.labelling import HOWS
from streams.lane import Written
from streams.metrics import Metrics
from streams.store import Store

if TYPE_CHECKING:
    from streams.worker import Worker


class RuleTally:
    """Hits and unknowns of the rules of one event type, counted by index; told by name at a scrape."""

    __slots__ = ("rules", "hits", "unknowns")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.hits = [0] * len(rules)
        self.unknowns = [0] * len(rules)

    def tell(self, metrics: Metrics) -> None:
        """Add what was counted to the metrics, and begin anew."""
        for i, rule in enumerate(self.rules):
            if self.hits[i]:
                metrics.add("risk_rule_hits_total", rule.name, rule.mode, by=self.hits[i])
            if self.unknowns[i]:
                metrics.add("risk_rule_unknowns_total", rule.name, by=self.unknowns[i])
            self.hits[i] = self.unknowns[i] = 0


def count_decision(
    metrics: Metrics, tally: RuleTally, outcome: Outcome, late: bool, occurred_ms: int, decided_ms: int, seconds: float
) -> None:
    """One payment decided; ``seconds`` is what judging and writing it took."""
    metrics.add("risk_decisions_total", outcome.ruling.action)
    hits = tally.hits
    for i in outcome.fired:
        hits[i] += 1
    for i in outcome.unknown_rules:
        tally.unknowns[i] += 1
    for name, cause in outcome.unknown.items():
        metrics.add("risk_values_unknown_total", name, cause)
    if outcome.degraded:
        metrics.add("risk_decisions_degraded_total")
    if late:
        metrics.add("risk_decisions_late_total")
    if outcome.failed:
        metrics.add("risk_decisions_failed_total")
    if outcome.model_score is None:
        metrics.add("risk_model_scores_missing_total")
    metrics.observe("risk_decide_seconds", seconds)
    metrics.observe("risk_event_lag_seconds", max(0.0, (decided_ms - occurred_ms) / 1000))


def count_written(metrics: Metrics, rows: Iterable[Written]) -> None:
    """Decisions that the broker has acknowledged."""
    now, size = time.time(), 0
    for row in rows:
        metrics.observe("risk_answer_seconds", now - row.appended_ms / 1000)
        size += len(row.receipt)
    metrics.add("risk_receipt_bytes_total", by=size)


def measure_profiles(metrics: Metrics, stores: Sequence[Store]) -> None:
    """How many profiles there are and where, and what those that are not live take."""
    kinds: dict[str, int] = {}
    held = {"live": 0, "packed": 0, "stored": 0}
    in_memory = on_disk = 0
    for store in stores:
        for kind, count in store.counts():
            kinds[kind] = kinds.get(kind, 0) + count
        for where, count in store.places.held().items():
            held[where] += count
        in_memory += store.places.packed_memory()
        on_disk += store.places.stored_bytes()
    for kind, count in kinds.items():
        metrics.set("risk_profiles", count, kind)
    for where, count in held.items():
        metrics.set("risk_profiles_held", count, where)
    metrics.set("risk_packed_bytes", in_memory)
    metrics.set("risk_stored_bytes", on_disk)


def measure(worker: Worker) -> None:
    """Bring the gauges up to date, for a scrape."""
    metrics = worker.metrics
    for tally in worker.tallies.values():
        tally.tell(metrics)
    for tp, source in worker.heads.sources.items():
        high = worker.consumer.highwater(tp) or 0
        metrics.set("risk_consumer_lag", max(0, high - source.received), tp.topic, str(tp.partition))
        metrics.set("risk_in_flight", source.in_flight, tp.topic, str(tp.partition))
    measure_profiles(metrics, [shard.store for shard in worker.shards.values()])
    metrics.set("risk_pending", len(worker.pending))
    metrics.set("risk_order_waiting", worker.order.held())
    metrics.set("risk_order_given_up_total", worker.order.gave_up)
    metrics.set("risk_extra_fields_total", worker.engine.schema.extra_fields)
    metrics.set("risk_touches_total", worker.touched_locally, "local")
    metrics.set("risk_touches_total", worker.touched_remotely, "remote")
    for how in HOWS if worker.engine.labels is not None else ():
        counts = [shard.ledger.labelling.counts[how] for shard in worker.shards.values() if shard.ledger.labelling is not None]
        metrics.set("risk_labels_joined_total", sum(counts), how)
    days = [(day, shard.ledger.spent.of(day)) for shard in worker.shards.values() for day in shard.ledger.spent.days]
    metrics.set("risk_control_spent", max(days)[1] if days else 0)
    worker.learning.measure()
