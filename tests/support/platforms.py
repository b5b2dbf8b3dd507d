"""A running platform over real sample data: gateway and dashboards as the product starts them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from investlab.core.config import Settings
from investlab.services.processes import Platform, prepare_platform
from investlab.services.workspace import open_workspace, silent_progress

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-platform-tests"
AS_OF = "2021-12-31"


def platform_settings(home: Path, **settings: object) -> Settings:
    """Return the settings of a platform on free ports."""
    return Settings.model_validate(
        {
            "home": home,
            "token": SecretStr(TOKEN),
            "gateway_port": 0,
            "dashboards_port": 0,
            "bentos": ROOT / "bentos",
            "dashboards": ROOT / "dashboards",
            "replay_sessions_per_minute": 120.0,
            **settings,
        }
    )


def fill_with_samples(home: Path) -> None:
    """Ingest the datasets that are served, and make plain momentum the champion."""
    workspace = open_workspace(settings=platform_settings(home), progress=silent_progress)
    for dataset in ("us-close", "us-ohlcv-recent"):
        workspace.ingest("sample", dataset)
    lab = workspace.as_of(AS_OF)
    panel = lab.panel(lab.universe("us-close"))
    trained = lab.train("momentum_12_1", panel, features=["momentum_12_1"], folds=2)
    lab.promote(lab.register(trained, lab.context.settings.model))
    workspace.close()


@contextmanager
def running_platform(settings: Settings) -> Iterator[Platform]:
    """Run gateway and dashboards until the context is left."""
    with prepare_platform(settings) as platform:
        platform.wait_until_ready()
        yield platform


def kill(platform: Platform, name: str) -> int:
    """Kill a server and everything it started; return the pid it had, whose end is left to be noticed."""
    pid = platform.pid_of(name)
    os.killpg(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def until(met: Callable[[], bool], seconds: float) -> float:
    """Wait until a condition is met, at most so long, and return how many seconds that took."""
    begun = time.monotonic()
    while not met():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun
