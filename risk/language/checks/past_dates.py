"""W313: dates that have passed: rules and lists to be reviewed, entries of lists and overrides that have ended.

The day is an argument: nothing here knows a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from risk.language.ruleset import Override
from risk.language.sections.keys import moment_ms
from risk.language.sections.rules import RuleDraft
from risk.language.source import Block, Items, Node, Problems, Scalar


def check(
    drafts: Mapping[str, RuleDraft], lists: Iterable[tuple[Scalar, Node]], overrides: Sequence[Override], today: date, problems: Problems
) -> None:
    now_ms = moment_ms(today.isoformat()) or 0
    for name, draft in drafts.items():
        written = draft.block.get("review_by")
        if draft.rule.mode in ("live", "shadow") and _passed(written, now_ms):
            _to_review(f"rule `{name}`", draft.rule.owner, written, problems)
    for key, node in lists:
        if isinstance(node, Block):
            _list(key, node, now_ms, problems)
    for override in overrides:
        if override.until_ms <= now_ms:
            problems.at_place("W313", override.place, 1, f"this override of `{override.rule}` has ended", "remove it", "warning")


def _passed(written: Node | None, now_ms: int) -> bool:
    moment = moment_ms(written.text) if isinstance(written, Scalar) else None
    return moment is not None and moment < now_ms


def _to_review(what: str, owner: str, written: Node | None, problems: Problems) -> None:
    if isinstance(written, Scalar):
        hint = f"{owner or 'its owner'} looks at it again and sets a new date"
        problems.warning("W313", written, f"{what} was to be reviewed by {written.text}", hint)


def _list(key: Scalar, block: Block, now_ms: int, problems: Problems) -> None:
    review, owner = block.get("review_by"), block.get("owner")
    if _passed(review, now_ms):
        _to_review(f"list `{key.text}`", owner.text if isinstance(owner, Scalar) else "", review, problems)
    values = block.get("values")
    for entry in values.items if isinstance(values, Items) else ():
        until = entry.get("until") if isinstance(entry, Block) else None
        if isinstance(until, Scalar) and _passed(until, now_ms):
            problems.warning(
                "W313",
                until,
                f"this entry of list `{key.text}` ended on {until.text}",
                "remove it, or give it a later date",
            )
