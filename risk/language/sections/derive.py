"""The `derive:` of an event: fields that are computed from the others, `ip24: prefix(ip, 24)`.

Rule 1: a derived field reads fields of its own event only, those that are sent and those derived above it.
Rule 2: here it is checked and typed; what computes it is compiled when the rule set is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from risk.declared import EventType, Field, FieldType, Provenance
from risk.language.compile import compile_value
from risk.language.condition import Scope, Symbol, canonical, names_in, parse
from risk.language.fetching import parts_of
from risk.language.meaning import Condition, Value
from risk.language.sections.keys import shape
from risk.language.sections.macros import parsed
from risk.language.source import Node, Problems, Scalar
from risk.language.typecheck import check_value

WEAKEST_FIRST: tuple[Provenance, ...] = ("typed", "device", "attested")
NOT_SENT = "derived fields are computed; set the fields that they are computed from"


def read_derived(name: str, attr: str, key: Scalar, node: Node, fields: Mapping[str, Field], problems: Problems) -> Field | None:
    """The field, or None after its fault is told. ``fields``: what it may read."""
    if name in fields:
        problems.error("E229", key, f"`{name}` is a field that is sent, so it cannot be derived", "give it another name")
        return None
    if not isinstance(node, Scalar):
        problems.error("E005", node, f"`{name}` is one expression, not a {shape(node)}", "write it like `ip24: prefix(ip, 24)`")
        return None
    tree = parsed(node, problems)
    if tree is None:
        return None
    found, faults = check_value(tree, scope_of(fields))
    for fault in faults:
        hint = fault.hint
        if fault.code == "E203":
            hint = "a derived field has no parameters; write the value itself"
        problems.inside(fault.code, node, fault.start, fault.end, fault.message, hint, fault.severity)
    if found is None or any(fault.severity == "error" for fault in faults):
        return None
    kind = FieldType("bool") if isinstance(found, Condition) else found.type
    if kind.kind == "money" and kind.currency is None:
        told = f"`{name}` would be in the currency of each event, which a derived field does not carry"
        problems.error("E229", node, told, "derive it from money of a fixed currency, or as a condition")
        return None
    if kind.kind == "texts":
        problems.error(
            "E229", node, f"`{name}` would hold several texts; a derived field is one value", _instead(tree_text=canonical(tree))
        )
        return None
    optional = any(isinstance(part, Value) and (part.unknown or part.never) for part in parts_of(found))
    return Field(
        name, attr, kind, (), optional, source=_weakest(names_in(tree), fields), place=key.place, derived=canonical(tree)
    )  # fmt: skip


def _instead(tree_text: str) -> str:
    return f'write `"TEXT" in {tree_text}`'


def _weakest(names: set[str], fields: Mapping[str, Field]) -> Provenance | None:
    """What is computed is worth no more than the weakest of what it is computed from; unknown where one of them is."""
    sources = {fields[name].source for name in names if name in fields}
    return None if None in sources else next((source for source in WEAKEST_FIRST if source in sources), None)


def scope_of(fields: Mapping[str, Field]) -> Scope:
    """What a derived field can see."""
    return Scope({name: Symbol(name, each.type, each.optional, "field", "field", each.attr) for name, each in fields.items()})


def derived_by(types: Mapping[str, EventType]) -> dict[str, dict[str, Callable[[Any], Any]]]:
    """By event type and attribute, the functions that compute the derived fields. All are checked."""
    made: dict[str, dict[str, Callable[[Any], Any]]] = {}
    for name, kind in types.items():
        for field in kind.fields.values():
            if field.derived is not None:
                tree = parse(field.derived)
                assert not isinstance(tree, list)
                made.setdefault(name, {})[field.attr] = compile_value(tree, scope_of(kind.fields))
    return made
