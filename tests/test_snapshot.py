"""The learner's state put aside: it goes on as if it had read the whole log, and a file that does not fit is not read."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from risk.declared import ModelDecl
from risk.learning import Mark, Ordered, record, signature_of
from risk.learning.drift import Watched
from streams import snapshot
from tests.learning_streams import entries, model

HOUR = 3_600_000
SMALL = model(publish_every=40, mean_score_max=1.0, baseline_margin=1.0)
MODEL = dataclasses.replace(SMALL, learner="hybrid", challengers=("binned", "forest"))
TOLD = [entry for at, each in enumerate(entries(3, 500)) for entry in (each, *([Mark(0, 1, at * HOUR, True)] if at % 50 == 0 else ()))]
HALF = len(TOLD) // 2


def read(ordered: Ordered[Watched], first: int, last: int) -> list[str]:
    """Hashes of the versions that this part of the log makes, and of the one that stands at its end."""
    steps = (ordered.take(record(signature_of(MODEL), TOLD[at : at + 10])) for at in range(first, last, 10))
    made = [ordered.learner.publish() for step in steps for _ in step]
    return [version.hash for version in (*made, ordered.learner.version()) if version is not None]


def put_aside(state: Path) -> Ordered[Watched]:
    ordered = Ordered(Watched(MODEL))
    read(ordered, 0, HALF)
    snapshot.write(state, "learn", MODEL, ordered, 25, "abc")
    return ordered


def test_a_learner_from_a_snapshot_makes_the_versions_of_the_whole_log(tmp_path: Path) -> None:
    whole = read(put_aside(tmp_path), HALF, len(TOLD))
    found = snapshot.read(tmp_path, "learn", MODEL)
    assert found is not None and found[1:] == (25, "abc")
    assert read(found.ordered, HALF, len(TOLD)) == whole and len(whole) > 3
    said = f"from tests.test_snapshot import *; s = snapshot.read(Path({str(tmp_path)!r}), 'learn', MODEL)\n"
    said += "print(*read(s.ordered, HALF, len(TOLD)))"
    other = subprocess.run([sys.executable, "-c", said], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, cwd=Path.cwd())
    assert other.stdout.split() == whole, other.stderr


def test_a_snapshot_of_something_else_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_aside(tmp_path)
    others: list[ModelDecl] = [dataclasses.replace(MODEL, learner="binned"), dataclasses.replace(MODEL, settings={"publish_every": 41})]
    assert [snapshot.read(tmp_path, "learn", other) for other in others] == [None, None]
    assert snapshot.read(tmp_path, "elsewhere", MODEL) is None
    monkeypatch.setattr(snapshot, "_code", lambda: "other code")
    assert snapshot.read(tmp_path, "learn", MODEL) is None


def test_a_file_that_is_cut_changed_or_writable_by_others_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_aside(tmp_path)
    path = snapshot.file_of(tmp_path, "learn")
    whole = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(snapshot.pickle, "loads", lambda body: pytest.fail("unpickled"))
    for broken in (b"", whole[:-1], whole[:40], whole[:-5] + b"12345", b"\xff" + whole):
        path.write_bytes(broken)
        assert snapshot.read(tmp_path, "learn", MODEL) is None
    path.write_bytes(whole)
    path.chmod(0o620)
    assert snapshot.read(tmp_path, "learn", MODEL) is None
