"""The server as a process: it answers on a socket it was given, and ends when told to, leaving nothing behind."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from investlab.core.ports import listen, port_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 90.0
STOP_SECONDS = 5.0


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_within_five_seconds(tmp_path: Path, how: signal.Signals) -> None:
    listening = listen("127.0.0.1", 0, 0)
    port = port_of(listening)
    environment = {
        **os.environ,
        "INVESTLAB_HOME": str(tmp_path / "home"),
        "INVESTLAB_TOKEN": "a-token-for-tests-0123456789",
        "INVESTLAB_DASHBOARDS": str(ROOT / "dashboards"),
    }
    command = [sys.executable, "-m", "investlab", "serve", "dashboards", "--socket-fd", str(listening.fileno())]
    with subprocess.Popen(command, env=environment, pass_fds=[listening.fileno()], cwd=tmp_path) as process:
        try:
            listening.close()
            assert _status(port, "/livez") == 200
            assert _status(port, "/market") == 401
            children = psutil.Process(process.pid).children(recursive=True)
            asked = time.monotonic()
            process.send_signal(how)
            assert process.wait(STOP_SECONDS) == 0
            assert time.monotonic() - asked < STOP_SECONDS
            assert not [child for child in children if child.is_running()]
        finally:
            process.kill()


def test_a_folder_without_pages_is_told(tmp_path: Path) -> None:
    environment = {**os.environ, "INVESTLAB_HOME": str(tmp_path), "INVESTLAB_DASHBOARDS": str(tmp_path / "none")}
    command = [sys.executable, "-m", "investlab", "serve", "dashboards", "--port", "0"]
    outcome = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode != 0
    assert "There are no dashboard pages" in outcome.stderr
    assert "Traceback" not in outcome.stderr
