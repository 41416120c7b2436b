"""Payments decided before a crash, whose way to the learner may have been cut: offered again from what their receipts say they read.

A decision may be on the broker while its record on the learn log is not. Such a payment comes again, since it was not committed, and is
not decided again; but its receipt holds the values that its decision read. The learner knows an offer that it has had.

Belongs here: finding receipts and making offers of them. Never: when a payment is committed (streams.source).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiokafka.structs import ConsumerRecord

from risk.events import Event
from risk.tools.messages import values_of
from streams.ledger import header, valid
from streams.reader import Reader
from streams.source import Source

if TYPE_CHECKING:
    from streams.worker import Worker

log = logging.getLogger(__name__)


class Cut(NamedTuple):
    """A payment that has its answer."""

    event: Event
    source: Source
    offset: int


class Reoffer:
    """What has to be offered again, by partition; one partition at a time, beside all other work."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._cut: dict[int, dict[bytes, Cut]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, event: Event, source: Source, offset: int) -> None:
        """A payment came again that was decided; it is not committed before it is offered."""
        if self._worker.teaching.model is not None:
            source.more(offset, 1)
            named = f"{source.tp.topic}/{source.tp.partition}/{offset}".encode()
            self._cut.setdefault(source.tp.partition, {})[named] = Cut(event, source, offset)

    def work(self) -> None:
        """Begin with a partition, unless one is in work."""
        if self._cut and self._task is None:
            partition = next(iter(self._cut))
            self._task = asyncio.create_task(self._offer(partition, self._cut.pop(partition)))

    @property
    def idle(self) -> bool:
        return self._task is None and not self._cut

    async def _offer(self, partition: int, cut: dict[bytes, Cut]) -> None:
        worker = self._worker
        try:
            found = await self._receipts(partition, cut)
            for named, (event, source, offset) in cut.items():
                if named in found and self._offered(orjson.loads(found[named].value), event, source, offset):
                    continue
                worker.metrics.add("risk_offers_lost_total")
                log.warning("%s was decided, and what its decision read is not to be had: the model does not learn from it", named.decode())
                source.settle(offset)
            worker.teaching.send()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            worker.fail(error)
        finally:
            self._task = None

    async def _receipts(self, partition: int, cut: Mapping[bytes, Cut]) -> dict[bytes, ConsumerRecord]:
        """The newest valid receipt of each source, from the end of the topic back, twice as far each time."""
        topic, length = self._worker.topics["receipts"], 3 * self._worker.settings.in_flight
        async with Reader(self._worker.settings.brokers) as reader:
            first, last = await reader.range(topic, partition)
            while True:
                start = max(first, last - length)
                records = [record async for batch in reader.read(topic, partition, start, last) for record in batch]
                found = {src: record for record in valid(records) if (src := header(record, "src")) is not None and src in cut}
                if start == first or len(found) == len(cut):
                    return found
                length *= 2

    def _offered(self, receipt: dict[str, Any], event: Event, source: Source, offset: int) -> bool:
        """Whether the receipt could be made an offer: not one of other rules, whose values mean other things."""
        worker = self._worker
        plan = worker.engine.plans[event.event_type]
        if receipt["ruleset"] != worker.engine.ruleset.hash or plan.score is None:
            return False
        inputs = plan.score(event, values_of(plan, receipt))[1]
        if inputs is None:
            return False
        control = receipt.get("control") or {}
        propensity = control["propensity"] if control.get("let_through") else 1.0
        worker.teaching.offer_again(event, inputs, receipt["action"] == worker.mildest, propensity, source, offset)
        return True
