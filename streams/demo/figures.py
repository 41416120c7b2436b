"""What has been seen so far: counts, latencies, the latest payments. Numbers only.

Rule 1: no Kafka, no clock, no drawing: times are arguments, in seconds of one monotonic clock.
Rule 2: `view` copies, so that a screen may be drawn from it in another thread.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.demo.page import Page

WARM_UP_SECONDS = 2.0
"""The first payments meet a worker whose code has never run; they are shown, and left out of the run's latency."""
RECENT_SECONDS = 10.0
SERIES_SECONDS = 240
LATEST = 24
SAME_AMONG = 8
"""A payment that looks like one of so many before it is counted there: one attack does not fill the list."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of ``values`` do not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(slots=True)
class Notable:
    """A payment that was blocked or held for review. ``like``: payer and rules; ``times``: how many alike in a row."""

    at: str
    action: str
    amount: str
    reasons: tuple[str, ...]
    title: str
    message: str
    like: tuple[str, ...]
    times: int = 1


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the run, for a screen. Latencies in milliseconds, None before the first."""

    elapsed: float
    sent: int
    decided: int
    rate: float
    p50_ms: float | None
    p99_ms: float | None
    actions: dict[str, int]
    series: list[dict[str, int]]
    rules: list[tuple[str, str, int]]
    latest: list[Notable]
    page: Page


@dataclass(slots=True)
class Figures:
    """Filled by the publisher and the followers, all on one event loop."""

    page: Page = field(default_factory=Page)
    began: float | None = None
    ended: float | None = None
    sent: int = 0
    decided: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    latest: deque[Notable] = field(default_factory=lambda: deque(maxlen=LATEST))
    first_decision: float | None = None
    _waiting: dict[str, float] = field(default_factory=dict)
    _warm_ms: array[float] = field(default_factory=lambda: array("d"))
    _all_ms: array[float] = field(default_factory=lambda: array("d"))
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    _seconds: deque[tuple[int, Counter[str]]] = field(default_factory=lambda: deque(maxlen=SERIES_SECONDS))

    def published(self, payment_id: str, now: float) -> None:
        """A payment has just been handed to Kafka."""
        if self.began is None:
            self.began = now
        self.sent += 1
        self._waiting[payment_id] = now

    def answered(self, payment_id: str, action: str, now: float) -> None:
        """A decision has just been read."""
        if self.first_decision is None:
            self.first_decision = now
        self.decided += 1
        self.actions[action] += 1
        began = self.began if self.began is not None else now
        second = int(now - began)
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1][action] += 1
        sent_at = self._waiting.pop(payment_id, None)
        if sent_at is None:
            return
        took_ms = (now - sent_at) * 1000
        self._recent.append((now, took_ms))
        self._all_ms.append(took_ms)
        if sent_at - began >= WARM_UP_SECONDS:
            self._warm_ms.append(took_ms)

    def noted(self, notable: Notable) -> None:
        """A payment was blocked or held for review."""
        for back in range(1, min(SAME_AMONG, len(self.latest)) + 1):
            before = self.latest[-back]
            if before.like == notable.like and before.action == notable.action:
                notable.times = before.times + 1
                del self.latest[-back]
                break
        self.latest.append(notable)

    def latency_ms(self) -> tuple[float | None, float | None, int, bool]:
        """p50, p99, of how many decisions, and whether the warm-up was left out; all of them count where nothing came after it."""
        warm = len(self._warm_ms) > 0
        values = self._warm_ms if warm else self._all_ms
        return percentile(values, 0.5), percentile(values, 0.99), len(values), warm

    def view(self, now: float) -> View:
        """This moment; after the end of the stream, its last."""
        if self.ended is not None:
            now = min(now, self.ended)
        elapsed = now - self.began if self.began is not None else 0.0
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        recent = [took_ms for _, took_ms in self._recent]
        over = min(RECENT_SECONDS, elapsed)
        counts = dict(self._seconds)
        # The second that runs is not whole yet: a bar of it would always look like a drop.
        seconds = range(max(0, int(elapsed) - SERIES_SECONDS), int(elapsed))
        return View(
            elapsed=elapsed,
            sent=self.sent,
            decided=self.decided,
            rate=len(recent) / over if over > 0.5 else 0.0,
            p50_ms=percentile(recent, 0.5),
            p99_ms=percentile(recent, 0.99),
            actions=dict(self.actions),
            series=[dict(counts.get(second, {})) for second in seconds],
            rules=[(name, mode, count) for (name, mode), count in self.rules.most_common(16)],
            latest=list(self.latest),
            page=self.page,
        )
