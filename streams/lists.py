"""The topic of lists: every worker reads it whole before its first decision, then follows it; `risk lists` writes it.

Belongs here: reading, following and writing records. Never: what a record says (`risk.language.list_records`), and what a list answers
(`risk.lists`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from risk.declared import ListDecl
from risk.language.list_records import BadListRecord, change_as_written, entry_of, key_of, listed, record_of
from risk.language.sections.keys import moment_ms
from risk.lists import Entry
from streams.following import Follower
from streams.outbox import NO_HEADERS, Outbox
from streams.reader import Reader
from streams.security import kafka_at
from streams.settings import Settings
from streams.topics import NoKafka, ensure_topics, names

log = logging.getLogger(__name__)
SECONDS = 10.0

Use = Callable[[list[Entry]], None]


def entries_in(records: Iterable[ConsumerRecord], declared: Mapping[str, ListDecl]) -> list[Entry]:
    """What the records say; one that cannot be used is told in the log, and changes nothing."""
    found: list[Entry] = []
    for record in records:
        try:
            found.append(entry_of(declared, record.key, record.value))
        except BadListRecord as problem:
            log.warning("the record at offset %d of the topic of lists is left out: %s", record.offset, problem)
    return found


class FollowedLists:
    """``use`` is called with what changed, between two slices of work; ``fail`` ends a worker that can no longer follow."""

    def __init__(
        self, brokers: str, topic: str, declared: Mapping[str, ListDecl], use: Use, fail: Callable[[BaseException], None]
    ) -> None:
        self._declared = declared
        self._use = use
        self._follower = Follower(brokers, topic, self._take, fail)

    async def start(self) -> None:
        """Read to the end, so that the first decision knows the lists as they are; then follow. Nothing, where no list is on the topic."""
        if any(decl.live for decl in self._declared.values()):
            await self._follower.start()

    async def stop(self) -> None:
        await self._follower.stop()

    def _take(self, records: list[ConsumerRecord]) -> None:
        entries = entries_in(records, self._declared)
        if entries:
            self._use(entries)


# ---------------------------------------------------------------------------------------------------- for `risk lists` and `risk replay`


async def read_lists(reader: Reader, topic: str) -> dict[bytes, dict[str, Any]]:
    """The newest record of each key, as it was written; what is no JSON object is left out. Raises what Kafka raises."""
    found: dict[bytes, dict[str, Any]] = {}
    async for records in reader.read(topic, 0):
        for record in records:
            said = _object(record.value)
            if said is None:
                found.pop(record.key or b"", None)
            else:
                found[record.key or b""] = said
    return found


def _object(raw: bytes | None) -> dict[str, Any] | None:
    try:
        said = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) and isinstance(said.get("changes"), list) else None


def entries_of(records: Mapping[bytes, Mapping[str, Any]], declared: Mapping[str, ListDecl]) -> list[Entry]:
    """What these records say of the lists that are declared."""
    found: list[Entry] = []
    for key, said in records.items():
        try:
            found.append(entry_of(declared, key, orjson.dumps(said)))
        except BadListRecord:
            continue  # of a list that these files do not have
    return found


async def change_list(
    settings: Settings, declared: Mapping[str, ListDecl], name: str, value: str, on: bool, until_ms: int | None, why: str, by: str
) -> int:
    """Put a value on a list, or take it off, from now on; returns that time (ms). It is later than every change made before.

    Raises BadListRecord, TopicProblem, NoKafka.
    """
    listed(declared, name, value)
    await ensure_topics(settings)
    topic, key = names(settings)["lists"], key_of(name, value)
    async with Reader(settings.brokers) as reader:
        records = await read_lists(reader, topic)
    times = [moment_ms(str(each.get("at"))) or 0 for said in records.values() for each in said["changes"] if isinstance(each, dict)]
    at_ms = max([int(time.time() * 1000), *(each + 1 for each in times)])
    changes = [*records.get(key, {"changes": []})["changes"], change_as_written(at_ms, on, until_ms, why, by)]
    producer = AIOKafkaProducer(**kafka_at(settings.brokers), acks="all", enable_idempotence=True)
    try:
        await asyncio.wait_for(producer.start(), SECONDS)
        await asyncio.wait_for(Outbox(producer).send(topic, 0, [(key, record_of(name, value, changes), NO_HEADERS)]), SECONDS)
    except (KafkaError, OSError, TimeoutError) as error:
        raise NoKafka(settings.brokers, "the change was not acknowledged; run it again") from error
    finally:
        await producer.stop()
    return at_ms


async def shown_lists(settings: Settings) -> dict[bytes, dict[str, Any]]:
    """Everything on the topic. Raises TopicProblem, NoKafka."""
    await ensure_topics(settings)
    async with Reader(settings.brokers) as reader:
        return await read_lists(reader, names(settings)["lists"])
