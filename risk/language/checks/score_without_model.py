"""W314: a rule reads `model.score`, and no model is declared: it is always unknown."""

from __future__ import annotations

from risk.language.conditions import SCORE
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems


def check(draft: RuleDraft, declared: bool, problems: Problems) -> None:
    if declared or draft.when is None or draft.rule.mode not in ("live", "shadow"):
        return
    at = draft.when.text.find(SCORE)
    if at >= 0:
        message = f"there is no `model` section, so `{SCORE}` is always unknown"
        problems.inside("W314", draft.when, at, at + len(SCORE), message, "declare what the model reads", "warning")
