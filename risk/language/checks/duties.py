"""E455: the duty that a rule names stands in the table of duties. A rule set without a `duties` section has no table to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from risk.declared import Duty
from risk.language.problems import did_you_mean
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems, Scalar


def check(drafts: Iterable[RuleDraft], duties: Mapping[str, Duty], written: Iterable[str], problems: Problems) -> None:
    """``written``: every duty of the section, those that are wrong too, which are told where they stand."""
    known = set(written)
    for draft in drafts if known else ():
        named = draft.block.get("duty")
        if isinstance(named, Scalar) and named.text.strip() not in known:
            hint = did_you_mean(named.text.strip(), duties) or "write it down under `duties:`, with its source"
            problems.error("E455", named, f"unknown duty `{named.text.strip()}`", hint)
