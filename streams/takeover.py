"""Taking over a partition: a new epoch, a marker, what was decided, and the profiles from their changelog.

After this a worker knows for each source that may come again whether it was decided (from ``decisions``) and for each row whether it
was recorded (from the changelog): two different questions, asked of two different topics.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiokafka.structs import ConsumerRecord

from streams.chunks import MARKER, epoch_in, marker_key
from streams.crashes import ROLES, Crashes, done_with
from streams.labelling import Labelling
from streams.ledger import Ledger, Stamp, answered_offset, is_marker
from streams.outbox import NO_HEADERS
from streams.reader import Reader
from streams.sieve import Sieve
from streams.store import Store
from streams.wire import INPUT_TOPICS, decode_touches, source_code

if TYPE_CHECKING:
    from streams.worker import Worker

log = logging.getLogger(__name__)
BREATH_SECONDS = 0.05


async def take_over(worker: Worker, reader: Reader, partition: int) -> tuple[Store, Ledger]:
    """Everything of steps 1 to 4; raises what Kafka raises, and CorruptChangelog."""
    floor = 0
    while True:
        stamp, decisions = await _claim(worker, reader, partition, floor)
        live, changelog_read_to = await _changelog(worker, reader, partition, stamp)
        floor = max((epoch_in(key) for key in live if key != marker_key(stamp.epoch)), default=0)
        if floor < stamp.epoch:
            break  # else `decisions` was emptied since: an epoch must be above all that the changelog has seen
    letters = await _tail(worker, reader, "dead_letters", partition, len(INPUT_TOPICS))
    ledger = Ledger(stamp, worker.settings.repeat_window_ms)
    ledger.read_back(decisions, letters)
    ledger.read_to, ledger.changelog_read_to = decisions[-1].offset + 1, changelog_read_to
    if worker.engine.labels is not None and worker.engine.joining is not None:
        horizon_ms, payments_max = worker.settings.label_horizon_ms, worker.settings.labelled_max
        ledger.labelling = Labelling(worker.engine.joining, stamp.epoch, horizon_ms, payments_max)
    store = Store(worker.engine, partition, stamp.epoch, worker.settings.state / "profiles")
    unsafe, touches_committed = await uncommitted(worker, partition)
    ledger.sieve = Sieve(unsafe, (await reader.range(worker.topics["touches"], partition))[1])
    coming = await _coming(worker, reader, partition, touches_committed)  # after that: what a source committed by then stands in it
    rows, breath = 0, time.monotonic()
    for count in store.restoring(live, unsafe, touches_committed, coming):
        rows += count
        if time.monotonic() - breath > BREATH_SECONDS:
            await asyncio.sleep(0)  # a heartbeat must get through, however much there is to restore
            breath = time.monotonic()
    ledger.restore(live)
    ledger.crashes = Crashes({worker.topics[role]: role for role in ROLES}, live)
    for key in done_with(live, {role: await worker.committed(role, partition) or 0 for role in ROLES}):
        store.note(key, None)
    log.info(
        "partition %d taken over: epoch %d, %d rows of profiles, %d answers read back", partition, stamp.epoch, rows, len(ledger.answered)
    )
    return store, ledger


async def _changelog(worker: Worker, reader: Reader, partition: int, stamp: Stamp) -> tuple[dict[bytes, bytes], int]:
    """Mark the changelog as ours, then read what lives in it, and how far that was; what comes after a later owner's marker is void."""
    topic = worker.topics["profiles"]
    await worker.changelog.send(topic, partition, [(marker_key(stamp.epoch), stamp.encode(), NO_HEADERS)])
    live: dict[bytes, bytes] = {}
    held = void = end = 0
    async for records in reader.read(topic, partition):
        end = records[-1].offset + 1
        for record in records:
            epoch = _writer_of(record)
            if record.key[:1] == MARKER:
                held = max(held, epoch)
            if 0 < epoch < held:
                void += 1
            elif record.value is None:
                live.pop(record.key, None)
            else:
                live[record.key] = record.value
    if void:
        log.info("partition %d: %d records of stale owners passed over", partition, void)
    return live, end


def _writer_of(record: ConsumerRecord) -> int:
    """The epoch that wrote a record of the changelog: a tombstone names an older owner's key, and carries its own epoch as a header."""
    if record.value is None:
        stamp = Stamp.of(record)
        return stamp.epoch if stamp is not None else 0
    return epoch_in(record.key)


async def _tail(worker: Worker, reader: Reader, role: str, partition: int, sources: int) -> list[ConsumerRecord]:
    """The last records of an output topic: more than all that can be in flight above the committed offsets."""
    topic = worker.topics[role]
    first, last = await reader.range(topic, partition)
    start = max(first, last - 2 * worker.settings.in_flight * sources - worker.settings.in_flight)
    return [record async for records in reader.read(topic, partition, start, last) for record in records]


async def _answers(worker: Worker, reader: Reader, partition: int) -> list[ConsumerRecord]:
    """Decisions back to where all answer sources that are committed.

    The end of the topic is enough for that, unless the last owner had more in flight than we may, or the group's offsets are gone: then
    more is read, twice as much each time, for a payment must not be decided again.
    """
    topic, committed = worker.topics["decisions"], await worker.committed("payments", partition) or 0
    first, last = await reader.range(topic, partition)
    length = 3 * worker.settings.in_flight
    while True:
        start = max(first, last - length)
        found = [record async for records in reader.read(topic, partition, start, last) for record in records]
        oldest = [offset for record in found[: worker.settings.in_flight] if (offset := answered_offset(record)) is not None]
        if start == first or (oldest and max(oldest) < committed):
            return found
        length *= 2


async def _claim(worker: Worker, reader: Reader, partition: int, floor: int) -> tuple[Stamp, list[ConsumerRecord]]:
    """Write a marker with the next epoch; of two markers with one epoch the first holds, and the other worker starts over."""
    topic = worker.topics["decisions"]
    found = await _answers(worker, reader, partition)
    while True:
        epochs = [stamp.epoch for record in found if (stamp := Stamp.of(record)) is not None]
        stamp = Stamp(max([floor, *epochs]) + 1, worker.instance)
        await worker.outbox.send(topic, partition, [(None, b"", [("marker", b"takeover"), ("epoch", stamp.encode())])])
        start = found[-1].offset + 1 if found else None
        found += [record async for records in reader.read(topic, partition, start) for record in records]
        markers = [other for record in found if is_marker(record) and (other := Stamp.of(record)) and other.epoch == stamp.epoch]
        if markers and markers[0] == stamp:
            return stamp, found


async def _coming(worker: Worker, reader: Reader, partition: int, committed: int) -> dict[tuple[int, int], int]:
    """The touches that are still to be read: for each source its last place. A row may be recorded, its source committed, and its touch,
    sent a second time by the source's next owner, still be here."""
    coming: dict[tuple[int, int], int] = {}
    async for records in reader.read(worker.topics["touches"], partition, committed):
        for record in records:
            for event in decode_touches(record.value).events:
                coming[event.source, event.offset] = record.offset
    return coming


async def uncommitted(worker: Worker, partition: int) -> tuple[dict[int, int], int]:
    """From which offset on each source may come again, and the owner's own position in risk.touches."""
    unsafe: dict[int, int] = {}
    for index, role in enumerate(INPUT_TOPICS):
        for number in range(worker.partitions):
            unsafe[source_code(index, number)] = await worker.committed(role, number) or 0
    return unsafe, await worker.committed("touches", partition) or 0
