"""Labels that follow a recorded stream: what was found out of its payments, at a chosen delay of the stream's own time.

Belongs here: making labels of a column, and merging them into the stream by time. Never: reading files (streams.recorded).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from risk.world.clock import stamp
from streams.recorded import MapProblem, Recorded, RowMap, lines, mapped

TRUE, FALSE = frozenset({"1", "true", "yes", "fraud"}), frozenset({"0", "false", "no", "legitimate"})

encode = msgspec.json.Encoder().encode


class Following:
    """Labels on their way: each goes out before the first message that is later than it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, str, bytes]] = []
        self._count = 0

    def add(self, known_ms: int, key: str, body: dict[str, Any]) -> None:
        """One label, known at ``known_ms`` of the stream's time."""
        self._count += 1  # of one moment, the first made goes first
        value = encode({"event": "label", **body, "known_at": stamp(known_ms)})
        heapq.heappush(self._waiting, (known_ms, self._count, key, value))

    def until(self, now_ms: float) -> Iterator[Recorded]:
        """The labels known before ``now_ms``, in their order."""
        while self._waiting and self._waiting[0][0] < now_ms:
            known_ms, _, key, value = heapq.heappop(self._waiting)
            yield Recorded(known_ms, "labels", key, value)


def labelled(path: Path, row_map: RowMap, delay_ms: int, limit: int | None = None) -> Iterator[Recorded]:
    """The first ``limit`` messages of a recorded file, each followed by its label ``delay_ms`` later; then the labels still to come.

    Raises MapProblem where the map says no column for labels, and at a row whose truth cannot be read.
    """
    if row_map.fraud is None:
        raise MapProblem([f"{row_map.path}: --labels needs `labels: {{fraud: COLUMN}}`: which column says that it was fraud"])
    if row_map.topic != "payments":
        raise MapProblem([f"{row_map.path}: --labels: only payments have labels, and this map makes {row_map.topic}"])
    return _labelled(path, row_map, row_map.fraud, delay_ms, limit)


def _labelled(path: Path, row_map: RowMap, column: str, delay_ms: int, limit: int | None) -> Iterator[Recorded]:
    following = Following()
    for said, row, number in islice(mapped(path, row_map, column), limit):
        yield from following.until(said.due_ms)
        yield said
        try:
            fraud = truth(row.get(column))
        except ValueError as error:
            raise MapProblem([f"{path}: row {number}: `{column}`: {error}"]) from error
        if fraud is not None:
            verdict = "fraud" if fraud else "legitimate"
            body = {"payment_id": json.loads(said.value)["payment_id"], "verdict": verdict, "kind": row_map.label_kind, "version": 1}
            following.add(said.due_ms + delay_ms, said.key, body)
    yield from following.until(float("inf"))


def truth(value: Any) -> bool | None:
    """Whether a cell says fraud; None for an empty one. Raises ValueError for what is neither."""
    if value is None or value == "":
        return None
    said = str(value).strip().lower().removesuffix(".0")
    if said not in TRUE | FALSE:
        raise ValueError(f"expected 0 or 1, true or false, fraud or legitimate; got {value!r}")
    return said in TRUE


def relabelled(path: Path, delay_ms: int, limit: int | None = None) -> Iterator[Recorded]:
    """A file of `risk simulate --out` with its labels at another delay: the first of a payment so long after it, later versions as far
    behind the first as they were. ``limit`` counts the messages that are no labels. The file is read twice."""
    found: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}
    for said in lines(path):
        if said.topic == "labels":
            body = json.loads(said.value)
            del body["known_at"], body["event"]
            found.setdefault(body["payment_id"], []).append((said.due_ms, said.key, body))
    following = Following()
    for said in islice((each for each in lines(path) if each.topic != "labels"), limit):
        yield from following.until(said.due_ms)
        yield said
        its = found.pop(json.loads(said.value).get("payment_id", ""), []) if said.topic == "payments" else []
        for due_ms, key, body in its:
            following.add(said.due_ms + delay_ms + due_ms - its[0][0], key, body)
    yield from following.until(float("inf"))
