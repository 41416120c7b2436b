"""Following the topic of models: which version is in force, for every worker, outside the group.

Belongs here: reading the topic, telling whoever scores. Never: what a record means (`risk.learning.registry`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from aiokafka.structs import ConsumerRecord

from risk.declared import ModelDecl
from risk.learning.registry import Registry
from risk.learning.version import Version
from streams.following import Follower
from streams.metrics import Metrics
from streams.reader import Reader

log = logging.getLogger(__name__)


class Models:
    """``use`` is called with each version that comes into force; ``fail`` ends a worker that can no longer follow."""

    def __init__(
        self,
        brokers: str,
        topic: str,
        model: ModelDecl | None,
        metrics: Metrics,
        use: Callable[[Version], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._brokers, self._topic = brokers, topic
        self.registry = Registry(model)
        self._metrics = metrics
        self._use = use
        self._in_force: str | None = None
        follower = Follower(brokers, topic, self._take, fail, self._put_in_force)
        self.start, self.stop = follower.start, follower.stop

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            reason = self.registry.take(record.key, record.value, record.timestamp)
            if reason is not None:
                self._metrics.add("risk_model_records_refused_total", reason)
                if reason != "other_model":  # of an earlier rule set, mostly
                    log.warning("record %d of %s has no effect: %s", record.offset, self._topic, reason)

    async def _put_in_force(self) -> None:
        missing = self.registry.missing
        if missing is not None:
            await self._look_for(missing)
        listed = self.registry.champion
        if listed is not None:
            if listed.version.hash != self._in_force:
                self._in_force = listed.version.hash
                self._use(listed.version)
            self._metrics.set("risk_model_age_seconds", max(0.0, time.time() - listed.at_ms / 1000))
        self._metrics.set("risk_model_pinned", float(self.registry.pinned is not None))

    async def _look_for(self, name: str) -> None:
        """A version was promoted that is older than those remembered."""
        async with Reader(self._brokers) as reader:
            async for records in reader.read(self._topic, 0):
                for record in records:
                    if record.key == name.encode():
                        self.registry.take(record.key, record.value, record.timestamp)
        if self.registry.missing == name:
            log.warning("the promoted version %s is nowhere on %s: the newest one decides", name[:19], self._topic)
