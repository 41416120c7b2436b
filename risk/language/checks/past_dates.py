"""W313: rules to be reviewed, and overrides that have ended. The day is an argument: nothing here knows a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from risk.language.ruleset import Override
from risk.language.sections.keys import moment_ms
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems, Scalar


def check(drafts: Mapping[str, RuleDraft], overrides: Sequence[Override], today: date, problems: Problems) -> None:
    now_ms = moment_ms(today.isoformat()) or 0
    for name, draft in drafts.items():
        written = draft.block.get("review_by")
        if isinstance(written, Scalar) and draft.rule.mode in ("live", "shadow") and (moment_ms(written.text) or now_ms) < now_ms:
            problems.warning(
                "W313",
                written,
                f"rule `{name}` was to be reviewed by {written.text}",
                f"{draft.rule.owner or 'its owner'} looks at it again and sets a new date",
            )
    for override in overrides:
        if override.until_ms <= now_ms:
            problems.at_place("W313", override.place, 1, f"this override of `{override.rule}` has ended", "remove it", "warning")
