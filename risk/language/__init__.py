"""Rule files to a compiled rule set: the language of risk analysts. It decides nothing about streams, clocks or storage.

Rule files are read by `load`, which either gives a `RuleSet` or raises `RuleFileError` with every problem and its place.
"""

from __future__ import annotations

from risk.language.compile import Judge
from risk.language.load import Loaded, examine, load
from risk.language.problems import Problem, RuleFileError, render_problems
from risk.language.ruleset import Case, CheckedRule, Override, RuleSet, Segment

__all__ = [
    "Case",
    "CheckedRule",
    "Judge",
    "Loaded",
    "Override",
    "Problem",
    "RuleFileError",
    "RuleSet",
    "Segment",
    "examine",
    "load",
    "render_problems",
]
