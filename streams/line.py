"""A line to one partition: whoever has records for it puts them in, one send is under way at a time, and each is told when his are safe.

Many senders that wait for the same partition each for himself would time out one another; here they go out together, in order, as
few batches as they fit in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from streams.fence import Fence
from streams.outbox import Outbox, Record

Done = Callable[[], None]


class Line:
    """Sends records of one partition in the order in which they were put.

    ``at_once``: a send ends with the entry that brings it to so many records. ``on_error`` is told what the broker refused, and what the
    ``fence`` found; nothing is sent after that.
    """

    def __init__(
        self,
        outbox: Outbox,
        topic: str,
        partition: int,
        on_error: Callable[[BaseException], None],
        at_once: int | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._outbox = outbox
        self._topic, self._partition = topic, partition
        self._on_error = on_error
        self._at_once = at_once
        self._fence = fence
        self._waiting: deque[tuple[list[Record], Done]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def put(self, records: list[Record], done: Done) -> None:
        """Records that belong together; ``done`` is called when all of them are acknowledged."""
        self._waiting.append((records, done))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    @property
    def idle(self) -> bool:
        return self._sending is None

    def stop(self) -> None:
        """What waits is dropped: it comes again at the next owner."""
        self._waiting.clear()
        if self._sending is not None:
            self._sending.cancel()

    def _take(self) -> list[tuple[list[Record], Done]]:
        taken, count = [], 0
        while self._waiting and (self._at_once is None or count < self._at_once):
            taken.append(self._waiting.popleft())
            count += len(taken[-1][0])
        return taken

    async def _send(self) -> None:
        try:
            while self._waiting:
                taken = self._take()
                places = await self._outbox.send(self._topic, self._partition, (record for records, _ in taken for record in records))
                if self._fence is not None:
                    await self._fence.check(places)
                for _, done in taken:
                    done()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker cannot go on
            self._on_error(error)
            return  # and stays busy: nobody may take it for done
        self._sending = None
