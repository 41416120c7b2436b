"""`risk kafka`: a real Apache Kafka on this machine, in the foreground until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.kafka import DEFAULT_PORT, EmbeddedKafka, KafkaProblem, PortTaken
from streams.kafka_jars import KAFKA, JarsProblem


def kafka(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on the loopback address; 0 takes a free one.")] = DEFAULT_PORT,
    data: Annotated[Path, typer.Option(file_okay=False, help="Folder of its data; they survive a restart.")] = Path("data/kafka"),
    heap_mb: Annotated[int, typer.Option(min=96, help="Upper bound of Java's heap in MB.")] = 256,
) -> None:
    """Run one Apache Kafka broker here until Ctrl-C. For trying out and tests: one node, no security, loopback only."""
    broker = EmbeddedKafka(data, port, heap_mb)
    try:
        broker.start()
    except (KafkaProblem, JarsProblem) as problem:
        sys.stderr.write(f"risk kafka: {problem}\n")
        raise typer.Exit(2 if isinstance(problem, PortTaken) else 3) from None
    typer.echo(f"Kafka {KAFKA} listens on {broker.bootstrap}, data in {broker.data}")
    typer.echo(f"Use it from another terminal with RISK_BROKERS={broker.bootstrap}; Ctrl-C ends it.")
    sys.stdout.flush()
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell starts what runs in its background with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        status = broker.wait()
    except KeyboardInterrupt:
        typer.echo("stopping")
        broker.stop()
        return
    sys.stderr.write(f"risk kafka: the broker ended by itself with status {status}; see {broker.log}\n")
    raise typer.Exit(3)
