"""stub"""
from __future__ import annotations
from risk.declared import FieldType
from risk.language.nodes import Node, names_in
from risk.language.scope import Fault, Scope


def check(node: Node, scope: Scope) -> tuple[FieldType | None, list[Fault]]:
    return FieldType("bool"), []


