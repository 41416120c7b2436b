"""Where values come from in one generated function: attributes, slots, constants and shared calls, each fetched once.

Rule 1: names become generated identifiers; nothing of a file is in the code.
Rule 2: nothing here knows what a condition means; codegen.py does.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from risk.language.lookup import Lists
from risk.language.meaning import Applied, Condition, Given, Read, Value


def parts_of(node: Condition | Value) -> Iterator[Condition | Value]:
    """A meaning and all below it, repeated parts repeated."""
    stack: list[Condition | Value] = [node]
    while stack:
        part = stack.pop()
        yield part
        for each in fields(part):
            inner = getattr(part, each.name)
            if isinstance(inner, Condition | Value):
                stack.append(inner)
            elif isinstance(inner, tuple):
                stack.extend(piece for piece in inner if isinstance(piece, Condition | Value))


def shared(call: Applied) -> bool:
    """Whether a call is worth making once for all rules: it costs something, and no rule's own parameters are in it."""
    return call.function not in ("abs", "min", "max") and not any(isinstance(part, Given) for part in parts_of(call))


@dataclass
class Source:
    """Where values come from in one function, and what of it is kept in locals.

    ``uses``: how often each name is read in all conditions of the function; ``slots``: where each feature's value stands.
    """

    uses: Counter[str]
    calls: Counter[Applied]
    slots: Mapping[str, int]
    lists: Lists

    def __post_init__(self) -> None:
        self.namespace: dict[str, Any] = {}
        self.locals: dict[str, str] = {}
        self.head: list[str] = []
        self._kept_calls: dict[Applied, str] = {}
        self._named: dict[tuple[str, Any], str] = {}

    def constant(self, kind: str, key: Any, make: Callable[[], Any]) -> str:
        """The generated name of an object that code uses, made once."""
        if (kind, key) not in self._named:
            name = f"_{kind}{len(self._named)}"
            self.namespace[name] = make()
            self._named[kind, key] = name
        return self._named[kind, key]

    def local(self, read: Read) -> tuple[str, str | None]:
        """(code, code to fetch it first or None) of a name. Names read more than once are fetched at the head of the function."""
        symbol = read.symbol
        if symbol.kind == "score":
            return "score", None
        if symbol.name not in self.locals:
            self.locals[symbol.name] = f"x{len(self.locals)}"
            if self.uses[symbol.name] > 1:
                self.head.append(f"{self.locals[symbol.name]} = {self._fetch(read)}")
        fetch = None if self.uses[symbol.name] > 1 else self._fetch(read)
        return self.locals[symbol.name], fetch

    def _fetch(self, read: Read) -> str:
        symbol = read.symbol
        if symbol.kind == "feature":
            return f"v[{int(self.slots[symbol.name])}]"
        return self.attribute(symbol.attr or symbol.name.replace(".", "_"))

    def attribute(self, attr: str) -> str:
        """The code that fetches an attribute of the event."""
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", attr) and not keyword.iskeyword(attr):
            return f"e.{attr}"
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", attr), f"not an attribute of an event: {attr!r}"
        self.namespace["getattr"] = getattr
        return f"getattr(e, {attr!r})"

    def call(self, call: Applied, code: str) -> str:
        """A function's call; where the same one stands in several places, it is made at most once an event."""
        if self.calls[call] < 2:
            return code
        if call not in self._kept_calls:
            self._kept_calls[call] = f"c{len(self._kept_calls)}"
            self.namespace["_not_yet"] = _NOT_YET
            self.head.append(f"{self._kept_calls[call]} = _not_yet")
        name = self._kept_calls[call]
        return f"({name} if {name} is not _not_yet else ({name} := {code}))"


_NOT_YET: Final = object()
