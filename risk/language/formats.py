"""Problems for programs: the annotations of GitHub, SARIF 2.1.0 for code scanning, and plain JSON.

Rule 1: the same problems, places and words as the text for people has; nothing is left out.
Rule 2: paths are as the caller would open them: the folder that was asked for, then the path inside the rule set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from risk.language.problems import Problem, as_data, in_order

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def github(problems: Iterable[Problem], summary: str, root: str = "") -> str:
    """A workflow command a problem, which GitHub shows at the line; the summary last, as plain text."""
    lines = [_command(problem, root) for problem in in_order(problems)]
    return "\n".join([*lines, summary]) + "\n"


def _command(problem: Problem, root: str) -> str:
    where = {
        "file": under(root, problem.path),
        "line": problem.line,
        "col": problem.column,
        "endColumn": problem.column + problem.length,
        "title": f"risk check {problem.code}",
    }
    said = ",".join(f"{name}={_property(str(value))}" for name, value in where.items())
    return f"::{problem.severity} {said}::{_data(_whole(problem))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _whole(problem: Problem) -> str:
    return problem.message if problem.hint is None else f"{problem.message}\n{problem.hint}"


def sarif(problems: Iterable[Problem], version: str, root: str = "") -> str:
    """One run of one tool. ``version``: that of the tool. Columns count characters, and an end is the column after the last."""
    told = in_order(problems)
    driver = {"name": "risk check", "version": version, "rules": [{"id": code} for code in sorted({each.code for each in told})]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(each, root) for each in told]}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _result(problem: Problem, root: str) -> dict[str, Any]:
    region = {"startLine": problem.line, "startColumn": problem.column, "endColumn": problem.column + problem.length}
    place = {"artifactLocation": {"uri": quote(under(root, problem.path))}, "region": region}
    return {
        "ruleId": problem.code,
        "level": problem.severity,
        "message": {"text": _whole(problem)},
        "locations": [{"physicalLocation": place}],
    }


def as_json(problems: Iterable[Problem], root: str, ruleset_hash: str | None) -> str:
    """All that was found, with the paths inside the rule set and its root apart; the hash where there are no errors."""
    told = list(problems)
    errors = sum(1 for problem in told if problem.severity == "error")
    said = {
        "root": root or ".",
        "errors": errors,
        "warnings": len(told) - errors,
        "hash": ruleset_hash,
        "problems": [as_data(problem) for problem in told],
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def under(root: str, path: str) -> str:
    """The path as it is opened from where the command runs."""
    return f"{root}/{path}" if root else path
