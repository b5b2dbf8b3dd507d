"""Gateway and dashboards together: started on ports of their own, asked, killed, started again, ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from investlab.client.http import Client
from investlab.client.pages import page_weight
from investlab.core.errors import Conflict, ExecutionFailed
from investlab.services.processes import DASHBOARDS, GATEWAY, Platform, prepare_platform
from tests.support.platforms import ROOT, TOKEN, fill_with_samples, kill, platform_settings, running_platform, until

pytestmark = pytest.mark.slow

MIB = 2**20


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("platform")
    fill_with_samples(home)
    with running_platform(platform_settings(home)) as found:
        yield found


def test_an_app_gets_a_prediction_with_its_lineage(platform: Platform) -> None:
    with Client(platform.gateway_url, TOKEN) as app:
        answer = app.predict(symbols=["AAPL", "MSFT", "XOM"])
        lineage = app.trace(answer.prediction_id)
    assert (answer.model, answer.model_version, answer.dataset_version) == ("us-ranker", 1, "us-close@1")
    assert sorted(score.rank for score in answer.values) == [1, 2, 3]
    kinds = [link.kind for link in lineage.links]
    assert kinds[0] == "prediction"
    assert kinds[-1] == "provider"
    assert {"model version", "training run", "panel", "dataset version"} <= set(kinds)


def test_the_stream_moves_and_says_where_the_clock_stands(platform: Platform) -> None:
    with Client(platform.gateway_url, TOKEN) as app:
        told = (message.payload["session"] for message in app.updates(["replay"]))
        sessions = list(islice((session for session in told if session is not None), 3))  # none before its first
    assert sessions == sorted(set(sessions))
    assert all(session.startswith("2022-") for session in sessions)


def test_the_page_is_light_and_names_no_other_host(platform: Platform) -> None:
    weight = page_weight(platform.page_url)
    assert weight.wire_bytes < MIB
    assert weight.foreign == ()


@pytest.mark.parametrize("name", [GATEWAY, DASHBOARDS])
def test_a_killed_server_returns_at_its_address(platform: Platform, name: str) -> None:
    pid, said = kill(platform, name), list[str]()
    platform.mend(said.append)
    platform.wait_until_ready()
    assert platform.pid_of(name) != pid
    assert said
    assert name in said[0]
    with Client(platform.gateway_url, TOKEN) as app:
        assert app.predict(symbols=["AAPL"]).values


def test_two_platforms_of_one_home_name_do_not_share_a_cookie(platform: Platform, tmp_path: Path) -> None:
    other = prepare_platform(platform_settings(tmp_path))
    other.stop()
    assert other.credentials.cookie_name != platform.credentials.cookie_name


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Conflict, match="is taken"):
            prepare_platform(platform_settings(tmp_path, dashboards_port=taken.getsockname()[1]))


def test_a_server_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    settings = platform_settings(tmp_path, bentos=tmp_path / "no-such-folder")
    with (
        prepare_platform(settings) as found,
        pytest.raises(ExecutionFailed, match=r"gateway did not start.*gateway\.log"),
    ):
        found.wait_until_ready()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_with_its_children_within_five_seconds(tmp_path: Path, how: signal.Signals) -> None:
    environment = {
        **os.environ,
        "INVESTLAB_HOME": str(tmp_path),
        "INVESTLAB_TOKEN": TOKEN,
        "INVESTLAB_BENTOS": str(ROOT / "bentos"),
        "INVESTLAB_DASHBOARDS": str(ROOT / "dashboards"),
    }
    command = [sys.executable, "-m", "investlab", "up", "--gateway-port", "0", "--dashboards-port", "0"]
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: b"Press Ctrl-C" in log.read_bytes(), 90.0)
        children = _children(process.pid)
        assert len(children) == 2
        process.send_signal(how)
        process.wait(5.0)
    finally:
        process.kill()
        process.wait()
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), 1.0)
    assert process.returncode == 130
    assert b"Traceback" not in log.read_bytes()


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in listed.split()]
