"""The collector is watched: its longest pause is on the metrics page."""

from __future__ import annotations

import gc

from streams.collector import THRESHOLDS, keep_away
from streams.metrics import Metrics


def test_the_longest_pause_is_told_and_never_shrinks() -> None:
    usual, metrics = gc.get_threshold(), Metrics()
    pauses = keep_away(metrics)
    try:
        assert gc.get_threshold() == THRESHOLDS
        assert gc.get_freeze_count() > 0
        gc.collect()
        first = pauses.longest
        assert first > 0
        gc.collect(0)
        assert metrics.value("risk_collector_pause_seconds") == pauses.longest >= first
    finally:
        gc.callbacks.remove(pauses)
        gc.set_threshold(*usual)
        gc.unfreeze()
