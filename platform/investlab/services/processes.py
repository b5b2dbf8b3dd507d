"""Gateway and dashboards as child processes: on sockets of ours, watched, started again, ended together."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.parse import urlsplit

from investlab.core.config import PREFIX, Settings
from investlab.core.credentials import Credentials, new_token
from investlab.core.errors import ExecutionFailed, NotFound
from investlab.core.ports import listen, port_of

GATEWAY, DASHBOARDS = "gateway", "dashboards"
DEFAULT_PORTS = {GATEWAY: 8420, DASHBOARDS: 8421}
START_SECONDS = 90.0
GRACE_SECONDS = 3.5
"""How long children get to end by themselves; they are killed after it, well within five seconds."""
POLL_SECONDS = 0.1
MOST_RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0
LARGEST_LOG = 8 * 2**20
Say = Callable[[str], None]


@dataclass(slots=True)
class _Child:
    """One server: its listening socket stays open here, so that it returns at the same port."""

    name: str
    listening: socket.socket
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: list[float] = field(default_factory=list)


class Platform:
    """The running gateway and dashboards of a home; leaving the context ends both."""

    def __init__(self, settings: Settings, token: str, children: tuple[_Child, ...]) -> None:
        self.token = token
        self.credentials = Credentials.of(token, settings.home_path)
        self.urls = {child.name: url_of(settings.host, port_of(child.listening)) for child in children}
        self._children = children
        self._environment = _environment(settings, token, self.urls)
        self._previous: Any = None

    @property
    def gateway_url(self) -> str:
        """Return the address of the gateway."""
        return self.urls[GATEWAY]

    @property
    def dashboards_url(self) -> str:
        """Return the address of the dashboards."""
        return self.urls[DASHBOARDS]

    @property
    def page_url(self) -> str:
        """Return the address that signs a browser in and shows the dashboard."""
        return f"{self.dashboards_url}/market?token={self.token}"

    def __enter__(self) -> Self:
        self._take_signal(_interrupt)
        try:
            for child in self._children:
                self._start(child)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._take_signal(signal.SIG_IGN)  # told to end twice: the children are being ended already
        try:
            self.stop()
        finally:
            if self._previous is not None:
                signal.signal(signal.SIGTERM, self._previous)
                self._previous = None

    def wait_until_ready(self) -> None:
        """Wait until both answer.

        Raises:
            ExecutionFailed: One ended or did not answer in time; the sentence names its log.
        """
        deadline = time.monotonic() + START_SECONDS
        for child in self._children:
            while not _answers(self.urls[child.name]):
                if child.process is None or child.process.poll() is not None:
                    raise ExecutionFailed(f"The {child.name} did not start.", remedy=_tail(child.log))
                if time.monotonic() > deadline:
                    raise ExecutionFailed(
                        f"The {child.name} did not answer within {START_SECONDS:.0f} s.", remedy=_tail(child.log)
                    )
                time.sleep(POLL_SECONDS)

    def watch(self, say: Say) -> None:
        """Keep both running until this process is interrupted or told to end.

        Raises:
            ExecutionFailed: A server ended again and again.
            KeyboardInterrupt: Ctrl-C, or SIGTERM.
        """
        while True:
            self.mend(say)
            time.sleep(POLL_SECONDS)

    def mend(self, say: Say) -> None:
        """Start again, at its old port, what has ended.

        Raises:
            ExecutionFailed: A server ended again and again.
        """
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._start_again(child, say)

    def pid_of(self, name: str) -> int:
        """Return the process id of a running server.

        Raises:
            NotFound: It does not run.
        """
        running = {child.name: child.process for child in self._children if child.process is not None}
        if name not in running:
            raise NotFound.named("running server", name, running)
        return running[name].pid

    def stop(self) -> None:
        """End both servers and what they started, within five seconds."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in running:
            _signal_group(process, signal.SIGKILL)
            process.wait()
        for child in self._children:
            child.process = None
            child.listening.close()

    def _take_signal(self, action: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
        """Let SIGTERM do this until the context is left; only the main thread can say so."""
        if threading.current_thread() is threading.main_thread():
            earlier = signal.signal(signal.SIGTERM, action)
            self._previous = earlier if self._previous is None else self._previous

    def _start(self, child: _Child) -> None:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        if child.log.exists() and child.log.stat().st_size > LARGEST_LOG:
            child.log.replace(child.log.with_suffix(".old.log"))
        descriptor = child.listening.fileno()
        command = [sys.executable, "-m", "investlab", "serve", child.name, "--socket-fd", str(descriptor)]
        command += ["--parent", str(os.getpid())]
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603  (our own command)
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[descriptor],
                start_new_session=True,
            )
        child.started.append(time.monotonic())

    def _start_again(self, child: _Child, say: Say) -> None:
        recent = [at for at in child.started if time.monotonic() - at < RESTART_WINDOW_SECONDS]
        if len(recent) > MOST_RESTARTS:
            raise ExecutionFailed(
                f"The {child.name} ended {len(recent)} times within {RESTART_WINDOW_SECONDS:.0f} s.",
                remedy=_tail(child.log),
            )
        code = child.process.returncode if child.process is not None else None
        say(f"The {child.name} ended with code {code} and is started again; its log is {child.log}.")
        self._start(child)


def prepare_platform(settings: Settings) -> Platform:
    """Bind the ports and return the platform, ready to be entered; free ports are taken where a default is in use.

    Raises:
        Conflict: A port that was asked for is taken.
        InvalidInput: The host is reachable from elsewhere.
    """
    token = settings.token.get_secret_value() if settings.token is not None else new_token()
    asked = {GATEWAY: settings.gateway_port, DASHBOARDS: settings.dashboards_port}
    children: list[_Child] = []
    try:
        for name, port in asked.items():
            listening = listen(settings.host, port, DEFAULT_PORTS[name])
            children.append(_Child(name, listening, settings.home_path / "logs" / f"{name}.log"))
    except BaseException:
        for child in children:
            child.listening.close()
        raise
    return Platform(settings, token, tuple(children))


def _environment(settings: Settings, token: str, urls: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the servers: ours, the settings in force, and where each finds the other."""
    told = {
        "HOME": settings.home_path,
        "NOTEBOOKS": settings.notebooks.expanduser().absolute(),
        "BENTOS": settings.bentos.expanduser().absolute(),
        "DASHBOARDS": settings.dashboards.expanduser().absolute(),
        "TOKEN": token,
        "GATEWAY_URL": urls[GATEWAY],
        "ORIGINS": ",".join(filter(None, (settings.origins, *_origins(urls)))),
    }
    return {**os.environ, **{f"{PREFIX}{name}": str(value) for name, value in told.items()}}


def url_of(host: str, port: int) -> str:
    """Return the address of a server; an IPv6 address stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _origins(urls: Mapping[str, str]) -> list[str]:
    """Return the origins of both servers, by every name of this machine that a browser may use."""
    found = [(urlsplit(url).hostname or "", urlsplit(url).port or 0) for url in urls.values()]
    names = {"127.0.0.1": None, "localhost": None} | {host: None for host, _ in found}
    return [url_of(name, port) for _, port in found for name in names]


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _signal_group(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, how)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    last = f" It ends with: {lines[-1][:300]}" if lines else ""
    return f"Its log is {log}.{last}"
