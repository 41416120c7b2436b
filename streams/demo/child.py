"""The worker as a process of its own: start, readiness, end.

Rule: what is ended is the process that was started here, by its id, and it ends with us even when we are killed (Linux).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import aiohttp

from streams.demo.follow import PAGE_TIMEOUT, is_ready
from streams.demo.settings import environment_of
from streams.kafka import LAUNCHER
from streams.settings import Settings

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
METRICS_AT = re.compile(r"metrics at (http://\S+)/metrics")
LINES_TOLD = 12
OWN_CODES = (2, 3)
"""Exit codes with which a worker says, in words for a person, that it never began."""


class WorkerEnded(Exception):
    """The worker ended, or never became ready. ``code``: what the demo should exit with."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Child:
    """One `risk worker`."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log
        # As `risk worker`, by the interpreter that runs us; through the launcher, so that it does not outlive us. A session
        # of its own: Ctrl-C at the terminal is for us, who then end it in order.
        launcher = [sys.executable, "-S", "-E", "-c", LAUNCHER, str(os.getpid())]
        command = [*launcher, sys.executable, "-c", "from streams.cli import main; main()", "worker"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment_of(settings), start_new_session=True
            )

    async def ready(self) -> str:
        """Wait until payments are being decided; the address of its pages. Raises WorkerEnded."""
        until = time.monotonic() + READY_SECONDS
        async with aiohttp.ClientSession(timeout=PAGE_TIMEOUT) as session:
            while time.monotonic() < until:
                self.check()
                found = METRICS_AT.search(self._said())
                if found and await is_ready(session, found[1] + "/health"):
                    return found[1]
                await asyncio.sleep(0.1)
        raise WorkerEnded(f"the worker was not ready within {READY_SECONDS:.0f} seconds; its log is {self.log}", 1)

    def check(self) -> None:
        """Raises WorkerEnded when it has ended."""
        status = self._process.poll()
        if status is not None:
            self._explain(status)

    def _explain(self, status: int) -> NoReturn:
        said = self._said().strip()
        if status in OWN_CODES:
            raise WorkerEnded(f"{said}\nthe worker ended with exit code {status}; its log is {self.log}", status)
        last = "\n".join(said.splitlines()[-LINES_TOLD:])
        raise WorkerEnded(f"{last}\nthe worker ended by itself, status {status}; its log is {self.log}", 1)

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def stop(self) -> None:
        """End it in order; after STOP_SECONDS by force."""
        if self._process.poll() is None:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
