"""What 50 compiled rules of six terms cost an event: the function that the language makes of them, and nothing around it.

`python -m bench.rules` runs it alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from risk.events import Event
from risk.language import Judge, RuleSet, load

RULES = 50
TERMS = 6
EVENTS = 2_000
ROUNDS = 15
TARGET_US = 6.0
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


class Cost(NamedTuple):
    """Microseconds of CPU an event, best of some rounds. ``worst_us``: every rule reads all of its terms and fires."""

    us: float
    worst_us: float


def measure(seed: int = 7) -> Cost:
    """Thresholds lie between the 35th and the 85th hundredth of what values are, as in W1; then all below what any value is."""
    drawn = random.Random(seed)
    cases = [_case(drawn) for _ in range(EVENTS)]
    return Cost(_best(_judge(drawn, 35, 85), cases), _best(_judge(drawn, -1, -1), cases))


def _judge(drawn: random.Random, low: int, high: int) -> tuple[RuleSet, Judge]:
    ruleset = load([("bench.yaml", SCHEMA + _features() + "rules:\n" + "".join(_rule(drawn, i, low, high) for i in range(RULES)))])
    return ruleset, ruleset.judge("payment", {name: i for i, name in enumerate(NUMBERS)})


def _features() -> str:
    return "features:\n" + "".join(
        f"  {name}: {{count: payment, per: {of if of == 'ip' else of + '.id'}, over: {window}}}\n"
        for name in NUMBERS
        for of, _, window in (name.partition("_"),)
    )


def _rule(drawn: random.Random, number: int, low: int, high: int) -> str:
    """About three terms in ten compare a word, the others a number that is spread evenly from 0 to 99."""
    words = drawn.sample(sorted(WORDS), sum(drawn.random() < 0.1 * TERMS for _ in WORDS)) if low >= 0 else []
    numbers = drawn.sample((*NUMBERS, "amount"), TERMS - len(words))
    terms = [f"{name} {drawn.choice(('>', '>='))} {drawn.randint(low, high)}" for name in numbers]
    terms += [f'{name} != "{drawn.choice(WORDS[name])}"' for name in words]
    drawn.shuffle(terms)
    when = " and ".join(terms)
    return f"  r{number}: {{title: one of many, owner: bench, event: payment, mode: shadow, then: review, reasons: [R], when: '{when}'}}\n"


def _case(drawn: random.Random) -> tuple[dict[str, Any], list[int]]:
    event = {"payment_id": "p", "occurred_at": 0, "amount": drawn.randint(0, 99)}
    ids = {"card.id": "c", "device.id": "d", "payer.id": "u", "payee.id": "m", "ip": "10.0.0.1"}
    return {**event, **ids, **{name: drawn.choice(words) for name, words in WORDS.items()}}, [drawn.randint(0, 99) for _ in NUMBERS]


def _best(compiled: tuple[RuleSet, Judge], cases: Sequence[tuple[dict[str, Any], list[int]]]) -> float:
    ruleset, judge = compiled
    assert len(judge.rules) == RULES
    events: list[tuple[Event, list[int]]] = [(ruleset.schema.build("payment", fields), values) for fields, values in cases]
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for event, values in events:
            judge(event, values, None)
        rounds.append(time.thread_time() - started)
    return min(rounds) / len(events) * 1e6


def main() -> None:
    cost = measure()
    wanted = f"at most {TARGET_US:.0f} wanted"
    print(f"{RULES} rules of {TERMS} terms: {cost.us:.2f} us an event ({wanted}), {cost.worst_us:.2f} when every term is read")


if __name__ == "__main__":
    main()
