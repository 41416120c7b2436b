"""`risk worker` with a bug, for tests: `python -m tests.streams.buggy BUG`. Each is a patch of this process, made before it starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from streams import route
from streams.keeping import Keeping
from streams.touching import touch_everywhere, touch_here

MARK = "crash_"
"""A payment whose id begins so meets the bug."""


def _touching_raises() -> None:
    """A payment that no profile can take."""

    def buggy(touching: Callable[..., Any]) -> Callable[..., Any]:
        def touch(worker: Any, source: Any, offset: int, event: Any, *rest: Any, **named: Any) -> Any:
            if getattr(event, "payment_id", "").startswith(MARK):
                raise ZeroDivisionError("a bug in a profile")
            return touching(worker, source, offset, event, *rest, **named)

        return touch

    route.touch_here = buggy(touch_here)  # type: ignore[attr-defined]
    route.touch_everywhere = buggy(touch_everywhere)  # type: ignore[attr-defined]


def _nothing_is_committed() -> None:
    """Everything goes on but the commits."""

    async def commit(_: Keeping) -> None:
        pass

    Keeping.commit = commit  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "touching raises": _touching_raises,
    "nothing is committed": _nothing_is_committed,
}


def main() -> None:
    BUGS[sys.argv[1]]()
    from streams.cli import main as risk

    sys.argv = ["risk", "worker"]
    risk()


if __name__ == "__main__":
    main()
