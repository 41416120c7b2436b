"""Conditions in colour, their names linked to where they are explained.

Never here: how a condition is broken into lines (`risk.tools.layout`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from risk.language import RuleSet
from risk.language.condition import Node, lists_in, names_in, parse
from risk.tools.layout.conditions import condition_lines
from risk.tools.site.html import anchor, link, text

_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<list>@\w+)|(?P<param>\$\w+)|(?P<money>[A-Z]{3} \d[\d.]*)|(?P<number>\d[\d.]*(?:%|[smhdw]\b)?)'
    r"|(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
)
WORDS = frozenset({"and", "or", "not", "in", "between", "is", "missing", "known", "true", "false"})


class Conditions:
    """Writes conditions of one rule set. ``root``: the way back to the start of the site."""

    def __init__(self, ruleset: RuleSet, root: str) -> None:
        self.ruleset = ruleset
        self.root = root

    def block(self, condition: str, params: Mapping[str, str] | None = None) -> str:
        """A condition with one term a line. ``params``: values shown when one points at a parameter."""
        lines = condition_lines(condition, 0) or [condition]
        return "<pre>" + "\n".join(self.inline(line, params) for line in lines) + "</pre>\n"

    def inline(self, condition: str, params: Mapping[str, str] | None = None) -> str:
        said, last = [], 0
        for found in _TOKEN.finditer(condition):
            said += [text(condition[last : found.start()]), self._token(found, params or {})]
            last = found.end()
        return "".join([*said, text(condition[last:])])

    def _token(self, found: re.Match[str], params: Mapping[str, str]) -> str:
        word = found[0]
        match found.lastgroup:
            case "list":
                return link(f"{self.root}lists.html#{anchor(word[1:])}", text(word))
            case "param":
                value = params.get(word[1:], "")
                return f'<span class="p" title="{text(value)}">{text(word)}</span>' if value else f'<span class="p">{text(word)}</span>'
            case "word":
                return self.name(word)
        return f'<span class="v">{text(word)}</span>'

    def name(self, word: str) -> str:
        if word in WORDS:
            return f'<span class="w">{word}</span>'
        if word in self.ruleset.features or word in self.ruleset.macros:
            return link(f"{self.root}features.html#{anchor(word)}", text(word), self.ruleset.macros.get(word, ""))
        return text(word)


def reads(ruleset: RuleSet, condition: str) -> tuple[list[str], list[str], list[str]]:
    """Features, macros and lists that a condition reads, through its macros too, in the order of the files."""
    names: set[str] = set()
    lists: set[str] = set()
    waiting = [condition]
    while waiting:
        tree = parse(waiting.pop())
        if isinstance(tree, Node):
            found = names_in(tree)
            waiting += [ruleset.macros[name] for name in found - names if name in ruleset.macros]
            names |= found
            lists |= lists_in(tree)
    return (
        [name for name in ruleset.features if name in names],
        [name for name in ruleset.macros if name in names],
        [name for name in ruleset.lists if name in lists],
    )
