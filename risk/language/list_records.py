"""The records of the topic of lists: one for each value of a list, with every change made to it.

Key: `["watched","usr_1"]`. Value: `{"list": "watched", "value": "usr_1", "changes": [{"at": "2026-11-24T09:00:00.000Z", "on": true,
"until": null, "why": "...", "by": "..."}]}`; an empty value forgets all changes, so that the file's entry holds again.

Rule 1: a record that cannot be read is refused with a reason and never half understood. Rule 2: values are written as in rule files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from risk.cards import holds_card
from risk.decisions import rfc3339
from risk.declared import ListDecl
from risk.language.condition import Fault
from risk.language.sections.keys import moment_ms
from risk.language.values import Ago, value_of
from risk.lists import CHANGES_MAX, Change, Entry

TEXT_CHARACTERS_MAX = 500


class BadListRecord(ValueError):
    """Why a record of the topic of lists cannot be used."""


def key_of(name: str, value: str) -> bytes:
    """The record's key: the newest record of a key is kept."""
    return orjson.dumps([name, value])


def record_of(name: str, value: str, changes: Sequence[Mapping[str, Any]]) -> bytes:
    """The record's value; ``changes`` as it holds them, oldest first: the newest are kept."""
    return orjson.dumps({"list": name, "value": value, "changes": list(changes)[-CHANGES_MAX:]})


def change_as_written(at_ms: int, on: bool, until_ms: int | None, why: str, by: str) -> dict[str, Any]:
    """One change as a record holds it."""
    until = None if until_ms is None else rfc3339(until_ms)
    return {"at": rfc3339(at_ms), "on": on, "until": until, "why": why[:TEXT_CHARACTERS_MAX], "by": by[:TEXT_CHARACTERS_MAX]}


def listed(declared: Mapping[str, ListDecl], name: str, text: str) -> Any:
    """The value of a list that the text means. Raises BadListRecord: no such list, not one of the topic, no value of it."""
    decl = declared.get(name)
    if decl is None or not decl.live:
        raise BadListRecord(f"`{name}` is not a list with `source: topic`")
    if holds_card(text):
        raise BadListRecord("a card number must not be kept anywhere; write the token of the card")
    value = value_of(text, decl.type)
    if isinstance(value, Fault | Ago):
        raise BadListRecord(f"`{text}` is not what list `{name}` holds" + (f": {value.message}" if isinstance(value, Fault) else ""))
    return value


def entry_of(declared: Mapping[str, ListDecl], key: bytes | None, raw: bytes | None) -> Entry:
    """What a record says. Raises BadListRecord."""
    try:
        name, text = orjson.loads(key or b"")
        said = orjson.loads(raw) if raw else {"changes": []}
        changes = tuple(sorted((_change(each) for each in said["changes"]), key=lambda change: change.order))
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise BadListRecord(f"not a record of the topic of lists: {type(problem).__name__}") from None
    if not isinstance(name, str) or not isinstance(text, str):
        raise BadListRecord("the key is not the name of a list and a value")
    return Entry(name, listed(declared, name, text), changes)


def _change(said: Mapping[str, Any]) -> Change:
    at_ms, until = moment_ms(said["at"]), said.get("until")
    until_ms = None if until is None else moment_ms(until)
    if at_ms is None or (until is not None and until_ms is None) or not isinstance(said["on"], bool):
        raise ValueError("no time, or neither on nor off")
    return Change(at_ms, said["on"], until_ms)
