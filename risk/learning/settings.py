"""The model's settings: defaults, bounds, meanings.

Rule 1: whatever can be set is here; ``risk.language`` holds the same names and bounds, and a test holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from risk.declared import ModelDecl
from risk.learning.inputs import ModelError


class Setting(NamedTuple):
    """Default, bounds and meaning of one of the model's ``settings``."""

    default: float
    low: float
    high: float
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    "step": Setting(0.3, 0.0, 10.0, "hybrid, binned: step size of bins and crosses"),
    "line_step": Setting(0.02, 0.0, 10.0, "hybrid: step size of the straight lines"),
    "bins": Setting(32, 2, 256, "hybrid, binned: bins of one input, at most"),
    "cross_bins": Setting(16, 2, 64, "hybrid, binned: bins of one input within a cross, at most"),
    "refit_every": Setting(20_000, 64, 10_000_000, "hybrid, binned: lessons after which edges are fitted anew; more often at first"),
    "keep": Setting(1.0, 0.001, 1.0, "share of legitimate payments that is learned, by a hash of the id; the score is corrected for it"),
    "challenger_keep": Setting(0.1, 0.001, 1.0, "the same for forest and bagging"),
    "seed": Setting(0, 0, 2**31 - 1, "of that hash, and of forest and bagging"),
    "rate": Setting(0.01, 0.0, 10.0, "logistic: learning rate of the weights"),
    "intercept_rate": Setting(0.01, 0.0, 10.0, "logistic: learning rate of the intercept"),
    "l2": Setting(0.0, 0.0, 1.0, "logistic: pull of the weights towards 0"),
    "clip": Setting(5.0, 1.0, 1_000.0, "deviations at which a standardised input is cut"),
    "calibration_memory": Setting(20_000, 100, 100_000_000, "verdicts after which one counts 1/e in the calibration of what it did"),
    "publish_every": Setting(500, 1, 10_000_000, "lessons from one version to the next"),
    "presume_after_days": Setting(7.0, 0.0, 400.0, "days after which a payment let through is presumed legitimate; 0: never"),
    "balance_horizon_days": Setting(45.0, 0.001, 400.0, "so long a verdict on a payment from balance is waited for"),
    "card_horizon_days": Setting(120.0, 0.001, 400.0, "so long a verdict on a payment by card is waited for"),
    "default_horizon_days": Setting(60.0, 0.001, 400.0, "so long a verdict on a credit-funded order is waited for"),
    "review_weight": Setting(1.0, 1.0, 20.0, "payments that an analyst's verdict stands for: 1/P(reviewed)"),
    "pending": Setting(200_000, 1, 10_000_000, "payments kept for their labels"),
    "waiting": Setting(20_000, 1, 10_000_000, "labels kept for their payments"),
    "mean_score_max": Setting(0.1, 0.0, 1.0, "a version that scores the newest payments higher than this on average is not published"),
    "baseline_margin": Setting(0.02, 0.0, 1.0, "nor one whose average precision is below that of the plain logistic by more than this"),
    "window": Setting(10_000, 10, 1_000_000, "newest lessons that quality is measured over"),
}


def settings_of(model: ModelDecl) -> dict[str, float]:
    """All settings, defaults filled in. Raises ModelError for an unknown name or a value out of bounds."""
    for name, value in model.settings.items():
        if name not in SETTINGS:
            raise ModelError(f"model.settings: unknown setting {name!r}; known are {', '.join(sorted(SETTINGS))}")
        if not SETTINGS[name].low <= value <= SETTINGS[name].high:
            raise ModelError(f"model.settings: {name} is {value}; from {SETTINGS[name].low} to {SETTINGS[name].high} expected")
    return {name: float(model.settings.get(name, setting.default)) for name, setting in SETTINGS.items()}
