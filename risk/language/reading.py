"""What the parts of the type checker share while one condition is read: the scope, the faults, the macro being opened.

Rule 1: no types and no words of messages here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from risk.language.meaning import Const, Given, Value
from risk.language.nodes import Node
from risk.language.scope import Fault, Scope

EXPANDED_NODES_MAX = 4000
EXPANDED_NESTING_MAX = 60


class TooLarge(Exception):
    """Macros inside macros grew past a limit; carries nothing, the fault is already told."""


@dataclass
class Reading:
    """One walk over a condition. Inside a macro every fault is told at the place where the macro is used."""

    scope: Scope
    faults: list[Fault] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    _used_at: Node | None = None
    _nodes: int = 0
    _level: int = 0

    def known(self, value: Value) -> Any:
        """The fixed value of a literal, or of a parameter; None where there is none."""
        if isinstance(value, Const):
            return value.value
        symbol = self.scope.params.get(value.name) if isinstance(value, Given) else None
        return symbol.value if symbol is not None else None

    def say(self, code: str, node: Node, message: str, hint: str | None = None, severity: Literal["error", "warning"] = "error") -> None:
        """Note a fault at ``node``. Told twice at one place, it is kept once."""
        at = self._used_at or node
        if self.opened:
            message = f"in macro `{self.opened[-1]}`: {message}"
        fault = Fault(code, at.start, at.end, message, hint, severity)
        if fault not in self.faults:
            self.faults.append(fault)

    def count(self, node: Node) -> None:
        """Keep macros that multiply from becoming large: E219 once, then stop."""
        self._nodes += 1
        if self._nodes > EXPANDED_NODES_MAX:
            self.say("E219", node, f"with its macros opened this condition has more than {EXPANDED_NODES_MAX:,} parts")
            raise TooLarge

    @contextmanager
    def deeper(self, node: Node) -> Iterator[None]:
        """One level down: each macro may be as deep as a condition, but not all of them inside one another."""
        if self._level >= EXPANDED_NESTING_MAX:
            self.say("E219", node, f"with its macros opened this condition is nested deeper than {EXPANDED_NESTING_MAX} levels")
            raise TooLarge
        self._level += 1
        try:
            yield
        finally:
            self._level -= 1

    @contextmanager
    def inside(self, macro: str, use: Node) -> Iterator[None]:
        """Read a macro's own condition; ``use`` is where it is named."""
        outer = self._used_at
        self._used_at = outer or use
        self.opened.append(macro)
        try:
            yield
        finally:
            self.opened.pop()
            self._used_at = outer
