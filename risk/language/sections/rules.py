"""The `rules` section: every key of a rule checked. Its condition is checked by `risk.language.conditions`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from risk.declared import EventType, FieldType, Mode, Policy, Rule
from risk.language.condition import Fault, Symbol, literal
from risk.language.condition import Node as Condition
from risk.language.problems import did_you_mean, one_of
from risk.language.sections.events import common_fields
from risk.language.sections.keys import RULE_NAME, Keys, as_block, check_name, moment_ms
from risk.language.sections.macros import parsed
from risk.language.sections.policy import SCORE_MAX
from risk.language.source import Block, Items, Node, Problems, Scalar

RULE_KEYS = (
    "title", "owner", "severity", "event", "mode", "params", "when", "then", "unless_possible", "score", "reasons", "confidential",
    "obligations", "report", "message", "trust", "rollout", "rollout_by", "valid_from", "valid_until", "review_by", "priority", "group",
    "final", "on_missing", "accept_from", "control", "duty", "references", "tags", "tests",
)  # fmt: skip
MODES = get_args(Mode)
SEVERITIES = ("low", "medium", "high", "critical")
REPORTS = ("STR", "LVT")
OBLIGATIONS: Mapping[str, tuple[str, ...]] = {
    "DELAY_SETTLEMENT": ("hours",),
    "STEP_UP": ("level",),
    "DENY_BENEFIT": ("benefit",),
    "LIMIT": ("amount", "hours"),
    "NOTIFY": ("who",),
}
PRIORITY_MAX = 1_000_000
HOURS_MAX = 24 * 400


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule whose condition, message and tests are not checked yet. ``params``: name to (value, type, where written)."""

    rule: Rule
    key: Scalar
    block: Block
    when: Scalar | None
    node: Condition | None
    params: Mapping[str, tuple[Any, FieldType, Scalar]]
    message: Scalar | None
    right: bool

    def symbols(self) -> dict[str, Symbol]:
        return {
            name: Symbol(name, kind, False, "param", f"parameter of rule `{self.rule.name}`", value=value)
            for name, (value, kind, _) in self.params.items()
        }


def read_rules(
    entries: list[tuple[Scalar, Node]], types: Mapping[str, EventType], policy: Policy, problems: Problems
) -> dict[str, RuleDraft]:
    drafts = {}
    for key, node in entries:
        if check_name(key, "rule", problems, RULE_NAME):
            draft = _rule(key, node, types, policy, problems)
            if draft:
                drafts[key.text] = draft
    return drafts


def _rule(key: Scalar, node: Node, types: Mapping[str, EventType], policy: Policy, problems: Problems) -> RuleDraft | None:
    block = as_block(node, f"rule `{key.text}`", problems)
    if block is None:
        return None
    before = problems.errors
    keys = Keys(block, f"rule `{key.text}`", RULE_KEYS, problems)
    mode = _mode(keys, key, problems)
    keys.require("title", "event", "when", *(("owner",) if mode in ("live", "shadow") else ()), at=key)
    events = _events(keys, types, problems)
    params = _params(keys, problems)
    rule = Rule(
        name=key.text,
        title=keys.text("title") or "",
        owner=keys.text("owner") or "",
        severity=keys.word("severity", SEVERITIES, "medium"),
        events=events,
        mode=mode,
        when="",
        version="",
        params={name: value for name, (value, _, _) in params.items()},
        confidential=keys.flag("confidential"),
        report=keys.word("report", REPORTS, "STR") if "report" in keys else None,
        trust=keys.flag("trust"),
        final=keys.flag("final"),
        score=keys.whole("score", 0, SCORE_MAX),
        priority=keys.whole("priority", -PRIORITY_MAX, PRIORITY_MAX),
        references=tuple(item.text for item in keys.scalars("references")),
        tags=tuple(item.text for item in keys.scalars("tags")),
        control=keys.text("control"),
        duty=keys.text("duty"),
        message=keys.text("message"),
        place=key.place,
    )
    rule = replace(rule, **_acts(keys, rule, policy, problems), **_dates(keys, problems), **_rollout(keys, rule, types, problems))
    _contradictions(keys, rule, problems)
    when = keys.scalar("when")
    tree = parsed(when, problems) if when is not None else None
    return RuleDraft(rule, key, block, when, tree, params, keys.scalar("message"), problems.errors == before and tree is not None)


