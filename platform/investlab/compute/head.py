"""A Ray head of our own on loopback, and the connection of this process to a head.

A head lives in a child process that ends as soon as the pipe to its parent closes, so it cannot outlive the work it
was started for. It listens on loopback only, demands a token that travels in environment variables alone, and keeps
its files in a temporary folder that is removed with it. Autoscaler, log monitor and dashboard are left out: they cost
two thirds of the start.
"""

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import ray
from ray import _raylet
from ray._private import ray_constants, services, worker
from ray._private.node import Node
from ray._private.parameter import RayParams
from ray.exceptions import RayError

from investlab.core.config import Settings
from investlab.core.errors import ExecutionFailed, InvalidSettings

_START_SECONDS = 180.0
_STOP_SECONDS = 20.0
_LONGEST_TEMP_DIR = 40  # a Unix socket path holds 107 bytes and Ray appends up to 66 of its own
_RAYLET: Any = _raylet  # its stub omits most of it
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


@dataclass(slots=True)
class RayHead:
    """A running Ray head that belongs to this process; `env` lets child processes attach to it."""

    address: str
    env: Mapping[str, str] = field(repr=False)
    pid: int
    folder: Path
    _process: subprocess.Popen[str] = field(repr=False)

    def stop(self) -> None:
        """End every process of the head and remove its temporary folder; a second call does nothing."""
        _end(self._process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def start_head(settings: Settings, environment: Mapping[str, str] | None = None) -> RayHead:
    """Start a Ray head with `settings.ray_workers` workers and return it when it answers (about ten seconds).

    `environment` is what its workers see, by default that of this process.

    Raises:
        ExecutionFailed: The head did not start; the sentence holds the last line of its log.
    """
    base = dict(os.environ if environment is None else environment)
    access = _access(base.get("RAY_AUTH_TOKEN") or secrets.token_hex(32))
    started = {"NUMBA_NUM_THREADS": "1", **base, **access, "PYTHONPATH": _python_path(base)}
    folder = Path(tempfile.mkdtemp(prefix="il-", dir=_short_temp_dir()))
    log = folder / "head.log"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "investlab.compute", str(folder), str(settings.ray_workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=started,
            start_new_session=True,
        )
    try:
        address = _read_address(process)
        if not address:
            reason = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise ExecutionFailed(
                f"The Ray head did not start: {reason.rstrip('.') or 'it gave no reason'}.",
                remedy="Use executor='serial', or set INVESTLAB_RAY_ADDRESS to a running head.",
            )
    except BaseException:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return RayHead(address, {**access, "INVESTLAB_RAY_ADDRESS": address}, process.pid, folder, process)


def _access(token: str) -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",  # the head's address is loopback, on Linux too
    }


def _short_temp_dir() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder.encode()) + len("/il-12345678/r") <= _LONGEST_TEMP_DIR else "/tmp"  # noqa: S108


def _python_path(environment: Mapping[str, str]) -> str:
    """Return a PYTHONPATH that makes workers import what this process imports."""
    standard = tuple(path for name, path in sysconfig.get_paths().items() if name.endswith(("lib", "stdlib")))
    own = [path for path in sys.path if path and not path.startswith(standard)]
    given = environment.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(path for path in (*own, *given) if path))


def _read_address(process: subprocess.Popen[str]) -> str:
    """Return the address that the head prints, or "" when it ends or takes too long."""
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
        return str(json.loads(line)["address"]) if line else ""
    finally:
        watchdog.cancel()


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # Ray's processes die with their parent
        process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def attach(address: str, access: Mapping[str, str] | None = None) -> Iterator[None]:
    """Connect this process to the Ray head at `address` while the context lasts; an open connection is used as it is.

    `access` holds RAY_AUTH_TOKEN, such as `RayHead.env`; by default it comes from this process's environment.

    Raises:
        InvalidSettings: There is no token.
        ExecutionFailed: No head answers at that address, or it refuses the token.
    """
    if ray.is_initialized():
        yield
        return
    token = (os.environ if access is None else access).get("RAY_AUTH_TOKEN", "")
    if not token:
        raise InvalidSettings(
            f"There is no token for the Ray head at {address}.",
            remedy="Set RAY_AUTH_TOKEN to the token that the head was started with.",
        )
    previous = {name: os.environ.get(name) for name in _access(token)}
    clustered = ray_constants.ENABLE_RAY_CLUSTER
    try:
        os.environ.update(_access(token))
        ray_constants.ENABLE_RAY_CLUSTER = address.rpartition(":")[0] not in _LOOPBACK
        _RAYLET.Config.initialize("")  # Ray caches mode and token
        _RAYLET.AuthenticationTokenLoader.instance().reset_cache()
        _connect(address)
        yield
    finally:
        ray.shutdown()
        ray_constants.ENABLE_RAY_CLUSTER = clustered
        for name, value in previous.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _connect(address: str) -> None:
    # Errors reach the caller as exceptions, not as prints.
    worker._worker_logs_enabled = False  # noqa: SLF001 (Ray has no public switch)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if main else None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ExecutionFailed(
            f"The Ray head at {address} cannot be used: {one_line(error)}.",
            remedy="Check INVESTLAB_RAY_ADDRESS and RAY_AUTH_TOKEN, or use executor='serial'.",
        ) from error
    finally:
        if handler is not None:  # Ray replaces it
            signal.signal(signal.SIGTERM, handler)


class _BareNode(Node):  # type: ignore[misc]
    """A head without the dashboard's server, patient on a busy machine where Ray's own time limits are too short."""

    def start_api_server(self, **_options: object) -> None:
        """Start nothing."""
        self._webui_url = ""

    def start_ray_processes(self) -> None:
        """Start the node, which then need not wait 15 s at most for an agent to say that it serves nothing."""
        for name in ("METRICS_AGENT", "METRICS_EXPORT", "DASHBOARD_AGENT_LISTEN"):
            _RAYLET.persist_port(self._session_dir, self._node_id, getattr(_RAYLET, f"{name}_PORT_NAME"), -1)
        super().start_ray_processes()
        patient: Any = services
        patient.get_node = self._patiently(services.get_node)

    def _patiently(self, get_node: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*arguments: Any) -> Any:
            deadline = time.monotonic() + _START_SECONDS
            while True:
                try:
                    return get_node(*arguments)
                except RuntimeError:
                    if self.dead_processes() or time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)

        return wait


def serve_head(folder: str, workers: int) -> None:
    """Run a head in this process until standard input closes; then remove its folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    node = _BareNode(
        RayParams(
            node_ip_address="127.0.0.1",
            dashboard_host="127.0.0.1",
            num_cpus=workers,
            include_dashboard=False,
            include_log_monitor=cast("Any", False),  # Ray's hint says str
            no_monitor=True,
            temp_dir=str(Path(folder, "r")),
            runtime_env_agent_port=_free_port(),
        ),
        head=True,
    )
    sys.stdout.write(json.dumps({"address": node.address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    node.kill_all_processes(check_alive=False, allow_graceful=True)
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one_line(error: BaseException) -> str:
    """Return an exception's class and message as one line of text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
