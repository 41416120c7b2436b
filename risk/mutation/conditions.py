"""Every small change of one condition.

Rule 1: one change at a time, and each is one that somebody could have written by mistake: the wrong side of a limit, a limit one step
off, a term that is not there.
Rule 2: what a change means, and whether the language takes it, is found out by whoever uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from risk.language import nodes
from risk.language.canonical import canonical
from risk.language.nodes import Node
from risk.mutation.rewriting import everywhere
from risk.mutation.steps import steps

THRESHOLD, COMPARISON, TERM, COUNT, NEGATION = "threshold", "comparison", "term", "at_least", "negation"
_TURNED = {">=": ">", ">": ">=", "<=": "<", "<": "<=", "==": "!=", "!=": "=="}
_NEVER_EXACT = "no test can hit the limit of a distance exactly"
TEXT_SHOWN_MAX = 90


@dataclass(frozen=True, slots=True)
class Change:
    """``node``: the whole condition, changed; ``start`` and ``end``: what was changed, offsets in its text.

    ``excuse``: why no test can be asked to notice it.
    """

    kind: str
    node: Node
    start: int
    end: int
    said: str
    excuse: str | None = None


def changes(node: Node) -> Iterator[Change]:
    """All changes of a condition, from left to right and from the whole to its parts."""
    counts = {id(part.args[0]) for part in node.walk() if isinstance(part, nodes.Call) and part.function == "at_least"}
    for part, put in everywhere(node):
        for change in _of_part(part, COUNT if id(part) in counts else THRESHOLD):
            yield replace(change, node=put(change.node))


def _of_part(part: Node, threshold: str) -> Iterator[Change]:
    """The changes of a part itself, not of what it consists of; ``threshold``: what kind of limit a number would be."""
    match part:
        case nodes.And(parts) | nodes.Or(parts):
            for i, term in enumerate(parts):
                rest = (*parts[:i], *parts[i + 1 :])
                yield _gone(term, rest[0] if len(rest) == 1 else replace(part, parts=rest))
        case nodes.Call("at_least", args) if len(args) > 2:
            for i in range(1, len(args)):
                yield _gone(args[i], replace(part, args=(*args[:i], *args[i + 1 :])))
        case nodes.Compare(op, left, right):
            turned = replace(part, op=_TURNED[op])
            distance = any(isinstance(each, nodes.Call) and each.function == "km_between" for each in part.walk())
            excuse = _NEVER_EXACT if distance and op not in ("==", "!=") else None
            yield replace(_becomes(COMPARISON, part, turned), start=left.end, end=right.start, excuse=excuse)
        case nodes.In(_, within, negated):
            yield _becomes(NEGATION, part, replace(part, negated=not negated))
            if isinstance(within, nodes.Values) and len(within.parts) > 1:
                for i, value in enumerate(within.parts):
                    fewer = replace(within, parts=(*within.parts[:i], *within.parts[i + 1 :]))
                    yield _gone(value, replace(part, within=fewer))
        case nodes.Between():
            yield _becomes(NEGATION, part, replace(part, negated=not part.negated))
        case nodes.Missing():
            yield _becomes(NEGATION, part, replace(part, known=not part.known))
        case nodes.Not(inner):
            yield _becomes(NEGATION, part, inner)
        case _:
            for step in steps(part):
                yield _becomes(threshold, part, step)


def _gone(term: Node, rest: Node) -> Change:
    return Change(TERM, rest, term.start, term.end, f"{_shown(term)} is left out")


def _becomes(kind: str, part: Node, new: Node) -> Change:
    return Change(kind, new, part.start, part.end, f"{_shown(part)} becomes {_shown(new)}")


def _shown(node: Node) -> str:
    text = canonical(node)
    return f"`{text}`" if len(text) <= TEXT_SHOWN_MAX else f"`{text[:TEXT_SHOWN_MAX]} ...`"
