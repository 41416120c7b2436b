"""The `lists` section: named values kept in git, or on the topic of lists (`source: topic`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from risk.cards import holds_card
from risk.declared import FieldType, ListDecl
from risk.language.condition import Fault
from risk.language.sections.events import read_type
from risk.language.sections.keys import Keys, as_block, check_name
from risk.language.source import Items, Node, Problems, Scalar
from risk.language.values import Ago, value_of

NEVER_ENDS: Mapping[Any, int] = MappingProxyType({})
LIST_KEYS = ("of", "values", "source", "about", "owner", "review_by", "confidential")
ENTRY_KEYS = ("value", "until", "why", "by")


def read_lists(entries: list[tuple[Scalar, Node]], problems: Problems) -> dict[str, ListDecl]:
    lists = {}
    for key, node in entries:
        if check_name(key, "list", problems):
            found = _list(key, node, problems)
            if found:
                lists[key.text] = found
    return lists


def _list(key: Scalar, node: Node, problems: Problems) -> ListDecl | None:
    block = as_block(node, f"list `{key.text}`", problems)
    if block is None:
        return None
    keys = Keys(block, f"list `{key.text}`", LIST_KEYS, problems)
    dynamic = keys.word("source", ("file", "topic"), "file") == "topic"
    if not keys.require("of", *(() if dynamic else ("values",)), at=key, hint="`of: id card` says what its values are"):
        return None
    of = keys.scalar("of")
    written = read_type(of, problems) if of else None
    if of is None or written is None:
        return None
    if written.optional or written.type.kind in ("texts", "bool") or written.type == FieldType("money"):
        problems.error(
            "E230",
            of,
            f"`{of.text}` cannot be what a list holds",
            "a list holds ids, texts, countries, numbers or money in one currency: `of: money CNY`",
        )
        return None
    keys.moment("review_by")
    values = _values(keys, written.type, problems)
    until = {value: end for value, end in values.items() if end is not None}
    version = list_version(values.keys(), until)
    return ListDecl(key.text, written.type, frozenset(values), version, keys.text("owner"), key.place, until, dynamic)


def _values(keys: Keys, kind: FieldType, problems: Problems) -> dict[Any, int | None]:
    """Each value and when it ends (None: never)."""
    node = keys.node("values")
    if node is None:
        return {}
    if not isinstance(node, Items):
        problems.error("E005", node, "`values` is a list", "write `values: [a, b]`")
        return {}
    values: dict[Any, int | None] = {}
    for item in node.items:
        scalar, end = (item, None) if isinstance(item, Scalar) else _entry(item, problems)
        if scalar is None:
            continue
        if holds_card(scalar.text):
            message = "this is the number of a card; none may be kept anywhere"
            problems.error("E231", scalar, message, "write the token that events have for it")
            continue
        value = value_of(scalar.text, kind)
        if isinstance(value, Fault):
            problems.inside(value.code, scalar, 0, len(scalar.text), value.message, value.hint)
        elif isinstance(value, Ago):
            problems.error("E230", scalar, "a list cannot hold an age")
        elif value in values:
            problems.warning("W308", scalar, f"`{scalar.text}` stands twice in {keys.owner}")
        else:
            values[value] = end
    return values


def _entry(node: Node, problems: Problems) -> tuple[Scalar | None, int | None]:
    """`{value, until, why, by}`: who put it there, and until when."""
    block = as_block(node, "an entry of a list", problems)
    if block is None:
        return None, None
    keys = Keys(block, "an entry of a list", ENTRY_KEYS, problems)
    end = keys.moment("until")
    return (keys.scalar("value") if keys.require("value", at=block) else None), end


def list_version(values: Iterable[Any], until: Mapping[Any, int] = NEVER_ENDS) -> str:
    """A hash of the values and their ends, whatever their order in the file."""
    text = json.dumps(sorted(json.dumps([value, until[value]] if value in until else value) for value in values))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
