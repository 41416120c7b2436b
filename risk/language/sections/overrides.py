"""The `overrides` section: other parameters or another mode of a rule for one entity or one segment, until a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from risk.declared import EventType
from risk.language.condition import Fault, Symbol, check, literal
from risk.language.conditions import Names, checked
from risk.language.problems import did_you_mean, one_of
from risk.language.ruleset import Override
from risk.language.sections.events import common_fields
from risk.language.sections.keys import Keys, as_block
from risk.language.sections.macros import Macro
from risk.language.sections.rules import RuleDraft
from risk.language.source import Items, Node, Problems, Scalar
from risk.language.values import described, value_of

OVERRIDE_MODES = ("live", "shadow", "disabled")
ENTITY_KINDS = frozenset({"id", "text", "enum", "country"})
OVERRIDE_KEYS = ("rule", "for", "set", "mode", "until", "owner", "why")


def read_overrides(
    nodes: Sequence[Node], rules: Mapping[str, RuleDraft], segments: Mapping[str, Macro], names: Names, problems: Problems
) -> tuple[Override, ...]:
    found = []
    for node in nodes:
        if not isinstance(node, Items):
            problems.error("E005", node, "`overrides` is a list", "start each override with `- rule: NAME`")
            continue
        for item in node.items:
            override = _override(item, rules, segments, names, problems)
            if override:
                found.append(override)
    return tuple(found)


def _override(
    node: Node, rules: Mapping[str, RuleDraft], segments: Mapping[str, Macro], names: Names, problems: Problems
) -> Override | None:
    block = as_block(node, "an override", problems)
    if block is None:
        return None
    before = problems.errors
    keys = Keys(block, "an override", OVERRIDE_KEYS, problems)
    if "until" not in keys:
        problems.error(
            "E410", block, "an override needs `until:`, the date on which it ends", "nothing that is meant for a while should stay for good"
        )
    keys.require("rule", "for", at=block)
    name = keys.scalar("rule")
    draft = rules.get(name.text) if name is not None else None
    if name is not None and draft is None:
        problems.error("E411", name, f"unknown rule `{name.text}`", did_you_mean(name.text, rules))
    if draft is not None and name is not None and draft.rule.final:
        problems.error("E414", name, f"rule `{name.text}` is `final`: nobody may override it")
    if "set" not in keys and "mode" not in keys:
        problems.error("E413", block, "an override changes something: `set: {parameter: value}` or `mode:`")
    segment, field, value = _for(keys, draft, segments, names, problems)
    until = keys.moment("until")
    params = _set(keys, draft, problems)
    mode = _mode(keys, draft, problems)
    if problems.errors > before or draft is None or until is None or not _makes_sense(keys, draft, params, names, problems):
        return None
    whom, ends = " ".join((keys.text("for") or "").split()), keys.text("until") or ""
    owner, why = keys.text("owner"), keys.text("why")
    return Override(draft.rule.name, segment, field, value, params, mode, until, owner, why, keys.block.place, whom, ends)


def _makes_sense(keys: Keys, draft: RuleDraft, params: Mapping[str, Any], names: Names, problems: Problems) -> bool:
    """Whether the rule's condition is still right with these values: can be true, compares texts that there are."""
    if not params or draft.node is None or not draft.rule.events:
        return True
    symbols = draft.symbols()
    as_written = _errors(draft, symbols, names)
    changed = {name: replace(symbols[name], value=value) for name, value in params.items()}
    fresh = [fault for fault in _errors(draft, {**symbols, **changed}, names) if fault not in as_written]
    for fault in fresh[:1]:
        problems.error(fault.code, keys.block.key("set"), f"with these values, {fault.message}", fault.hint)
    return not fresh


def _errors(draft: RuleDraft, symbols: Mapping[str, Symbol], names: Names) -> list[Fault]:
    assert draft.node is not None
    _, faults = check(draft.node, names.rule(draft.rule.events, symbols))
    return [fault for fault in faults if fault.severity == "error"]


def _mode(keys: Keys, draft: RuleDraft | None, problems: Problems) -> str | None:
    """Another mode for some, of a rule that runs: what is a draft, or off, is so for everybody."""
    mode = keys.word("mode", OVERRIDE_MODES, "", "E402") or None
    if mode is not None and draft is not None and draft.rule.mode in ("draft", "disabled"):
        told = f"rule `{draft.rule.name}` is {draft.rule.mode}; an override changes the mode of a rule that runs"
        problems.error("E413", keys.block.key("mode"), told, "set `mode: shadow` in the rule itself")
        return None
    return mode


def _for(
    keys: Keys, draft: RuleDraft | None, segments: Mapping[str, Macro], names: Names, problems: Problems
) -> tuple[str | None, str | None, Any]:
    """`segment NAME`, or a field and its value: `payee.id shop_42`."""
    scalar = keys.scalar("for")
    if scalar is None:
        return None, None, None
    head, _, rest = scalar.text.strip().partition(" ")
    rest = rest.strip()
    if head == "segment":
        if rest not in segments:
            problems.error("E412", scalar, f"unknown segment `{rest}`", did_you_mean(rest, segments) or "declare it under `segments:`")
        elif draft is not None and draft.rule.events:
            _check_segment(segments[rest], draft, names, problems)
        return rest, None, None
    fields = common_fields(names.types, draft.rule.events) if draft is not None else _any_fields(names.types)
    if head not in fields:
        problems.error(
            "E412",
            scalar,
            f"`{head}` is not a field of the rule's event",
            did_you_mean(head, fields) or "write `segment NAME`, or a field and its value: `payee.id shop_42`",
        )
        return None, head, None
    if not rest:
        problems.error("E412", scalar, f"`for: {head}` lacks a value", f"write `for: {head} VALUE`")
        return None, head, None
    if fields[head].type.kind not in ENTITY_KINDS:
        said = f"`{head}` is {described(fields[head].type)}; an override is for one id, text, country or value of an enumeration"
        problems.error("E412", scalar, said, "make a segment of it: `segments: {NAME: CONDITION}` and `for: segment NAME`")
        return None, head, None
    value = value_of(rest, fields[head].type)
    if isinstance(value, Fault):
        problems.error(value.code, scalar, value.message, value.hint)
    return None, head, value


def _any_fields(types: Mapping[str, EventType]) -> Mapping[str, Any]:
    return {name: field for event in types.values() for name, field in event.fields.items()}


def _check_segment(segment: Macro, draft: RuleDraft, names: Names, problems: Problems) -> None:
    if segment.node is not None:
        checked(segment.text, segment.node, names.rule(draft.rule.events, {}), names, draft.rule.events, problems)


def _set(keys: Keys, draft: RuleDraft | None, problems: Problems) -> Mapping[str, Any]:
    params: dict[str, Any] = {}
    for key, node in keys.mapping("set") or ():
        if draft is None:
            continue
        if key.text not in draft.params:
            known = did_you_mean(key.text, draft.params) or (
                f"parameters are {one_of(draft.params)}" if draft.params else "this rule has no parameters"
            )
            problems.error("E413", key, f"rule `{draft.rule.name}` has no parameter `{key.text}`", known)
            continue
        _, kind, _ = draft.params[key.text]
        if not isinstance(node, Scalar):
            problems.error("E005", node, f"`{key.text}` is one value")
            continue
        found = literal(node.text, kind)
        if isinstance(found, Fault):
            problems.error(
                "E413", node, f"parameter `{key.text}` of rule `{draft.rule.name}` is {described(kind)}, not `{node.text}`", found.hint
            )
        else:
            params[key.text] = found[0]
    return params
