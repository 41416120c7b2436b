"""The worker as the suite runs it: `python -m bench.torture.child [SAFEGUARD]` is `risk worker`, with two additions in its own process.

It stops itself (SIGSTOP) at the worst moment once SIGUSR1 has armed it: after all checks, before its next decisions leave; and one
safeguard may be broken, for the suite to prove itself.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.torture.broken import SAFEGUARDS
from streams import topics

COMPACTION_LAG_MS = 30_000
"""Scaled down as the session is: longer than any pause, short enough that compaction happens within a run."""
_armed = False


def stop_before_sending() -> None:
    """From SIGUSR1 on, the next batch of decisions finds this process stopped."""
    send_batch = AIOKafkaProducer.send_batch

    async def send(self: Any, batch: Any, topic: str, *, partition: int) -> Any:
        global _armed
        if _armed and topic.endswith("decisions"):
            _armed = False
            os.kill(os.getpid(), signal.SIGSTOP)
        return await send_batch(self, batch, topic, partition=partition)

    def arm(*_: object) -> None:
        global _armed
        _armed = True

    AIOKafkaProducer.send_batch = send
    signal.signal(signal.SIGUSR1, arm)


def main() -> None:
    topics.COMPACTION_LAG_MS = COMPACTION_LAG_MS
    stop_before_sending()
    for name in sys.argv[1:]:
        SAFEGUARDS[name]()
    from streams.cli import main as risk

    sys.argv = ["risk", "worker"]
    risk()


if __name__ == "__main__":
    main()
