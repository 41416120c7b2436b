"""The text that brings one series' columns up to the event: running totals, the event's own row, cutoffs, tallies.

Rule 1: the text is made of our own names, numbers and slots; whatever comes from a rule file enters as a constant of the namespace.
Rule 2: three ways to the same values. ``read``: in time order, pointers move forward. ``late``: older than the newest touch, by
search. ``observe``: ``read`` and ``record`` at once, for the hot path; the event's own row is in the columns while they are read.

Names in the text, for series i: ``s`` the series, ``ts`` its times, ``n`` rows before the event, ``m`` with its own, ``x_j`` the index
of cut j, ``p_j u_j v_j`` running total of field j, its value before the event and with it, ``k_j g_j h_j`` the same for present values,
``q_j`` the different values of tally j.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Literal

from risk.declared import NEVER, Feature
from risk.profiles.aggregates import OVER_ROWS, half_up, quotient
from risk.profiles.plan import SeriesPlan, TouchPlan
from risk.profiles.quota import Ledger, measure
from risk.profiles.retracting import standing
from risk.profiles.tally import Tally
from risk.profiles.windows import Cut, Period, bounds

Mode = Literal["read", "late", "observe"]
FEW_ROWS = 9  # below it, a set made of the rows is as fast as a tally kept up to date, and takes no memory


class Namespace(dict[str, Any]):
    """What the generated text may name, and constants put there under fresh names."""

    def __init__(self) -> None:
        super().__init__(bisect_right=bisect_right, half_up=half_up, quotient=quotient, measure=measure, never=NEVER)
        self.update(Tally=Tally, Ledger=Ledger, standing=standing)
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
        self.read: set[str] = set()  # names of running totals that are set

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
        for letters, fields in (("puv", self.plan.sums), ("kgh", self.plan.known)):
            for j, field in enumerate(fields):
                users = [f for f in summed if f.field == field and (letters == "puv" or f.agg == "avg" or f.has_if_none)]
                running, before, after = (f"{letter}{i}_{j}" for letter in letters)
                if users:
                    self.add(f"{running} = s{i}.{letters[0]}{j}", f"{before} = {running}{top}")
                    self.read.add(running)
                if any(self.current(f) for f in users):
                    with_own = f"{before} + {self._more(letters[0], field)}"
                    self.add(f"{after} = {with_own}" if self.sure else f"{after} = {with_own} if {self.where} else {before}")
                    self.read.add(after)

    def _more(self, letter: str, field: str) -> str:
        """What the event adds to a running total of values (p) or of present values (k)."""
        return self.amount(field) if letter == "p" else f"({self.names[field]} is not None)"

    def _append(self) -> None:
        """Enter the event's own row. What is read after this looks at ``n`` rows, not at the end of a column."""
        i, plan = self.i, self.plan
        lines = [f"ts{i}.append(t)"]
        for (letter, with_own), fields in (("pv", plan.sums), ("kh", plan.known)):
            for j, field in enumerate(fields):
                running, after = f"{letter}{i}_{j}", f"{with_own}{i}_{j}"
                column = running if running in self.read else f"s{i}.{letter}{j}"
                lines.append(f"{column}.append({after if after in self.read else f'{column}[-1] + {self._more(letter, field)}'})")
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
