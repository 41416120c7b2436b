"""The `macros` section: conditions with a name. Their types are checked where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from risk.language.condition import Node as Condition
from risk.language.condition import names_in, parse
from risk.language.sections.keys import check_name, shape
from risk.language.source import Node, Problems, Scalar

CIRCLE_SHOWN_MAX = 10


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
    right = {name: macro.node for name, macro in macros.items() if macro.node is not None}
    uses = _tangled({name: sorted(names_in(node) & right.keys()) for name, node in right.items()})
    circular: set[str] = set()
    for name in uses:
        path = _path_back(name, uses) if name not in circular else []
        if path:
            circular.update(path)
            steps = [f"`{step}`" for step in path]
            if len(steps) > CIRCLE_SHOWN_MAX:
                steps[CIRCLE_SHOWN_MAX:] = [f"{len(steps) - CIRCLE_SHOWN_MAX} more"]
            told = " -> ".join([*steps, f"`{name}`"])
            problems.error("E228", macros[name].key, f"macro `{name}` is defined by itself: {told}", "write one of them out")
    return circular


def _tangled(uses: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Without the macros that use no other, again and again: what is left stands in a circle, or leads to one."""
    left = {name: len(used) for name, used in uses.items()}
    users: dict[str, list[str]] = {}
    for name, used in uses.items():
        for other in used:
            users.setdefault(other, []).append(name)
    free = [name for name, count in left.items() if not count]
    for name in free:
        del left[name]
        for user in users.get(name, ()):
            left[user] -= 1
            if not left[user]:
                free.append(user)
    return {name: [other for other in used if other in left] for name, used in uses.items() if name in left}


def _path_back(name: str, uses: Mapping[str, list[str]]) -> list[str]:
    """The names from ``name`` back to itself, or nothing; breadth first, so that the shortest circle is told."""
    came_from: dict[str, str] = {}
    waiting = [name]
    for step in waiting:
        for next_name in uses[step]:
            if next_name == name:
                path = [step]
                while path[-1] != name:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if next_name not in came_from:
                came_from[next_name] = step
                waiting.append(next_name)
    return []
