"""Everything that can be set from outside, in one table: the fields of `Settings`, with type, default and meaning.

Belongs here: the table and reading it from the environment. Never: what a setting does, and no setting of the rules (what
we decide is in `rules/`). A field `deadline_ms` is the variable `RISK_DEADLINE_MS`. `--help` and the documentation
are made from the table; a name that starts with RISK_ and nearly matches one of it is an error, not silence.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from streams.security import MECHANISMS, PROTOCOLS, Secret, secured

PREFIX = "RISK_"
T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9._-]*")
NAME_CHARACTERS_MAX = 100  # of Kafka's 249 for a whole topic name


class SettingsProblem(Exception):
    """Settings that cannot be used: `problems` has a line for each of them, for the person who set them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _brokers(text: str) -> str:
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        host, colon, port = part.rpartition(":")
        if not colon or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"expected host:port, several separated by commas, got {part!r}")
    return ",".join(parts)


def _name(text: str) -> str:
    if not NAME.fullmatch(text) or len(text) > NAME_CHARACTERS_MAX:
        raise ValueError(f"expected at most {NAME_CHARACTERS_MAX} letters, digits, dots, underscores or dashes, got {text[:120]!r}")
    return text


def _full_name(text: str) -> str:
    if text in {"", ".", ".."}:
        raise ValueError(f"expected a name, got {text!r}")
    return _name(text)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text.replace("_", "")) or not low <= int(text) <= high:
            raise ValueError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return parse


def _setting(default: T, kind: str, parse: Callable[[str], T], meaning: str) -> T:
    return dataclasses.field(default=default, metadata={"kind": kind, "parse": parse, "meaning": meaning})


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}, got {text!r}")
        return text

    return parse


