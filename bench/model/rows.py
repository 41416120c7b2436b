"""A stream as feature rows: what the product's own engine gave its model for each payment, in the order of the stream.

Rule 1: rows come from the rule set, decoded, observed and encoded as a worker does it, labels entering at the time they become known.
Rule 2: all models of a comparison learn from these rows and from nothing else.
Rule 3: rows are kept under `.cache/`, by a hash of everything that they depend on.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from risk.engine import InProcess
from risk.language import RuleSet, load
from risk.learning.inputs import Coding, codings_of
from risk.sources import rule_files
from risk.world.clock import stamp

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "bench-model"
DAY_MS = 86_400_000
LABEL_DELAY_MS = 7 * DAY_MS
MADE_BY = ("bench/model/rows.py", "bench/model/streams.py", "risk/engine.py", "risk/events.py", "risk/decoding.py")
MADE_BY_ROOMS = ("risk/profiles", "risk/language", "risk/world")

Tell = Callable[[int], None]


class Payment(NamedTuple):
    """One payment of a stream, as bytes of our schema; ``fraud``: the truth; ``attack`` names it where the stream does."""

    value: bytes
    payment_id: str
    occurred_ms: int
    block: str
    fraud: bool
    attack: str | None = None


class Other(NamedTuple):
    """A message that is no payment: it only feeds profiles."""

    value: bytes
    occurred_ms: int


class Hits(NamedTuple):
    """What the rules said of a payment, by their places in the plan of its event type."""

    event: str
    fired: tuple[int, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True)
class Rows:
    """Feature rows in the order of the stream. ``x``: one column an input, NaN is missing; ``block``: number of the card (or payer)."""

    name: str
    codings: tuple[Coding, ...]
    x: np.ndarray[Any, np.dtype[np.float64]]
    t_ms: np.ndarray[Any, np.dtype[np.int64]]
    fraud: np.ndarray[Any, np.dtype[np.bool_]]
    block: np.ndarray[Any, np.dtype[np.int32]]
    ids: list[str]
    attacks: list[str | None]
    hits: list[Hits]

    @property
    def known_ms(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """When each verdict becomes known."""
        return self.t_ms + LABEL_DELAY_MS

    def split(self, share: float = 0.7) -> int:
        """Index of the first row that is scored: the last 30 % in number."""
        return int(len(self.t_ms) * share)


def ruleset_at(folder: Path) -> RuleSet:
    """The rule set of a folder."""
    return load(rule_files(folder))


def rows_of(name: str, folder: Path, messages: Callable[[], Iterable[Payment | Other]], depends_on: str, tell: Tell) -> Rows:
    """The rows of a stream under the rule set of ``folder``: kept ones, or made now. ``tell``: called with the payments done since."""
    ruleset = ruleset_at(folder)
    assert ruleset.model is not None
    codings = codings_of(ruleset.model)
    path = CACHE / f"{name}-{_key(ruleset, depends_on)}.npz"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        _save(path, _make(name, ruleset, codings, messages(), tell))
    return _kept(path, name, codings)


def _make(name: str, ruleset: RuleSet, codings: tuple[Coding, ...], messages: Iterable[Payment | Other], tell: Tell) -> Rows:
    engine = InProcess(ruleset)
    rows: list[list[float | None]] = []
    paid: list[Payment] = []
    blocks: dict[str, int] = {}
    hits: list[Hits] = []
    for event, payment in _with_labels(ruleset, messages):
        outcome = engine.feed(event)
        if outcome is None or payment is None:
            continue
        assert outcome.inputs is not None
        rows.append(outcome.inputs)
        paid.append(payment)
        hits.append(Hits(event.event_type, tuple(outcome.fired), tuple(outcome.unknown_rules)))
        blocks.setdefault(payment.block, len(blocks))
        if len(rows) % 1_000 == 0:
            tell(1_000)
    return Rows(
        name,
        codings,
        np.array(rows, dtype=np.float64),
        np.array([p.occurred_ms for p in paid], dtype=np.int64),
        np.array([p.fraud for p in paid], dtype=np.bool_),
        np.array([blocks[p.block] for p in paid], dtype=np.int32),
        [p.payment_id for p in paid],
        [p.attack for p in paid],
        hits,
    )


def _with_labels(ruleset: RuleSet, messages: Iterable[Payment | Other]) -> Iterator[tuple[Any, Payment | None]]:
    """Events in order; each payment's verdict comes seven days after it, before any later payment."""
    decode = ruleset.schema.decode
    due: list[tuple[int, int, Payment]] = []
    for n, message in enumerate(messages):
        while due and due[0][0] <= message.occurred_ms:
            yield decode(label_of(heapq.heappop(due)[2])), None
        yield decode(message.value), message if isinstance(message, Payment) else None
        if isinstance(message, Payment):
            heapq.heappush(due, (message.occurred_ms + LABEL_DELAY_MS, n, message))


def label_of(payment: Payment) -> bytes:
    """The verdict on a payment as a message of our schema."""
    return msgspec.json.encode(
        {
            "event": "label",
            "payment_id": payment.payment_id,
            "known_at": stamp(payment.occurred_ms + LABEL_DELAY_MS),
            "verdict": "fraud" if payment.fraud else "legitimate",
            "kind": "chargeback" if payment.fraud else "review",
            "version": 1,
        }
    )


def _key(ruleset: RuleSet, depends_on: str) -> str:
    files = [ROOT / name for name in MADE_BY] + [path for room in MADE_BY_ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    found = hashlib.sha256(f"{ruleset.hash}\n{depends_on}\n".encode())
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _save(path: Path, rows: Rows) -> None:
    draft = path.with_suffix(".draft.npz")
    names = np.array([attack or "" for attack in rows.attacks])
    kinds = {each: n for n, each in enumerate(dict.fromkeys(rows.hits))}
    hits, kind = np.array([kinds[each] for each in rows.hits]), np.array(json.dumps(list(kinds)))
    stream = {"t_ms": rows.t_ms, "fraud": rows.fraud, "block": rows.block}
    np.savez(draft, allow_pickle=False, x=rows.x, ids=np.array(rows.ids), attacks=names, hits=hits, kinds=kind, **stream)
    draft.rename(path)


def _kept(path: Path, name: str, codings: tuple[Coding, ...]) -> Rows:
    with np.load(path) as kept:
        kinds = [Hits(event, tuple(fired), tuple(unknown)) for event, fired, unknown in json.loads(str(kept["kinds"]))]
        return Rows(
            name,
            codings,
            kept["x"],
            kept["t_ms"],
            kept["fraud"],
            kept["block"],
            kept["ids"].tolist(),
            [attack or None for attack in kept["attacks"].tolist()],
            [kinds[n] for n in kept["hits"].tolist()],
        )
