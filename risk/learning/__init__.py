"""Online learning: inputs, versions, the learner, labels and quality. The public names of the package.

Rule 1: nothing here reads a clock, a file or Kafka; randomness needs a seed argument.
Rule 2: scoring (inputs, terms, additive_terms, version, scorer) never imports what learns, River or NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from risk.learning.inputs import Inputs, ModelError, inputs_of, signature_of
from risk.learning.scorer import Score, scorer
from risk.learning.version import Version, VersionError, fixed_version

if TYPE_CHECKING:
    from risk.learning.checks import Check
    from risk.learning.contender import Contender, Scored
    from risk.learning.learner import Learner
    from risk.learning.log import BadRecord, Entry, Known, Mark, Offer, Settled, apply, entries_of, label_record, offer_record, record
    from risk.learning.order import Ordered
    from risk.learning.settings import SETTINGS, settings_of

__all__ = [
    "SETTINGS",
    "BadRecord",
    "Check",
    "Contender",
    "Entry",
    "Inputs",
    "Known",
    "Learner",
    "Mark",
    "ModelError",
    "Offer",
    "Ordered",
    "Score",
    "Scored",
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
    "Check": "risk.learning.checks",
    **dict.fromkeys(("Contender", "Scored"), "risk.learning.contender"),
    "Learner": "risk.learning.learner",
    **dict.fromkeys(("SETTINGS", "settings_of"), "risk.learning.settings"),
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