DAY_MS = 86_400_000
_WAIT = _whole(0, 600_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process; `given` names those that were in the environment."""

    brokers: str = _setting("127.0.0.1:9092", "host:port,…", _brokers, "Kafka to use. The demo and the tests start their own when not set.")
    security_protocol: str = _setting(
        "PLAINTEXT", "protocol", _one_of(*PROTOCOLS), "How Kafka lets clients in: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    sasl_mechanism: str = _setting(
        "SCRAM-SHA-512", "mechanism", _one_of(*MECHANISMS), "How the password is shown: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN."
    )
    sasl_username: str | None = _setting(None, "name", str, "Whom Kafka shall know this process as.")
    sasl_password: Secret | None = _setting(None, "secret", Secret, "The password. Better from a file; it is never shown.")
    sasl_password_file: Path | None = _setting(None, "file", Path, "The password, in a file of its own.")
    tls_ca: Path | None = _setting(None, "file", Path, "Who may vouch for brokers (PEM). Not set: whom the system trusts.")
    tls_cert: Path | None = _setting(None, "file", Path, "This process's own certificate (PEM), where Kafka asks for one.")
    tls_key: Path | None = _setting(None, "file", Path, "The key of that certificate (PEM). Not set: it is in the same file.")
    rules: Path = _setting(Path("rules"), "folder", Path, "The rule set: events, features, rules, lists, policy, model.")
    id: str = _setting("risk", "name", _full_name, "Consumer group, and prefix of the changelog. Workers with one id share the work.")
    topic_prefix: str = _setting("", "name", _name, "Put before every topic name.")
    payments: str = _setting("payments", "name", _full_name, "The topic of payments (after the prefix).")
    partitions: int = _setting(4, "count", _whole(1, 10_000), "Partitions of every shared topic. Cannot change while state exists.")
    in_flight: int = _setting(4_000, "count", _whole(16, 1_000_000), "Offsets of a partition that may be above the committed one.")
    deadline_ms: int = _setting(300, "ms", _whole(1, 60_000), "Longest wait for values from the first touch; then it is decided degraded.")
    drain_wait_ms: int = _setting(10_000, "ms", _WAIT, "The same wait while the partition is behind.")
    order_wait_ms: int = _setting(0, "ms", _WAIT, "How long, live, an event waits for an earlier one of another partition.")
    repeat_window_ms: int = _setting(DAY_MS, "ms", _whole(0, 400 * DAY_MS), "How long, in event time, repeats of a payment id are spotted.")
    late_ms_max: int | None = _setting(None, "ms", _whole(0, 4_000 * DAY_MS), "An event this old is a dead letter. Not set: none is.")
    label_horizon_ms: int = _setting(
        120 * DAY_MS, "ms", _whole(0, 400 * DAY_MS), "How long, in event time, features of labels wait for the label of a payment."
    )
    labelled_max: int = _setting(
        200_000, "count", _whole(1, 10**8), "Payments of a partition held for that, at most; the oldest go first, and are counted."
    )
    control_secret_file: Path | None = _setting(
        None, "file", Path, "The secret of the control group's draw, the same for all workers. Not set: nobody is let through for learning."
    )
    learn_in: str = _setting(
        "worker", "worker or process", _one_of("worker", "process"), "Where the one learner runs: on a worker, or in `risk learner` alone."
    )
    flush_ms: int = _setting(100, "ms", _whole(1, 10_000), "How often changed profiles are written to the changelog.")
    commit_ms: int = _setting(500, "ms", _whole(10, 60_000), "How often, at the latest, offsets are committed.")
    session_ms: int = _setting(6_000, "ms", _whole(1_000, 1_800_000), "After so long without a heartbeat a worker counts as gone.")
    stuck_ms: int = _setting(
        120_000, "ms", _whole(1_000, 86_400_000), "A worker that commits nothing for so long while more and more waits for it, ends."
    )
    metrics_port: int = _setting(9464, "port", _whole(0, 65_535), "Port of /metrics and /health; 0 takes a free one.")
    metrics_host: str = _setting(
        "127.0.0.1", "address", _full_name, "Address that the metrics page listens on; 0.0.0.0 for all, in a container."
    )
    profiles_live: int = _setting(
        200_000, "count", _whole(100, 100_000_000), "Profiles of a worker that answer at once; beyond it the coldest are packed."
    )
    profiles_packed: int = _setting(
        4_000_000, "count", _whole(100, 1_000_000_000), "Packed profiles of a worker; beyond it the coldest go to files in RISK_STATE."
    )
    state: Path = _setting(Path("data/state"), "folder", Path, "Local files of a worker. Nothing in it is needed to recover.")
    cache: Path | None = _setting(None, "folder", Path, "Where Kafka's jars are kept. Not set: riskstream in the user's cache folder.")
    given: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `default` as text, empty when there is none."""

    variable: str
    attribute: str
    kind: str
    default: str
    meaning: str
    parse: Callable[[str], Any]


TABLE: tuple[Setting, ...] = tuple(
    Setting(
        variable=PREFIX + each.name.upper(),
        attribute=each.name,
        kind=each.metadata["kind"],
        default="" if each.default is None else str(each.default),
        meaning=each.metadata["meaning"],
        parse=each.metadata["parse"],
    )
    for each in dataclasses.fields(Settings)
    if each.metadata
)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environment` (default: the process's). Raises SettingsProblem with all problems at once."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    problems = _misspelt(environment)
    for row in TABLE:
        text = environment.get(row.variable)
        if text is None or (text == "" and row.attribute != "topic_prefix"):
            continue
        try:
            values[row.attribute] = row.parse(text)
        except ValueError as error:
            problems.append(f"{row.variable}: {error}. {row.meaning}")
    if not problems:
        settings = Settings(**values, given=frozenset(values))
        brokers = secured(settings, problems)
    if problems:
        raise SettingsProblem(problems)
    return dataclasses.replace(settings, brokers=brokers)


def _misspelt(environment: Mapping[str, str]) -> list[str]:
    known = [row.variable for row in TABLE]
    problems = []
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in known:
            close = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if close:
                problems.append(f"{variable} is not a setting. Did you mean {close[0]}?")
    return problems


def help_text() -> str:
    """The table for `--help`: a line for each setting."""
    lines = [f"{row.variable} ({row.kind}{', default ' + row.default if row.default else ''}): {row.meaning}" for row in TABLE]
    return "\n\n".join(["Settings, read from the environment:", *lines])
