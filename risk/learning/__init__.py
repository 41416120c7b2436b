"""Online learning: inputs, versions, the learner, labels and quality. The public names of the package.

Rule 1: nothing here reads a clock, a file or Kafka; randomness needs a seed argument.
Rule 2: scoring (inputs, terms, version, scorer) never imports learning (logistic, labels, quality, learner, log) or River.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from risk.learning.inputs import Inputs, ModelError, inputs_of, signature_of
from risk.learning.scorer import Score, scorer
from risk.learning.version import Version, VersionError, fixed_version

if TYPE_CHECKING:
    from risk.learning.learner import SETTINGS, Learner, settings_of
    from risk.learning.log import BadRecord, Entry, Known, Mark, Offer, Settled, apply, entries_of, label_record, offer_record, record
    from risk.learning.order import Ordered

__all__ = [
    "SETTINGS",
    "BadRecord",
    "Entry",
    "Inputs",
    "Known",
    "Learner",
    "Mark",
    "ModelError",
    "Offer",
    "Ordered",
    "Score",
    "Settled",
    "Version",
    "VersionError",
    "apply",
    "entries_of",
    "fixed_version",
    "inputs_of",
    "label_record",
    "offer_record",
    "record",
    "scorer",
    "settings_of",
    "signature_of",
]

_LATER = {
    "Ordered": "risk.learning.order",
    **dict.fromkeys(("SETTINGS", "Learner", "settings_of"), "risk.learning.learner"),
    **dict.fromkeys(
        ("BadRecord", "Entry", "Known", "Mark", "Offer", "Settled", "apply", "entries_of", "label_record", "offer_record", "record"),
        "risk.learning.log",
    ),
}


def __getattr__(name: str) -> Any:
    # River takes half a second to import: whoever only scores does not pay for it.
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)
