"""The `risk` command: the library's commands and, added here, those that need Kafka.

Belongs here: the list of Kafka commands, one module each, and the exit code of a failure that nobody caught.
Never: what a command does.
"""

from __future__ import annotations

import importlib
import sys

import typer

from risk.cli import COMMANDS as LIBRARY
from risk.cli import application
from streams.settings import help_text

COMMANDS = ("kafka", "topics", "worker", "demo", "simulate", "feed", "seed", "lists", "replay", "learner", "learn", "model")
"""Each name is a module of this package and the function in it that is the command; one of the library's own does more here."""

EXPLAIN_SETTINGS = ("topics", "worker", "demo", "learner", "model")
"""Commands that read the settings: their --help ends with the table."""


def whole(names: tuple[str, ...] = (*LIBRARY, *COMMANDS)) -> typer.Typer:
    """The command line with these commands, of the library and of Kafka."""
    app = application(name for name in LIBRARY if name in names and name not in COMMANDS)
    for name in (name for name in COMMANDS if name in names):
        module = importlib.import_module(f"streams.cli.{name}")
        epilog = help_text() if name in EXPLAIN_SETTINGS else None
        app.command(name=name, epilog=epilog)(getattr(module, name))
    return app


def main() -> None:
    """Run `risk`. Exit codes: 0 done, 1 a finding, 2 a file or a setting is wrong, 3 Kafka cannot be reached."""
    # Only the command that was asked for is imported: `risk kafka` need not wait for Faust, nor `risk check` for Kafka.
    asked = tuple(sys.argv[1:2])
    whole(asked if set(asked) & {*LIBRARY, *COMMANDS} else (*LIBRARY, *COMMANDS))()
