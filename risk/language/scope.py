"""What a condition is read against, and how a mistake in it is told.

Rule 1: facts only. Names, their types and where they come from are put together by the loader.
Rule 2: offsets count characters from the start of the condition's own text; the loader turns them into lines and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from risk.declared import FieldType

SymbolKind = Literal["field", "feature", "macro", "list", "param", "score"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake: ``text[start:end]`` is what is wrong; ``hint`` says what to do."""

    code: str
    start: int
    end: int
    message: str
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name that conditions may use.

    ``optional``: it can be missing, unknown or never. ``detail``: what it is and where it is written, for hints.
    ``attr``: the attribute of the decoded event, for fields. A list's ``type`` is that of its entries. ``value``: a parameter's, where
    it is known.
    """

    name: str
    type: FieldType
    optional: bool
    kind: SymbolKind
    detail: str = ""
    attr: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Scope:
    """All that one condition can see. ``macros`` gives each macro's condition text."""

    names: Mapping[str, Symbol] = field(default_factory=dict)
    params: Mapping[str, Symbol] = field(default_factory=dict)
    lists: Mapping[str, Symbol] = field(default_factory=dict)
    macros: Mapping[str, str] = field(default_factory=dict)