def _mode(keys: Keys, key: Scalar, problems: Problems) -> Mode:
    if "mode" not in keys:
        problems.error(
            "E402",
            key,
            f"{keys.owner} has no `mode`",
            "a rule that is being written is `mode: draft`, one that only watches `mode: shadow`",
        )
        return "draft"
    scalar = keys.scalar("mode")
    if scalar is not None and scalar.text not in MODES:
        problems.error("E402", scalar, f"mode is {one_of(MODES)}, not `{scalar.text}`", did_you_mean(scalar.text, MODES))
    return cast("Mode", scalar.text) if scalar is not None and scalar.text in MODES else "draft"


def _events(keys: Keys, types: Mapping[str, EventType], problems: Problems) -> tuple[str, ...]:
    names: list[str] = []
    for scalar in keys.scalars("event"):
        if scalar.text not in types:
            problems.error("E226", scalar, f"unknown event `{scalar.text}`", did_you_mean(scalar.text, types))
        elif not types[scalar.text].decide:
            decided = [name for name, event in types.items() if event.decide]
            problems.error(
                "E404",
                scalar,
                f"`{scalar.text}` informs and is never decided, so no rule can act on it",
                f"events that are decided: {', '.join(decided)}",
            )
        elif scalar.text in names:
            problems.error("E404", scalar, f"`{scalar.text}` stands twice")
        else:
            names.append(scalar.text)
    return tuple(names)


def _params(keys: Keys, problems: Problems) -> dict[str, tuple[Any, FieldType, Scalar]]:
    params: dict[str, tuple[Any, FieldType, Scalar]] = {}
    for key, node in keys.mapping("params") or ():
        if not check_name(key, "parameter", problems):
            continue
        if not isinstance(node, Scalar):
            problems.error("E005", node, f"parameter `{key.text}` is one value", "several values are a list: `@name` in the condition")
            continue
        found = literal(node.text, None)
        if isinstance(found, Fault):
            problems.inside(found.code, node, found.start, found.end, found.message, found.hint)
        else:
            params[key.text] = (*found, node)
    return params


def _acts(keys: Keys, rule: Rule, policy: Policy, problems: Problems) -> dict[str, Any]:
    """What happens when it fires: `then unless_possible reasons obligations on_missing group`."""
    then = _strict(keys, "then", rule, policy, problems)
    unless = _strict(keys, "unless_possible", rule, policy, problems)
    if unless is not None and then is None:
        problems.error(
            "E405",
            keys.block.key("unless_possible"),
            "`unless_possible` needs `then`",
            "`then: challenge` with `unless_possible: block` challenges only where that can be done",
        )
    reasons = keys.scalars("reasons")
    for reason in reasons:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", reason.text):
            problems.error("E405", reason, f"a reason is a stable code in capitals, not `{reason.text}`", "write it like `CARD_TESTING`")
    on_missing = keys.scalar("on_missing")
    if on_missing is not None and on_missing.text not in ("skip", "fire", *policy.actions):
        problems.error(
            "E403",
            on_missing,
            f"on_missing is skip, fire or an action, not `{on_missing.text}`",
            did_you_mean(on_missing.text, ("skip", "fire", *policy.actions)),
        )
    elif on_missing is not None and on_missing.text == "fire" and then is None and "then" not in keys:
        problems.error("E405", on_missing, "`on_missing: fire` acts with `then`, which this rule lacks")
    group = keys.scalar("group")
    if group is not None and group.text not in policy.groups:
        problems.error(
            "E405",
            group,
            f"unknown group `{group.text}`",
            did_you_mean(group.text, policy.groups) or "declare it under `groups:` of the policy",
        )
    return {
        "then": then,
        "unless_possible": unless,
        "reasons": tuple(reason.text for reason in reasons),
        "obligations": _obligations(keys, problems),
        "on_missing": on_missing.text if on_missing is not None else "skip",
        "group": group.text if group is not None else None,
    }


def _strict(keys: Keys, key: str, rule: Rule, policy: Policy, problems: Problems) -> str | None:
    scalar = keys.scalar(key)
    if scalar is None:
        return None
    if scalar.text == policy.actions[0]:
        problems.error("E403", scalar, f"a rule never decides `{scalar.text}`", "a rule that clears others is `trust: true` without `then`")
        return None
    if scalar.text not in policy.actions:
        acting = policy.actions[1:]
        problems.error(
            "E403", scalar, f"`{scalar.text}` is not an action", did_you_mean(scalar.text, acting) or f"a rule acts with {one_of(acting)}"
        )
        return None
    return scalar.text


