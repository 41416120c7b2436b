"""One decision explained: every rule of the event with its conditions, their answers and the values they read.

Rule 1: decided by the engine itself; here its answers are only asked for and put in order.
Never here: text for people (`risk.tools.explained`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from risk.cases import alone
from risk.decisions import Outcome, rfc3339
from risk.declared import Rule
from risk.engine import InProcess, Plan
from risk.events import BadEvent, Event
from risk.language import RuleSet
from risk.language.render import Term
from risk.learning import Version
from risk.policy import Weighing
from risk.tools.messages import Message, Numbered, decoded, late_touches_of, payment_id_of, score_of, values_of

FIRES, SILENT, UNKNOWN = "fires", "silent", "unknown"
ABSENT = "absent"
"""A value that the rule set reads, and that is not on the receipt."""


class NotDecided(ValueError):
    """The event informs, so no rule decides it; or the rule that was asked for does not look at it."""


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What one rule says of the event. ``note``: why it did not act though it fired, or cannot fire now.

    ``mode`` is the one in force for this event; ``overrides``: those that hold, as receipts tell them.
    """

    rule: Rule
    answer: str
    terms: tuple[Term, ...]
    note: str | None = None
    mode: str = ""
    overrides: tuple[Mapping[str, Any], ...] = ()

    @property
    def failing(self) -> tuple[Term, ...]:
        """The terms that do not hold."""
        return tuple(term for term in self.terms if term.result is False)

    @property
    def near(self) -> bool:
        """One term short: of two or more, all hold but one."""
        holding = sum(1 for term in self.terms if term.result is True)
        return self.answer == SILENT and len(self.terms) > 1 and holding == len(self.terms) - 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its rules in the order of the files. ``unknown``: cause by feature; ``notes``: about how it was made."""

    ruleset: RuleSet
    event: Event
    outcome: Outcome
    rules: tuple[RuleAnswer, ...]
    unknown: dict[str, str]
    because: tuple[str, ...]
    model_version: str | None
    notes: list[str] = field(default_factory=list)

    @property
    def values(self) -> dict[str, Any]:
        return dict(zip(self.outcome.names, self.outcome.values, strict=True))


@dataclass(slots=True)
class Fed:
    """What became of a history: events observed, lines refused (number and reason), and whether the event itself stood in it."""

    events: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    met_itself_at: int | None = None


def machine(ruleset: RuleSet, only: str | None = None, version: Version | None = None) -> InProcess:
    """An engine of the rule set. ``only``: a rule that is neither live nor shadow is run alone, as if it were live."""
    rule = ruleset.rules.get(only) if only is not None else None
    if rule is not None and rule.mode not in ("live", "shadow"):
        return InProcess(alone(ruleset, rule))
    return InProcess(ruleset, version)


def feed_history(engine: InProcess, history: Iterable[Numbered], until: str | None) -> Fed:
    """Play what came before the event; it ends where the event itself (payment ``until``) stands."""
    fed = Fed()
    schema = engine.engine.schema
    for numbered in history:
        if until is not None and numbered.message.get("payment_id") == until and _decides(engine, numbered.message):
            fed.met_itself_at = numbered.line
            break
        try:
            event = decoded(schema, numbered.message)
        except BadEvent as refused:
            fed.refused.append((numbered.line, f"{refused.reason}, {refused.detail}"))
            continue
        engine.feed(event)
        fed.events += 1
    return fed


def _decides(engine: InProcess, message: Message) -> bool:
    schema = engine.engine.schema
    kind = schema.types.get(str(message.get("event", schema.default)))
    return kind is not None and kind.decide


def explain_event(engine: InProcess, message: Message, only: str | None = None, score: float | None = None) -> Explanation:
    """Decide a producer's message and explain it. ``score``: the model's, instead of what it would say. Raises BadEvent, NotDecided."""
    event = decoded(engine.engine.schema, message)
    plan = _plan(engine, event, only)
    outcome = engine.feed(event, score=score)
    assert outcome is not None
    version = engine.engine.version
    return _explanation(engine, plan, event, outcome, dict(outcome.unknown), only, version.hash if version is not None else None)


def explain_receipt(engine: InProcess, receipt: Message, only: str | None = None) -> Explanation:
    """Explain a receipt by the values and the score that stand on it. Raises BadEvent, NotDecided."""
    event = decoded(engine.engine.schema, receipt["event"])
    plan = _plan(engine, event, only)
    outcome = engine.engine.decide(plan, event, values_of(plan, receipt), late_touches_of(plan, receipt), score_of(receipt))
    outcome.model_score = score_of(receipt)
    said = receipt.get("unknown") or {}
    absent = set(plan.names) - set(receipt.get("values") or {})
    unknown = {name: str(said.get(name, ABSENT if name in absent else cause)) for name, cause in outcome.unknown.items()}
    model = receipt.get("model")
    made = _explanation(engine, plan, event, outcome, unknown, only, model.get("version") if isinstance(model, dict) else None)
    made.notes.append(f"values and model score as on the receipt of {payment_id_of(receipt)}, decided at {receipt.get('decided_at', '?')}")
    if receipt.get("ruleset") != engine.engine.ruleset.hash:
        made.notes.append(
            f"the receipt names another rule set ({str(receipt.get('ruleset'))[:19]}…); explained is what these rule files say"
        )
    if receipt.get("action") != outcome.action or receipt.get("score") != outcome.ruling.score:
        made.notes.append(f"the receipt says {receipt.get('action')} with a score of {receipt.get('score')}")
    return made


def _plan(engine: InProcess, event: Event, only: str | None) -> Plan:
    plan = engine.engine.plans[event.event_type]
    if not plan.decide:
        raise NotDecided(f"`{event.event_type}` informs and is never decided; explain a payment, and give this as a part of --history")
    if only is not None and only not in {rule.name for rule in plan.rules}:
        events = ", ".join(engine.engine.ruleset.rules[only].events)
        raise NotDecided(f"rule `{only}` looks at {events}, not at `{event.event_type}`")
    return plan


def _explanation(
    engine: InProcess, plan: Plan, event: Event, outcome: Outcome, unknown: dict[str, str], only: str | None, version: str | None
) -> Explanation:
    answers = tuple(_answer(plan, i, event, outcome) for i, rule in enumerate(plan.rules) if only is None or rule.name == only)
    return Explanation(engine.engine.ruleset, event, outcome, answers, unknown, _because(plan, event, outcome), version)


def _answer(plan: Plan, i: int, event: Event, outcome: Outcome) -> RuleAnswer:
    assert plan.judge is not None
    rule = plan.rules[i]
    answer = FIRES if i in outcome.fired else UNKNOWN if i in outcome.unknown_rules else SILENT
    held = plan.judge.in_force([i], event, outcome.values, outcome.model_score).get(i)
    mode = held.mode if held is not None else rule.mode
    terms = tuple(plan.judge.terms(i, event, outcome.values, outcome.model_score))
    return RuleAnswer(rule, answer, terms, _note(rule, mode, i, answer, event, outcome), mode, held.notes if held is not None else ())


def _note(rule: Rule, mode: str, i: int, answer: str, event: Event, outcome: Outcome) -> str | None:
    at = event.occurred_at
    if rule.valid_from_ms is not None and at < rule.valid_from_ms:
        return f"not valid before {rfc3339(rule.valid_from_ms)}"
    if rule.valid_until_ms is not None and at >= rule.valid_until_ms:
        return f"valid until {rfc3339(rule.valid_until_ms)}"
    if mode == "disabled":
        return "switched off by an override"
    if answer == SILENT:
        return None
    if i in outcome.ruling.acting:
        return f"cannot be known, and acts for that (`on_missing: {rule.on_missing}`)" if answer == UNKNOWN else None
    if mode == "shadow":
        return "shadow: says only what it would do"
    if rule.rollout < 1.0 and i in outcome.ruling.would_be:
        return f"outside its rollout of {rule.rollout:.0%} by `{rule.rollout_by}`: says only what it would do"
    return f"left out by its group `{rule.group}`" if rule.group and answer == FIRES else None


def _because(plan: Plan, event: Event, outcome: Outcome) -> tuple[str, ...]:
    """How points became a score, and score and rules the action."""
    ruling, weighing = outcome.ruling, plan.weighing
    assert weighing is not None
    points = [f"{plan.rules[i].name} {plan.rules[i].score}" for i in ruling.acting if plan.rules[i].score]
    worth = weighing.points_of(outcome.model_score)
    if worth:
        points.append(f"the model {worth}")
    said = [f"points: {', '.join(points)}"] if points else []
    said += _actions(plan, weighing, event, outcome)
    if outcome.degraded:
        said.append(f"decided without all its values, so at least {weighing.policy.on_late}")
    if outcome.failed:
        said.append(f"a rule or the model broke, so at least {weighing.policy.on_error}")
    return tuple(said)


def _actions(plan: Plan, weighing: Weighing, event: Event, outcome: Outcome) -> Sequence[str]:
    ruling = outcome.ruling
    if ruling.overridden_by:
        cleared = [plan.rules[i].name for i in ruling.acting if not (plan.rules[i].trust or plan.rules[i].final)]
        said = [f"{', '.join(ruling.overridden_by)} trusts this payment: the score's band and {', '.join(cleared) or 'no rule'} do not act"]
    else:
        band = weighing.band_of(ruling.score)
        said = [f"a score of {ruling.score} gives {band}"] if band is not None else []
    for i in ruling.acting:
        rule = plan.rules[i]
        if rule.trust or (ruling.overridden_by and not rule.final):
            continue
        then = rule.on_missing if i in outcome.unknown_rules and rule.on_missing != "fire" else rule.then
        if then == "challenge" and rule.unless_possible and not (plan.has_stepup and event.stepup_available is True):
            said.append(f"{rule.name} gives {rule.unless_possible}, as no challenge is possible")
        elif then is not None:
            said.append(f"{rule.name} gives {then}")
    return said
