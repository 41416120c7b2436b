"""W315: a `final` rule over a window that reaches back before the policy's `covered_since` cannot be decided without help.

The day is an argument: nothing here knows a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from risk.declared import Feature, Policy
from risk.language.ruleset import CheckedRule
from risk.language.sections.keys import moment_ms
from risk.language.source import Problems

DAY_MS = 86_400_000
PERIOD_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


def check(
    checked: Mapping[str, CheckedRule],
    reads: Mapping[str, frozenset[str]],
    features: Mapping[str, Feature],
    policy: Policy,
    today: date,
    problems: Problems,
) -> None:
    since = policy.covered_since_ms
    if since is None:
        return
    now_ms = moment_ms(today.isoformat()) or 0
    for name, each in checked.items():
        rule = each.rule
        if not rule.final or rule.mode != "live" or rule.accept_from_ms is not None:
            continue
        cold = sorted(feature for feature in reads[name] if _reaches(features[feature], now_ms) < since)
        if cold and rule.place is not None:
            problems.at_place(
                "W315",
                rule.place,
                len(name),
                f"final rule `{name}` reads `{cold[0]}`, whose window reaches back before `covered_since`: it is unknown until then",
                "load opening balances with `risk seed`, or write `accept_from:` and the day from which it decides by what is there",
                "warning",
            )


def _reaches(feature: Feature, now_ms: int) -> int:
    """How far back the window may reach today (ms)."""
    window = feature.window
    if window.kind == "lifetime":
        return -(2**62)
    length_ms = window.length_ms if window.kind == "sliding" else PERIOD_DAYS[window.unit or "year"] * DAY_MS
    return now_ms - length_ms - feature.ending_ms
