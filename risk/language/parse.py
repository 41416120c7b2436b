"""From the text of a condition to its tree.

Rule 1: the grammar is grammar.lark; here its parts only become nodes. What is said of a text that does not fit is in syntax.py.
Rule 2: no text makes this raise: the answer is a node or the faults.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput

from risk.language import nodes, syntax
from risk.language.scope import Fault

CACHED_CONDITIONS_MAX = 4096


class _Builder(Transformer[Token, Any]):
    """One method a rule of the grammar; every argument is a token or a node."""

    def start(self, parts: list[Any]) -> nodes.Node:
        return cast(nodes.Node, parts[0])

    def any_of(self, parts: list[Any]) -> nodes.Node:
        return _flat(nodes.Or, parts[::2])

    def all_of(self, parts: list[Any]) -> nodes.Node:
        return _flat(nodes.And, parts[::2])

    def negated(self, parts: list[Any]) -> nodes.Node:
        return nodes.Not(parts[1], start=parts[0].start_pos, end=parts[1].end)

    def compared(self, parts: list[Any]) -> nodes.Node:
        left, op, right = parts[:3]
        if len(parts) > 3:
            raise syntax.Refused(syntax.chained(parts))
        return nodes.Compare(str(op), left, right, start=left.start, end=right.end)

    def in_list(self, parts: list[Any]) -> nodes.Node:
        item, negated, _, token = parts
        within = nodes.ListName(token[1:], start=token.start_pos, end=token.end_pos)
        return nodes.In(item, within, negated is not None, start=item.start, end=within.end)

    def in_values(self, parts: list[Any]) -> nodes.Node:
        item, negated, _, opening = parts[:4]
        end = parts[-1].end_pos
        within = nodes.Values(tuple(parts[4:-1:2]), start=opening.start_pos, end=end)
        return nodes.In(item, within, negated is not None, start=item.start, end=end)

    def in_name(self, parts: list[Any]) -> nodes.Node:
        item, negated, _, token = parts
        within = nodes.Name(str(token), start=token.start_pos, end=token.end_pos)
        return nodes.In(item, within, negated is not None, start=item.start, end=within.end)

    def ranged(self, parts: list[Any]) -> nodes.Node:
        item, negated, _, low, _, high = parts
        return nodes.Between(item, low, high, negated is not None, start=item.start, end=high.end)

    def missing(self, parts: list[Any]) -> nodes.Node:
        item, _, negated, word = parts
        known = (word == "known") != (negated is not None)
        return nodes.Missing(item, known, start=item.start, end=word.end_pos)

    def arith(self, parts: list[Any]) -> nodes.Node:
        left, op, right = parts
        return nodes.Arith(str(op), left, right, start=left.start, end=right.end)

    def minus(self, parts: list[Any]) -> nodes.Node:
        return nodes.Minus(parts[1], start=parts[0].start_pos, end=parts[1].end)

    def bracket(self, parts: list[Any]) -> nodes.Node:
        opening, inside, closing = parts
        return cast(nodes.Node, replace(inside, start=opening.start_pos, end=closing.end_pos, bracketed=True))

    def call(self, parts: list[Any]) -> nodes.Node:
        return nodes.Call(str(parts[0]), tuple(parts[2:-1:2]), start=parts[0].start_pos, end=parts[-1].end_pos)

    def number(self, parts: list[Token]) -> nodes.Node:
        return nodes.Number(str(parts[0]), **_place(parts[0]))

    def percent(self, parts: list[Token]) -> nodes.Node:
        return nodes.Percent(parts[0][:-1], **_place(parts[0]))

    def duration(self, parts: list[Token]) -> nodes.Node:
        return nodes.Duration(int(parts[0][:-1]), parts[0][-1], **_place(parts[0]))

    def money(self, parts: list[Token]) -> nodes.Node:
        currency, amount = parts[0].split()
        return nodes.Money(currency, amount, **_place(parts[0]))

    def text(self, parts: list[Token]) -> nodes.Node:
        return nodes.Text(syntax.unquoted(parts[0]), **_place(parts[0]))

    def yes_no(self, parts: list[Token]) -> nodes.Node:
        return nodes.Bool(parts[0] == "true", **_place(parts[0]))

    def name(self, parts: list[Token]) -> nodes.Node:
        return nodes.Name(str(parts[0]), **_place(parts[0]))

    def param(self, parts: list[Token]) -> nodes.Node:
        return nodes.Param(parts[0][1:], **_place(parts[0]))


def _place(token: Token) -> dict[str, Any]:
    return {"start": token.start_pos, "end": token.end_pos}


def _flat(kind: type[nodes.And | nodes.Or], parts: list[nodes.Node]) -> nodes.Node:
    """`(a and b) and c` is `a and b and c`: brackets of the same kind change nothing, also not in three-valued logic."""
    flat: list[nodes.Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return kind(tuple(flat), start=parts[0].start, end=parts[-1].end)


_LARK = Lark(
    (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8"),
    parser="lalr",
    lexer="basic",
    maybe_placeholders=True,
    transformer=_Builder(),
)


@lru_cache(maxsize=CACHED_CONDITIONS_MAX)
def _parse(text: str) -> nodes.Node | tuple[Fault, ...]:
    if too_long := syntax.length_fault(text):
        return (too_long,)
    tokens = list(_LARK.lex(text))
    if faults := syntax.token_faults(text, tokens):
        return tuple(faults)
    state = _LARK.parse_interactive()
    try:
        for token in tokens:
            state.feed_token(token)
        node = cast(nodes.Node, state.feed_eof(tokens[-1]))  # type: ignore[no-untyped-call]
    except UnexpectedInput as error:
        return (syntax.unexpected(tokens, getattr(error, "token", None), error),)
    except syntax.Refused as refused:
        return (refused.fault,)
    deep = syntax.depth_fault(node)
    return (deep,) if deep else node


def parse(text: str) -> nodes.Node | list[Fault]:
    """The tree of a condition, or everything that is wrong with the way it is written. Nodes are frozen and may be shared."""
    result = _parse(text)
    return list(result) if isinstance(result, tuple) else result
