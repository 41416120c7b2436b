"""Opening balances: what was spent before we counted, entered as reservations that the limits read.

A line of a seed file says a feature, whose profile, which period, and how much. It becomes a row of that feature's series, as a payment
would have left it: at the first instant of its period, at its own moment for a window that slides. So a seed goes the way of any touch,
is kept, restored and counted like one; and since a row has an identity, the same line entered twice counts once.

Rule 1: a line is refused rather than half understood: what would also count somewhere else is refused too.
Rule 2: no clock and no files: lines and the time come as arguments.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from risk.cards import holds_card
from risk.declared import Feature
from risk.engine import Engine, InProcess
from risk.language.condition import Fault, literal
from risk.language.sections.keys import moment_ms
from risk.language.suggest import closest
from risk.money import AMOUNT_MAX_MINOR, render
from risk.profiles import Touch, coverage_keys
from risk.profiles.plan import SeriesPlan
from risk.profiles.windows import EPOCH, MILLISECOND, Period

HEADER = ("feature", "key", "period", "amount")
LINES_MAX = 10_000_000
KEY_CHARACTERS_MAX = 256
KEY_SEPARATOR, JOINED = ";", "\x1f"
REVISIONS_MAX = 100
PERIODS = {
    "year": (r"\d{4}", "2026", "-01-01"),
    "month": (r"\d{4}-\d{2}", "2026-11", "-01"),
    "week": (r"\d{4}-W\d{2}", "2026-W48", "-1"),
    "day": (r"\d{4}-\d{2}-\d{2}", "2026-11-24", ""),
}
"""How a period of each unit is written: its form, an example, and what makes it a date."""


@dataclass(frozen=True, slots=True)
class SeedProblem:
    """What is wrong with a line; nothing of the file is entered then."""

    line: int
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Seed:
    """One opening balance as a row of a profile. ``ids``: identity of this row, after those of the revisions that it replaces.

    ``t``: time of the row (ms); ``amount``: minor units, or a number; ``over``: the period has ended, so that nothing will read it.
    """

    line: int
    feature: Feature
    touch: Touch
    key: str
    period: str
    t: int
    amount: int
    row: tuple[object, ...]
    ids: tuple[int, ...]
    over: bool

    @property
    def tid(self) -> int:
        return self.ids[-1]

    def told(self) -> str:
        """`balance_this_year of prs_1, 2026: CNY 41200.00`."""
        currency = self.feature.type.currency
        much = render(currency, self.amount) if currency else str(self.amount)
        revised = f", instead of {len(self.ids) - 1} earlier" if len(self.ids) > 1 else ""
        return f"{self.feature.name} of {self.key.replace(JOINED, KEY_SEPARATOR)}, {self.period}: {much}{revised}"


class _Refused(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class SeedReader:
    """Lines to seeds, under one rule set. ``now_ms``: a period that begins later is refused."""

    def __init__(self, engine: Engine, now_ms: int) -> None:
        self.engine = engine
        self.now_ms = now_ms
        self.features = engine.ruleset.features
        self._ways: dict[str, tuple[Touch, SeriesPlan]] = {}
        self._first: dict[tuple[str, str, str], int] = {}

    def read(self, lines: Iterable[str]) -> tuple[list[Seed], list[SeedProblem]]:
        """All seeds and all that is wrong. `feature,key,period,amount` and, optionally, `revision`; `#` begins a remark."""
        seeds: list[Seed] = []
        problems: list[SeedProblem] = []
        header: tuple[str, ...] | None = None
        for number, text in enumerate(lines, 1):
            if number > LINES_MAX:
                problems.append(SeedProblem(number, f"a seed file has at most {LINES_MAX:,} lines"))
                break
            fields = tuple(part.strip() for part in text.strip().split(","))
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            if header is None:
                header = fields
                if fields not in (HEADER, (*HEADER, "revision")):
                    problems.append(SeedProblem(number, f"the first line names the columns: `{','.join(HEADER)}`"))
                    break
                continue
            try:
                seeds.append(self._seed(number, fields, len(header)))
            except _Refused as refused:
                problems.append(SeedProblem(number, refused.message, refused.hint))
        if header is None:
            problems.append(SeedProblem(1, "the file is empty", f"its first line is `{','.join(HEADER)}`"))
        return seeds, problems

    def _seed(self, line: int, fields: tuple[str, ...], columns: int) -> Seed:
        if len(fields) != columns:
            raise _Refused(f"there are {len(fields)} values for {columns} columns", "a value cannot hold a comma")
        name, key, period = fields[:3]
        feature = self._feature(name)
        touch, series = self._way(feature)
        first = self._first.setdefault((name, key, period), line)
        if first != line:
            raise _Refused(f"`{name}` of `{key}` for {period} stands in line {first} already", "add the two up")
        joined = self._key(feature, key)
        t, over = self._time(feature, series, period)
        amount = self._amount(feature, fields[3])
        revision = self._revision(fields[4]) if columns > len(HEADER) else 1
        row = tuple(
            amount if column == feature.field else column == f"where:{series.where}" if column.startswith("where:") else None
            for column in touch.columns
        )
        ids = tuple(seed_tid(name, joined, period, number) for number in range(1, revision + 1))
        return Seed(line, feature, touch, joined, period, t, amount, row, ids, over)

    def _feature(self, name: str) -> Feature:
        feature = self.features.get(name)
        if feature is None:
            hint = closest(name, self.features)
            raise _Refused(f"there is no feature `{name}`", f"did you mean `{hint}`?" if hint else None)
        if feature.agg != "sum" or feature.counts != "passed" or feature.ending_ms:
            raise _Refused(f"`{name}` is no sum of what passed", "opening balances are for limits: `sum:` with `counts: passed`")
        return feature

    def _way(self, feature: Feature) -> tuple[Touch, SeriesPlan]:
        """The touch through which a row enters this feature's series, and no other."""
        if feature.name not in self._ways:
            layout = self.engine.layout
            series = layout.series[coverage_keys(feature)[0]]
            why = self._shared(feature, series)
            if why is not None:
                raise _Refused(f"`{feature.name}` cannot be seeded alone: the row would also count in {why}")
            free = [event for event in series.of if not self._counted_too(event, series)]
            touches = [each for event in free for each in layout.touches[event] if each.kind == series.kind and each.records]
            touches = [each for each in touches if each.role.split("=")[0] == "+".join(series.per) and f"{feature.field}" in each.columns]
            if not touches:
                others = sorted({name for event in series.of for name in self._counted_too(event, series)})
                raise _Refused(f"`{feature.name}` cannot be seeded alone: the row would also count in `{'`, `'.join(others)}`")
            self._ways[feature.name] = touches[0], series
        return self._ways[feature.name]

    def _shared(self, feature: Feature, series: SeriesPlan) -> str | None:
        """Another feature over the same rows that a row would change."""
        for other in series.features:
            if other.name != feature.name and (other.agg, other.field, other.window) != (feature.agg, feature.field, feature.window):
                return f"`{other.name}`"
        return None

    def _counted_too(self, event: str, series: SeriesPlan) -> list[str]:
        """Features of other series of the same profile that take a row of this event whatever its conditions say."""
        return [
            other.features[0].name
            for other in self.engine.layout.series.values()
            if other.kind == series.kind and other.per == series.per and event in other.of and other.name != series.name
            if other.where is None or other.where == series.where
        ]

    @staticmethod
    def _key(feature: Feature, key: str) -> str:
        parts = [part.strip() for part in key.split(KEY_SEPARATOR)]
        if len(parts) != len(feature.per):
            wanted = f" {KEY_SEPARATOR} ".join(feature.per)
            raise _Refused(f"`{key}` has {len(parts)} parts; `{feature.name}` is kept per {wanted}")
        for part in parts:
            if not part or len(part) > KEY_CHARACTERS_MAX or not part.isprintable():
                raise _Refused(f"a key has 1 to {KEY_CHARACTERS_MAX} characters that can be printed")
            if holds_card(part):
                raise _Refused("a card number must not be kept anywhere", "write the token of the card")
        return JOINED.join(parts)

    def _time(self, feature: Feature, series: SeriesPlan, period: str) -> tuple[int, bool]:
        """Where in time the row stands, and whether its period is over."""
        window = feature.window
        if window.kind == "sliding":
            t = moment_ms(period)
            if t is None:
                hint = "write it like `2026-11-24T09:00:00+08:00`"
                raise _Refused(f"`{feature.name}` slides, so it takes a moment, not `{period}`", hint)
            over = t <= self.now_ms - window.length_ms
        elif window.kind == "lifetime":
            if period != "lifetime":
                raise _Refused(f"`{feature.name}` is over a lifetime, not over `{period}`", "write `lifetime`")
            t, over = 0, False
        else:
            assert window.unit is not None and window.zone is not None
            began = first_instant(period, window.unit, window.zone)
            if began is None:
                hint = f"write it like `{PERIODS[window.unit][1]}`"
                raise _Refused(f"`{feature.name}` is over a calendar {window.unit}, not over `{period}`", hint)
            t = began
            over = Period(window.unit, window.zone).start_of(self.now_ms) > t
        if t > self.now_ms:
            raise _Refused(f"{period} has not begun", "an opening balance is of what has been spent")
        return t, over

    @staticmethod
    def _amount(feature: Feature, text: str) -> int:
        found = literal(text, feature.type)
        if isinstance(found, Fault):
            raise _Refused(f"amount: {found.message}", found.hint)
        amount = found[0]
        if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= AMOUNT_MAX_MINOR:
            raise _Refused(f"amount: `{text}` is not more than nothing, or beyond what a payment can be")
        return amount

    @staticmethod
    def _revision(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= REVISIONS_MAX:
            raise _Refused(f"revision: a whole number from 1 to {REVISIONS_MAX}, not `{text}`")
        return int(text)


def first_instant(period: str, unit: str, zone: str) -> int | None:
    """The first millisecond of `2026`, `2026-11`, `2026-W48` or `2026-11-24` in a zone; None where the text names no such period."""
    form, _, whole = PERIODS[unit]
    if not re.fullmatch(form, period, re.ASCII):
        return None
    try:
        day = datetime.fromisoformat(period + whole)
    except ValueError:
        return None
    return (day.replace(tzinfo=ZoneInfo(zone)) - EPOCH) // MILLISECOND


def seed_tid(feature: str, key: str, period: str, revision: int) -> int:
    """The 63-bit identity of a seed's row: the same line is the same row, however often it is entered."""
    text = "\x1e".join(("seed", feature, key, period, str(revision)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def current(seeds: Iterable[Seed]) -> list[Seed]:
    """Those that something will read: of a period that is not over."""
    return [seed for seed in seeds if not seed.over]


def enter(seeds: Iterable[Seed], machine: InProcess) -> None:
    """Into the profiles of an engine in memory. Again changes nothing; a revision takes the place of earlier ones."""
    for seed in current(seeds):
        profile = machine.profile(seed.touch.kind, seed.key)
        for earlier in seed.ids[:-1]:
            profile.release(earlier)
        seed.touch.record(profile, seed.t, seed.row, seed.tid)


def told(seeds: Iterable[Seed]) -> Iterator[str]:
    """What entering will do: a line for each feature."""
    totals: dict[str, tuple[int, int, Feature]] = {}
    for seed in seeds:
        number, amount, _ = totals.get(seed.feature.name, (0, 0, seed.feature))
        totals[seed.feature.name] = number + 1, amount + seed.amount, seed.feature
    for name, (number, amount, feature) in sorted(totals.items()):
        currency = feature.type.currency
        yield f"{name}: {number:,} {'key' if number == 1 else 'keys'}, {render(currency, amount) if currency else amount}"
