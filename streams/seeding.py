"""Opening balances on their way to the profiles: rows on `risk.touches`, as a worker would send them.

A seed is an ordinary touch that nobody waits for. It is sent to the owner of its profile, who enters it, writes it to the changelog and
commits it, whatever crashes meanwhile; and the same row entered again counts once. So `risk seed` may run beside the workers, and again.

Belongs here: envelopes and sending them. Never: what a seed is (`risk.seeding`), what an owner does with a touch (`streams.observe`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from risk.seeding import Seed
from streams.courier import SentTouch
from streams.outbox import NO_HEADERS, Outbox
from streams.security import kafka_at
from streams.settings import Settings
from streams.topics import MESSAGE_BYTES_MAX, NoKafka, ensure_topics, names
from streams.wire import PARTITIONS_MAX, RELEASE, RemoteEvent, TouchEnvelope, TouchShape, encode, partition_of

SEEDS_CODE = PARTITIONS_MAX * 1024
"""Where seeds come from: no input topic, so no partition of one has this code."""
SEED_OFFSET = -1
"""Below every offset: a seed that is in the changelog need not be remembered as one that may come again."""
ROWS_AN_ENVELOPE = 500
SECONDS = 10.0


def envelopes(seeds: Iterable[Seed], ruleset: str, partitions: int) -> Iterator[tuple[int, TouchEnvelope]]:
    """(partition, envelope) for all seeds. Each tells the owner that earlier seeds, once committed, never come again of themselves."""
    homes: dict[int, list[Seed]] = {}
    for seed in seeds:
        home = partition_of(seed.touch.kind, seed.key, partitions) if partitions > 1 else 0
        homes.setdefault(home, []).append(seed)
    for home, held in sorted(homes.items()):
        for start in range(0, len(held), ROWS_AN_ENVELOPE):
            yield home, _envelope(held[start : start + ROWS_AN_ENVELOPE], ruleset)


def _envelope(seeds: Iterable[Seed], ruleset: str) -> TouchEnvelope:
    shapes: dict[TouchShape, int] = {}
    events: list[RemoteEvent] = []
    for seed in seeds:
        touch = seed.touch
        events += [_event(0, tid, (RELEASE, seed.key, (touch.kind,))) for tid in seed.ids[:-1]]
        shape = shapes.setdefault(TouchShape(touch.event, touch.role, tuple(touch.columns)), len(shapes))
        events.append(_event(seed.t, seed.tid, (shape, seed.key, seed.row)))
    return TouchEnvelope(ruleset, 0, {SEEDS_CODE: SEED_OFFSET + 1}, list(shapes), events)


def _event(t: int, tid: int, touch: SentTouch) -> RemoteEvent:
    return RemoteEvent(0, t, tid, SEEDS_CODE, SEED_OFFSET, False, [touch])


async def send(seeds: Iterable[Seed], ruleset: str, settings: Settings) -> int:
    """Send all seeds; returns the number of records that Kafka acknowledged. Raises NoKafka where none answers, TopicProblem."""
    await ensure_topics(settings)
    producer = AIOKafkaProducer(**kafka_at(settings.brokers), acks="all", enable_idempotence=True, max_request_size=MESSAGE_BYTES_MAX)
    try:
        await asyncio.wait_for(producer.start(), SECONDS)
        outbox, topic, sent = Outbox(producer), names(settings)["touches"], 0
        for home, envelope in envelopes(seeds, ruleset, settings.partitions):
            await asyncio.wait_for(outbox.send(topic, home, [(None, encode(envelope), NO_HEADERS)]), SECONDS)
            sent += 1
        return sent
    except (KafkaError, OSError, TimeoutError) as error:
        raise NoKafka(settings.brokers, "the seeds were not all acknowledged; run it again") from error
    finally:
        await producer.stop()
