"""The metrics page: /metrics for Prometheus and /health for whoever restarts workers. Loopback unless told otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streams.worker import Worker

PAGE = os.sysconf("SC_PAGE_SIZE")
STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE if STATM.exists() else 0


class Health:
    """A small web server on the worker's loop."""

    def __init__(self, worker: Worker, port: int, host: str = "127.0.0.1") -> None:
        self._worker = worker
        self._host, self._port = host, port
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(worker.metrics)
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        assert site._server is not None
        return int(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        self._worker.measure()
        self._worker.metrics.set("risk_process_resident_bytes", resident_bytes())
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, _: web.Request) -> web.Response:
        ready = self._worker.ready
        return web.json_response({"ready": ready, "partitions": sorted(self._worker.shards)}, status=200 if ready else 503)
