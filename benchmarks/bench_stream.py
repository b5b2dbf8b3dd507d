"""Measure the stream: how long a message takes from the hub to each of many clients, over real sockets.

Run it with `python benchmarks/bench_stream.py [--quick]`; it prints a table and writes benchmarks/results/stream.json.
The server is this process (uvicorn, the edge, the connection manager); the clients live in a second one, on picows, and
share the machine's cores with it. Latency is from the call of `publish` to the arrival in the client's callback; both
processes read the same monotonic clock. Client × topic pairs all get every message: nothing may be conflated.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
import uvloop
from fastapi import FastAPI
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from investlab.api.edge import Edge
from investlab.api.policy import EdgePolicy
from investlab.api.stream import stream_router
from investlab.core.clock import SystemClock
from investlab.core.credentials import Credentials
from investlab.live.bus import LocalBus
from investlab.live.hub import Hub, boot_name

RESULTS = Path(__file__).parent / "results"
TOKEN = "a-token-of-the-benchmark"
TOPIC = "replay"
RATE = 2.0


class Client(WSListener):
    """Subscribes, answers heartbeats and notes how old each update is when it arrives."""

    def __init__(self, latencies: list[float]) -> None:
        self.latencies = latencies

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, json.dumps({"action": "subscribe", "topics": [TOPIC]}).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = time.monotonic()
        message = json.loads(frame.get_payload_as_bytes())
        if message["kind"] == "update":
            self.latencies.append(now - message["payload"]["sent"])
        elif message["kind"] == "heartbeat":
            transport.send(WSMsgType.TEXT, b'{"action": "pong"}')


async def run_clients(port: int, count: int) -> None:
    latencies: list[float] = []
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transports = []
    for _ in range(count):
        transport, _ = await ws_connect(
            lambda: Client(latencies), f"ws://127.0.0.1:{port}/v1/stream", extra_headers=headers
        )
        transports.append(transport)
    print("connected", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps(latencies), flush=True)
    for transport in transports:
        transport.disconnect()


async def measure(clients: int, seconds: float) -> dict[str, Any]:
    clock = SystemClock()
    hub = Hub(LocalBus(), clock, boot=boot_name(clock))
    app = FastAPI()
    app.include_router(stream_router(hub.connections))
    config = uvicorn.Config(
        Edge(app, policy=EdgePolicy(Credentials(TOKEN, "bench"))), log_level="error", lifespan="off", backlog=2048
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        running = asyncio.create_task(server.serve([listening]))
        beating = asyncio.create_task(hub.run())
        other = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--client",
            str(listening.getsockname()[1]),
            str(clients),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=2**26,
        )
        assert other.stdin is not None
        assert other.stdout is not None
        await other.stdout.readline()
        row = await _publish(hub, clients, seconds)
        other.stdin.write(b"\n")
        await other.stdin.drain()
        latencies = np.array(json.loads(await other.stdout.readline())) * 1000
        await other.wait()
        beating.cancel()
        server.should_exit = True
        await running
    row |= {f"p{q}_ms": round(float(np.percentile(latencies, q)), 2) for q in (50, 95, 99)}
    return row | {"max_ms": round(float(latencies.max()), 2), "received": len(latencies)}


async def _publish(hub: Hub, clients: int, seconds: float) -> dict[str, Any]:
    """Publish at the rate for a time, and return what it cost this process."""
    count = int(seconds * RATE)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / RATE - time.monotonic()))
        await hub.publish(TOPIC, {"sent": time.monotonic(), "number": number, "text": "x" * 200})
    await asyncio.sleep(1.0)
    spent, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return {
        "clients": clients,
        "messages_per_second": RATE,
        "seconds": seconds,
        "expected": count * clients,
        "server_cores": round(cpu / spent, 3),
        "server_peak_rss_mib": round(after.ru_maxrss / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer clients, a few seconds, no file")
    parser.add_argument("--client", nargs=2, type=int, metavar=("PORT", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        uvloop.run(run_clients(*given.client))
        return
    plan = [(50, 3.0)] if given.quick else [(100, 20.0), (500, 30.0), (1000, 20.0)]
    rows = []
    for clients, seconds in plan:
        row = uvloop.run(measure(clients, seconds))
        rows.append(row)
        print(" ".join(f"{name}={value}" for name, value in row.items()))
        assert row["received"] == row["expected"], "a message was lost or conflated"
    if not given.quick:
        RESULTS.mkdir(exist_ok=True)
        record = {
            "benchmark": "stream",
            "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
            "rows": rows,
        }
        (RESULTS / "stream.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
