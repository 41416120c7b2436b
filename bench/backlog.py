"""`python -m bench.backlog`: a backlog drained by the real worker. Is memory bounded, the order of each profile kept, everything decided?

The topics are filled first, with so many seconds of a rate, as the simulated world makes it; then workers start. While they drain,
their resident memory is sampled; afterwards the topics are read: every payment answered, each payer's count the one of a loop over
his payments in the order of the topic, and `late` on exactly what was decided after its deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer

from bench.torture.arena import Arena
from bench.torture.checker import all_answers
from bench.torture.load import BAD_BYTES, messages
from bench.w1.machine import rss_mb
from streams.audit import Audit, read_all
from streams.health import PAGE
from streams.kafka import EmbeddedKafka
from streams.publish import silence_client

RATE, SECONDS = 1_000.0, 600
CUSTOMERS = 5_000
SAMPLE_SECONDS = 0.25
DRAIN_SECONDS = 1_800.0


@dataclass
class Drained:
    """What a run found. ``resident_mb``: of all workers together, at each sample."""

    payments: int = 0
    seconds: float = 0.0
    audit: Audit = field(default_factory=Audit)
    resident_mb: list[float] = field(default_factory=list)
    peak_mb: int = 0
    values: int = 0
    wrong_order: list[str] = field(default_factory=list)
    wrong_late: list[str] = field(default_factory=list)
    late: int = 0

    @property
    def clean(self) -> bool:
        return not (self.audit.lost or self.audit.double or self.wrong_order or self.wrong_late) and self.values > 0

    def line(self) -> str:
        middle, end = self.resident_mb[len(self.resident_mb) // 2], self.resident_mb[-1]
        return (
            f"backlog: {self.payments} payments drained in {self.seconds:.0f} s ({self.payments / self.seconds:.0f} a second), resident "
            f"{middle:.0f} MB half-way, {end:.0f} MB at the end, {self.peak_mb} MB at most; {len(self.audit.lost)} lost, "
            f"{len(self.audit.double)} double, {len(self.wrong_order)} of {self.values} counts out of order, {self.late} late, "
            f"{len(self.wrong_late)} marks wrong"
        )


def drain(folder: Path, seed: int, payments: int, workers: int, kafka: EmbeddedKafka | None = None, rate: float = RATE) -> Drained:
    """Fill the topics, drain them, read them. Raises Stuck where the workers do not come to the end."""
    found = Drained()
    with Arena(folder, None, kafka) as arena:
        asyncio.run(_fill(arena, seed, payments, rate))
        children = [arena.start_worker() for _ in range(workers)]
        arena.settled()
        began = time.monotonic()
        while asyncio.run(arena.behind()):
            arena.replace_ended()
            found.resident_mb.append(sum(_resident_mb(child.pid) for child in children))
            if time.monotonic() - began > DRAIN_SECONDS:
                break
            time.sleep(SAMPLE_SECONDS)
        arena.drained(seconds=1)
        found.seconds = time.monotonic() - began
        found.peak_mb = sum(rss_mb(child.pid) for child in children)
        found.resident_mb.append(sum(_resident_mb(child.pid) for child in children))
        for child in arena.alive:
            child.stop()
        asyncio.run(_judge(arena, found))
    return found


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE / 2**20
    except OSError:
        return 0.0


async def _fill(arena: Arena, seed: int, payments: int, rate: float) -> None:
    """As if so many seconds of the world had just gone by."""
    start_ms = int(time.time() * 1000 - payments / rate * 1000)
    producer = AIOKafkaProducer(bootstrap_servers=arena.kafka.bootstrap, acks="all", linger_ms=20, max_batch_size=2**18)
    await producer.start()
    sent = 0
    try:
        for count, (_, (role, key, value)) in enumerate(messages(seed, start_ms, rate, CUSTOMERS)):
            await producer.send(arena.topics[role], value, key=key.encode())
            sent += role == "payments"
            if sent >= payments:
                break
            if not count % 200:
                await asyncio.sleep(0)
        await producer.flush()
    finally:
        await producer.stop()


async def _judge(arena: Arena, found: Drained) -> None:
    """Read the topics: counts by a loop over each payer's payments in the order of their partition, and the marks of lateness."""
    found.audit = await all_answers(arena)
    paid: dict[str, list[int]] = defaultdict(list)
    expected: dict[str, int] = {}
    appended: dict[str, int] = {}
    async for record in read_all(arena.kafka.bootstrap, arena.topics["payments"]):
        if record.value in BAD_BYTES:
            continue
        body = orjson.loads(record.value)
        payment_id, at = body["payment_id"], _ms(body["occurred_at"])
        if payment_id in appended:
            continue
        appended[payment_id] = record.timestamp
        if body["event"] == "payment":
            before = paid[body["payer"]["id"]]
            expected[payment_id] = sum(1 for each in before if each <= at)
            before.append(at)
    found.payments = len(appended)
    named = {answer.receipt for answer in found.audit.answers}
    async for record in read_all(arena.kafka.bootstrap, arena.topics["decisions"]):
        if not record.value:
            continue
        body = orjson.loads(record.value)
        late = _ms(body["decided_at"]) - appended[body["payment_id"]] > arena.settings.deadline_ms
        found.late += body["late"]
        if late != body["late"] and body["receipt"] in named:
            found.wrong_late.append(body["payment_id"])
    async for record in read_all(arena.kafka.bootstrap, arena.topics["receipts"]):
        receipt = orjson.loads(record.value)
        if (wanted := expected.get(receipt["payment_id"])) is not None:
            found.values += 1
            if receipt["values"]["payer_payments"] != wanted:
                found.wrong_order.append(receipt["payment_id"])


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def main() -> int:
    """Exit code 0 where everything was decided, in order, and marked rightly."""
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"so many seconds of the rate wait; {SECONDS} by default")
    parser.add_argument("--rate", type=float, default=RATE, help=f"payments a second; {RATE:.0f} by default")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    silence_client()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backlog-")))
        found = drain(folder / "run", options.seed, round(options.seconds * options.rate), options.workers, rate=options.rate)
    for payment_id in islice([*found.wrong_order, *found.wrong_late], 8):
        print(f"  {payment_id}")
    steps = found.resident_mb[:: max(1, len(found.resident_mb) // 10)]
    print(f"resident MB while it drained: {', '.join(f'{each:.0f}' for each in steps)}")
    print(found.line())
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main())
