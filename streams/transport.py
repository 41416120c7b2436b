"""Kafka under Faust, in batches: one Faust message is all that a fetch brought for one partition.

Faust hands its agents one Kafka record at a time, at milliseconds of CPU a payment. This transport (a ``faust.transports``
entry point, chosen by the URL scheme ``riskbatch://``) delivers a batch per (partition, fetch) and leaves three things to
the worker that owns the partitions: which may be fetched now (``Gate.open``), where to start (``Gate.seeks``), and what may
be committed. It runs aiokafka on the worker's own event loop: a second thread would fight for the interpreter's lock.

Nothing is decided here, and nothing is acknowledged here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition
from faust.serializers.codecs import Codec, register
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from streams.security import kafka_at
from streams.settings import Settings

FETCH_WAIT_MS = 20
"""A fetch waits for all partitions that it asks of; one that was gated when it began has to wait for its end."""
POLL_SECONDS = 0.2
KNOWN_SECONDS = 0.25
"""For so long what a fetch told of a partition's end is believed: a process that was paused remembers an end that is none any more."""
GROUP_WATCH_SECONDS = 1.0
GATED_POLL_SECONDS = 0.02
FOREVER_SECONDS = 10 * 365 * 86_400.0


class Batch(NamedTuple):
    """What one fetch brought for one partition; the value of a Faust event. ``generation``: of the group when the fetch began."""

    tp: TP
    records: list[ConsumerRecord]
    generation: int

    @classmethod
    def from_data(cls, data: Batch, *, preferred_type: Any = None) -> Batch:
        """Faust's way to make a value of a declared type: a batch already is one."""
        return data


class _AsIs(Codec):
    """The codec of batches: they never were bytes."""

    def _loads(self, s: Any) -> Any:
        return s

    def _dumps(self, s: Any) -> Any:
        return s


register("batch", _AsIs())


