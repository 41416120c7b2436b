"""Touches as straight-line Python: one function text per event and profile kind, no loop over features left in it.

Rule 1: the text is made of our own names, numbers and slots; whatever comes from a rule file enters as a constant of the namespace.
Rule 2: three ways to the same values. ``read``: in time order, pointers move forward. ``late``: older than the newest touch, by
search. ``observe``: ``read`` and ``record`` at once, for the hot path; the event's own row is in the columns while they are read.

Names in the text, for series i: ``s`` the series, ``ts`` its times, ``n`` rows before the event, ``m`` with its own, ``x_j`` the index
of cut j, ``p_j u_j v_j`` running total of field j, its value before the event and with it, ``k_j g_j h_j`` the same for present values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Literal

from risk.declared import NEVER, Feature
from risk.profiles.aggregates import OVER_ROWS, half_up, quotient
from risk.profiles.plan import SeriesPlan, TouchPlan
from risk.profiles.quota import Ledger, measure
from risk.profiles.tally import Tally
from risk.profiles.windows import Cut, Period, bounds

Mode = Literal["read", "late", "observe"]
FEW_ROWS = 9  # below it, a set made of the rows is as fast as a tally kept up to date, and takes no memory


class Namespace(dict[str, Any]):
    """What the generated text may name, and constants put there under fresh names."""

    def __init__(self) -> None:
        super().__init__(bisect_right=bisect_right, half_up=half_up, quotient=quotient, measure=measure, never=NEVER)
        self.update(Tally=Tally, Ledger=Ledger)
        self.update({f"over_{agg}": function for agg, function in OVER_ROWS.items()})
        self.periods: dict[tuple[str, str], str] = {}

    def constant(self, value: Any) -> str:
        name = f"const_{len(self)}"
        self[name] = value
        return name

    def period(self, cut: Cut) -> str:
        assert cut.unit and cut.zone
        key = (cut.unit, cut.zone)
        if key not in self.periods:
            self.periods[key] = self.constant(Period(*key))
        return self.periods[key]

    def run(self, text: str, name: str) -> Any:
        exec(text, self)  # our own text, see rule 1
        return self[name]


class Block:
    """The text for one series within one function."""

    def __init__(self, i: int, plan: SeriesPlan, touch: TouchPlan, space: Namespace, optional: frozenset[str], mode: Mode) -> None:
        self.i, self.plan, self.space, self.mode = i, plan, space, mode
        self.asked = [f for f in touch.asked if f in plan.features]
        self.own = plan in touch.recorded
        self.names = {c: f"r{k}" for k, c in enumerate(touch.columns)}
        self.where = self.names[f"where:{plan.where}"] if self.own and plan.where else None
        self.sure = self.own and plan.where is None
        self.optional = optional
        self.lines: list[str] = []

    def add(self, *lines: str) -> None:
        self.lines.extend(lines)

    def current(self, f: Feature) -> bool:
        """Does the event being decided count? It lies at t, outside a window that ends earlier."""
        return f.with_current and self.own and not f.ending_ms

    def amount(self, field: str) -> str:
        """The row's value as a summand: absent is nothing. A row of today's plan has what is required."""
        name = self.names[field]
        return name if self.mode == "observe" and field not in self.optional else f"({name} or 0)"

    def own_value(self, f: Feature) -> str:
        """The row's value where it counts, else None."""
        if not self.current(f) or f.field is None:
            return "None"
        return self.names[f.field] if self.sure else f"({self.names[f.field]} if {self.where} else None)"

    def counted(self, f: Feature) -> str:
        return "False" if not self.current(f) else "True" if self.sure else f"bool({self.where})"

    def text(self) -> list[str]:
        i, plan = self.i, self.plan
        empty = self.space.constant(self.space[f"class_{plan.slot}"]()) if self.mode != "observe" or not self.sure else ""
        self.add(f"s{i} = p.{plan.slot}")
        if plan.passed:
            self.add(f"if s{i} is None: s{i} = {empty}")
            return self.lines
        if self.mode == "observe" and self.own:
            make = f"s{i} = p.{plan.slot} = class_{plan.slot}()"
            self.add(f"if s{i} is None: {make}" if self.sure else f"if s{i} is None:\n  if {self.where}: {make}\n  else: s{i} = {empty}")
        else:
            self.add(f"if s{i} is None: s{i} = {empty}")
        self.add(f"ts{i} = s{i}.ts", f"n{i} = bisect_right(ts{i}, t)" if self.mode == "late" else f"n{i} = len(ts{i})")
        if any(self.current(f) for f in self.asked):
            self.add(f"m{i} = n{i} + 1" if self.sure else f"m{i} = n{i} + 1 if {self.where} else n{i}")
        self._running()
        if self.mode == "observe" and self.own:
            self._append()
        for j in sorted({plan.cuts.index(c) for f in self.asked for c in bounds(f) if c is not None}):
            self._cut(j)
        for k, tally in enumerate(plan.tallies):
            if any(f.agg == "distinct" and (f.field, *bounds(f)) == tally for f in self.asked):
                self._tally(k)
        return self.lines

    def _running(self) -> None:
        """Running totals that are read: before the event, and with it."""
        i, top = self.i, f"[n{self.i}]" if self.mode == "late" else "[-1]"
        summed = [f for f in self.asked if f.agg in ("sum", "avg") and f.field in self.plan.sums]
        for letters, group, fields in (("puv", "sum", self.plan.sums), ("kgh", "known", self.plan.known)):
            for j, field in enumerate(fields):
                users = [f for f in summed if f.field == field and (group == "sum" or f.agg == "avg" or f.has_if_none)]
                running, before, after = (f"{letter}{i}_{j}" for letter in letters)
                if users:
                    self.add(f"{running} = s{i}.{letters[0]}{j}", f"{before} = {running}{top}")
                if any(self.current(f) for f in users):
                    more = self.amount(field) if group == "sum" else f"({self.names[field]} is not None)"
                    self.add(f"{after} = {before} + {more}" if self.sure else f"{after} = {before} + {more} if {self.where} else {before}")

    def _append(self) -> None:
        i, plan, known = self.i, self.plan, "\n".join(self.lines)
        lines = [f"ts{i}.append(t)"]
        for letters, fields in (("pv", plan.sums), ("kh", plan.known)):
            for j, field in enumerate(fields):
                column, after = f"s{i}.{letters[0]}{j}", f"{letters[1]}{i}_{j}"
                more = self.amount(field) if letters[0] == "p" else f"({self.names[field]} is not None)"
                held = f"{letters[0]}{i}_{j}" if f"{letters[0]}{i}_{j} =" in known else column
                lines.append(f"{held}.append({after if f'{after} =' in known else f'{column}[-1] + {more}'})")
        lines += [f"s{i}.c{j}.append({self.names[field]})" for j, field in enumerate(plan.kept)]
        if self.sure:
            self.add(*lines)
        else:
            self.add(f"if {self.where}:", *(f" {line}" for line in lines))

    def _cut(self, j: int) -> None:
        """The number of rows at or before a cut."""
        i, cut = self.i, self.plan.cuts[j]
        at = f"t - {cut.back_ms}" if cut.back_ms else "t"
        if cut.unit:
            period = self.space.period(cut)
            self.add(f"z = {at}", f"if not {period}.start <= z < {period}.end: {period}.turn(z)")
            at = f"{period}.before"
        self.add(f"z{i}_{j} = {at}")
        if self.mode == "late":
            self.add(f"x{i}_{j} = bisect_right(ts{i}, z{i}_{j}, 0, n{i})")
            return
        inside = "" if self.mode == "observe" and self.sure else f"x{i}_{j} < n{i} and "  # the own row, at t, stops the search
        self.add(
            f"x{i}_{j} = s{i}.l{j}",
            f"if {inside}ts{i}[x{i}_{j}] <= z{i}_{j}:",
            f" x{i}_{j} += 1",
            f" if {inside}ts{i}[x{i}_{j}] <= z{i}_{j}: x{i}_{j} = bisect_right(ts{i}, z{i}_{j}, x{i}_{j}, n{i})",
            f" s{i}.l{j} = x{i}_{j}",
        )

    def _index(self, cut: Cut | None, default: str) -> str:
        return default if cut is None else f"x{self.i}_{self.plan.cuts.index(cut)}"

    def _tally(self, k: int) -> None:
        """The different values of a window, as a set or a dict."""
        i, (field, lower, upper) = self.i, self.plan.tallies[k]
        lo, hi, column = self._index(lower, "0"), self._index(upper, f"n{i}"), f"s{i}.c{self.plan.kept.index(field)}"
        self.add(
            f"if {hi} - {lo} < {FEW_ROWS}:" if lower else f"if {hi} < {FEW_ROWS}:",
            f" q{i}_{k} = set({column}[{lo}:{hi}])",
            f" if None in q{i}_{k}: q{i}_{k}.discard(None)",
            "else:",
            f" z = s{i}.d{k}",
            f" if z is None: z = s{i}.d{k} = Tally()",
            f" q{i}_{k} = z.over({column}, {lo}, {hi})",
        )

    def value(self, f: Feature, since: int) -> str:
        """Expression for one feature: covered or unknown, something or nothing."""
        plain = self._passed(f) if self.plan.passed else self._plain(f)
        none = self.space.constant(f.if_none) if f.has_if_none else "never"
        if f.agg not in ("count", "distinct", "sum"):
            plain = f"({none} if (z := {plain}) is None else z)"
        elif f.has_if_none and f.agg != "sum":
            plain = f"(({plain}) or {none})"
        if not since:
            return plain
        lower = bounds(f)[0]
        if lower is None:
            return "None"  # reaches back before every date
        return f"(None if {self._time(lower)} + 1 < {since} else {plain})"

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
        total = stretch("puv", self.plan.sums.index(f.field))
        if f.agg == "sum" and not f.has_if_none:
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


def reading(touch: TouchPlan, series: Mapping[str, SeriesPlan], mode: Mode, space: Namespace,
            optional: frozenset[str], since: Mapping[str, int]) -> list[str]:
    """Body of a function that answers: everything after its ``def``, at one space of indent."""
    involved = [s for s in series.values() if s.kind == touch.kind and any(f in s.features for f in touch.asked)]
    if mode == "observe":
        involved += [s for s in touch.recorded if s not in involved]
    blocks = [Block(i, s, touch, space, optional, mode) for i, s in enumerate(involved)]
    lines = [line for block in blocks for line in block.text()]
    if mode == "observe" and len(blocks) == 1:
        lines = [*blocks[0].begin(since), *lines]
    home = {f.name: block for block in blocks for f in block.asked}
    answers = [home[f.name].value(f, since.get(f.name, 0)) for f in touch.asked]
    return [f" {line}" for line in [*lines, f"return [{', '.join(answers)}]"]]
