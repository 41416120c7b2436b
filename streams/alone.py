"""The learner in a process of its own: it reads the learn log as the only one of its group, and publishes versions.

Belongs here: the consumer, its hand-over to another learner, and a metrics page. Never: learning (streams.learning).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from functools import partial

from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.structs import ConsumerRecord, TopicPartition
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from risk.declared import ModelDecl
from streams import snapshot
from streams.broadcast import publish_version
from streams.health import exposition, resident_bytes
from streams.learning import Learning, Publish
from streams.metrics import Metrics
from streams.outbox import Outbox
from streams.security import kafka_at
from streams.settings import Settings, SettingsProblem
from streams.teach import LEARN_PARTITION
from streams.topics import MESSAGE_BYTES_MAX, names

log = logging.getLogger(__name__)
SNAPSHOT_SECONDS = 300.0


class Alone(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One `risk learner`. Of several with one RISK_ID one learns, and the others stand by."""

    def __init__(self, settings: Settings, model: ModelDecl) -> None:
        self._settings = settings
        self._topics = names(settings)
        self._tp = TopicPartition(self._topics["learn"], LEARN_PARTITION)
        self._model = model
        self._check: tuple[int, str] | None = None
        self._next = self._written = self._end = 0
        self._last = ""
        self._written_at = time.monotonic()
        self.metrics = Metrics()
        self.learning = Learning(model, self.metrics)
        self._consumer = AIOKafkaConsumer(
            **kafka_at(settings.brokers),
            group_id=f"{settings.id}.learner",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.session_ms,
            heartbeat_interval_ms=settings.session_ms // 6,
            fetch_max_wait_ms=100,
        )
        self._producer = AIOKafkaProducer(
            **kafka_at(settings.brokers), acks="all", enable_idempotence=True, max_request_size=MESSAGE_BYTES_MAX
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Learn until told to stop; raises what Kafka raises."""
        await self._producer.start()
        self._consumer.subscribe([self._tp.topic], listener=self)
        try:
            await self._consumer.start()
            publish = partial(publish_version, Outbox(self._producer), self._topics["models"])
            while not stop.is_set():
                for records in (await self._consumer.getmany(timeout_ms=200, max_records=64)).values():
                    await self._take(records, publish)
                if time.monotonic() - self._written_at >= SNAPSHOT_SECONDS:
                    self._put_aside()
            self._put_aside()
        finally:
            await self._consumer.stop()
            await self._producer.stop()

    async def _take(self, records: Sequence[ConsumerRecord], publish: Publish) -> None:
        for record in records:
            if self._check is not None:
                known, self._check = self._check, None
                if (record.offset, snapshot.digest(record.value)) != known:
                    log.warning("the state put aside is of another log: it is read from its beginning")
                    self.learning.start_over(self._end)
                    await self._consumer.seek_to_beginning(self._tp)
                    return
                continue  # the last record that the state has seen
            await self.learning.take(record, publish)
            self._next, self._last = record.offset + 1, snapshot.digest(record.value)

    def _put_aside(self) -> None:
        """The state, unless nothing came since."""
        self._written_at = time.monotonic()
        state = self.learning.state
        if state is not None and self._next > self._written:
            snapshot.write(self._settings.state, self._tp.topic, self._model, state, self._next, self._last)
            self._written = self._next

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self.learning.stop()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        others = [tp for tp in assigned if tp != self._tp]
        self._consumer.pause(*others)
        if self._tp in assigned:
            end = self._end = (await self._consumer.end_offsets([self._tp]))[self._tp]
            first = (await self._consumer.beginning_offsets([self._tp]))[self._tp]
            found = snapshot.read(self._settings.state, self._tp.topic, self._model)
            if found is not None and first < found.offset <= end:
                self.learning.go_on(found.ordered, end)
                self._check, self._next, self._written, self._last = (found.offset - 1, found.last), found.offset, found.offset, found.last
                self._consumer.seek(self._tp, found.offset - 1)
            else:
                self.learning.start_over(end)
                self._check, self._next, self._written = None, first, first
                await self._consumer.seek_to_beginning(self._tp)
            log.info("the learner is here: it reads the learn log from %d of %d", self._next, end)

    # ------------------------------------------------------------------ the metrics page

    async def page(self) -> tuple[web.AppRunner, int]:
        """Serve /metrics and /health; returns the server and its port. Raises SettingsProblem when the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, self._settings.metrics_host, self._settings.metrics_port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            hint = "the learner needs its own RISK_METRICS_PORT; 0 takes a free one"
            raise SettingsProblem([f"RISK_METRICS_PORT: port {self._settings.metrics_port} cannot be used: {hint}"]) from error
        assert site._server is not None
        return runner, int(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    async def _metrics(self, _: web.Request) -> web.Response:
        self.learning.measure()
        self.metrics.set("risk_process_resident_bytes", resident_bytes())
        return web.Response(body=await exposition(self.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        """Standing by is healthy too."""
        return web.json_response({"ready": True, "learns": self.learning.learner is not None})
