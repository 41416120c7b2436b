"""Opening balances on the real path: entered by `risk seed`, again and again, with a killed worker between, they count once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.streams.harness import RISK, Stage, fact
from tests.streams.test_money import noon, pays

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

PERSONS = 60


def seed(stage: Stage, file: Path) -> str:
    """Run `risk seed`; what it said."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RISK_")} | stage.variables
    command = [*RISK, "seed", str(file)]
    done = subprocess.run(command, env=environment, cwd=file.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def spends(person: str, name: str, yuan: str, at: int) -> dict[str, Any]:
    body = pays(person, name, yuan, at)
    body["payer"] |= {"account_class": "I"}
    return body | {"auth_level": "A"}


async def story(broker: str, folder: Path) -> dict[str, dict[str, Any]]:
    at, people = noon(), [f"seeded{n}" for n in range(PERSONS)]
    file = folder / "seed.csv"
    lines = ["feature,key,period,amount", *(f"class_1_ever,{person},lifetime,CNY 900.00" for person in people)]
    file.write_text("\n".join(lines), encoding="utf-8")
    async with Stage(broker, folder, partitions=4) as stage:
        first = await stage.worker().ready(partitions=4)
        said = await asyncio.to_thread(seed, stage, file)
        assert f"class_1_ever: {PERSONS} keys, CNY {PERSONS * 900}.00" in said
        await asyncio.to_thread(seed, stage, file)
        await asyncio.sleep(1.5)  # long enough to be committed: whoever comes next has them from the changelog alone
        first.kill()
        for worker in [stage.worker(), stage.worker()]:
            await worker.ready(partitions=2)
        await asyncio.to_thread(seed, stage, file)
        await asyncio.sleep(1.0)  # the third time, too, is to reach the owners before anybody spends
        for sent, (name, yuan) in enumerate((("exact", "100.00"), ("over", "0.01")), 1):
            bodies = [spends(person, name, yuan, at + sent * 60_000) for person in people]
            markers = sum(1 for record in await stage.read("decisions") if not record.value)
            await stage.put_at_once(("payments", body["payer"]["id"], json.dumps(body).encode()) for body in bodies)
            await stage.answered(sent * PERSONS, markers)
        return {body["payment_id"]: body for body in await stage.json("decisions")}


def test_a_seed_counts_once_whatever_happens_to_workers(broker: str, tmp_path: Path) -> None:
    decided = asyncio.run(story(broker, tmp_path))
    exact = [decided[f"seeded{n}_exact"] for n in range(PERSONS)]
    over = [decided[f"seeded{n}_over"] for n in range(PERSONS)]
    assert {body["action"] for body in exact} == {"approve"}
    assert {(body["action"], "LIMIT_CLASS_I" in body["reasons"]) for body in over} == {("block", True)}
    fact(f"seeds: {PERSONS} opening balances entered three times around a killed worker; each limit stood at its fen")
