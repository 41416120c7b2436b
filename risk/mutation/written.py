"""Where the parts of a loaded rule set stand in its files.

Rule 1: only places and nodes: what they mean is in the rule set. The files had no error, so nothing here tells one.
"""

from __future__ import annotations

from dataclasses import dataclass

from risk.declared import Place
from risk.language.problems import Problem
from risk.language.ruleset import RuleSet
from risk.language.sections.macros import Macro, read_conditions
from risk.language.source import Block, File, Items, Node, Problems, Scalar, read


@dataclass(frozen=True, slots=True)
class Spot:
    """A part of a rule file: offsets in its text."""

    file: File
    start: int
    end: int

    @property
    def order(self) -> tuple[str, int]:
        return self.file.path, self.start

    def problem(self, code: str, message: str, hint: str | None) -> Problem:
        told = Problems()
        told.at(code, self.file, self.start, self.end, message, hint, "warning")
        return told.found[0]


class Written:
    """The blocks of rules, features and lists, the macros and the settings, by name; those of overrides by their place."""

    def __init__(self, ruleset: RuleSet) -> None:
        sections: dict[str, dict[str, tuple[Scalar, Node]]] = {}
        self.overrides: dict[Place, Block] = {}
        for path, text in ruleset.sources.items():
            _, root = read(path, text, Problems())
            for key, node in root or ():
                if key.text == "overrides" and isinstance(node, Items):
                    self.overrides.update((item.place, item) for item in node.items if isinstance(item, Block))
                if isinstance(node, Block):
                    sections.setdefault(key.text, {}).update(node.entries)
        self.keys = {(section, name): key for section, entries in sections.items() for name, (key, _) in entries.items()}
        self.rules = _blocks(sections.get("rules", {}))
        self.features = _blocks(sections.get("features", {}))
        self.lists = _blocks(sections.get("lists", {}))
        self.macros: dict[str, Macro] = read_conditions(list(sections.get("macros", {}).values()), "macro", Problems())
        settings = sections.get("policy", {}).get("settings")
        self.settings = settings[1] if settings is not None and isinstance(settings[1], Block) else None

    def key(self, section: str, name: str) -> Spot:
        """Where the name of a rule, a feature or a list is written."""
        return whole(self.keys[section, name])


def _blocks(entries: dict[str, tuple[Scalar, Node]]) -> dict[str, Block]:
    return {name: node for name, (_, node) in entries.items() if isinstance(node, Block)}


def whole(node: Node) -> Spot:
    return Spot(node.file, node.start, node.end)


def part(scalar: Scalar, start: int, end: int) -> Spot:
    """The part ``text[start:end]`` of a scalar, without the white space around it."""
    inner = scalar.text[start:end]
    start, end = start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())
    first, last = scalar.span(start, end)
    return Spot(scalar.file, first, last)


def scalar_of(block: Block, key: str) -> Scalar | None:
    node = block.get(key)
    return node if isinstance(node, Scalar) else None


def entries_of(block: Block) -> list[Scalar]:
    """The values of a list, in order; an entry may be `{value: ..., until: ...}`."""
    node = block.get("values")
    found: list[Scalar] = []
    for item in node.items if isinstance(node, Items) else ():
        value = item.get("value") if isinstance(item, Block) else item
        if isinstance(value, Scalar):
            found.append(value)
    return found
