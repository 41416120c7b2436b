"""Conditions: the contract between what reads files and what understands a condition.

Rule 1: the loader imports from here and from compile.py, and from no other module of the condition language.
Rule 2: nothing here raises over what a file says; mistakes are faults with offsets into the condition's text.
"""

from __future__ import annotations

from risk.language.canonical import canonical
from risk.language.literal import literal
from risk.language.nodes import Node, lists_in, macros_in, names_in, params_in
from risk.language.parse import parse
from risk.language.scope import Fault, Scope, Symbol
from risk.language.typecheck import check

__all__ = [
    "Fault", "Node", "Scope", "Symbol", "canonical", "check", "lists_in", "literal", "macros_in", "names_in", "params_in", "parse",
]  # fmt: skip
