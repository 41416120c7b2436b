"""The `macros` section: conditions with a name. Their types are checked where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from risk.language.condition import Node as Condition
from risk.language.condition import names_in, parse
from risk.language.sections.keys import check_name, shape
from risk.language.source import Node, Problems, Scalar


@dataclass(frozen=True, slots=True)
class Macro:
    """A named condition: where it is written, and its tree (None where its text is wrong, which is told once, here)."""

    key: Scalar
    text: Scalar
    node: Condition | None


def read_conditions(entries: list[tuple[Scalar, Node]], what: str, problems: Problems) -> dict[str, Macro]:
    """`name: condition` for each entry; ``what`` is "macro" or "segment"."""
    macros = {}
    for key, node in entries:
        if not check_name(key, what, problems):
            continue
        if isinstance(node, Scalar):
            macros[key.text] = Macro(key, node, parsed(node, problems))
        else:
            problems.error("E005", node, f"{what} `{key.text}` is one condition, not a {shape(node)}")
    return macros


def parsed(scalar: Scalar, problems: Problems) -> Condition | None:
    """The tree of a condition; None where its text is wrong, which is told."""
    found = parse(scalar.text)
    if not isinstance(found, list):
        return found
    for fault in found:
        problems.inside(fault.code, scalar, fault.start, fault.end, fault.message, fault.hint, fault.severity)
    return None


def refuse_cycles(macros: Mapping[str, Macro], problems: Problems) -> set[str]:
    """Tell every circle of macros once; the names that stand in one."""
    uses = {name: sorted(names_in(macro.node) & macros.keys()) if macro.node is not None else [] for name, macro in macros.items()}
    circular: set[str] = set()
    for name in macros:
        path = _path_back(name, uses)
        if path and name not in circular:
            circular.update(path)
            told = " -> ".join(f"`{step}`" for step in (*path, name))
            problems.error("E228", macros[name].key, f"macro `{name}` is defined by itself: {told}", "write one of them out")
    return circular


def _path_back(name: str, uses: Mapping[str, list[str]]) -> list[str]:
    """The names from ``name`` back to itself, or nothing; breadth first, so that the shortest circle is told."""
    paths: list[list[str]] = [[name]]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for next_name in uses[path[-1]]:
            if next_name == name:
                return path
            if next_name not in seen:
                seen.add(next_name)
                paths.append([*path, next_name])
    return []
