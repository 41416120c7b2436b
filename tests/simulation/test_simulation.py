"""Stories without Kafka, for a few seconds; and the proof that they would notice if a protection were gone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tell(*arguments: str) -> tuple[int, str]:
    """In a process of its own: the story's clock is put into modules, and what is taken out stays out."""
    done = subprocess.run([sys.executable, "-m", "tests.simulation", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_story_balances() -> None:
    code, said = tell("--seeds", "1000000", "--seconds", "6", "--stop")
    print(said)
    assert code == 0, said


def test_a_protection_that_is_taken_out_is_missed() -> None:
    taken = ["dedupe", "read_back", "epochs", "touching_again"]
    code, said = tell("--prove", "--seeds", "60", "--without", *taken)
    print(said)
    assert code == 0 and " failed: " not in said and "Error" not in said, said
    found = re.findall(r"without (\w+):\nseed \d+: .*(?:was decided \d+ times|was lost|brute force)", said)
    assert found == taken, said
