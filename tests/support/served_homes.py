"""Homes with a registered champion, and the processes that serve them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from investlab.ml.linear import LinearWeights
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.market import PriceBasis
from investlab.schemas.registry import Alias, ArtifactFormat, InputSignature, ModelVersionInfo, TrainingSpec
from investlab.services.context import Context
from investlab.services.workspace import Workspace
from investlab.store.repositories import registry, training
from tests.support.records import training_end, training_start
from tests.support.workspaces import ScriptedProvider, make_prices, make_workspace, use_provider

ROOT = Path(__file__).resolve().parents[2]
DATASET = "us-close"
MODEL = "us-ranker"
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
FEATURES = ("return_5", "return_21", "volatility_21", "return_21_rank")
TOKEN = "a-token-of-the-serving-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
START_SECONDS = 90.0
JSON = {"Content-Type": "application/json"}


def fill_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> Workspace:
    """Open a home whose `us-close` holds four instruments over two years."""
    workspace = make_workspace(home)
    bars = make_prices(SYMBOLS)[["symbol", "session", "close"]]
    use_provider(monkeypatch, ScriptedProvider(bars, PriceBasis.TOTAL_RETURN, None, dataset=DATASET))
    workspace.ingest("scripted", DATASET)
    return workspace


def register_linear(context: Context, *weights: float) -> ModelVersionInfo:
    """Register a linear version with these weights, as if a training run had given it."""
    artifact = LinearWeights(FEATURES, weights, bias=0.1).to_bytes()
    sha256 = context.artifacts.put(artifact)
    run_id = f"tr-{sha256[:12]}"
    panel = PanelRequest(dataset=DATASET, symbols=SYMBOLS, dataset_version=1)
    spec = TrainingSpec(learner="momentum_12_1", features=FEATURES)
    start = training_start(run_id=run_id, key=sha256, panel=panel, spec=spec)
    end = training_end(
        signature=InputSignature(features=FEATURES, horizon_sessions=21),
        artifact_format=ArtifactFormat.LINEAR_JSON,
        artifact_sha256=sha256,
    )

    def unit(session: Any) -> ModelVersionInfo:
        training.start_training(session, start)
        training.complete_training(session, run_id, end)
        found, _ = registry.add_version(session, MODEL, run_id, at=end.ended_at)
        return found

    return context.database.write(unit)


def crown(context: Context, number: int) -> None:
    """Let a version be champion, whatever the rule says."""
    at = context.clock.now()
    context.database.write(lambda s: registry.move_alias(s, MODEL, Alias.CHAMPION, number, at=at))


@dataclass(slots=True)
class Served:
    """A running server: its process and where it is reached."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] = BEARER,
        raw: bytes | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Send a request and return the answer's status and JSON."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        status, answer = exchange(self.port, method, path, content, {**JSON, **headers} if content else headers)
        return status, json.loads(answer) if answer.strip() else {}

    def predict(self, **request: object) -> tuple[int, dict[str, Any]]:
        """Ask for a prediction."""
        return self.ask("POST", "/v1/predict", request)

    def health(self) -> dict[str, Any]:
        """Return the health of the served model."""
        return self.ask("POST", "/v1/health", {})[1]

    def until(self, met: Callable[[], bool], seconds: float = 20.0) -> float:
        """Wait until a condition is met and return how many seconds that took."""
        begun = time.monotonic()
        while not met():
            assert time.monotonic() - begun < seconds, self.told()
            assert self.process.poll() is None, self.told()
            time.sleep(0.02)
        return time.monotonic() - begun

    def told(self) -> str:
        """Return the end of what the server wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


def exchange(
    port: int, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] = BEARER
) -> tuple[int, bytes]:
    """Send one request on a connection of its own and return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, content or None, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def gateway_process(home: Path, log: Path, **settings: str) -> Iterator[Served]:
    """Serve a home with the gateway, on a socket made here."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "investlab", "serve", "gateway", "--socket-fd", str(descriptor)]
        port: int = listening.getsockname()[1]
        with _running(command, port, log, environment(home, **settings), ROOT, (descriptor,)) as served:
            yield served


@contextmanager
def bentoml_process(
    target: Sequence[str],
    log: Path,
    surroundings: Mapping[str, str],
    folder: Path,
    python: str | Path = sys.executable,
) -> Iterator[Served]:
    """Serve with BentoML's own server, whose workers this ends too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [str(python), "-m", "bentoml", "serve", *target, "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, port, log, surroundings, folder) as served:
        yield served


def environment(home: Path | None, **settings: str) -> dict[str, str]:
    """Return this environment without settings of ours, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INVESTLAB_", "BENTOML_"))}
    own = {"TOKEN": TOKEN, "REPLAY_SESSIONS_PER_MINUTE": "0.01", "REPLAY_FROM": "2020-06-01"}
    if home is not None:
        own["HOME"] = str(home)
    given = {f"INVESTLAB_{name}": value for name, value in {**own, **settings}.items()}
    return {**kept, **given, "BENTOML_DO_NOT_TRACK": "True"}


@contextmanager
def _running(
    command: Sequence[str],
    port: int,
    log: Path,
    surroundings: Mapping[str, str],
    folder: Path,
    descriptors: tuple[int, ...] = (),
) -> Iterator[Served]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env=dict(surroundings),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
        )
    served = Served(process, port, log)
    try:
        served.until(lambda: _answers(port), START_SECONDS)
        yield served
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            _end(process, how)


def _answers(port: int) -> bool:
    try:
        return exchange(port, "GET", "/livez", headers={})[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Signal the group that a server started with, and wait a little for the server."""
    try:
        os.killpg(process.pid, how)
        process.wait(8)
    except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
        return
