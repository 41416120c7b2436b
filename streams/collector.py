"""Python's garbage collector: kept away from what lives long, and watched.

The collector would walk every profile again and again. What is loaded at the start is frozen, and it runs seldom; how long it stops the
worker at most is a metric, for these pauses are the tail of the latency.
"""

from __future__ import annotations

import gc
import time
from typing import Any

from streams.metrics import Metrics

THRESHOLDS = (50_000, 20, 100)


class Pauses:
    """How long collections stopped this process; ``longest``: seconds, since it was made."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._began = 0.0
        self.longest = 0.0

    def __call__(self, phase: str, _: dict[str, Any]) -> None:
        """Called by the collector when it starts and stops."""
        now = time.perf_counter()
        if phase == "start":
            self._began = now
        elif now - self._began > self.longest:
            self.longest = now - self._began
            self._metrics.set("risk_collector_pause_seconds", self.longest)


def keep_away(metrics: Metrics) -> Pauses:
    """Freeze what is loaded, make the collector run seldom, and watch it from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    pauses = Pauses(metrics)
    gc.callbacks.append(pauses)
    return pauses
