"""`python -m tests.simulation --seeds 5000`: stories from a range of seeds; the rate, and the first seeds that went wrong."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from risk.engine import Engine
from tests.simulation.broken import WITHOUT
from tests.simulation.story import Story, rules


def main() -> int:
    asked = _asked()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a story
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], os.environ | {"PYTHONHASHSEED": "0"})
    engine = Engine(rules())
    if asked.prove:
        return max(_in_a_child(name, asked, engine) for name in asked.without or WITHOUT)
    for name in asked.without:
        WITHOUT[name]()
    return _tell(asked, engine)


def _tell(asked: argparse.Namespace, engine: Engine) -> int:
    started, cpu, failed, took = time.monotonic(), time.process_time(), 0, 0.0
    sums: Counter[str] = Counter()
    for seed in range(asked.first, asked.first + asked.seeds):
        told = Story(seed, engine).tell()
        if seed == asked.first and Story(seed, engine).tell() != told:
            told.wrong.append("told again, it was another story")
        sums.update({"stories": 1, "payments": told.payments, "takeovers": told.takeovers, "void": told.void})
        sums.update({"degraded": told.degraded, "replaced": told.replaced, **told.faults})
        if told.wrong:
            failed += 1
            print(f"seed {seed}: {'; '.join(told.wrong[:6])}")
            print(f"    again: python -m tests.simulation --seeds 1 --first {seed}")
        took = time.monotonic() - started
        if took > asked.seconds or (failed and asked.stop):
            break
    counted = ", ".join(f"{count:,} {name}" for name, count in sums.items() if name != "stories")
    rates = (sums["stories"] / took * 60 for took in (took, time.process_time() - cpu))
    print("{}; {:,.0f} stories a minute, {:,.0f} a minute of processor time".format(counted, *rates))
    print(f"simulation: {sums['stories']} stories, {failed} wrong", flush=True)
    return 1 if failed else 0


def _in_a_child(name: str, asked: argparse.Namespace, engine: Engine) -> int:
    """Take one protection out of a child of this process; 0 when a story went wrong there."""
    print(f"without {name}:", flush=True)
    child = os.fork()
    if child:
        return 0 if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1 else 1
    code = 2
    try:
        WITHOUT[name]()
        asked.stop = True
        code = _tell(asked, engine)
    finally:
        os._exit(code)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no story after so long")
    parser.add_argument("--stop", action="store_true", help="stop at the first seed that goes wrong")
    parser.add_argument("--without", choices=WITHOUT, nargs="*", default=[], help="take these protections out first")
    parser.add_argument("--prove", action="store_true", help="take them (or all) out one at a time: 0 if a story goes wrong for each")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
