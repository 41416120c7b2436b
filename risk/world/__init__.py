"""A world to try the rules on: simulated customers, and the attackers among them.

Rule 1: everything follows from a seed and a start time; nothing here reads a clock, a file or a rule.
Rule 2: the world knows the truth (``World.truth``) and never writes it into a message.
"""

from __future__ import annotations

from risk.world.world import Record, World

__all__ = ["Record", "World"]
