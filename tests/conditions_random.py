"""Random conditions that type-check, and random events for them: what the property tests of the condition language draw from."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

from risk.declared import NEVER, FieldType
from risk.language.condition import Scope, Symbol

CNY = FieldType("money", currency="CNY")
INT, NUMBER, BOOL, TEXT = FieldType("int"), FieldType("number"), FieldType("bool"), FieldType("text")
DURATION, TIME, COUNTRY, TEXTS = FieldType("duration"), FieldType("time"), FieldType("country"), FieldType("texts")
CARD = FieldType("id", entity="card")
METHOD = FieldType("enum", values=("card", "wallet", "bnpl"))
TYPES = {
    "int": INT,
    "number": NUMBER,
    "bool": BOOL,
    "text": TEXT,
    "duration": DURATION,
    "time": TIME,
    "country": COUNTRY,
    "texts": TEXTS,
    "card": CARD,
    "method": METHOD,
    "money": CNY,
}
WORDS = ("a", "ab", "A.b", "card", "x*", "")
COUNTRIES = ("CN", "SG", "ES")
IPS = ("203.0.113.7", "203.0.113.77", "2001:db8::1", "no ip", "1.2.3.4/5")
START_MS = 1_794_960_000_000  # midnight in UTC


# In a template <kind> is any value of a kind, <!kind> a name, {a b} a choice.
COMPUTED: dict[str, tuple[str, ...]] = {
    "text": ("lower(<!text>)", "prefix(ip, {24 32 64})", 'date(<time>, "Asia/Shanghai")'),
    "int": (
        "<int> {+ - *} <int>",
        'hour(<time>, "Asia/Shanghai")',
        'hour(<time>, "Europe/Madrid")',
        "abs(<int>)",
        "min(<int>, <int>, <int>)",
        "-(<int>)",
    ),
    "number": (
        "<int> / <!int>",
        "<money> / <!money>",
        "<duration> / <!duration>",
        "<number> {+ - *} <number>",
        "<number> / <!number>",
        "max(<number>, <int>)",
        "km_between(<number>, <number>, <int>, 1.5)",
        "model.score",
    ),
    "money": (
        "<money> {+ -} <money>",
        "<money> * <number>",
        "<int> * <money>",
        "<money> / <!int|number>",
        "<money> / {3 35% $n $share}",
        "<money> * {1.5 35% -0.5 $share $n}",
        "min(<money>, <money>)",
        "-(<money>)",
    ),
    "duration": ("<duration> {+ -} <duration>", "<time> - <time>", "<duration> * <number>", "abs(<duration>)"),
    "time": ("<time> {+ -} <duration>", "<duration> + <time>", "max(<time>, <time>)"),
}


WHERE: tuple[tuple[str, bool, Literal["field", "feature"]], ...] = (
    ("{}.sure", False, "field"),
    ("{}.maybe", True, "field"),
    ("{}_seen", True, "feature"),
)


def _symbols() -> dict[str, Symbol]:
    found = {}
    for kind, type_ in TYPES.items():
        for form, optional, where in WHERE:
            name = form.format(kind)
            if kind == "texts" and where == "feature":
                continue
            found[name] = Symbol(name, type_, optional, where, attr=name.replace(".", "_"))
    found["ip"] = Symbol("ip", TEXT, True, "field", attr="ip")
    found["occurred_at"] = Symbol("occurred_at", TIME, False, "field", attr="occurred_at")
    found["model.score"] = Symbol("model.score", NUMBER, True, "score")
    return found


SYMBOLS = _symbols()
PARAMS: dict[str, Any] = {"n": 2, "share": 0.35, "sum": 500, "wait": 60_000, "word": "ab", "kind": "wallet"}
PARAM_TYPES = {"n": INT, "share": NUMBER, "sum": CNY, "wait": DURATION, "word": TEXT, "kind": TEXT}
LISTS: dict[str, frozenset[Any]] = {"words": frozenset({"a", "card"}), "cards": frozenset({"ab", "A.b"}), "sums": frozenset({0, 100, 500})}
LIST_TYPES = {"words": TEXT, "cards": CARD, "sums": CNY}
MACROS = {
    "rich": "money.sure > CNY 1.00 or money_seen > CNY 3.00",
    "odd": "not rich and (int_seen is missing or int_seen < $n)",
}
SCOPE = Scope(
    SYMBOLS,
    {name: Symbol(name, type_, False, "param") for name, type_ in PARAM_TYPES.items()},
    {name: Symbol(name, type_, False, "list") for name, type_ in LIST_TYPES.items()},
    MACROS,
)
SLOTS = {name: i for i, name in enumerate(sorted(name for name, symbol in SYMBOLS.items() if symbol.kind == "feature"))}
FIELDS = {symbol.attr: symbol for symbol in SYMBOLS.values() if symbol.kind == "field"}
STRUCT = type("Struct", (), dict.fromkeys(FIELDS))


@dataclass
class Conditions:
    """Draws conditions as text. Every one is right, though it may warn."""

    rnd: random.Random

    def condition(self, depth: int = 3) -> str:
        kind = self.rnd.random()
        if depth <= 0 or kind < 0.45:
            return self.test(depth)
        if kind < 0.85:
            parts = [f"({self.condition(depth - 1)})" for _ in range(self.rnd.randint(2, 3))]
            return self.rnd.choice((" and ", " or ")).join(parts)
        if kind < 0.93:
            return f"not ({self.condition(depth - 1)})"
        parts = [self.condition(depth - 1) for _ in range(self.rnd.randint(1, 4))]
        return f"at_least({self.rnd.choice(('1', '$n' if len(parts) > 1 else '1', str(len(parts))))}, {', '.join(parts)})"

    def test(self, depth: int) -> str:
        pick = self.rnd.choice
        ordered = self.rnd.choice(("int", "number", "money", "duration", "time"))
        makers: list[Callable[[], str]] = [
            lambda: f"{self.value(ordered, depth)} {pick(('==', '!=', '<', '<=', '>', '>='))} {self.value(ordered, depth)}",
            lambda: f"{self.value(ordered, depth)} {pick(('==', '!=', '<', '<=', '>', '>='))} {self.value(ordered, 0)}",
            lambda: f"{self.value(ordered, 1)} {pick(('', 'not '))}between {self.value(ordered, 0)} and {self.value(ordered, 0)}",
            lambda: f"{self.value(pick(('int', 'money', 'text', 'number')), 1)} is {pick(('missing', 'known'))}",
            lambda: f"{self.textual()} {pick(('==', '!='))} {self.textual()}",
            lambda: f"{self.name('method')} {pick(('==', '!='))} {pick(('$kind', *map(repr_of, METHOD.values)))}",
            lambda: f"{self.name('method')} {pick(('', 'not '))}in [{', '.join(map(repr_of, self.rnd.sample(METHOD.values, 2)))}]",
            lambda: f"{self.name('country')} {pick(('==', '!='))} {pick((self.name('country'), *map(repr_of, COUNTRIES)))}",
            lambda: f"{self.value('int', 0)} {pick(('', 'not '))}in [1, {self.value('int', 0)}, {self.value('int', 0)}]",
            lambda: f"{self.name('text')} {pick(('', 'not '))}in @words",
            lambda: f"{self.name('card')} {pick(('', 'not '))}in @cards",
            lambda: f"{self.value('money', 1)} {pick(('', 'not '))}in @sums",
            lambda: f"{self.textual()} {pick(('', 'not '))}in {self.name('texts', feature=False)}",
            lambda: f"{pick(('contains', 'starts_with', 'ends_with'))}({self.textual()}, {self.textual()})",
            lambda: f"like({self.textual()}, {pick(('$word', repr_of('*a*'), repr_of('?b'), repr_of('a*')))})",
            lambda: f"{self.name('bool')} {pick(('==', '!='))} {pick(('true', 'false', self.name('bool')))}",
            lambda: self.name("bool"),
            lambda: pick(("rich", "odd")),
        ]
        return pick(makers)()

    def name(self, kind: str, feature: bool = True) -> str:
        names = [f"{kind}.sure", f"{kind}.maybe", f"{kind}.maybe"] + [f"{kind}_seen"] * 2 * feature
        return self.rnd.choice(names)

    def textual(self) -> str:
        pick = self.rnd.choice
        return pick(
            (
                self.name("text"),
                self.name("text"),
                repr_of(pick(WORDS)),
                "$word",
                f"lower({self.name('text')})",
                f"prefix(ip, {pick((24, 32, 64))})",
                f'lower(weekday({self.value("time", 0)}, "Europe/Madrid"))',
                f'date({self.value("time", 0)}, "Asia/Shanghai")',
                repr_of("203.0.113.0/24"),
            )
        )

    def value(self, kind: str, depth: int) -> str:
        if depth > 0 and self.rnd.random() < 0.5:
            return f"({self.computed(kind, depth - 1)})"
        if self.rnd.random() < 0.3:
            return self.fixed(kind)
        return self.name(kind)

    def fixed(self, kind: str) -> str:
        pick = self.rnd.choice
        if kind == "int":
            return pick(("0", "1", "2", "3", "-1", "$n"))
        if kind == "number":
            return pick(("0.5", "35%", "1.1", "$share", "3", "-0.5"))
        if kind == "money":
            return pick(("CNY 0.01", "CNY 5.00", "$sum", "-CNY 1.00", "CNY 1"))
        return pick(("1s", "1m", "60m", "$wait", "2d")) if kind == "duration" else "occurred_at"

    def computed(self, kind: str, depth: int) -> str:
        def filled(hole: re.Match[str]) -> str:
            kinds = hole[2].split("|")
            chosen = self.rnd.choice(kinds)
            return self.name(chosen) if hole[1] else self.value(chosen, depth)

        template = re.sub(r"\{([^}]+)\}", lambda choice: self.rnd.choice(choice[1].split(" ")), self.rnd.choice(COMPUTED[kind]))
        return re.sub(r"<(!?)([a-z|]+)>", filled, template)


def repr_of(text: str) -> str:
    return f'"{text}"'


@dataclass
class Events:
    """Draws events: an object with the fields, the features' values by slot, the score, and all of them by name."""

    rnd: random.Random

    def __call__(self) -> tuple[Any, list[Any], float | None, dict[str, Any]]:
        values = {name: self.drawn(symbol) for name, symbol in SYMBOLS.items()}
        event = SimpleNamespace(**{symbol.attr: values[symbol.name] for symbol in FIELDS.values()})
        by_slot = [values[name] for name in SLOTS]
        return event, by_slot, values["model.score"], values

    def drawn(self, symbol: Symbol) -> Any:
        if symbol.optional:
            chance = self.rnd.random()
            if symbol.kind == "feature" and chance < 0.10:
                return NEVER
            if chance < 0.58:
                return None
        pick = self.rnd.choice
        match symbol.type.kind:
            case "int":
                return pick((-1, 0, 0, 1, 2, 3))
            case "number":
                return pick((-0.5, 0.0, 0.35, 1.1, 2, 3.75))
            case "money":
                return pick((0, 1, 3, 100, 333, 499, 500, 501))
            case "duration":
                return pick((0, 1, 1000, 60_000, 3_600_000, 172_800_000))
            case "time":
                return pick((START_MS, START_MS + 57_600_000, START_MS - 5_000_000_000, -1_000_000, START_MS + 12_345))
            case "bool":
                return self.rnd.random() < 0.5
            case "country":
                return pick(COUNTRIES)
            case "enum":
                return pick(symbol.type.values)
            case "texts":
                return tuple(self.rnd.sample(WORDS, 2))
        return pick(IPS) if symbol.name == "ip" else pick(WORDS)
