"""The `risk` command line of the library: one module a command, put together here.

Belongs here: the typer application and the list of commands. Never: what a command does, and nothing that needs Kafka
(`streams/cli/` adds those commands to the same application).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import typer

COMMANDS = ("check", "test", "explain", "names", "replay", "fmt", "schema", "docs", "stale", "duties")
"""Each name is a module of this package and the function in it that is the command."""


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands; whoever knows which one was typed need not wait for the modules of the others."""
    made = typer.Typer(
        name="risk",
        help="Decide payments: check and test rule files, and with Kafka run the workers that apply them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in names:
        made.command(name=name)(getattr(importlib.import_module(f"risk.cli.{name}"), name))

    @made.callback()
    def _root() -> None:
        """Keep `risk` a group of commands even while it has a single one."""

    return made


def __getattr__(name: str) -> Any:
    """`app`: all commands of the library, imported when it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    globals()["app"] = application()
    return globals()["app"]
