"""The two streams: the recorded one, through the map of `examples/sparkov`, and the product's own simulated world.

Belongs here: which messages there are, and the truth about each payment. Never: rows or models.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as parquet

from bench.model.rows import ROOT, Other, Payment
from risk.world import World
from streams.recorded import read_map, rows

SPARKOV = ROOT / "examples" / "sparkov"
BATCH_ROWS = 4_096


def recorded(path: Path) -> Iterator[Payment | Other]:
    """The payments of the recorded stream, with their truth; blocks are cards."""
    for record, (payment_id, card, fraud) in zip(rows(path, read_map(SPARKOV / "map.yaml")), _truth(path), strict=True):
        yield Payment(record.value, f"pay_{payment_id}", record.due_ms, card, bool(fraud))


def _truth(path: Path) -> Iterator[tuple[str, str, int]]:
    for batch in parquet.ParquetFile(path).iter_batches(batch_size=BATCH_ROWS, columns=["payment_id", "card_id", "is_fraud"]):
        yield from zip(*(batch.column(i).to_pylist() for i in range(3)), strict=True)


def simulated(world: World, without: str | None = None, until_ms: int = 0) -> Iterator[Payment | Other]:
    """The messages of a simulated world but its labels; blocks are payers. Fraud is every attack, whatever its name.

    ``without``: an attack that nobody tries before ``until_ms``: its payments until then, and what follows on them, are left out.
    """
    dropped: set[str] = set()
    for record in world:
        if record.topic == "labels":
            continue
        said: Any = msgspec.json.decode(record.value)
        payment_id = said.get("payment_id")
        if record.topic != "payments":
            if payment_id not in dropped:
                yield Other(record.value, record.due_ms)
            continue
        attack = world.truth.get(payment_id)
        if attack is not None and attack == without and record.due_ms < until_ms:
            dropped.add(payment_id)
            continue
        yield Payment(record.value, payment_id, record.due_ms, record.key, attack is not None, attack)