def _obligations(keys: Keys, problems: Problems) -> tuple[Mapping[str, Any], ...]:
    node = keys.node("obligations")
    if node is None:
        return ()
    if not isinstance(node, Items):
        problems.error("E005", node, "`obligations` is a list", "write `obligations: [{do: DELAY_SETTLEMENT, hours: 24}]`")
        return ()
    found: list[Mapping[str, Any]] = []
    for item in node.items:
        block = as_block(item, "an obligation", problems)
        do = block.get("do") if block is not None else None
        if block is None or not isinstance(do, Scalar):
            problems.error("E405", item, "an obligation says what to `do`", f"it is one of {', '.join(OBLIGATIONS)}")
        elif do.text not in OBLIGATIONS:
            problems.error(
                "E405", do, f"unknown obligation `{do.text}`", did_you_mean(do.text, OBLIGATIONS) or f"it is {one_of(OBLIGATIONS)}"
            )
        else:
            found.append(_obligation(Keys(block, f"obligation `{do.text}`", ("do", *OBLIGATIONS[do.text]), problems), do, problems))
    return tuple(found)


def _obligation(keys: Keys, do: Scalar, problems: Problems) -> Mapping[str, Any]:
    said: dict[str, Any] = {"do": do.text}
    if "hours" in keys:
        said["hours"] = keys.whole("hours", 1, HOURS_MAX, 1)
    elif do.text == "DELAY_SETTLEMENT":
        keys.require("hours", at=do)
    for key in ("level", "benefit", "who", "amount"):
        if key in keys:
            said[key] = keys.text(key)
    amount = keys.scalar("amount") if "amount" in keys else None
    if amount is not None:
        found = literal(amount.text, None)
        if isinstance(found, Fault) or found[1].kind != "money":
            problems.error("E405", amount, "`amount` is money", "write it like `CNY 500.00`")
        else:
            said["amount"] = {"currency": found[1].currency, "value": found[0]}
    return said


def _dates(keys: Keys, problems: Problems) -> dict[str, Any]:
    start, end = keys.moment("valid_from"), keys.moment("valid_until")
    if start is not None and end is not None and end <= start:
        problems.error("E408", keys.block.key("valid_until"), "`valid_until` is not after `valid_from`")
    review = keys.scalar("review_by")
    if review is not None and (moment_ms(review.text) is None or len(review.text) != 10):
        problems.error("E009", review, f"`review_by` is a date such as `2027-05-01`, not `{review.text}`")
    return {
        "valid_from_ms": start,
        "valid_until_ms": end,
        "review_by": review.text if review is not None else None,
        "accept_from_ms": keys.moment("accept_from"),
    }


def _rollout(keys: Keys, rule: Rule, types: Mapping[str, EventType], problems: Problems) -> dict[str, Any]:
    share = keys.share("rollout", 1.0)
    by = keys.scalar("rollout_by")
    if share < 1.0 and by is None:
        problems.error(
            "E409",
            keys.block.key("rollout"),
            "`rollout` needs `rollout_by:`, the field whose values are in or out",
            "write `rollout_by: payer.id`",
        )
    if by is not None and rule.events:
        fields = common_fields(types, rule.events)
        if by.text not in fields:
            problems.error(
                "E202", by, f"`{by.text}` is not a field of {one_of(f'`{event}`' for event in rule.events)}", did_you_mean(by.text, fields)
            )
    return {"rollout": share, "rollout_by": by.text if by is not None else None}


def _contradictions(keys: Keys, rule: Rule, problems: Problems) -> None:
    """What `trust` and `final` refuse."""
    if rule.trust:
        for key in ("then", "score", "unless_possible"):
            if key in keys:
                problems.error("E407", keys.block.key(key), f"a `trust` rule clears others; it has no `{key}`")
        if rule.final:
            problems.error("E407", keys.block.key("final"), "a rule is `trust` or `final`, not both")
    if rule.final and rule.rollout < 1.0:
        problems.error("E407", keys.block.key("rollout"), "a `final` rule holds for everybody; it refuses a rollout")
    if rule.mode in ("live", "shadow") and not rule.trust and not {"then", "score", "obligations", "report"} & keys.block.entries.keys():
        problems.warning(
            "W309",
            keys.block.key("when") if "when" in keys else keys.block,
            f"{keys.owner} fires without doing anything",
            "give it `then`, `score`, `obligations` or `report`",
        )
    if rule.mode in ("live", "shadow") and (rule.then is not None or rule.score) and not rule.reasons:
        problems.warning(
            "W310",
            keys.block.key("then" if "then" in keys else "score"),
            f"{keys.owner} gives no `reasons`, so nobody learns why it acted",
            "write `reasons: [CARD_TESTING]`",
        )
