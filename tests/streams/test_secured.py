"""Behind TLS, SCRAM and an authorizer: a worker runs with the documented rights, says which one it lacks, and never tells its secret."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.topics import TOPICS
from tests.streams.harness import RULES, Stage
from tests.streams.secured import Right, SecuredKafka
from tests.streams.traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
SECRET = "one that nobody may ever see"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    secured = SecuredKafka(tmp_path_factory.mktemp("secured"), {"worker": SECRET})
    with secured.kafka:
        yield secured


def rights(stage: Stage) -> list[Right]:
    """Those of the table that the documentation shows."""
    page = (DOCS / "topics.md").read_text(encoding="utf-8")
    found: list[Right] = [(f"group:{stage.settings.id}", "read")]
    for topic in TOPICS:
        shown = topic.name.replace("{payments}", "payments").replace("{id}", "risk")
        row = re.search(rf"^\| `{re.escape(shown)}` \|(.*)$", page, re.MULTILINE)
        assert row, shown
        may = row[1].split("|")[3].strip()
        found += [(topic.full_name(stage.settings), what) for what in may.split(", ")]
    return found


async def test_a_worker_runs_with_the_documented_rights_and_names_the_one_that_it_lacks(kafka: SecuredKafka, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    let_in = {"RISK_BROKERS": kafka.secured, "RISK_SECURITY_PROTOCOL": "SASL_SSL", "RISK_SASL_USERNAME": "worker"}
    let_in |= {"RISK_SASL_PASSWORD_FILE": str(secret), "RISK_TLS_CA": str(kafka.ca)}
    async with Stage(kafka.plain, tmp_path, RULES / "probes", partitions=1) as stage:
        granted = rights(stage)
        kafka.grant("worker", granted)
        worker = await stage.worker(**let_in).ready()
        traffic = Traffic(5)
        await stage.put_all([record for _ in range(40) for record in traffic.next() if record[0] == "payments"])
        counts = await stage.until("answers", lambda found: found["decisions"] >= 30)
        assert counts["profiles"] > 1
        assert await worker.stop() == 0
        lacking = (
            ("decisions", "write", "TopicAuthorizationFailedError"),
            ("", "read", "GroupAuthorizationFailedError"),
        )
        for role, what, said in lacking:
            right = (stage.topics[role] if role else f"group:{stage.settings.id}", what)
            kafka.revoke("worker", right)
            refused = stage.worker(**let_in)
            assert await refused.ended(60) == 3, f"without {right}: {refused.text()}"
            assert re.search(said, refused.text()) and "docs/operations.md lists the rights" in refused.text(), refused.text()
            kafka.grant("worker", [right])
        stranger = stage.worker(**(let_in | {"RISK_SASL_USERNAME": "stranger"}))
        assert await stranger.ended(60) == 3 and "RISK_SASL_" in stranger.text(), stranger.text()
        clear = stage.worker(**let_in, RISK_SASL_PASSWORD="another secret that nobody may see")
        assert await clear.ended(60) == 2 and "exactly one of them" in clear.text()
        for each in stage.workers:
            assert SECRET not in each.text() and "another secret" not in each.text()


def test_a_client_that_does_not_trust_the_broker_is_not_let_in(kafka: SecuredKafka) -> None:
    context = ssl.create_default_context()
    host, port = kafka.secured.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname=host)
