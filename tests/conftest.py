"""Fixtures that more than one test file needs.

`broker` is the address of a real Kafka: the embedded one, started once a run, or the one that RISK_BROKERS names.
Whoever uses it makes topics of its own (`RISK_TOPIC_PREFIX`, or a name nobody else has), so that tests share it in peace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka import EmbeddedKafka


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a Kafka that answers."""
    chosen = os.environ.get("RISK_BROKERS")
    if chosen:
        yield chosen
        return
    data: Path = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(data) as kafka:
        yield kafka.bootstrap
