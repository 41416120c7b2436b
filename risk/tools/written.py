"""A rule set as it is written: every section's entries as nodes with places, read again from the files that were loaded.

The loaded rule set keeps what acts; what only people read (comments on lists, `about`, who wrote an entry, dates as written) is here.
Never here: what any of it means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from risk.declared import Place
from risk.language import RuleSet
from risk.language.source import Block, Items, Node, Problems, Scalar, read


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a section: its key, and what stands under it."""

    key: Scalar
    node: Node

    @property
    def place(self) -> Place:
        return self.key.place

    def text(self, key: str) -> str | None:
        """The text of one setting; None where it is not there, or no single value."""
        found = self.node.get(key) if isinstance(self.node, Block) else None
        return found.text.strip() if isinstance(found, Scalar) else None

    def items(self, key: str) -> tuple[Node, ...]:
        found = self.node.get(key) if isinstance(self.node, Block) else None
        return found.items if isinstance(found, Items) else ()


@dataclass(slots=True)
class Written:
    """``sections``: entries by section and name; ``overrides``: the nodes of all override items."""

    sections: dict[str, dict[str, Entry]] = field(default_factory=dict)
    overrides: list[Block] = field(default_factory=list)

    def of(self, section: str) -> dict[str, Entry]:
        return self.sections.get(section, {})


def written(ruleset: RuleSet) -> Written:
    """Read the rule set's own texts again; they are right, so nothing can be wrong with them."""
    found = Written()
    for path, text in sorted(ruleset.sources.items()):
        _, root = read(path, text, Problems())
        for key, node in root or ():
            if key.text == "overrides":
                found.overrides += [item for item in (node.items if isinstance(node, Items) else ()) if isinstance(item, Block)]
            elif isinstance(node, Block):
                found.sections.setdefault(key.text, {}).update({name.text: Entry(name, value) for name, value in node})
    return found


def scalars(node: Node | None) -> Iterator[Scalar]:
    """One value, or the values of a list."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Items):
        yield from (item for item in node.items if isinstance(item, Scalar))
