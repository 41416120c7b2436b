"""What we remember of an entity, and what it answers: exact windows over columns, read by generated code.

Rule 1: nothing here knows rules, models, Kafka or a clock; ``Layout``, ``Touch`` and ``Profile`` are the whole outside.
"""

from __future__ import annotations

from risk.profiles.columns import Profile
from risk.profiles.layout import Layout, coverage_keys
from risk.profiles.past import Past, reach_ms
from risk.profiles.recall import DOUBTS, Bounded, BoundedNumber, plain, within
from risk.profiles.touch import Touch

__all__ = ["DOUBTS", "Bounded", "BoundedNumber", "Layout", "Past", "Profile", "Touch", "coverage_keys", "plain", "reach_ms", "within"]
