"""How much a payment leaves in memory: rows of profiles, from the rule set alone. An estimate, for whoever adds a feature.

Rule 1: a row costs what `risk.profiles` says of its series; keys, and what an entity costs once, are not in it.
"""

from __future__ import annotations

from typing import NamedTuple

from risk.language import RuleSet
from risk.profiles.columns import INT_BYTES, SLOT_BYTES
from risk.profiles.plan import SeriesPlan, plan_series
from risk.profiles.quota import Quota
from risk.profiles.retracting import as_kept, with_signed_fields


class Left(NamedTuple):
    """By one event: rows, in so many profiles, of so many bytes."""

    event: str
    rows: int
    profiles: int
    bytes: int


def left_by_a_payment(ruleset: RuleSet) -> Left | None:
    """What the decided event that leaves most leaves; None where no event is decided."""
    types = {name: with_signed_fields(kind) for name, kind in ruleset.event_types.items()}
    series = plan_series({name: as_kept(feature, types) for name, feature in ruleset.kept().items()}, types)
    found = []
    for name, kind in ruleset.schema.types.items():
        if kind.decide:
            of = [each for each in series.values() if name in each.of]
            profiles = {(each.kind, each.per) for each in of}
            found.append(Left(name, len(of), len(profiles), sum(map(_row_bytes, of))))
    return max(found, key=lambda left: left.bytes, default=None)


def _row_bytes(plan: SeriesPlan) -> int:
    if plan.passed:
        return Quota.row_bytes
    return (1 + len(plan.sums) + len(plan.known)) * (SLOT_BYTES + INT_BYTES) + len(plan.kept) * SLOT_BYTES


def told(left: Left) -> str:
    """For the end of `risk check`."""
    size = f"{left.bytes / 1000:.1f} kB" if left.bytes >= 1000 else f"{left.bytes} B"
    rows, profiles = (f"{count} {what}{'' if count == 1 else 's'}" for count, what in ((left.rows, "row"), (left.profiles, "profile")))
    return f"state: a {left.event} leaves at most {rows} in {profiles}, about {size}, for as long as a window reaches back to it"
