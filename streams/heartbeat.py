"""May this worker still write? What the group has heard of it, and when.

A process that was paused wakes up as a stale owner: while it slept, the group gave its partitions to others. Before it sends anything it
asks here, and waits until the group answers it again: by then it knows what it still owns. Whatever slips through is void by its epoch.

Never here: leaving or joining the group, which is the client's own work.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

WAIT_SECONDS = 0.02


class Heartbeat:
    """When the group last answered a heartbeat of ours. ``session_seconds``: after so long without one we count as gone."""

    def __init__(self, session_seconds: float) -> None:
        self._session_seconds = session_seconds
        self._heard = time.monotonic()
        self._handed_over = False

    def listen(self, coordinator: Any) -> None:
        """Note every heartbeat that this aiokafka coordinator gets answered."""
        ask = coordinator._do_heartbeat

        async def asked() -> bool:
            sent = time.monotonic()  # the group's clock for us began when it got this, and that was later
            answered = bool(await ask())
            if answered:
                self._heard = sent
            return answered

        coordinator._do_heartbeat = asked

    def assigned(self) -> None:
        """The group has just told us what is ours."""
        self._heard = time.monotonic()
        self._handed_over = False

    def handed_over(self) -> None:
        """Until the group tells us again, nothing is ours."""
        self._handed_over = True

    @property
    def fresh(self) -> bool:
        """Whether what we own is still ours, as far as anybody can know."""
        return not self._handed_over and time.monotonic() - self._heard < self._session_seconds

    async def wait(self) -> None:
        """Return once we may write: at once, but for a worker that was paused or whose Kafka is away."""
        while True:
            if self.fresh:
                return
            await asyncio.sleep(WAIT_SECONDS)
