"""Reading what the worker writes: decisions, receipts, the metrics page.

Belongs here: consumers outside any group, and what is taken from each record. Never: the worker's own readers, and no drawing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from risk.gateway import DecisionReader
from streams.demo.figures import Figures
from streams.demo.page import read_page
from streams.demo.reasons import Receipt, Teller
from streams.security import kafka_at

PAGE_SECONDS = 2.0
PAGE_TIMEOUT = aiohttp.ClientTimeout(total=2.0)

Take = Callable[[Sequence[ConsumerRecord], float], None]


async def follow(brokers: str, topic: str, partitions: int, take: Take) -> None:
    """Hand over every record of a topic from its beginning on, with the moment at which it was read; until cancelled."""
    consumer = AIOKafkaConsumer(**kafka_at(brokers), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(assigned)
        await consumer.seek_to_beginning(*assigned)
        while True:
            found = await consumer.getmany(timeout_ms=500)
            now = time.monotonic()
            for records in found.values():
                take(records, now)
    finally:
        await consumer.stop()


def take_decisions(figures: Figures) -> Take:
    """Counts decisions that count."""
    reader = DecisionReader()

    def take(records: Sequence[ConsumerRecord], now: float) -> None:
        for decision in reader.read(records):
            figures.answered(decision.payment_id, decision.action, now)

    return take


def take_receipts(figures: Figures, teller: Teller) -> Take:
    """Counts rules that fired and keeps what was blocked or held for review."""
    decode = msgspec.json.Decoder(Receipt).decode

    def take(records: Sequence[ConsumerRecord], now: float) -> None:
        for record in records:
            if not record.value:
                continue
            receipt = decode(record.value)
            for fired in (*receipt.rules, *receipt.would_be):
                figures.rules[fired.rule, fired.mode] += 1
            if receipt.action in ("block", "review"):
                figures.noted(teller.notable(receipt))

    return take


async def follow_page(url: str, figures: Figures) -> None:
    """Read the metrics page every PAGE_SECONDS; a page that does not come is left out; until cancelled."""
    async with aiohttp.ClientSession(timeout=PAGE_TIMEOUT) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    figures.page = await asyncio.to_thread(read_page, await answer.text())
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(PAGE_SECONDS)


async def is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether the worker's /health says that payments are being decided."""
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
