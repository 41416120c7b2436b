"""Rule files in, a rule set or all their problems out: the entrance of the language.

Rule 1: no clock: what day it is comes as an argument, and only warnings depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from risk.language.loading import Loading
from risk.language.problems import Problem, RuleFileError, count
from risk.language.ruleset import Counts, RuleSet
from risk.sources import rule_files

Source = Path | tuple[str, str] | tuple[str, bytes]


@dataclass(slots=True)
class Loaded:
    """What came of loading: the rule set, or None where there are errors; everything that was found."""

    ruleset: RuleSet | None
    problems: list[Problem]
    sources: dict[str, str]
    counts: Counts

    @property
    def errors(self) -> int:
        return sum(1 for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> int:
        return len(self.problems) - self.errors

    @property
    def summary(self) -> str:
        """`7 events, 2 features, 2 lists, 0 macros, 4 rules: 17 errors, 2 warnings`."""
        parts = [count(getattr(self.counts, part), part.removesuffix("s")) for part in self.counts.parts]
        return f"{', '.join(parts)}: {count(self.errors, 'error')}, {count(self.warnings, 'warning')}"


def load(paths: Iterable[Source]) -> RuleSet:
    """The rule set of these folders, files and texts. Raises RuleFileError with all problems where one of them is an error."""
    loaded = examine(paths)
    if loaded.ruleset is None:
        raise RuleFileError(loaded.problems, loaded.sources, loaded.summary)
    return loaded.ruleset


def examine(paths: Iterable[Source], today: date | None = None) -> Loaded:
    """Load and tell everything. ``today``: also warn of dates that have passed."""
    loading = Loading(_files(paths))
    ruleset = loading.run(today)
    return Loaded(ruleset, loading.told, loading.sources, loading.counts)


def _files(paths: Iterable[Source]) -> list[tuple[str, str | bytes]]:
    files: list[tuple[str, str | bytes]] = []
    for each in paths:
        files.extend([each] if isinstance(each, tuple) else rule_files(Path(each)))
    return sorted(files, key=lambda file: file[0])
