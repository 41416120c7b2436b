"""Three rule engines from PyPI on the same 50 rules and events as our compiled function, in one run: what matters is the ratio.

Belongs here: how each of them is asked. Each is given what it likes best: its rules compiled once, an event made into its kind of value
once. Never: an import at the top. They are of requirements-bench.lock, which `make bench` installs; nothing else needs them.
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bench.rules import NUMBERS, RULES, Case, compiled, conditions, one_case, rule_file, written

EVENTS = 100
ROUNDS_MAX, SECONDS_MAX = 5, 2.0

Ask = Callable[[dict[str, Any]], list[int]]
"""An event by name and value -> the numbers of the rules that hold."""


class Compared(NamedTuple):
    """Microseconds of CPU an event for all 50 rules; None: not installed. ``ours_us`` is the compiled function in the same run."""

    ours_us: float
    others_us: dict[str, float | None]


def _cel(texts: Sequence[str]) -> Ask:
    celpy = importlib.import_module("celpy")
    environment = celpy.Environment()
    programs = [environment.program(environment.compile(text.replace(" and ", " && "))) for text in texts]

    def ask(event: dict[str, Any]) -> list[int]:
        values = {name: celpy.celtypes.StringType(x) if isinstance(x, str) else celpy.celtypes.IntType(x) for name, x in event.items()}
        return [i for i, program in enumerate(programs) if program.evaluate(values)]

    return ask


def _zen(texts: Sequence[str]) -> Ask:
    zen = importlib.import_module("zen")
    expressions = [zen.compile_expression(text) for text in texts]
    return lambda event: [i for i, expression in enumerate(expressions) if expression.evaluate(event)]


def _rule_engine(texts: Sequence[str]) -> Ask:
    rule_engine = importlib.import_module("rule_engine")
    rules = [rule_engine.Rule(text) for text in texts]
    return lambda event: [i for i, rule in enumerate(rules) if rule.matches(event)]


OTHERS: dict[str, Callable[[Sequence[str]], Ask]] = {"cel-python": _cel, "zen-engine": _zen, "rule-engine": _rule_engine}


class Disagreement(AssertionError):
    """An engine says something else of an event: then its speed means nothing."""


def measure(seed: int = 7) -> Compared:
    """Raises Disagreement."""
    drawn = random.Random(seed)
    rules = conditions(drawn, RULES)
    cases = [one_case(drawn) for _ in range(EVENTS)]
    ruleset, judge = compiled(rule_file(rules))
    ready = [(ruleset.schema.build("payment", fields), values) for fields, values in cases]
    fired = [judge(event, values, None)[0] for event, values in ready]
    ours = _best(lambda: [judge(event, values, None) for event, values in ready])
    texts = [" and ".join(written(term) for term in terms) for terms in rules]
    return Compared(ours, {name: _timed(name, make, texts, cases, fired) for name, make in OTHERS.items()})


def _timed(
    name: str, make: Callable[[Sequence[str]], Ask], texts: Sequence[str], cases: Sequence[Case], fired: Sequence[list[int]]
) -> float | None:
    try:
        ask = make(texts)
    except ImportError:
        return None
    events = [_plain(fields, values) for fields, values in cases]
    for event, expected in zip(events, fired, strict=True):
        if ask(event) != expected:
            raise Disagreement(f"{name} says {ask(event)} of {event}, and we say {expected}")
    return _best(lambda: [ask(event) for event in events])


def _plain(fields: dict[str, Any], values: Sequence[int]) -> dict[str, Any]:
    named = {name: value for name, value in fields.items() if "." not in name}
    return {**named, **dict(zip(NUMBERS, values, strict=True))}


def _best(run: Callable[[], object]) -> float:
    rounds: list[float] = []
    while len(rounds) < ROUNDS_MAX and (not rounds or sum(rounds) < SECONDS_MAX):
        started = time.thread_time()
        run()
        rounds.append(time.thread_time() - started)
    return min(rounds) / EVENTS * 1e6


def rows(found: Compared) -> list[tuple[str, str]]:
    """The figures as a table, others as a multiple of ours."""
    table = [(f"the same {RULES} rules by", f"this product: {found.ours_us:.2f} us an event")]
    for name, us in found.others_us.items():
        told = "not installed (requirements-bench.lock)" if us is None else f"{us:,.0f} us, {us / found.ours_us:,.0f} times as much"
        table.append((f"  {name}", told))
    return table
