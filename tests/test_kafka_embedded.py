"""The embedded broker: its data survive, its port is its own, and it does not outlive who started it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams import kafka_jars
from streams.kafka import HOST, EmbeddedKafka, KafkaProblem, PortTaken, answers
from streams.kafka_jars import JarsProblem, difference, jars, pinned

pytestmark = pytest.mark.kafka

RISK = [sys.executable, "-c", "from streams.cli import main; main()"]


async def publish(bootstrap: str, texts: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for text in texts:
        await producer.send_and_wait("kept", text)
    await producer.stop()


async def create(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()


async def everything(bootstrap: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        kept = TopicPartition("kept", 0)
        consumer.assign([kept])
        await consumer.seek_to_beginning(kept)
        end = (await consumer.end_offsets([kept]))[kept]
        found: list[bytes] = []
        while len(found) < end:
            found.append((await asyncio.wait_for(consumer.getone(), 20)).value)
        return found
    finally:
        await consumer.stop()


def test_data_survive_a_stop_and_a_kill(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, heap_mb=128)
    with kafka:
        asyncio.run(create(kafka.bootstrap))
        asyncio.run(publish(kafka.bootstrap, [b"one"]))
        address = kafka.bootstrap
        kafka.stop()
        assert kafka.pid is None
        kafka.start()
        asyncio.run(publish(kafka.bootstrap, [b"two"]))
        kafka.kill()
        kafka.start()
        assert kafka.bootstrap == address, "clients find it where it was"
        assert asyncio.run(everything(kafka.bootstrap)) == [b"one", b"two"]
    assert not answers(address)


def test_a_second_broker_on_the_same_data_says_why_it_ends(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path, heap_mb=128), pytest.raises(KafkaProblem, match="data are in use"):
        EmbeddedKafka(tmp_path, heap_mb=128).start()


def test_a_taken_port_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind((HOST, 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} "):
            EmbeddedKafka(tmp_path, port=port).start()
        ended = subprocess.run([*RISK, "kafka", "--port", str(port), "--data", str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"port {port} on {HOST} is taken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_starts_where_an_event_loop_runs_and_says_when_nothing_answers(tmp_path: Path) -> None:
    async def inside_a_loop() -> bool:
        return answers(f"{HOST}:1")

    assert asyncio.run(inside_a_loop()) is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = """if True:
        import sys, time
        from pathlib import Path
        from streams.kafka import EmbeddedKafka

        print(EmbeddedKafka(Path(sys.argv[1]), heap_mb=128).start().pid, flush=True)
        time.sleep(100)
    """
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.kill()
    parent.wait()
    assert gone_within(pid, seconds=10)


def test_the_command_says_where_it_listens_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    command = [*RISK, "kafka", "--port", "0", "--data", str(tmp_path), "--heap-mb", "128"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    said = running.stdout.readline()
    assert f"listens on {HOST}:" in said, said
    address = said.split("listens on ")[1].split(",")[0]
    assert answers(address)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    assert "Traceback" not in errors
    assert not answers(address)


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text(encoding="ascii").split(") ")[1].startswith("Z"):
                return True  # dead, and nobody here collects it
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def copied_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, fetched from the real one instead of over the network; `fetches` lies beside it."""
    real = jars()

    def fetch(work: Path) -> list[Path]:
        with (tmp_path / "fetches").open("a") as note:
            note.write("x")
        return list(real.glob("*.jar"))

    monkeypatch.setattr(kafka_jars, "_resolve", fetch)
    monkeypatch.setenv("RISK_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_damaged_cache_is_fetched_again_once(copied_jars: Path) -> None:
    folder = jars()
    assert difference(folder) is None
    victim = folder / sorted(pinned())[0]
    victim.write_bytes(b"damaged")
    assert "has sha256" in str(difference(folder))
    assert jars() == folder
    assert difference(folder) is None
    jars()
    assert (copied_jars / "fetches").read_text() == "xx"
    assert not list((copied_jars / "cache").glob(".fetch-*"))


@pytest.mark.parametrize("fault", ["changed", "unknown", "missing"])
def test_jars_that_are_not_the_pinned_ones_are_refused_and_not_kept(copied_jars: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = copied_jars / "wrong"
    shutil.copytree(jars(), wrong)
    shutil.rmtree(copied_jars / "cache")
    name = sorted(pinned())[0]
    if fault == "changed":
        (wrong / name).write_bytes(b"somebody else's")
    elif fault == "unknown":
        (wrong / "extra-1.0.jar").write_bytes(b"")
    else:
        (wrong / name).unlink()
    monkeypatch.setattr(kafka_jars, "_resolve", lambda work: list(wrong.glob("*.jar")))
    with pytest.raises(JarsProblem, match="not the pinned ones"):
        jars()
    assert not list((copied_jars / "cache").glob("kafka-*"))


def test_a_cache_that_cannot_be_written_says_what_to_set(copied_jars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copied_jars / "a-file").write_text("")
    monkeypatch.setenv("RISK_CACHE", str(copied_jars / "a-file"))
    with pytest.raises(JarsProblem, match="RISK_CACHE"):
        jars()


def test_processes_that_fetch_at_once_fetch_once(tmp_path: Path) -> None:
    real = jars()
    program = """if True:
        import sys, time
        from pathlib import Path
        from streams import kafka_jars

        def fetch(work):
            Path(sys.argv[2]).open("a").write("x")
            time.sleep(0.3)
            return list(Path(sys.argv[1]).glob("*.jar"))

        kafka_jars._resolve = fetch
        print(kafka_jars.jars())
    """
    environment = {**os.environ, "RISK_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", program, str(real), str(tmp_path / "fetches")]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {each.communicate(timeout=60)[0] for each in both}
    assert len(folders) == 1
    assert (tmp_path / "fetches").read_text() == "x"
