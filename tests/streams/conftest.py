"""What the stream tests tell beside passing: the workers' own words when one fails, and a line of facts for each story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.streams import harness

TAIL_CHARS = 6_000


@pytest.fixture(scope="module", autouse=True)
def logs_of_this_file_only() -> None:
    harness.LOGS.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    report.user_properties += [("fact", line) for line in harness.FACTS]  # a report reaches the terminal from another process too
    harness.FACTS.clear()
    if report.failed:
        for log in harness.LOGS:
            if log.exists():
                report.sections.append((f"output of {log.name}", log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARS:]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for each in terminalreporter.stats.values() for report in each if isinstance(report, pytest.TestReport)]
    facts = [line for report in reports for name, line in report.user_properties if name == "fact"]
    if facts:
        terminalreporter.section("streams: what was counted")
        for line in facts:
            terminalreporter.write_line(line)
