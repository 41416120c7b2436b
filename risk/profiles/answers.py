"""What each feature answers, as one expression over the names that its block has set.

Rule 1: covered or unknown comes first, then something or nothing: cold is None, nothing is ``if_none``, else 0 or never.
Rule 2: an expression reads; it changes no column.
"""

from __future__ import annotations

from collections.abc import Mapping

from risk.declared import Feature
from risk.profiles.block import Block
from risk.profiles.plan import SeriesPlan
from risk.profiles.retracting import TRUE_SINCE
from risk.profiles.windows import Cut, bounds


class Answers(Block):
    """The answers of one series within one function."""

    def value(self, f: Feature, since: int) -> str:
        """Expression for one feature: covered or unknown, something or nothing."""
        plain = self._passed(f) if self.plan.passed else self._plain(f)
        none = self.space.constant(f.if_none) if f.has_if_none else "never"
        if f.agg not in ("count", "distinct", "sum"):
            plain = f"({none} if (z := {plain}) is None else z)"
        elif f.has_if_none and (f.agg != "sum" or self.plan.retracts):
            plain = f"(({plain}) or {none})"
        if not since:
            return plain
        lower = bounds(f)[0]
        unsure = [] if lower is None else [f"{self._time(lower)} + 1 < {since}"]  # a lifetime reaches back before every date
        if f.accept_from_ms is not None:
            unsure.append(f"t < {f.accept_from_ms}")
        if self.plan.passed and f.window.kind != "sliding":
            unsure.append(f"not s{self.i}.opened({'0' if lower is None else f'{self._time(lower)} + 1'})")
        return f"(None if {' and '.join(unsure)} else {plain})" if unsure else "None"

    def alone(self, f: Feature, since: int) -> str | None:
        """Expression for a feature when the event's own row is the first of its series; None: no short form."""
        if since or f.has_if_none:
            return None
        counts = self.current(f)
        if f.agg == "count":
            return "1" if counts else "0"
        if f.agg == "distinct" and f.field:
            return "0" if not counts else f"(0 if {self.names[f.field]} is None else 1)"
        if f.agg == "sum" and f.field in self.plan.sums:
            return self.amount(f.field) if counts else "0"
        if f.agg in ("since_last", "since_first"):
            return "0" if counts else "never"
        return None

    def begin(self, since: Mapping[str, int]) -> list[str]:
        """A way out for the first row of a profile with one series: many profiles never see a second."""
        answers = [self.alone(f, since.get(f.name, 0)) for f in self.asked]
        if self.plan.passed or not self.sure or None in answers:
            return []
        row = ", ".join(["t", *(self.names[field] for field in self.plan.fields)])
        slot = self.plan.slot
        return [f"if p.{slot} is None:", f" p.{slot} = begun_{slot}({row})", f" return [{', '.join(map(str, answers))}]"]

    def _time(self, cut: Cut | None) -> str:
        if cut is None:
            return "None"
        if cut.unit:
            return f"{self.space.period(cut)}.start_of(t - {cut.back_ms}) - 1"
        return f"t - {cut.back_ms}"

    def _plain(self, f: Feature) -> str:
        i, (lower, upper) = self.i, bounds(f)
        lo, rows = self._index(lower, "0"), self._index(upper, f"n{i}")
        count = f"m{i}" if self.current(f) else rows
        if f.agg == "count":
            return count if lower is None else f"{count} - {lo}"
        if f.agg == "distinct":
            q, own = f"q{i}_{self._tally_of(f)}", self.own_value(f)
            if own == "None":
                return f"len({q})"
            absent = f"{own} is not None and " if not self.sure or f.field in self.optional or self.mode != "observe" else ""
            return f"len({q}) + ({absent}{own} not in {q})"
        if f.agg == "since_last":
            past = f"(t - ts{i}[{rows} - 1] if {rows} > {lo} else None)"
            return past if not self.current(f) else "0" if self.sure else f"(0 if {self.where} else {past})"
        if f.agg == "since_first":
            now = "None" if not self.current(f) else "0" if self.sure else f"(0 if {self.where} else None)"
            return f"(t - ts{i}[{lo}] if {rows} > {lo} else {now})"
        assert f.field
        if f.field in self.plan.sums and f.agg in ("sum", "avg"):
            return self._summed(f, lower, upper, lo)
        column = f"s{i}.c{self.plan.kept.index(f.field)}"
        plain = f"over_{f.agg}({column}, {lo}, {rows}, {self.own_value(f)})"
        if f.agg != "sum":
            return plain
        return f"({self._nothing(f)} if (z := {plain}) is None else z)"

    def _summed(self, f: Feature, lower: Cut | None, upper: Cut | None, lo: str) -> str:
        """Sum or average of a whole-unit field: two running totals, subtracted."""

        def stretch(letters: str, j: int) -> str:
            running, before, after = (f"{letter}{self.i}_{j}" for letter in letters)
            top = f"{running}[{self._index(upper, '')}]" if upper else after if self.current(f) else before
            return top if lower is None else f"{top} - {running}[{lo}]"

        assert f.field
        if self.plan.retracts and self.mode == "late":
            running, known = f"p{self.i}_{self.plan.sums.index(f.field)}", f"s{self.i}.c{self.plan.kept.index(TRUE_SINCE)}"
            return f"standing({running}, {known}, {lo}, {self._index(upper, f'n{self.i}')}, t)"
        total = stretch("puv", self.plan.sums.index(f.field))
        if f.agg == "sum" and (not f.has_if_none or self.plan.retracts):
            return total
        number = stretch("kgh", self.plan.known.index(f.field))
        if f.agg == "sum":
            return f"({total} if {number} else {self._nothing(f)})"
        return f"{self._mean(f)}({total}, {number})"

    def _mean(self, f: Feature) -> str:
        return "half_up" if f.type.kind in ("money", "duration", "time") else "quotient"

    def _nothing(self, f: Feature) -> str:
        return self.space.constant(f.if_none) if f.has_if_none else "0"

    def _tally_of(self, f: Feature) -> int:
        return self.plan.tallies.index((f.field or "", *bounds(f)))

    def _passed(self, f: Feature) -> str:
        i, (lower, upper) = self.i, bounds(f)
        column = self.plan.fields.index(f.field) if f.field else 0
        active = f"s{i}.active({self._time(lower)}, {self._time(upper)}, before)"
        own, counted = self.own_value(f), self.counted(f)
        agg = "half_up" if f.agg == "avg" and f.field in self.plan.sums and self._mean(f) == "half_up" else f.agg
        slow = f"measure({agg!r}, {active}, {column}, {own}, {counted}, t)"
        if f.agg == "sum":
            slow = f"({self._nothing(f)} if (z := {slow}) is None else z)"
        whole = f.agg == "count" or (f.agg == "sum" and f.field in self.plan.sums and not f.has_if_none)
        if not whole or upper is not None or (lower is not None and not lower.unit):
            return slow
        number = quota_periods(self.plan).index(lower)
        fast = f"s{i}.total({number}, {0 if f.agg == 'count' else column + 1}, t)"
        if self.current(f):
            fast += f" + {counted}" if f.agg == "count" else f" + ({own} or 0)"
        return f"({fast} if before is None else {slow})"


def quota_periods(plan: SeriesPlan) -> tuple[Cut | None, ...]:
    """Windows of a quota that have running totals: lifetime (None) and calendar periods up to the event itself."""
    windows = {bounds(f) for f in plan.features}
    return tuple(sorted({lo for lo, hi in windows if hi is None and (lo is None or lo.unit)}, key=repr))
