"""Touches as straight-line Python: one function text per event and profile kind, no loop over features left in it.

Rule 1: what is here puts texts together; what they say of a series is in ``block`` (its columns) and ``answers`` (its values).
"""

from __future__ import annotations

from collections.abc import Mapping

from risk.profiles.answers import Answers
from risk.profiles.block import Mode, Namespace
from risk.profiles.plan import SeriesPlan, TouchPlan


def reading(
    touch: TouchPlan, series: Mapping[str, SeriesPlan], mode: Mode, space: Namespace, optional: frozenset[str], since: Mapping[str, int]
) -> list[str]:
    """Body of a function that answers: everything after its ``def``, at one space of indent."""
    involved = [s for s in series.values() if s.kind == touch.kind and any(f in s.features for f in touch.asked)]
    if mode == "observe":
        involved += [s for s in touch.recorded if s not in involved]
    blocks = [Answers(i, s, touch, space, optional, mode) for i, s in enumerate(involved)]
    lines = [line for block in blocks for line in block.text()]
    if mode == "observe" and len(blocks) == 1:
        lines = [*blocks[0].begin(since), *lines]
    home = {f.name: block for block in blocks for f in block.asked}
    answers = [home[f.name].value(f, since.get(f.name, 0)) for f in touch.asked]
    return [f" {line}" for line in [*lines, f"return [{', '.join(answers)}]"]]


def recording(plan: TouchPlan) -> list[str]:
    """Body of ``record``. Rows of an older plan may lack what today's requires: absent adds nothing, and is skipped as a value."""
    names = {c: f"r{k}" for k, c in enumerate(plan.columns)}
    lines = [" if t > p.at: p.at = t", " elif p.past is not None and t > p.past.at: p.past.at = t"]
    if plan.passed:
        lines += [" book = p.ledger", " if book is None: book = p.ledger = Ledger()"]
        lines += [" place = book.arrive(tid)", " begins = place >= 0 and book.begins(tid)"]
    for s in plan.recorded:
        values = "".join(f"{names[f]}, " for f in s.fields)
        conditions = [*([names[f"where:{s.where}"]] if s.where else []), *(["place >= 0"] if s.passed else [])]
        body = [f"s = p.{s.slot}", f"if s is None: s = p.{s.slot} = class_{s.slot}()"]
        if s.passed:
            body.append(f"s.enter(tid, place, t, ({values}), begins)")
        else:
            body += ["ts = s.ts", f"if ts and t < ts[-1]: s.insert(t, ({values}))", "else:", " ts.append(t)"]
            body += [f" s.p{j}.append(s.p{j}[-1] + ({names[f]} or 0))" for j, f in enumerate(s.sums)]
            body += [f" s.k{j}.append(s.k{j}[-1] + ({names[f]} is not None))" for j, f in enumerate(s.known)]
            body += [f" s.c{j}.append({names[f]})" for j, f in enumerate(s.kept)]
        lines += [f" if {' and '.join(conditions) or 'True'}:", *(f"  {line}" for line in body)]
    return lines
