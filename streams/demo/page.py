"""The worker's metrics page as the demo reads it: the handful of numbers that are shown, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

SHOWN = ("risk_consumer_lag", "risk_model_", "risk_labels_total", "risk_process_resident_bytes", "risk_dead_letters_total")


@dataclass(frozen=True, slots=True)
class Page:
    """``quality``: the learner's measures by name; ``version``: of the model in force, None while there is none."""

    version: str | None = None
    quality: dict[str, float] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    lag: int | None = None
    dead_letters: int = 0
    resident_bytes: int = 0


def read_page(text: str) -> Page:
    """Prometheus's text format, the lines that matter only: parsing all of it takes longer than it is worth."""
    lines = [line for line in text.splitlines() if line.startswith(SHOWN)]
    version: str | None = None
    quality: dict[str, float] = {}
    labels: dict[str, int] = {}
    lag, dead_letters, resident = None, 0, 0
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            value = sample.value
            if not math.isfinite(value):
                continue
            match sample.name:
                case "risk_consumer_lag":
                    lag = (lag or 0) + int(value)
                case "risk_model_info":
                    version = sample.labels["version"]
                case "risk_model_quality":
                    quality[sample.labels["measure"]] = value
                case "risk_labels_total":
                    labels[sample.labels["verdict"]] = int(value)
                case "risk_dead_letters_total":
                    dead_letters += int(value)
                case "risk_process_resident_bytes":
                    resident = int(value)
    return Page(version, quality, labels, lag, dead_letters, resident)
