"""The two streams: the recorded one, through the map of `examples/sparkov`, and the product's own simulated world.

Belongs here: which messages there are, and the truth about each payment. Never: rows or models.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as parquet

from bench.model.rows import ROOT, Other, Payment
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
