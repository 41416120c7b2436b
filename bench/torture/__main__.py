"""`python -m bench.torture --kills 50 --seed 7`: the torture suite in words for a terminal. `--prove` lets it prove itself.

Exit codes: 0 nothing was lost, decided twice or counted differently (with --prove: every broken safeguard was found), 1 else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.torture.broken import SAFEGUARDS
from bench.torture.run import Outcome, Tell, run
from bench.torture.schedule import PROVING, Fault, schedule
from streams.publish import silence_client

KILLS, SEED = 50, 7
PROVING_KILLS = 4
PROVING_SEEDS = 3


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"kill -9 of a worker so many times; {KILLS} by default")
    parser.add_argument("--seed", type=int, default=SEED, help=f"same seed, same schedule and same load; {SEED} by default")
    parser.add_argument("--prove", action="store_true", help="break one safeguard after another: each must be found")
    parser.add_argument("--break", dest="broken", choices=SAFEGUARDS, help="break this one safeguard")
    parser.add_argument("--folder", type=Path, help="keep the topics and the workers' logs here")
    options = parser.parse_args()
    silence_client()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        if options.prove:
            return prove(folder, options.seed)
        outcome = tortured(folder, options.seed, options.kills, options.broken)
    return 0 if outcome.clean else 1


def tortured(folder: Path, seed: int, kills: int, broken: str | None, faults: list[Fault] | None = None) -> Outcome:
    """One run, told as it goes; ``faults`` in place of the seed's schedule."""
    with ExitStack() as stack:
        tell = _bar(stack, f"torture, seed {seed}" + (f", without {broken}" if broken else ""))
        outcome = run(folder / f"seed-{seed}-{broken or 'whole'}", seed, kills, tell, broken, faults=faults)
    _tell(outcome, folder)
    return outcome


def prove(folder: Path, seed: int) -> int:
    """Each safeguard broken, in turn: the suite must find what then goes wrong."""
    missed = []
    for name in SAFEGUARDS:
        for number in range(seed, seed + PROVING_SEEDS):
            outcome = tortured(folder, number, PROVING_KILLS, name, schedule(number, PROVING_KILLS, PROVING))
            if not outcome.clean:
                print(f"without {name}: found, seed {number}", flush=True)
                break
        else:
            missed.append(name)
            print(f"without {name}: NOT FOUND with seeds {seed} to {seed + PROVING_SEEDS - 1}", flush=True)
    print(f"prove: {len(SAFEGUARDS) - len(missed)} of {len(SAFEGUARDS)} broken safeguards found")
    return 1 if missed else 0


def _bar(stack: ExitStack, title: str) -> Tell:
    """A progress bar at a terminal; a line for each tenth of the faults elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        told = {-1}

        def line(what: str, done: int, of: int) -> None:
            tenth = done * 10 // of
            if tenth not in told or done == of:
                told.add(tenth)
                print(f"{title}: {done} of {of} faults, {what}", file=sys.stderr, flush=True)

        return line
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    bar = stack.enter_context(Progress(*columns, console=console, transient=True))
    task = bar.add_task(title, what="starting")
    return lambda what, done, of: bar.update(task, completed=done, total=of, what=what)


def _tell(outcome: Outcome, folder: Path) -> None:
    done, found = outcome.done, outcome.verdict
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(done.counts.items()))
    print(f"seed {outcome.seed}: {kinds}; {outcome.seconds:.0f} s, {outcome.rate:.0f} payments a second")
    if done.kills and outcome.stuck is None:
        share = found.kills_that_count / len(done.kills)
        print(
            f"{len(done.kills)} workers killed, {found.kills_that_count} of them ({share:.0%}) with a payment undecided "
            f"({found.undecided} payments); {done.stopped_sending} stale owners stopped before a send; {found.audit.void} void records; "
            f"changelog compacted in {done.compacted} partitions"
        )
        print(
            f"{found.probes} probes read {found.values} values; {found.receipts} receipts executed again, {found.refused} of payments "
            f"not approved; {found.audit.repeats} repeats and conflicts, {found.audit.dead_letters} dead letters"
        )
    for line in outcome.by_themselves:
        print(f"ended by itself and was started again: {line}")
    if outcome.stuck is not None:
        print(f"STUCK: {outcome.stuck}")
    for line in found.findings():
        print(f"  {line}")
    if not outcome.clean:
        print(f"play it again: make torture SEED={outcome.seed} (topics and logs are kept with ARGS='--folder FOLDER')")
    print(outcome.line(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
