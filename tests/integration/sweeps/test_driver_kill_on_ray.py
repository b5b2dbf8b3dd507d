"""A driver of a sweep on Ray killed in the middle: nothing of it is left, and the next call does what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from investlab.backtest.sweep import sweep
from tests.support.sweep_kills import GRID, TRIALS, SlowCross, swept
from tests.support.workspaces import DATASET, open_with_bars

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
ENOUGH = TRIALS // 5
DRIVER = """
import sys
from pathlib import Path
from investlab.core.config import Settings
from investlab.services.workspace import open_workspace, silent_progress
from tests.support.sweep_kills import SlowCross, swept

settings = Settings(home=Path(sys.argv[1]), ray_workers=1)
swept(open_workspace(settings=settings, progress=silent_progress), 9.0, "ray", SlowCross)
"""


def durable_trials(home: Path) -> int:
    """Return how many trials lie in whole chunk files, read by pyarrow alone."""
    return sum(pq.read_metadata(path).num_rows for path in (home / "cache" / "sweeps").glob("*/*.parquet"))


def test_a_killed_driver_leaves_no_process_and_its_sweep_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, script = tmp_path / "home", tmp_path / "driver.py"
    script.write_text(DRIVER, encoding="utf-8")
    lab = open_with_bars(monkeypatch, home)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}"}
    with subprocess.Popen([sys.executable, str(script), str(home)], env=environment) as driver:
        while durable_trials(home) < ENOUGH:
            assert driver.poll() is None
        members = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        assert driver.wait(60) != 0
    _, alive = psutil.wait_procs(members, timeout=30)
    assert not alive
    kept = durable_trials(home)
    assert ENOUGH <= kept < TRIALS
    found = swept(lab, 9.0, "serial", SlowCross)
    assert found.resumed_trials == kept
    plain = sweep(SlowCross, GRID, lab.panel(lab.universe(DATASET)), initial_cash=9.0)
    assert found.hash == plain.hash
    assert found.best_result.hash == plain.best_result.hash
