"""Measure the gateway's prediction route: latency under load, and the cost of a request inside the process.

Run it with `python benchmarks/bench_predict.py [--quick]`; it prints a table and writes results/predict.json.
A gateway process serves a LightGBM ranker trained on the sample data in a home of its own, with its replay running; the
callers are in this process, on the same machine, on keep-alive connections of plain asyncio. A request's latency counts
from when it was due, not from when it could be sent, so that a server that stalls is not flattered; no two rows of
features are equal, for equal ones are remembered.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from investlab.api import gateway
from investlab.api.runtime import GatewayRuntime
from investlab.api.server import settle_memory
from investlab.core.config import Settings
from investlab.core.ports import listen, port_of
from investlab.schemas.registry import TrainingSpec
from investlab.services import registry
from investlab.services.training import run_training
from investlab.services.workspace import open_workspace, silent_progress

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parents[1]
TOKEN = "a-token-of-the-benchmark"
MODEL, DATASET = "us-ranker", "us-close"
FEATURES = (
    "momentum_12_1",
    "momentum_6_1",
    "return_5",
    "return_21",
    "return_63",
    "volatility_21",
    "volatility_63",
    "high_252",
    "drawdown_126",
    "average_ratio_50_200",
)
START_SECONDS = 90.0


@dataclass(slots=True)
class Latencies:
    """Seconds from when each request was due to its answer, and how many answers were no 200."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0


