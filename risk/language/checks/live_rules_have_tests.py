"""E406: a live rule has at least one test that fires and one that stays silent. Tests marked `todo` prove nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from risk.language.ruleset import Case
from risk.language.sections.cases import fires, stays_silent
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems


def check(
    drafts: Mapping[str, RuleDraft], cases: Mapping[str, Sequence[Case]], live_for_some: AbstractSet[str], problems: Problems
) -> set[str]:
    """Tell each live rule that lacks tests; the names of those rules. ``live_for_some``: rules that an override makes live."""
    untested = set()
    for name, draft in drafts.items():
        if draft.rule.mode != "live" and name not in live_for_some:
            continue
        counted = [case for case in cases.get(name, ()) if case.todo is None]
        firing = sum(1 for case in counted if fires(case))
        silent = sum(1 for case in counted if stays_silent(case))
        if not firing or not silent:
            message = f"live rule `{name}` needs at least one test that fires and one that stays silent"
            problems.error("E406", draft.key, message, f"it has {firing} that fire and {silent} that stay silent; or set `mode: shadow`")
            untested.add(name)
    return untested
