"""The metrics page: /metrics for Prometheus and /health for whoever restarts workers. Loopback unless told otherwise.

Belongs here: the page, and what is measured only when somebody looks. Never: counting on the decision path (streams.worker).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from risk.language import RuleSet
from risk.learning.registry import REFUSALS
from risk.refusals import REASONS
from streams.control import HOWS as CONTROL_HOWS
from streams.counting import measure
from streams.labelling import HOWS
from streams.metrics import Metrics
from streams.places import Kept
from streams.settings import SettingsProblem
from streams.worker import Worker

PAGE = os.sysconf("SC_PAGE_SIZE")
STATM = Path("/proc/self/statm")
SAMPLE = 64
OF_PARTITIONS = ("risk_consumer_lag", "risk_in_flight", "risk_profiles", "risk_profile_bytes")
"""Gauges that speak of partitions: after a rebalance they must not go on speaking of those that left."""
VERDICTS = ("fraud", "legitimate", "unsure")


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE if STATM.exists() else 0


def begin_at_zero(metrics: Metrics, ruleset: RuleSet, topics: Collection[str]) -> None:
    """Show every counter whose labels are known from the start: a rate needs a 0 to see the first event that counts."""
    for topic in topics:
        metrics.add("risk_events_total", topic, by=0)
        metrics.add("risk_late_events_total", topic, by=0)
        metrics.add("risk_gave_up_total", topic, by=0)
    for action in ruleset.policy.actions:
        metrics.add("risk_decisions_total", action, by=0)
    for reason in REASONS:
        metrics.add("risk_dead_letters_total", reason, by=0)
    for where in ("live", "packed", "stored"):
        metrics.set("risk_profiles_held", 0, where)
    for how in CONTROL_HOWS:
        metrics.add("risk_control_payments_total", how, by=0)
    for how in HOWS:
        metrics.add("risk_labels_joined_total", how, by=0)
    for where in ("live", "packed", "stored", "gone"):
        metrics.add("risk_profiles_moved_total", where, by=0)
    for cause in ("thinned", "expired"):
        metrics.add("risk_profile_rows_gone_total", cause, by=0)
    for reason in REFUSALS:
        metrics.add("risk_model_records_refused_total", reason, by=0)
    for verdict in VERDICTS:
        metrics.add("risk_labels_total", verdict, by=0)
    for rule in ruleset.rules.values():
        if rule.mode in ("live", "shadow"):
            metrics.add("risk_rule_hits_total", rule.name, rule.mode, by=0)
            metrics.add("risk_rule_unknowns_total", rule.name, by=0)


def bytes_of(profiles: dict[str, Kept]) -> float:
    """Roughly what these profiles take: the mean of the oldest and the newest few, times their number. Never a walk over all."""
    sample = [*islice(profiles.values(), SAMPLE), *islice(reversed(profiles.values()), SAMPLE)]
    size = 0
    for kept in sample:
        size += kept.profile.bytes_estimate()
    return size / len(sample) * len(profiles) if sample else 0.0


def connected(worker: Worker) -> bool:
    """Whether the coordinator of the group answers: the one thing that an idle worker, with nothing to write, still hears of Kafka."""
    consumer = getattr(worker, "consumer", None)  # there is none before the first assignment
    return consumer is not None and consumer.kafka._coordinator.coordinator_id is not None


class _Family:
    """One metric, as what `generate_latest` can write."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


async def exposition(metrics: Metrics) -> bytes:
    """The page's text. Between two metrics the loop is free: a payment never waits for a whole page."""
    parts = []
    for metric in metrics.collect():
        parts.append(generate_latest(_Family(metric)))
        await asyncio.sleep(0)
    return b"".join(parts)


class Health:
    """A small web server on the worker's loop."""

    def __init__(self, worker: Worker, port: int, host: str = "127.0.0.1") -> None:
        self._worker = worker
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        inputs = [worker.topics[role] for role in ("payments", "activity", "labels")]
        begin_at_zero(worker.metrics, worker.engine.ruleset, inputs)

    async def start(self) -> int:
        """Listen; returns the port. Raises SettingsProblem when it is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            hint = "every worker on a machine needs its own RISK_METRICS_PORT; 0 takes a free one"
            raise SettingsProblem([f"RISK_METRICS_PORT: port {self._port} cannot be used ({error.strerror or error}): {hint}"]) from error
        assert site._server is not None
        return int(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def measure(self) -> None:
        """Bring every gauge up to date, for a scrape."""
        worker, metrics = self._worker, self._worker.metrics
        for name in OF_PARTITIONS:
            metrics.clear(name)
        measure(worker)
        sizes: dict[str, float] = {}
        for shard in worker.shards.values():
            for kind, profiles in shard.store.places.live.items():
                sizes[kind] = sizes.get(kind, 0.0) + bytes_of(profiles)
        for kind, size in sizes.items():
            metrics.set("risk_profile_bytes", size, kind)
        metrics.set("risk_ready", float(worker.ready))
        metrics.set("risk_connected", float(connected(worker)))
        metrics.set("risk_process_resident_bytes", resident_bytes())
        metrics.set("risk_process_cpu_seconds_total", time.process_time())

    async def _metrics(self, _: web.Request) -> web.Response:
        self.measure()
        return web.Response(body=await exposition(self._worker.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        """Away from Kafka it is still ready: to start it again would help nobody."""
        ready = self._worker.ready
        told = {"ready": ready, "connected": connected(self._worker), "partitions": sorted(self._worker.shards)}
        return web.json_response(told, status=200 if ready else 503)