class Caller(asyncio.Protocol):
    """One keep-alive connection that has at most one request under way."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[int] | None = None
        self._got = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, separator, rest = self._got.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) >= length and self.answered is not None:
            self.answered.set_result(int(head[9:12]))
            self._got.clear()

    def connection_lost(self, error: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(0)

    def close(self) -> None:
        self._transport.close()

    async def ask(self, request: bytes) -> int:
        self.answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self.answered


def request_bytes(port: int, body: dict[str, object]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def connect(port: int) -> Caller:
    _, caller = await asyncio.get_running_loop().create_connection(Caller, "127.0.0.1", port)
    return caller


async def user(
    caller: Caller, requests: Iterator[bytes], begin: float, every: float, until: float, told: Latencies
) -> None:
    """Send a request every so often from `begin` on; one that is late is sent at once and counts as late."""
    loop = asyncio.get_running_loop()
    due = begin
    while due < until:
        await asyncio.sleep(max(0.0, due - loop.time()))
        status = await caller.ask(next(requests))
        told.seconds.append(loop.time() - due)
        told.failures += status != 200
        due += every


async def load(port: int, requests: Iterator[bytes], *, users: int, every: float, seconds: float) -> Latencies:
    """Let users send requests at their own random moments of the period."""
    callers = [await connect(port) for _ in range(users)]
    told, phases = Latencies(), random.Random(0)
    begin = asyncio.get_running_loop().time() + 0.5
    await asyncio.gather(
        *(user(caller, requests, begin + phases.random() * every, every, begin + seconds, told) for caller in callers)
    )
    for caller in callers:
        caller.close()
    return told


def prepare(home: Path) -> int:
    """Fill a home with the sample data and a champion; return how many trees it has."""
    workspace = open_workspace(settings=Settings(home=home), progress=silent_progress)
    workspace.ingest("sample", DATASET)
    panel = workspace.panel(workspace.universe(DATASET), ["close"], "2010-01-01", "2021-12-31")
    trained = run_training(workspace.context, TrainingSpec(learner="lightgbm_ranker", features=FEATURES), panel)
    version = registry.register(workspace.context, trained, MODEL)
    registry.promote(workspace.context, MODEL, version.number, actor="benchmark", force=True)
    trees = workspace.context.artifacts.get(version.artifact_sha256).count(b"\nTree=")
    workspace.close()
    return trees


def settings_of(home: Path) -> Settings:
    return Settings(home=home, token=SecretStr(TOKEN), bentos=ROOT / "bentos")


def rows(count: int, seed: int = 0) -> list[dict[str, float]]:
    values = np.random.default_rng(seed).normal(0, 0.1, (count, len(FEATURES)))
    return [dict(zip(FEATURES, row, strict=True)) for row in values.tolist()]


def feature_requests(port: int, each: int, count: int, seed: int) -> Iterator[bytes]:
    """Return requests of `each` rows, no two rows equal."""
    values = rows(each * count, seed)
    return iter([request_bytes(port, {"features": values[n * each : (n + 1) * each]}) for n in range(count)])


def under_load(home: Path, quick: bool) -> list[dict[str, object]]:
    """Measure a gateway process."""
    with listen("127.0.0.1", 0, 0) as listening:
        port = port_of(listening)
        environment = {
            **os.environ,
            "INVESTLAB_HOME": str(home),
            "INVESTLAB_TOKEN": TOKEN,
            "INVESTLAB_BENTOS": str(ROOT / "bentos"),
        }
        command = [sys.executable, "-m", "investlab", "serve", "gateway", "--socket-fd", str(listening.fileno())]
        with (home / "gateway.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, pass_fds=[listening.fileno()])
        try:
            return asyncio.run(scenarios(port, quick))
        finally:
            process.terminate()
            process.wait(10)


async def scenarios(port: int, quick: bool) -> list[dict[str, object]]:
    symbols = ["AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO"]
    named = cycle([request_bytes(port, {"symbols": symbols})])
    await asyncio.wait_for((await connect(port)).ask(next(named)), START_SECONDS)  # answered once the gateway is up
    plans = [
        ("1 row, 50 requests/s", feature_requests(port, 1, 2_000, 1), 10, 0.2, 20),
        ("20 rows, 50 requests/s", feature_requests(port, 20, 2_000, 2), 10, 0.2, 20),
        ("10 symbols, 50 requests/s", named, 10, 0.2, 20),
        ("1 row, 1000 users, each 1 request/s", feature_requests(port, 1, 40_000, 3), 1000, 1.0, 30),
    ]
    found = []
    for name, requests, users, every, seconds in plans:
        await load(port, requests, users=4, every=0.1, seconds=1)
        told = await load(port, requests, users=users, every=every, seconds=3 if quick else seconds)
        found.append({"load": name, **summary(told)})
    return found


def summary(told: Latencies) -> dict[str, object]:
    milliseconds = np.array(told.seconds) * 1000
    shown = {f"p{share}_milliseconds": round(float(np.percentile(milliseconds, share)), 2) for share in (50, 95, 99)}
    return {"requests": len(milliseconds), "failures": told.failures, **shown}


async def in_process(home: Path, count: int) -> dict[str, float]:
    """Return the microseconds of a request inside the process, without sockets: median, and of the loop's processor."""
    settings = settings_of(home)
    runtime = GatewayRuntime.open(settings)
    app = gateway.gateway_app(settings, runtime)
    bento = app._app  # noqa: SLF001 - its lifespan is run here, as a server would
    bodies = [json.dumps({"features": [row]}).encode() for row in rows(count + 200)]
    head = [
        (b"host", b"127.0.0.1:8420"),
        (b"authorization", f"Bearer {TOKEN}".encode()),
        (b"content-type", b"application/json"),
    ]
    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask(body: bytes) -> None:
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/predict",
            "raw_path": b"/v1/predict",
            "query_string": b"",
            "root_path": "",
            "headers": [*head, (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8420),
        }
        await app(scope, receive, send)

    async with bento.router.lifespan_context(bento):
        for body in bodies[:200]:
            await ask(body)
        settle_memory()
        spent, worked = [], time.thread_time()
        for body in bodies[200:]:
            begun = time.perf_counter()
            await ask(body)
            spent.append(time.perf_counter() - begun)
        worked = time.thread_time() - worked
    if set(statuses) != {200}:
        raise SystemExit(f"answers were {sorted(set(statuses))}")
    return {
        "median_microseconds": round(statistics.median(spent) * 1e6, 1),
        "processor_microseconds": round(worked / count * 1e6, 1),
    }


def inside(home: Path, quick: bool) -> list[dict[str, object]]:
    """Measure both ways, each in a process of its own: a process has one gateway."""
    found = []
    for way in ("without OpenTelemetry middleware", "with OpenTelemetry middleware"):
        command = [sys.executable, __file__, "--inside", str(home), "--way", way] + (["--quick"] if quick else [])
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append({"gateway": way, **json.loads(told.stdout.splitlines()[-1])})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter loads")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is not None:
        if given.way.startswith("with "):
            gateway.REMOVED_MIDDLEWARE = gateway.REMOVED_MIDDLEWARE - {"OpenTelemetryMiddleware"}
        print(json.dumps(asyncio.run(in_process(given.inside, 300 if given.quick else 3000))))
        return
    with tempfile.TemporaryDirectory(prefix="investlab-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        trees = prepare(home)
        loads = under_load(home, given.quick)
        report = {
            "benchmark": "predict",
            "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
            "model": f"LightGBM, {trees} trees, {len(FEATURES)} features, with contributions and a record of each",
            "loads": loads,
            "in_process": inside(home, given.quick),
        }
    for row in [*report["loads"], *report["in_process"]]:
        print("  ".join(f"{name}: {value}" for name, value in row.items()))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "predict.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
