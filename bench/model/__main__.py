"""`make bench-model`, or `python -m bench.model`: options, progress, the order of the parts, and the exit code."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.model import compare, online, pattern, speed, tell
from bench.model.rows import DAY_MS, ROOT, Rows, rows_of, ruleset_at
from bench.model.streams import SPARKOV, recorded, simulated
from risk.world import World

DATA = ROOT.parent / "shared" / "data" / "sparkov-2025.parquet"
LIGHTGBM_MIN, LOGISTIC_MIN = 0.78, 0.64
"""Below these on the recorded stream the run has failed: whoever wins against a weak opponent has won nothing."""
START_MS = 1_780_272_000_000  # 2026-06-01T00:00Z
SEED, DAYS, PAYMENTS_A_DAY, CUSTOMERS = 17, 90, 800, 3_000
NEW_ATTACK_DAY = 45


def main() -> int:
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m bench.model", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the recorded stream (default: %(default)s)")
    parser.add_argument("--only", choices=("recorded", "simulated"), help="one of the two streams")
    parser.add_argument("--no-hidden", action="store_true", help="without the second run, in which blocks hide verdicts")
    parser.add_argument("--short", action="store_true", help="LightGBM on the last 30 days only: minutes less, and a weaker opponent")
    asked = parser.parse_args()
    refits = {"30 days": 30} if asked.short else compare.REFITS
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    found: compare.Compared | None = None
    with _progress(console) as tells:
        if asked.only != "recorded":
            _simulated(console, tells, refits)
        if not asked.data.exists():
            console.print(f"{asked.data} is not there (--data FILE names another): the recorded stream is left out")
        elif asked.only != "simulated":
            found = _recorded(asked.data, console, tells, refits, hidden=not asked.no_hidden)
    console.print(f"{time.monotonic() - began:.0f} s")
    return _end(found, console)


def _end(found: compare.Compared | None, console: Console) -> int:
    cost = speed.measured()
    ending = f"score {cost.score:.1f} us, learn {cost.learn:.1f} us"
    console.print(f"{speed.INPUTS} inputs: {ending}; a score from event and values {cost.score_from_event:.1f} us, CPU on one core")
    for line in tell.slow(cost):
        console.print(f"not reached: {line}")
    if found is None:
        console.print(f"model: ap - online, - lightgbm, - logistic, skill -, slope -, {ending}")
        return 0
    failed = found.ap("lightgbm") < LIGHTGBM_MIN or found.ap("logistic") < LOGISTIC_MIN
    if failed:
        console.print(f"failed run: at least {LIGHTGBM_MIN} from lightgbm and {LOGISTIC_MIN} from logistic expected")
    for line in tell.missed(found):
        console.print(f"not reached: {line}")
    figures = found.evidence["online"].figures
    aps = ", ".join(f"{found.ap(name):.3f} {name}" for name in ("online", "lightgbm", "logistic"))
    skill, slope = tell.number(figures["skill"].value), tell.number(figures["calibration_slope"].value)
    console.print(f"model: ap {aps}, skill {skill}, slope {slope}, {ending}")
    return 1 if failed else 0


@contextmanager
def _progress(console: Console) -> Iterator[compare.Tells]:
    words = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*words, console=Console(stderr=True), disable=not console.is_terminal, transient=True) as bar:

        def tells(name: str, total: int | None) -> Callable[[int], None]:
            task = bar.add_task(name, total=total)
            return lambda done: bar.advance(task, done)

        yield tells


def _recorded(path: Path, console: Console, tells: compare.Tells, refits: Mapping[str, int | None], *, hidden: bool) -> compare.Compared:
    folder, stat = SPARKOV / "rules", path.stat()
    ruleset = ruleset_at(folder)
    rows = rows_of("sparkov", folder, lambda: recorded(path), f"{stat.st_size} {stat.st_mtime_ns}", tells("sparkov rows", None))
    tell.stream(rows, console)
    found = compare.compare(rows, ruleset, tells, refits=refits)
    tell.compared(found, "sparkov, every verdict seen", console)
    if hidden:
        blocks = online.shipped_policy(ruleset)
        again = compare.compare(rows, ruleset, tells, blocks, {found.refit: compare.REFITS[found.refit]})
        tell.compared(again, "sparkov, verdicts hidden where the shipped policy blocks", console)
    return found


def _simulated(console: Console, tells: compare.Tells, refits: Mapping[str, int | None]) -> None:
    ruleset = ruleset_at(ROOT / "rules")
    rows = _world(None, tells)
    tell.stream(rows, console)
    tell.compared(compare.compare(rows, ruleset, tells, refits=refits), "simulated world, every verdict seen", console)
    new = _world(pattern.ATTACK, tells)
    scores, _, _ = online.prequential(new, ruleset, online.let_all_through, tells("new attack", len(new.ids)))
    tell.pattern(pattern.ATTACK, pattern.met(new, scores), None, console)


def _world(without: str | None, tells: compare.Tells) -> Rows:
    """The simulated world at the pace of life; ``without``: an attack that nobody tries before the middle."""
    payments = DAYS * PAYMENTS_A_DAY
    world = World(SEED, START_MS, rate=PAYMENTS_A_DAY / 86_400, payments=payments, customers=CUSTOMERS, label_delay=1.0, tail_ms=0)
    until_ms = START_MS + NEW_ATTACK_DAY * DAY_MS
    name = "world" if without is None else f"world-{without}"
    depends_on = f"{SEED} {START_MS} {DAYS} {PAYMENTS_A_DAY} {CUSTOMERS} {without} {until_ms}"
    return rows_of(name, ROOT / "rules", lambda: simulated(world, without, until_ms), depends_on, tells(f"{name} rows", payments))


if __name__ == "__main__":
    sys.exit(main())
