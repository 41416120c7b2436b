"""What profiles cost: recovery from the records of their changelog, memory, and moving between live, packed and stored.

`python -m bench.profiles` makes profiles of five events each with the rules of W1, writes the records that a compacted changelog would
hold into a file, and recovers them in a process of its own, on one core and without Kafka.
Belongs here: what storage costs. Never: whether it is right, which the tests ask.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.w1.stream import STARTS_MS
from bench.w1.task import RULES
from risk.engine import Engine, payment_tid
from risk.language import load
from streams.health import resident_bytes
from streams.store import Store
from streams.wire import mark_of

PAYMENTS_A_BATCH = 5_000
COLLECTING = (50_000, 20, 100)  # as a worker has them
MOVED = 20_000
NOTHING_UNSAFE = {0: 1 << 40}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.profiles", description=__doc__)
    arguments.add_argument("--profiles", type=int, default=1_000_000, help="how many profiles there are")
    arguments.add_argument("--events", type=int, default=5, help="events of each profile")
    arguments.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.read is not None:
        recover(given.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changelog"
        size = make(path, given.profiles, given.events)
        print(f"changelog: {given.profiles:,} profiles of {given.events} events, {size / given.profiles:.0f} B a profile", flush=True)
        subprocess.run([sys.executable, "-m", "bench.profiles", "--read", str(path)], check=True)


def make(path: Path, profiles: int, events: int) -> int:
    """Write the live records of a changelog with so many profiles; returns their bytes."""
    engine, size, number = Engine(load([RULES])), 0, 0
    plan = engine.plans["payment"]
    entities = profiles // len(plan.touches)
    with path.open("wb") as file:
        for first in range(0, entities, PAYMENTS_A_BATCH):
            store, live = Store(engine, 0, 1), dict[bytes, bytes]()
            for turn in range(events):
                for entity in range(first, min(first + PAYMENTS_A_BATCH, entities)):
                    _pay(store, plan, entity, number := number + 1, STARTS_MS + number * 10 + turn)
            live.update((key, value) for key, value in store.take_changes() if value is not None)
            for key, value in live.items():
                if first == 0 or key[:1] == b"c":
                    file.write(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
                    size += len(key) + len(value)
    return size


def _pay(store: Store, plan: Any, entity: int, number: int, t: int) -> None:
    """One payment that touches one profile of each kind."""
    key, tid = f"entity_{entity:08d}", payment_tid(f"p{number}")
    mark = mark_of(t, tid, 0, number, -1)
    for touch in plan.touches:
        row = tuple(1999 if name == "amount_minor" else f"other_{number % 7}" for name in touch.columns)
        store.observe(touch, key, t, tid, row, mark)


def _records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("rb") as file:
        while head := file.read(4):
            key = file.read(int.from_bytes(head, "big"))
            yield key, file.read(int.from_bytes(file.read(4), "big"))


def recover(path: Path) -> None:
    """Recover from the file and print what it took; then what it costs to move profiles."""
    gc.set_threshold(*COLLECTING)
    engine = Engine(load([RULES]))
    before = resident_bytes()
    live = dict(_records(path))
    read = resident_bytes()
    started, cpu = time.perf_counter(), time.process_time()
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        store, rows, step = Store(engine, 0, 2, Path(folder)), 0, started
        peak = read
        for count in store.restoring(live, NOTHING_UNSAFE, -1):
            rows += count
            if rows & 0xFFF < 5:
                peak = max(peak, resident_bytes())
            now = time.perf_counter()
            longest, step = max(longest, now - step), now
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
        del live
        profiles = store.places.packed_count
        after = resident_bytes()
        each = used / profiles * 1e6
        print(f"recovery: {profiles:,} profiles and {rows:,} rows in {seconds:.1f} s, {used:.1f} s of CPU ({each:.1f} us a profile);")
        print(f"          longest piece {longest * 1000:.0f} ms;", end="")
        print(f" {(peak - before) / profiles:,.0f} B of memory a profile at the most, {(after - before) / profiles:,.0f} B afterwards")
        _moves(store, engine)


def _moves(store: Store, engine: Engine) -> None:
    places = store.places
    keys = [(kind, key) for kind, profiles in places.packed.items() for key in list(profiles)[: MOVED // len(places.packed)]]
    before = resident_bytes()
    found = [_timed(lambda: [places.find(kind, key) for kind, key in keys])]
    live = resident_bytes() - before
    while places.hand and places.held()["live"]:
        found.append(_timed(lambda: store.make_room(0, 1 << 40)))
    print(f"moving:   {found[0] / len(keys) * 1e6:.1f} us to make one live, {sum(found[1:]) / len(keys) * 1e6:.1f} us to pack it", end="")
    print(f" (longest piece {max(found[1:]) * 1000:.1f} ms); {live / len(keys):,.0f} B more while it is live")
    first = [(kind, key) for kind, profiles in places.packed.items() for key in list(profiles)[:MOVED]]
    put = [_timed(lambda: store.make_room(0, 0)) for _ in range(MOVED // 512)]
    stored = places.held()["stored"]
    shelved = [(kind, key) for kind, key in first if key not in places.packed[kind]]
    taken = _timed(lambda: [places.find(kind, key) for kind, key in shelved])
    print(f"          {sum(put) / stored * 1e6:.1f} us to put one on disk (longest piece {max(put) * 1000:.1f} ms),", end="")
    disk = places.stored_bytes() / stored
    print(f" {taken / len(shelved) * 1e6:.1f} us to make one of {len(shelved):,} there live; {disk:.0f} B of disk")


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
