"""What rules cost: an event by 50 and by 500 compiled rules of six terms, and a rule set of 500 until it can decide.

Belongs here: the rules, the events and the clocks. Other rule engines on the same rules are in `bench.rules_compared`. Never: what only
`risk check` does with files. `python -m bench.rules` runs it alone, with the comparison.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from risk.engine import Engine
from risk.events import Event
from risk.language import Judge, RuleSet, load

RULES, MANY = 50, 500
TERMS = 6
EVENTS = 2_000
ROUNDS = 15
LOADS, CHECKS = 3, 3
TARGET_US, TARGET_MANY_US, TARGET_LOAD_S, TARGET_CHECK_S = 6.0, 41.0, 1.5, 1.0
ROOT = Path(__file__).parent.parent
NUMBERS = tuple(f"{of}_{window}" for of in ("card", "device", "payer", "payee", "ip") for window in ("10m", "1h", "24h", "7d"))
WORDS = {"country": ("DE", "FR", "GB", "US", "NL"), "channel": ("ecom", "pos", "app", "moto"), "currency": ("EUR", "USD", "GBP", "PLN")}

SCHEMA = """
events:
  payment:
    decide: true
    default: true
    fields: {payment_id: text, occurred_at: time, amount: int, country: country, channel: ecom | pos | app | moto,
             currency: EUR | USD | GBP | PLN, card.id: id card, device.id: id device, payer.id: id user, payee.id: id payee, ip: text}
"""


Case = tuple[dict[str, Any], list[int]]
"""An event's fields and the values of `NUMBERS`."""


class Cost(NamedTuple):
    """Microseconds of CPU an event, best of some rounds; ``worst_us``: every rule reads all of its terms and fires; then seconds of the
    clock, best of some: 500 rules from text to an engine, and `risk check` of the shipped rules from its start to its end.
    """

    us: float
    worst_us: float
    many_us: float
    many_worst_us: float
    load_s: float
    check_s: float


def measure(seed: int = 7) -> Cost:
    """Thresholds lie between the 35th and the 85th hundredth of what values are, as in W1; then all below what any value is."""
    drawn = random.Random(seed)
    cases = [one_case(drawn) for _ in range(EVENTS)]
    few, few_worst = (_best(_judge(drawn, RULES, low, high), cases) for low, high in ((35, 85), (-1, -1)))
    many, many_worst = (_best(_judge(drawn, MANY, low, high), cases) for low, high in ((35, 85), (-1, -1)))
    return Cost(few, few_worst, many, many_worst, _load_seconds(drawn), _check_seconds())


def conditions(drawn: random.Random, count: int, low: int = 35, high: int = 85) -> list[list[tuple[str, str, str | int]]]:
    """For each rule its terms: (name, operator, number or word). About three terms in ten compare a word, the others a number."""
    found = []
    for _ in range(count):
        words = drawn.sample(sorted(WORDS), sum(drawn.random() < 0.1 * TERMS for _ in WORDS)) if low >= 0 else []
        numbers = drawn.sample((*NUMBERS, "amount"), TERMS - len(words))
        terms: list[tuple[str, str, str | int]] = [(name, drawn.choice((">", ">=")), drawn.randint(low, high)) for name in numbers]
        terms += [(name, "!=", drawn.choice(WORDS[name])) for name in words]
        drawn.shuffle(terms)
        found.append(terms)
    return found


def rule_file(rules: Sequence[Sequence[tuple[str, str, str | int]]]) -> str:
    """A file of this product with these rules, and the features that they read."""
    lines = ["features:"]
    for name in NUMBERS:
        of, _, window = name.partition("_")
        lines.append(f"  {name}: {{count: payment, per: {of if of == 'ip' else of + '.id'}, over: {window}}}")
    lines.append("rules:")
    for number, terms in enumerate(rules):
        when = " and ".join(written(term) for term in terms)
        facts = "title: one of many, owner: bench, event: payment, mode: shadow, then: review, reasons: [R]"
        lines.append(f"  r{number}: {{{facts}, when: '{when}'}}")
    return SCHEMA + "\n".join(lines) + "\n"


