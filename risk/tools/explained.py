"""An explanation as text for people, and as data for programs.

Never here: what is true of the decision (`risk.tools.explaining`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from risk.decisions import rfc3339
from risk.declared import Field
from risk.language.render import Term, render_value
from risk.money import render
from risk.tools.explaining import ABSENT, FIRES, SILENT, UNKNOWN, Explanation, RuleAnswer
from risk.tools.wording import obligation_words

ANSWERS = {True: "yes", False: "no ", None: "?  "}
TEXT_WIDTH = 52
"""Columns that a term gets before its values."""
BRIEFLY_TERMS = 2
CAUSES = {
    "cold": "not kept since the start of the window",
    "late": "did not arrive before the deadline",
    "bounded": "known only within bounds, and the comparison could turn within them",
    ABSENT: "not on the receipt",
}


def explained(said: Explanation, *, everything: bool = False) -> str:
    """The whole explanation. ``everything``: the conditions of silent rules too, which else are one line each."""
    lines = [_head(said), ""]
    lines += [f"{key:<12} {value}".rstrip() for key, value in _facts(said)]
    lines += [f"note: {note}" for note in said.notes]
    whole = [answer for answer in said.rules if answer.answer == FIRES]
    lines += _section("fired", whole, said)
    lines += _section("cannot be known", [answer for answer in said.rules if answer.answer == UNKNOWN], said)
    near = [answer for answer in said.rules if answer.near]
    lines += _section("near misses, one term short", near, said)
    silent = [answer for answer in said.rules if answer.answer == SILENT and not answer.near]
    lines += _section("silent", silent, said) if everything else _briefly(silent)
    lines += _unknown(said)
    return "\n".join(lines) + "\n"


def _head(said: Explanation) -> str:
    event: Any = said.event
    payee = f" -> {event.payee_id}" if getattr(event, "payee_id", None) else ""
    payer = f"{event.payer_id}{payee}" if getattr(event, "payer_id", None) else ""
    return "  ".join(part for part in (event.event_type, event.payment_id, _amount(said), payer, rfc3339(event.occurred_at)) if part)


def _amount(said: Explanation) -> str:
    field: Field | None = said.ruleset.schema.types[said.event.event_type].fields.get("amount")
    value = getattr(said.event, "amount", None)
    if field is None or field.type.kind != "money" or value is None:
        return ""
    return render(field.type.currency or said.event.amount_currency, value)


def _facts(said: Explanation) -> Iterator[tuple[str, str]]:
    ruling = said.outcome.ruling
    yield "action", ruling.action
    for because in said.because:
        yield "", because
    yield "score", str(ruling.score)
    if said.ruleset.model is not None:
        score = said.outcome.model_score
        yield "model", "no score" if score is None else f"{score:.6g} ({said.model_version or 'given'})"
    if ruling.reasons:
        yield "reasons", ", ".join(ruling.reasons)
    if ruling.obligations:
        yield "obligations", ", ".join(map(obligation_words, ruling.obligations))
    if ruling.reports:
        yield "reports", ", ".join(f"{each['kind']} by {each['rule']}" for each in ruling.reports)
    if said.outcome.degraded:
        yield "degraded", "yes: decided without all its values"


def _section(title: str, answers: Sequence[RuleAnswer], said: Explanation) -> Iterator[str]:
    if not answers:
        return
    yield f"\n{title}"
    for answer in answers:
        yield ""
        yield from _rule(answer)


def _rule(answer: RuleAnswer) -> Iterator[str]:
    rule = answer.rule
    does = [
        answer.mode,
        *([rule.then] if rule.then else []),
        *([f"{rule.score} points"] if rule.score else []),
        *(["trusts"] if rule.trust else []),
    ]
    place = f"  {rule.place.path}:{rule.place.line}" if rule.place is not None else ""
    yield f"  {rule.name}  ({', '.join(does)}){place}"
    yield f"    {rule.title}"
    if answer.note:
        yield f"    {answer.note}"
    for override in answer.overrides:
        yield f"    {override_words(override)}"
    for term in answer.terms:
        yield f"      {_term(term)}".rstrip()


def override_words(override: Mapping[str, Any]) -> str:
    """`override for payer.id usr_7 until 2027-03-01: tries 9 (a test account)`."""
    changes = [f"{name} {value}" for name, value in (override.get("set") or {}).items()]
    changes += [f"mode {override['mode']}"] if override.get("mode") else []
    why = f" ({override['why']})" if override.get("why") else ""
    return f"override for {override.get('for')} until {override.get('until')}: {', '.join(changes)}{why}"


def _term(term: Term) -> str:
    return f"{ANSWERS[term.result]} {term.text:<{TEXT_WIDTH}}  {_values(term)}"


def _values(term: Term) -> str:
    return ", ".join(f"{name} = {value}" for name, value in term.values)


def _briefly(answers: Sequence[RuleAnswer]) -> Iterator[str]:
    """One line a silent rule: the terms that do not hold."""
    if not answers:
        return
    width = max(len(answer.rule.name) for answer in answers)
    yield "\nsilent (--all shows every condition)"
    yield ""
    for answer in answers:
        said = answer.note or "no: " + "; ".join(f"{term.text} ({_values(term)})" for term in answer.failing[:BRIEFLY_TERMS])
        more = len(answer.failing) - BRIEFLY_TERMS
        yield f"  {answer.rule.name:<{width}}  {said}{f'; and {more} more' if more > 0 and not answer.note else ''}"


def _unknown(said: Explanation) -> Iterator[str]:
    """Unknown values that the shown rules read, those with one cause together."""
    read = {name for answer in said.rules for term in answer.terms for name, _ in term.values}
    groups: dict[str, list[str]] = {}
    for name, cause in said.unknown.items():
        if name in read:
            groups.setdefault(cause_in_words(said, name, cause), []).append(name)
    if groups:
        yield "\nunknown values"
        yield ""
    for words, names in groups.items():
        yield f"  {words}: {', '.join(names)}"


def cause_in_words(said: Explanation, name: str, cause: str) -> str:
    """Why a value is unknown, and what would make it known."""
    if cause != "no_key":
        return CAUSES.get(cause, cause)
    fields = said.ruleset.schema.types[said.event.event_type].fields
    keys = [key for key in said.ruleset.kept()[name].read_with if key not in fields or getattr(said.event, fields[key].attr) is None]
    return f"the event has no {_listed(keys)}, which select{'s' if len(keys) == 1 else ''} the profile"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def as_data(said: Explanation) -> dict[str, Any]:
    """The explanation for programs. Values as on receipts (money in minor units, durations in ms), terms with values as text."""
    ruling, kept = said.outcome.ruling, said.ruleset.kept()
    return {
        "event": said.event.event_type,
        "payment_id": said.event.payment_id,
        "ruleset": said.ruleset.hash,
        "action": ruling.action,
        "score": ruling.score,
        "because": list(said.because),
        "reasons": ruling.reasons,
        "obligations": ruling.obligations,
        "reports": ruling.reports,
        "overridden_by": ruling.overridden_by,
        "degraded": said.outcome.degraded,
        "failed": said.outcome.failed,
        "model": {"version": said.model_version, "score": said.outcome.model_score},
        "values": {name: None if value != value else value for name, value in said.values.items()},
        "shown": {name: render_value(value, kept[name].type) for name, value in said.values.items() if value is not None},
        "unknown": said.unknown,
        "rules": [_rule_data(answer) for answer in said.rules],
        "notes": said.notes,
    }


def _rule_data(answer: RuleAnswer) -> dict[str, Any]:
    place = answer.rule.place
    return {
        "rule": answer.rule.name,
        "version": answer.rule.version,
        "mode": answer.mode,
        "overrides": [dict(each) for each in answer.overrides],
        "place": f"{place.path}:{place.line}" if place is not None else None,
        "answer": answer.answer,
        "near_miss": answer.near,
        "note": answer.note,
        "terms": [{"text": term.text, "holds": term.result, "values": dict(term.values)} for term in answer.terms],
    }
