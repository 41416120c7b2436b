"""The reference tables of the documentation, made from the tables of the code: `python -m streams.tables docs` brings the pages up to date.

A page has a place for a table between `<!-- table: NAME -->` and `<!-- end of table -->`; a test fails when what stands there is old.
Belongs here: turning rows into Markdown. Never: a word of explanation, which belongs on the page, and nothing that a worker needs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from risk.cli import COMMANDS as LIBRARY_COMMANDS
from risk.language.sections.events import KINDS
from risk.language.sections.features import AGGREGATED_KINDS, AGGREGATES, OF_EVENTS, RETRACTABLE
from risk.learning import SETTINGS as MODEL_SETTINGS
from risk.mutation.mutants import CODES, HINTS
from risk.refusals import REASONS
from streams import settings, topics
from streams.cli import COMMANDS as KAFKA_COMMANDS
from streams.cli import whole
from streams.metrics import CATALOGUE
from streams.told import told

PLACE = re.compile(r"(<!-- table: ([a-z-]+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; `|` inside a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def of_settings() -> str:
    rows = [(f"`{row.variable}`", row.kind, f"`{row.default}`" if row.default else "", row.meaning) for row in settings.TABLE]
    return markdown(("variable", "kind", "default", "meaning"), rows)


def of_topics() -> str:
    rows = []
    for topic in topics.TOPICS:
        shown = topic.name.replace("{payments}", "payments").replace("{id}", "risk")
        kept = "newest of each key" if topic.cleanup == "compact" else f"{(topic.retention_ms or 0) // topics.DAY_MS} days"
        count = "`RISK_PARTITIONS`" if topic.partitions == "all" else str(topic.partitions)
        rows.append((f"`{shown}`", count, kept, topic.stamped_by, topic.worker, topic.meaning))
    return markdown(("topic", "partitions", "kept", "time of", "a worker may", "meaning"), rows)


def of_metrics() -> str:
    rows = []
    for entry in CATALOGUE:
        later = f" Appears once {entry.appears}." if entry.appears else ""
        rows.append((f"`{entry.name}`", entry.kind, ", ".join(f"`{label}`" for label in entry.labels), entry.meaning + later))
    return markdown(("metric", "kind", "labels", "meaning"), rows)


def of_reasons() -> str:
    return markdown(("reason", "meaning"), [(f"`{reason}`", meaning) for reason, meaning in REASONS.items()])


def of_model_settings() -> str:
    rows = [(f"`{name}`", f"{s.default:g}", f"{s.low:g} to {s.high:g}", s.meaning) for name, s in MODEL_SETTINGS.items()]
    return markdown(("setting", "default", "from, to", "meaning"), rows)


def command_line() -> dict[str, Any]:
    """Every command of `risk` by its name. (What typer makes of them has no types of its own.)"""
    made: dict[str, Any] = typer.main.get_command(whole()).commands  # type: ignore[attr-defined]
    return {name: made[name] for name in (*LIBRARY_COMMANDS, *KAFKA_COMMANDS) if name in made}


def of_aggregates() -> str:
    """What each aggregate can be taken of."""
    rows = []
    for name in AGGREGATES:
        kinds = "an event" if name in OF_EVENTS else ", ".join(f"`{kind}`" for kind in KINDS if kind in AGGREGATED_KINDS[name])
        rows.append((f"`{name}`", kinds, "yes" if name in RETRACTABLE else ""))
    return markdown(("aggregate", "of", "over `label`"), rows)


def of_rule_messages() -> str:
    """Everything that `risk check` can say."""
    return markdown(("code", "says", "and what to do"), [(f"`{code}`", message, hint) for code, message, hint in told()])


def of_mutants() -> str:
    """What `risk test --mutate` changes."""
    rows = [(f"`{code}`", f"`{kind}`", HINTS[kind].removesuffix(" would")) for kind, code in CODES.items()]
    return markdown(("code", "changed", "noticed by"), rows)


def of_commands() -> str:
    """Every command with its arguments, options and what its help says."""
    parts = []
    for name, command in command_line().items():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
        usage = " ".join([f"risk {name}", *(_argument(each) for each in arguments)])
        parts.append(f"### `{usage}`\n\n{' '.join((command.help or '').split())}\n")
        rows = [(f"`{_argument(each)}`", _default(each), each.help or "") for each in arguments]
        rows += [(", ".join(f"`{way}`" for way in (*each.opts, *each.secondary_opts)), _default(each), each.help or "") for each in options]
        if rows:
            parts.append(markdown(("option", "default", "meaning"), rows))
    return "\n".join(parts)


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value is False or parameter.required:
        return ""
    return "`yes`" if value is True else f"`{getattr(value, 'value', value)}`"


TABLES: dict[str, Callable[[], str]] = {
    "settings": of_settings,
    "topics": of_topics,
    "metrics": of_metrics,
    "reasons": of_reasons,
    "commands": of_commands,
    "model-settings": of_model_settings,
    "aggregates": of_aggregates,
    "rule-messages": of_rule_messages,
    "mutants": of_mutants,
}


def renewed(page: str) -> str:
    """The page with every table as the code has it. An unknown table is a KeyError."""
    return PLACE.sub(lambda found: found[1] + TABLES[found[2]]() + found[4], page)


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = renewed(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"{path} renewed\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