def written(term: tuple[str, str, str | int]) -> str:
    """A term as this language, CEL, zen and rule-engine all write it."""
    name, operator, value = term
    return f'{name} {operator} "{value}"' if isinstance(value, str) else f"{name} {operator} {value}"


def compiled(text: str) -> tuple[RuleSet, Judge]:
    """A rule set and its compiled function, values in the order of `NUMBERS`."""
    ruleset = load([("bench.yaml", text)])
    return ruleset, ruleset.judge("payment", {name: i for i, name in enumerate(NUMBERS)})


def one_case(drawn: random.Random) -> Case:
    event = {"payment_id": "p", "occurred_at": 0, "amount": drawn.randint(0, 99)}
    ids = {"card.id": "c", "device.id": "d", "payer.id": "u", "payee.id": "m", "ip": "10.0.0.1"}
    return {**event, **ids, **{name: drawn.choice(words) for name, words in WORDS.items()}}, [drawn.randint(0, 99) for _ in NUMBERS]


def _judge(drawn: random.Random, count: int, low: int, high: int) -> tuple[RuleSet, Judge]:
    made = compiled(rule_file(conditions(drawn, count, low, high)))
    assert len(made[1].rules) == count
    return made


def _best(made: tuple[RuleSet, Judge], cases: Sequence[Case]) -> float:
    ruleset, judge = made
    events: list[tuple[Event, list[int]]] = [(ruleset.schema.build("payment", fields), values) for fields, values in cases]
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for event, values in events:
            judge(event, values, None)
        rounds.append(time.thread_time() - started)
    return min(rounds) / len(events) * 1e6


def _load_seconds(drawn: random.Random) -> float:
    """500 rules, each with a test that fires and one that stays silent: read, checked, compiled, ready to decide."""
    text = tested(rule_file(conditions(drawn, MANY)))
    seconds = []
    for _ in range(LOADS):
        started = time.perf_counter()
        engine = Engine(load([("bench.yaml", text)]))
        seconds.append(time.perf_counter() - started)
        assert len(engine.plans["payment"].rules) == MANY
    return min(seconds)


def tested(text: str) -> str:
    """The same rules, live, with the tests that a live rule needs."""
    tests = "tests: [{it: fires, events: [{amount: 5}], expect: fires}, {it: is silent, events: [{amount: 6}], expect: silent}]"
    return text.replace("mode: shadow", f"mode: live, {tests}")


def _check_seconds() -> float:
    """`risk check rules` as somebody types it: Python starts, too."""
    typed = [sys.executable, "-c", "from streams.cli import main; main()", "check", "rules"]
    seconds = []
    for _ in range(CHECKS):
        started = time.perf_counter()
        subprocess.run(typed, cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def rows(cost: Cost) -> list[tuple[str, str]]:
    """The figures as a table."""
    return [
        (f"{RULES} rules of {TERMS} terms", _us(cost.us, cost.worst_us, TARGET_US)),
        (f"{MANY} rules of {TERMS} terms", _us(cost.many_us, cost.many_worst_us, TARGET_MANY_US)),
        (f"{MANY} rules, from text", f"{cost.load_s:.2f} s to load, check and compile (at most {TARGET_LOAD_S} wanted)"),
        ("risk check rules", f"{cost.check_s:.2f} s from its start to its end (at most {TARGET_CHECK_S:.0f} wanted)"),
    ]


def _us(us: float, worst_us: float, wanted: float) -> str:
    return f"{us:.2f} us an event (at most {wanted:.0f} wanted); {worst_us:.2f} when every term is read"


def main() -> None:
    from bench import rules_compared

    table = [*rows(measure()), *rules_compared.rows(rules_compared.measure())]
    width = max(len(name) for name, _ in table)
    print("\n".join(f"{name:<{width}}  {text}" for name, text in table))


if __name__ == "__main__":
    main()