class Gate(Protocol):
    """What the transport asks of the worker that owns the partitions."""

    settings: Settings

    def open(self) -> tuple[set[TP], int]:
        """Partitions that may be fetched now, and how many records at most."""

    async def assigned(self, tps: set[TP], generation: int) -> None:
        """The group gave us these partitions (all that we have from now on)."""

    async def revoked(self, tps: set[TP]) -> None:
        """A rebalance begins: nothing of these may be written once this returns."""

    def delivered(self, tp: TP, next_offset: int) -> None:
        """Records up to this offset were handed to an agent."""

    async def close(self) -> None:
        """The consumer is about to stop: finish and commit what can be."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        # Faust must know before anything else that a rebalance has begun.
        self._consumer.app.on_rebalance_start()
        tps = ensure_TPset(revoked)
        await self._consumer.gate.revoked(tps)
        await self._consumer.on_partitions_revoked(tps)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        consumer = self._consumer
        generation = consumer.kafka._coordinator.generation
        consumer.app.consumer_generation_id = generation
        tps = ensure_TPset(assigned)
        await consumer.on_partitions_assigned(tps, generation)
        await consumer.gate.assigned(tps, generation)


class Consumer(FaustConsumer):
    """Faust's consumer over an aiokafka consumer on the same loop, delivering batches."""

    gate: Gate
    _kafka: AIOKafkaConsumer | None = None
    _fetched: dict[TP, float]

    @property
    def kafka(self) -> AIOKafkaConsumer:
        assert self._kafka is not None, "the consumer has not started"
        return self._kafka

    async def on_start(self) -> None:
        self.gate = self.app.gate  # type: ignore[attr-defined]
        self._fetched = {}
        self._kafka = self._new_kafka()
        await self._kafka.start()
        self._note_fetches(self._kafka._fetcher)

    def _new_kafka(self) -> AIOKafkaConsumer:
        conf = self.app.conf
        return AIOKafkaConsumer(
            **kafka_at(self.gate.settings.brokers),
            client_id=conf.broker_client_id,
            group_id=conf.id,
            # Range gives partition p of every topic with the same count to one member: profiles and payments stay together.
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 300) * 1000),
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
        )

    async def on_stop(self) -> None:
        await self.gate.close()
        if self._kafka is not None:
            await self._kafka.stop()

    @Service.task
    async def _watch_group(self) -> None:
        """A group that cannot be joined (no right to it, a session time that the broker refuses) ends the worker."""
        while not self.should_stop:
            await self.sleep(GROUP_WATCH_SECONDS)
            self.kafka._coordinator.check_errors()

    # ------------------------------------------------------------------ fetching

    async def _drain_messages(self, fetcher: Any) -> None:
        """The one loop that reads: ask the gate, fetch, hand a batch a partition to the agents."""
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            if not self.flow_active:
                await self.can_resume_flow.wait()
                continue
            tps, limit = self.gate.open()
            if not tps:
                await asyncio.sleep(GATED_POLL_SECONDS)
                continue
            generation = self.app.consumer_generation_id  # before the fetch: what a rebalance overtakes must be recognised
            gated = len(tps) < len(self.kafka.assignment())
            fetched = await self._fetch(tps, GATED_POLL_SECONDS if gated else POLL_SECONDS, limit)
            if generation != self.app.consumer_generation_id:
                self._put_back(fetched)
                continue
            for tp, records in fetched.items():
                self.gate.delivered(TP(tp.topic, tp.partition), records[-1].offset + 1)  # all at once: none of them looks read to its end
            for tp, records in fetched.items():
                if not self._flowing():
                    break  # a rebalance began: whatever is not delivered is fetched again from where the worker stands
                await self._deliver(TP(tp.topic, tp.partition), records, generation)
            await asyncio.sleep(0)

    def _put_back(self, fetched: Mapping[TopicPartition, list[ConsumerRecord]]) -> None:
        """A fetch that outlasted a rebalance brought these: the worker may have sought before it ended, and would never see them."""
        for tp, records in fetched.items():
            if tp in self.kafka.assignment():
                self.kafka.seek(tp, records[0].offset)

    def _flowing(self) -> bool:
        return self.flow_active

    async def _fetch(self, tps: set[TP], timeout: float, limit: int) -> Mapping[TopicPartition, list[ConsumerRecord]]:
        fetcher = self.kafka._fetcher
        wanted = {TopicPartition(tp.topic, tp.partition) for tp in tps}
        with fetcher._subscriptions.fetch_context():
            return cast(
                Mapping[TopicPartition, list[ConsumerRecord]], await fetcher.fetched_records(wanted, timeout=timeout, max_records=limit)
            )

    async def _deliver(self, tp: TP, records: list[ConsumerRecord], generation: int) -> None:
        last = records[-1]
        message = ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, None, None,
            cast(Any, Batch(tp, records, generation)), None, -1, -1, tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        await self.callback(message)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        raise AssertionError("records are read by _drain_messages only")

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        raise AssertionError("records are delivered in batches only")

    # ------------------------------------------------------------------ offsets: the worker's, never Faust's

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Faust asks on a timer; the worker commits by itself, when decision and profile changes are safe."""
        return False

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False when the group has moved on, and the partitions are somebody else's to finish.

        Tried once, under the generation of now. The client's own ``commit`` tries again, also after a rebalance and then in the name of the
        new generation: an old offset of a partition that another worker owns by then would take the group back behind what it told.
        """
        wanted = {TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        coordinator, subscription = self.kafka._coordinator, self.kafka._subscription.subscription
        generation, assignment = coordinator.generation, subscription.assignment if subscription is not None else None
        if coordinator.coordinator_id is None or assignment is None or not wanted.keys() <= assignment.tps:
            return False
        try:
            async with coordinator._commit_lock:
                if coordinator.generation != generation:
                    return False
                await coordinator._do_commit_offsets(assignment, wanted)
        except KafkaError as error:
            self.log.warning("commit failed, tried again with the next one: %r", error)
            return False
        return True

    async def committed(self, tp: TP) -> int | None:
        return cast("int | None", await self.kafka.committed(TopicPartition(tp.topic, tp.partition)))

    async def perform_seek(self) -> None:
        """Faust would seek to the committed offsets here; the worker seeks each partition itself once its state is recovered."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return {}

    async def _seek(self, partition: TP, offset: int) -> None:
        self.kafka.seek(TopicPartition(partition.topic, partition.partition), offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            await self._seek(tp, offset)

    async def seek_to_beginning(self, tp: TP) -> None:
        await self.kafka.seek_to_beginning(TopicPartition(tp.topic, tp.partition))

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await self.commit_offsets(offsets)

    # ------------------------------------------------------------------ what Faust asks of every consumer

    async def subscribe(self, topics: Iterable[str]) -> None:
        self.kafka.subscribe(topics=set(topics), listener=_Listener(self))

    async def position(self, tp: TP) -> int | None:
        return cast(int, await self.kafka.position(TopicPartition(tp.topic, tp.partition)))

    def assignment(self) -> set[TP]:
        return ensure_TPset(self.kafka.assignment()) if self._kafka is not None else set()

    def highwater(self, tp: TP) -> int | None:  # type: ignore[override]
        return cast("int | None", self.kafka.highwater(TopicPartition(tp.topic, tp.partition)))

    def caught_up(self, tp: TP) -> bool:
        """Whether we have read to the end of a partition, as far as a fetch of the last moments told; control records count as read."""
        if time.monotonic() - self._fetched.get(tp, 0.0) > KNOWN_SECONDS:
            return False
        state = self.kafka._subscription.subscription.assignment.state_value(TopicPartition(tp.topic, tp.partition))
        return bool(state.has_valid_position and state.highwater is not None and state.position >= state.highwater)

    def _note_fetches(self, fetcher: Any) -> None:
        """Note when what is known of each partition was asked for: an answer may lie long in a process that was paused."""
        fetch = fetcher._proc_fetch_request

        async def noted(assignment: Any, node: Any, request: Any) -> Any:
            asked = time.monotonic()
            told = await fetch(assignment, node, request)
            self._fetched.update((TP(topic, each[0]), asked) for topic, partitions in request.topics for each in partitions)
            return told

        fetcher._proc_fetch_request = noted

    def topic_partitions(self, topic: str) -> int | None:
        found = self.kafka.partitions_for_topic(topic)
        return len(found) if found else None

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return cast(Mapping[TP, int], await self.kafka.beginning_offsets([TopicPartition(*tp) for tp in partitions]))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        found = await self.kafka.end_offsets([TopicPartition(*tp) for tp in partitions])
        return {TP(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        return partition

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are made by ``risk topics`` from the table of topics, never by Faust."""

    def close(self) -> None:
        """Nothing to close beside what on_stop closes."""


class Producer(driver.Producer):
    """Faust's producer, idempotent: a retry inside the client never writes a record twice."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _settings_auth(self) -> Mapping[str, Any]:
        gate: Gate = self.app.gate  # type: ignore[attr-defined]
        return {name: value for name, value in kafka_at(gate.settings.brokers).items() if name != "bootstrap_servers"}

    def _new_producer(self, transactional_id: str | None = None) -> AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        # A batch whose partition has no leader for a while would be given up: with Kafka away a worker waits, as long as it takes.
        producer._message_accumulator._batch_ttl = FOREVER_SECONDS
        return producer


class Transport(driver.Transport):
    """The entry point that Faust loads for ``riskbatch://`` URLs."""

    Consumer: ClassVar[type] = Consumer
    Producer: ClassVar[type] = Producer
    driver_version = "riskbatch over " + driver.Transport.driver_version
