"""Servers do not outlive the platform that started them, however early it ends.

    python -m tests.integration.platform.test_supervision <home>

starts a platform, prints its children's ids and waits for them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from investlab.services.processes import DASHBOARDS, GATEWAY, Platform, prepare_platform
from tests.support.platforms import ROOT, platform_settings, until

pytestmark = pytest.mark.slow


@contextmanager
def starting(home: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start a platform in a process of its own; give the process and its children, none of which answers yet."""
    command = [sys.executable, "-m", "tests.integration.platform.test_supervision", str(home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    children = [int(pid) for pid in process.stdout.readline().split()]
    try:
        yield process, children
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for pid in filter(is_alive, children):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_it_waits_it_ends_its_servers(tmp_path: Path, how: signal.Signals) -> None:
    with starting(tmp_path) as (process, children):
        assert len(children) == 2
        process.send_signal(how)
        process.wait(6.0)
        assert [pid for pid in children if is_alive(pid)] == []


def test_servers_whose_platform_is_killed_at_once_end_themselves(tmp_path: Path) -> None:
    with starting(tmp_path) as (process, children):
        process.kill()
        process.wait()
        until(lambda: not any(map(is_alive, children)), 60.0)


def test_a_platform_that_cannot_start_all_servers_ends_those_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = Platform._start, []

    def only_one(platform: Platform, child: object) -> None:
        if started:
            raise OSError("no more processes")
        start(platform, child)  # type: ignore[arg-type]
        started.append(platform.pid_of(GATEWAY))

    monkeypatch.setattr(Platform, "_start", only_one)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError, match="no more"), prepare_platform(platform_settings(tmp_path)):
        pass
    assert not is_alive(started[0])
    assert signal.getsignal(signal.SIGTERM) is before


if __name__ == "__main__":
    with prepare_platform(platform_settings(Path(sys.argv[1]))) as running:
        sys.stdout.write(f"{running.pid_of(GATEWAY)} {running.pid_of(DASHBOARDS)}\n")
        sys.stdout.flush()
        running.wait_until_ready()
        running.watch(lambda _line: None)
