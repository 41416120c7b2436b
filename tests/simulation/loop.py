"""An event loop with a clock of its own, on which processes can be paused and killed.

Belongs here: callbacks, timers, whose they are, and the order in which they run. Never: Kafka, and nothing of the product.

A process is a name in a context variable. All that a process does runs in callbacks that carry its name; to pause it is to leave its
callbacks where they are, to kill it is to drop them. Inside a process callbacks run in their order, as asyncio promises; which process
runs next is drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any

OWNER: ContextVar[str] = ContextVar("owner", default="")
"""The process to which a callback belongs; empty for the world around."""


TURNS_AT_ONCE = 8


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("run", "args", "context", "dropped", "at")

    def __init__(self, run: Callable[..., Any], args: tuple[Any, ...], context: Context, at: float) -> None:
        self.run, self.args, self.context, self.at = run, args, context, at
        self.dropped = False

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped

    def when(self) -> float:
        return self.at


class Loop(asyncio.AbstractEventLoop):
    """Time passes only when nothing is left to do at a moment. ``tick``: timers of processes go off at multiples of so many seconds."""

    def __init__(self, random: Random, start: float, tick: float) -> None:
        self.random = random
        self.now = start
        self.tick = tick
        self.turns = 0
        self.failures: list[str] = []
        self._world = contextvars.copy_context()
        self._ready: dict[str, deque[Handle]] = {}
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._paused: set[str] = set()
        self._dead: set[str] = set()
        self._tasks: list[asyncio.Task[Any]] = []
        self._running = False

    # ------------------------------------------------------------------ what asyncio asks of a loop

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # who is killed ends without a word
        self._tasks.append(task)
        return task

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        context = context if context is not None else contextvars.copy_context()
        handle = Handle(callback, args, context, self.now)
        self._put(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        context = context if context is not None else contextvars.copy_context()
        if when > self.now and context.get(OWNER):
            when = (when // self.tick + 1) * self.tick
        return self.at(when, callback, args, context)

    def at(self, when: float, callback: Callable[..., Any], args: tuple[Any, ...], context: Context) -> Handle:
        """Just then, whatever the tick."""
        handle = Handle(callback, args, context, when)
        self._count += 1
        heapq.heappush(self._timers, (handle.at, self._count, handle))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    # ------------------------------------------------------------------ processes

    def outside(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        """The world does this after a while, whoever is paused or dead by then."""
        self.at(self.now + delay, callback, args, self._world)

    def start(self, owner: str, coro: Coroutine[Any, Any, Any]) -> None:
        """A process begins with this."""
        context = self._world.copy()
        context.run(OWNER.set, owner)
        self.create_task(coro, context=context)

    def pause(self, owner: str) -> None:
        self._paused.add(owner)

    def resume(self, owner: str) -> None:
        self._paused.discard(owner)

    def kill(self, owner: str) -> None:
        self._dead.add(owner)
        self._ready.pop(owner, None)

    def alive(self, owner: str) -> bool:
        return self._running and owner not in self._dead

    # ------------------------------------------------------------------ running

    def _put(self, handle: Handle) -> None:
        owner = handle.context.get(OWNER, "") or ""
        if owner not in self._dead:
            queue = self._ready.get(owner)
            if queue is None:
                queue = self._ready[owner] = deque()
            queue.append(handle)

    def run_to_end(self, coro: Coroutine[Any, Any, Any], turns_max: int) -> None:
        """Run until this is done; raises what it raises, and RuntimeError when it takes more callbacks than anybody could need."""
        asyncio._set_running_loop(self)
        self._running = True
        try:
            task = self.create_task(coro, context=self._world.copy())
            while not task.done():
                self._turn()
                if self.turns > turns_max:
                    raise RuntimeError(f"not done after {turns_max} turns, at {self.now:.3f} s")
            task.result()
        finally:
            self._running = False
            self._end()
            asyncio._set_running_loop(None)

    def _turn(self) -> None:
        """Let one process go on for a few callbacks; where none can, time passes."""
        names = [owner for owner, queue in self._ready.items() if queue and owner not in self._paused]
        if not names:
            self._pass_time()
            return
        owner = names[0] if len(names) == 1 else names[int(self.random.random() * len(names))]
        queue = self._ready[owner]
        for _ in range(min(len(queue), TURNS_AT_ONCE)):
            handle = queue.popleft()
            if not handle.dropped:
                self.turns += 1
                handle.context.run(handle.run, *handle.args)
                if owner in self._dead or owner in self._paused:
                    break

    def _pass_time(self) -> None:
        if not self._timers:
            raise RuntimeError("everybody waits and nobody will wake them")
        self.now = self._timers[0][0]
        while self._timers and self._timers[0][0] <= self.now:
            handle = heapq.heappop(self._timers)[2]
            if not handle.dropped:
                self._put(handle)

    def _end(self) -> None:
        """Close what the dead and the living left half done, so that nothing of this story runs in the next one."""
        for task in self._tasks:
            if task.done():
                if not task.cancelled() and task.exception() is not None:
                    pass
                continue
            coro = task.get_coro()
            for _ in range(8):
                try:
                    coro.close()  # type: ignore[union-attr]
                    break
                except BaseException:  # noqa: BLE001 - a clean-up that waits; once more
                    with contextlib.suppress(BaseException):
                        continue
        self._tasks.clear()
        self._timers.clear()
        self._ready.clear()
