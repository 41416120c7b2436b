"""Writes bench/w1/rules/ from the task: features, rules with their tests, model. `python -m bench.w1.make_rules`; the result is committed.

`events.yaml` and `policy.yaml` there are written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.w1.task import DISTINCT, ENTITIES, RULES, VALUES, WINDOWS, Model, Rule, read_task

FIELD = {
    "card_id": "card.id", "device_id": "device.id", "customer_id": "payer.id", "merchant_id": "payee.id", "ip": "ip",
    "mcc": "payee.mcc", "amount_minor": "amount_minor", "country": "country", "channel": "channel", "currency": "currency",
}  # fmt: skip
"""What our schema calls a field of the producer's JSON."""
OTHERS: Mapping[str, tuple[Any, ...]] = {
    "country": ("DE", "FR", "GB", "US"),
    "channel": ("ecom", "pos", "app", "moto"),
    "currency": ("EUR", "USD", "GBP", "PLN"),
    "mcc": (5999, 5411, 5812),
}
"""Words that tests may put where a rule asks for another."""
HEAD = "# Made by bench/w1/make_rules.py; do not edit.\n"


def written() -> dict[str, str]:
    """File name -> text."""
    task = read_task()
    return {
        "features.yaml": HEAD + "features:\n" + "".join(_features()),
        "rules.yaml": HEAD + "rules:\n" + "\n".join(_rule(rule) for rule in task.rules),
        "model.yaml": HEAD + _model(task.model),
    }


def _features() -> Iterable[str]:
    for entity, key in ENTITIES.items():
        for window in WINDOWS:
            rest = f"per: {FIELD[key]}, over: {window}, with_current: true}}\n"
            yield f"  {entity}_count_{window}: {{count: payment, {rest}"
            yield f"  {entity}_sum_{window}: {{sum: amount_minor, of: payment, {rest}"
    for name, (entity, other, window) in DISTINCT.items():
        per = FIELD[ENTITIES[entity]]
        yield f"  {name}: {{distinct: {FIELD[other]}, of: payment, per: {per}, over: {window}, with_current: true}}\n"


def _rule(rule: Rule) -> str:
    lines = [
        f"  {rule.name}:",
        f"    title: W1 rule {rule.id}",
        "    owner: bench",
        "    event: payment",
        "    mode: live",
        f"    when: {' and '.join(_term(*term) for term in rule.terms)}",
        f"    then: {rule.action}",
        "    reasons: [W1]",
        "    tests:",
    ]
    holding = _holding(rule)
    if holding is None:
        lines[4] = "    mode: shadow   # no payment can be so: W1 has it so, and `risk check` refuses it as a live rule"
        lines[5] = f"    when: {' and '.join(_veiled(*term) for term in rule.terms)}"
        return "\n".join(lines[:-1]) + "\n"
    lines += _test("fires when all terms hold", holding, "fires")
    lines += _test("stays silent when the first does not", {**holding, rule.terms[0][0]: _breaking(*rule.terms[0])}, "silent")
    return "\n".join(lines) + "\n"


def _term(name: str, op: str, constant: Any) -> str:
    return f"{FIELD.get(name, name)} {op} {_literal(constant)}"


def _veiled(name: str, op: str, constant: Any) -> str:
    """The same comparison in a form that is not seen to contradict another."""
    return f"at_least(1, {_term(name, op, constant)})" if isinstance(constant, str) else _term(name, op, constant)


def _literal(constant: Any) -> str:
    return f'"{constant}"' if isinstance(constant, str) else str(constant)


def _holding(rule: Rule) -> dict[str, Any] | None:
    """Values for which every term of the rule holds; None when there are none."""
    chosen: dict[str, Any] = {}
    for name in dict.fromkeys(name for name, _, _ in rule.terms):
        terms = [(op, constant) for each, op, constant in rule.terms if each == name]
        candidates = [constant + step for _, constant in terms for step in (-1, 0, 1)] if name not in OTHERS else []
        candidates += [constant for _, constant in terms if name in OTHERS] + list(OTHERS.get(name, ()))
        fitting = [value for value in candidates if all(_holds(value, op, constant) for op, constant in terms)]
        if not fitting:
            return None
        chosen[name] = fitting[0]
    return chosen


def _holds(value: Any, op: str, constant: Any) -> bool:
    if op in ("==", "!="):
        return bool((value == constant) == (op == "=="))
    return bool(value > constant if op == ">" else value >= constant if op == ">=" else value < constant)


def _breaking(name: str, op: str, constant: Any) -> Any:
    if name in OTHERS:
        return constant if op == "!=" else next(word for word in OTHERS[name] if word != constant)
    return constant - 1 if op == ">=" else constant


def _test(what: str, values: Mapping[str, Any], expected: str) -> list[str]:
    given = ", ".join(f"{name}: {value}" for name, value in values.items() if name in VALUES)
    event = ", ".join(f"{FIELD[name]}: {value}" for name, value in values.items() if name not in VALUES)
    return [f"      - it: {what}", f"        given: {{{given}}}", f"        events: [{{{event}}}]", f"        expect: {expected}"]


def _model(model: Model) -> str:
    lines = ["model:", "  name: w1", "  learner: fixed", f"  bias: {model.bias}", "  decimals: 6", "  inputs:"]
    for name, weight, half in zip(VALUES, model.weights, model.halves, strict=True):
        lines.append(f"    - {{read: {name}, as: saturating, half: {half:.0f}, weight: {weight}}}")
    return "\n".join(lines) + "\n"


def main() -> None:
    for name, text in written().items():
        (RULES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
