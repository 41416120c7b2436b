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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for the broker needs a Kafka: the mark need not be written."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)


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
