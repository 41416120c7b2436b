"""The jars of Apache Kafka: fetched once, kept in a cache, every one checked against a pinned sha256.

Belongs here: which Kafka, where its jars are kept, and that they are the ones pinned in `kafka_jars.sha256` (the format
of `sha256sum`, so that anybody can check a folder by hand). Never: starting a broker.

The cache is `RISK_CACHE`, else `riskstream` in the user's cache folder (`XDG_CACHE_HOME` or `~/.cache`). It is outside
the repository so that a second clone, and a build server that clones afresh each time, do not fetch 44 MB again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KAFKA = "4.3.1"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA}+org.slf4j:slf4j-simple:1.7.36"
"""slf4j-simple and not log4j: with a log4j binding the resolver picks a client jar that does not start."""
PINS = Path(__file__).with_name("kafka_jars.sha256")
FETCH_MEGABYTES = 44


class JarsProblem(Exception):
    """Kafka's jars cannot be had, or are not the pinned ones. The text is for the person at the terminal."""


def cache_folder() -> Path:
    """Where fetched files are kept; the module's docstring says why there."""
    chosen = os.environ.get("RISK_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "riskstream"


def pinned() -> dict[str, str]:
    """File name -> sha256 in hexadecimal."""
    pairs = (line.split() for line in PINS.read_text(encoding="ascii").splitlines() if line)
    return {name: digest for digest, name in pairs}


def difference(folder: Path) -> str | None:
    """What distinguishes the jars in `folder` from the pinned ones, None when nothing does."""
    pins = pinned()
    found = {path.name: path for path in folder.glob("*.jar")}
    for name in sorted(found.keys() - pins.keys()):
        return f"{name} is not a pinned jar of Kafka {KAFKA}"
    for name in sorted(pins):
        if name not in found:
            return f"{name} is missing"
        digest = hashlib.sha256(found[name].read_bytes()).hexdigest()
        if digest != pins[name]:
            return f"{name} has sha256 {digest}, pinned is {pins[name]}"
    return None


def jars() -> Path:
    """The folder of verified jars; fetches them when they are absent and, once, when the cached ones are damaged.

    Raises JarsProblem. Safe to call from several processes at once: the first fetches, the others wait.
    """
    name = hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    cache = cache_folder()
    folder = cache / f"kafka-{KAFKA}-{name}"
    if folder.is_dir() and difference(folder) is None:
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(cache / "fetch.lock"):
            if folder.is_dir() and difference(folder) is not None:
                shutil.rmtree(folder)
            if not folder.is_dir():
                _fetch(cache, folder)
    except OSError as error:
        raise JarsProblem(f"cannot keep Kafka's jars in {cache}: {error}. Set RISK_CACHE to a folder that can be written.") from error
    return folder


def _fetch(cache: Path, folder: Path) -> None:
    """Resolve into a folder of its own, verify, and only then rename: `folder` is whole or absent, never half."""
    for leftover in cache.glob(".fetch-*"):  # of a process that was killed; nobody else is here, we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=cache))
    try:
        with _progress(work):
            resolved = _resolve(work)
        flat = work / "flat"
        flat.mkdir()
        for jar in resolved:
            shutil.copyfile(jar, flat / jar.name)
        wrong = difference(flat)
        if wrong is not None:
            raise JarsProblem(f"the fetched jars are not the pinned ones: {wrong}. Nothing was kept; {PINS.name} lists what is expected.")
        flat.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _resolve(work: Path) -> list[Path]:
    """Kafka and all it needs, as files under `work`: a repository of its own, so that a damaged one at home cannot hurt."""
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=work / "repository", timeout=60)
    builder = EnvironmentBuilder(context=context, cache_dir=work / "environments", link_strategy=LinkStrategy.HARD)
    try:
        return list(builder.from_endpoint(COORDINATES).all_jars)
    except Exception as error:  # whatever the resolver raises, it means the same to the person who waits
        raise JarsProblem(
            f"cannot fetch Kafka {KAFKA}: {error}. The first start needs the network; "
            "or set RISK_BROKERS=host:port to use a Kafka of your own."
        ) from error


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _progress(work: Path) -> Iterator[None]:
    """Say on stderr that something is being fetched, and at a terminal how far it is."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(0.5):
            size = sum(path.stat().st_size for path in (work / "repository").rglob("*.jar*") if path.is_file()) // 2**20
            sys.stderr.write(f"\rfetching Apache Kafka {KAFKA}, once: {min(size, FETCH_MEGABYTES)} of {FETCH_MEGABYTES} MB ")
            sys.stderr.flush()

    if not sys.stderr.isatty():
        sys.stderr.write(f"fetching Apache Kafka {KAFKA}, once, {FETCH_MEGABYTES} MB\n")
        yield
        return
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        sys.stderr.write("\n")
