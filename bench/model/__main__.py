"""`make bench-model`, or `python -m bench.model`: options, progress, the printed figures and the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.model import batch, online, plain
from bench.model.rows import ROOT, Rows, rows_of, ruleset_at
from bench.model.streams import SPARKOV, recorded
from risk.learning.quality import average_precision

DATA = ROOT.parent / "shared" / "data" / "sparkov-2025.parquet"
LIGHTGBM_MIN, PLAIN_MIN = 0.78, 0.64
"""Below these the run has failed: whoever wins against a weak opponent has won nothing."""


def main() -> int:
    asked = _options()
    console = Console(highlight=False)
    if not asked.data.exists():
        console.print(f"{asked.data} is not there (--data FILE): the recorded stream is left out")
        return 0
    with _progress(console) as bar:
        return _recorded(asked.data, console, bar)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.model", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the recorded stream (default: %(default)s)")
    return parser.parse_args()


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    words = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*words, console=Console(stderr=True), disable=not console.is_terminal, transient=True) as bar:
        yield bar


def _recorded(path: Path, console: Console, bar: Progress) -> int:
    task = bar.add_task("feature rows", total=None)
    stat = path.stat()
    rows = rows_of(
        "sparkov", SPARKOV / "rules", lambda: recorded(path), f"{stat.st_size} {stat.st_mtime_ns}", lambda n: bar.update(task, completed=n)
    )
    console.print(f"sparkov: {len(rows.ids):,} payments, {int(rows.fraud.sum()):,} frauds, {len(rows.codings)} inputs")
    seen = np.ones(len(rows.ids), dtype=np.bool_)
    a, b, c = _online(rows, seen, bar), _batch(rows, seen, bar), _plain(rows, seen, bar)
    console.print(f"model: ap {a:.3f} online, {b:.3f} lightgbm, {c:.3f} logistic")
    if b < LIGHTGBM_MIN or c < PLAIN_MIN:
        console.print(f"failed run: at least {LIGHTGBM_MIN} from lightgbm and {PLAIN_MIN} from logistic expected")
        return 1
    return 0


def _ap(rows: Rows, scores: np.ndarray[Any, Any]) -> float:
    return average_precision(list(zip(np.nan_to_num(scores).tolist(), rows.fraud[rows.split() :].tolist(), strict=True)))


def _online(rows: Rows, seen: np.ndarray[Any, Any], bar: Progress) -> float:
    model = ruleset_at(SPARKOV / "rules").model
    assert model is not None
    task = bar.add_task("online", total=len(rows.ids))
    scores, _ = online.prequential(rows, model, seen, lambda n: bar.advance(task, n))
    return _ap(rows, scores[rows.split() :])


def _batch(rows: Rows, seen: np.ndarray[Any, Any], bar: Progress) -> float:
    task = bar.add_task("lightgbm", total=2 * batch.midnights(rows))
    return max(_ap(rows, batch.refit_daily(rows, days, seen, lambda: bar.advance(task))) for days in (30, None))


def _plain(rows: Rows, seen: np.ndarray[Any, Any], bar: Progress) -> float:
    task = bar.add_task("logistic", total=None)
    scores, _ = plain.prequential(rows, seen, lambda n: bar.advance(task, n))
    return _ap(rows, scores)


if __name__ == "__main__":
    sys.exit(main())
