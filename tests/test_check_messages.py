"""What `risk check` says, word for word.

Each case is a rule file (or a folder of them) in `tests/cases/check`, loaded together with `schema/events.yaml` unless it declares
events itself; the output is pinned in the `.txt` beside it. `python -m tests.test_check_messages` rewrites them, `git diff` is the review.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from risk.language import examine, render_problems
from risk.language.problems import Problem

CASES = Path(__file__).parent / "cases" / "check"
TODAY = date(2026, 11, 24)


def _files(case: Path) -> list[tuple[str, bytes]]:
    paths = sorted(case.rglob("*.yaml")) if case.is_dir() else [case]
    files = [(path.relative_to(CASES).as_posix(), path.read_bytes()) for path in paths]
    if not any(b"\nevents:" in b"\n" + raw for _, raw in files):
        files.append(("schema/events.yaml", (CASES / "schema" / "events.yaml").read_bytes()))
    return files


ALL = sorted(path for path in CASES.iterdir() if (path.is_dir() or path.suffix == ".yaml") and path.name != "schema")


@pytest.mark.parametrize("case", ALL, ids=lambda path: path.stem)
def test_problems_are_told_as_pinned(case: Path) -> None:
    loaded = examine(_files(case), TODAY)
    told = render_problems(loaded.problems, loaded.sources, loaded.summary)
    assert told == case.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ALL, ids=lambda path: path.stem)
def test_messages_keep_the_tone(case: Path) -> None:
    for problem in examine(_files(case), TODAY).problems:
        _assert_tone(problem)


def _assert_tone(problem: Problem) -> None:
    """Snippets, not sentences: no capital at the start, no full stop at the end, places inside the file."""
    for text in (problem.message, problem.hint):
        if text is None:
            continue
        assert text == text.strip()
        assert not text.endswith("."), text
        assert "\n" not in text
        first = text[0]
        assert not first.isupper() or text.split()[0].isupper() or text.startswith(("YAML", "UTF")), text
        assert text.count("`") % 2 == 0, text
    assert problem.line >= 1
    assert problem.column >= 1
    assert problem.length >= 1


def test_every_code_of_the_loader_is_pinned() -> None:
    language = Path(__file__).parent.parent / "risk" / "language"
    sources = [
        *(language / "sections").glob("*.py"),
        *(language / "checks").glob("*.py"),
        *(language / f"{n}.py" for n in ("conditions", "loading", "source")),
    ]
    codes = {code for path in sources for code in re.findall(r'"([EW]\d{3})"', path.read_text(encoding="utf-8"))}
    pinned = {code for path in CASES.glob("*.txt") for code in re.findall(r"\[([EW]\d{3})\]", path.read_text(encoding="utf-8"))}
    assert codes - pinned == set()


def test_a_code_belongs_to_one_check() -> None:
    checks = Path(__file__).parent.parent / "risk" / "language" / "checks"
    owners: dict[str, set[str]] = {}
    for path in checks.glob("*.py"):
        for code in re.findall(r'"([EW]\d{3})"', path.read_text(encoding="utf-8")):
            owners.setdefault(code, set()).add(path.name)
    assert {code: names for code, names in owners.items() if len(names) > 1} == {}


def rewrite() -> None:
    """Pin what is told now."""
    for case in ALL:
        loaded = examine(_files(case), TODAY)
        case.with_suffix(".txt").write_text(render_problems(loaded.problems, loaded.sources, loaded.summary), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
