"""The `risk` command line of the library: one module a command, put together here.

Belongs here: the typer application and the list of commands. Never: what a command does, and nothing that needs Kafka
(`streams/cli/` adds those commands to the same application).
"""

from __future__ import annotations

import importlib

import typer

app = typer.Typer(
    name="risk",
    help="Decide payments: check and test rule files, and with Kafka run the workers that apply them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

COMMANDS = ("check", "test", "explain", "names", "replay", "fmt", "schema", "docs", "stale", "duties")
"""Each name is a module of this package and the function in it that is the command."""

for _name in COMMANDS:
    _module = importlib.import_module(f"risk.cli.{_name}")
    app.command(name=_name)(getattr(_module, _name))


@app.callback()
def _root() -> None:
    """Keep `risk` a group of commands even while it has a single one."""
