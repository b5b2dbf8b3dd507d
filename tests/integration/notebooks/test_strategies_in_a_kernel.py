"""A strategy defined in a notebook's cells, in a real kernel: cached by what it does, alike on Ray, saved as a file."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.kernels import run_cells
from tests.support.workspaces import DATASET, open_with_bars

pytestmark = pytest.mark.slow

OPEN = f"""
import investlab as il
lab = il.open()
panel = lab.panel(lab.universe({DATASET!r}))
"""
SETTING = "SKIP = 2"
HELPER = """
from numba import njit

@njit
def growth(prices, window):
    grown = prices[window:] / prices[:-window] - 1.0
    return grown * SKIP
"""
EDITED = HELPER.replace("- 1.0", "- 1.01")
UNRELATED = "unrelated = [1, 2, 3]"
STRATEGY = '''
import dataclasses
from typing import ClassVar

import numpy as np

@dataclasses.dataclass(frozen=True)
class RisingPrices:
    """Equal parts of the instruments that have risen, renewed every ten sessions."""

    name: ClassVar[str] = "rising_prices"
    family: ClassVar[str] = "rising_prices"
    window: int = 21

    def weights(self, panel: il.PricePanel) -> np.ndarray:
        wanted = np.full(panel.shape, np.nan)
        grown = growth(panel.close.to_numpy(copy=True), self.window)
        wanted[self.window :: 10] = (grown > 0)[::10] / panel.shape[1]
        return wanted
'''
RUN = "print(lab.backtest(RisingPrices(), panel).run_id, len(lab.runs()))"
SWEEP = """
grid = {"window": [10, 21, 42, 63]}
parallel = lab.sweep(RisingPrices, grid, panel, executor="ray")
print(parallel.executor, parallel.hash == il.sweep(RisingPrices, grid, panel).hash)
"""
SAVE = """
saved = lab.save_strategy(RisingPrices(window=42))
print(lab.backtest(lab.strategy("rising_prices")(), panel).run_id)
"""
UNKNOWN = """
class Mystery:
    name, family = "mystery", "mystery"
    def weights(self, panel):
        return panel.close * unrelated_frame.iloc[0, 0] + not_there
import pandas as pd
unrelated_frame = pd.DataFrame([[1.0]])
try:
    lab.save_strategy(Mystery)
except il.InvestlabError as error:
    print(error.sentence)
"""
UNCERTAIN = """
import threading
LOCK = threading.Lock()
class Locked(RisingPrices):
    def weights(self, panel):
        with LOCK:
            return super().weights(panel)
one, two = lab.backtest(Locked(), panel), lab.backtest(Locked(), panel)
print(one.run_id != two.run_id, one.notes[-1])
"""


@dataclass(frozen=True)
class Kernels:
    """What the cells printed in two kernels, one after the other, over one home."""

    first: list[str]
    second: list[str]
    home: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the command line on the same home."""
        return subprocess.run(
            [sys.executable, "-m", "investlab", *arguments], env=self.environment, capture_output=True, text=True
        )


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    home = tmp_path_factory.mktemp("kernels") / "home"
    with pytest.MonkeyPatch.context() as patching:
        open_with_bars(patching, home).close()
    environment = {**os.environ, "INVESTLAB_HOME": str(home)}
    begin = [OPEN, SETTING, HELPER, UNRELATED, STRATEGY, RUN]
    edits = [EDITED, RUN, HELPER, RUN]
    first = run_cells([*begin, *edits, SWEEP, SAVE, UNKNOWN, UNCERTAIN], home.parent, environment)
    second = run_cells(["# restarted", *begin], home.parent, environment)
    return Kernels(first, second, home, environment)


def test_editing_a_helper_cells_away_recomputes_and_taking_it_back_does_not(kernels: Kernels) -> None:
    before, edited, back = (kernels.first[cell].split() for cell in (5, 7, 9))
    assert edited[0] != before[0]
    assert (before[1], edited[1], back) == ("1", "2", [before[0], "2"])


def test_restarting_the_kernel_does_not_recompute(kernels: Kernels) -> None:
    assert kernels.second[6].split()[0] == kernels.first[5].split()[0]


def test_a_sweep_on_ray_has_the_serial_ones_bits(kernels: Kernels) -> None:
    assert kernels.first[10].split() == ["ray", "True"]


def test_the_saved_strategy_is_the_same_code(kernels: Kernels) -> None:
    assert kernels.first[11].split()[0] == kernels.first[5].split()[0]


def test_what_cannot_be_saved_is_named(kernels: Kernels) -> None:
    sentence = kernels.first[12]
    assert "unrelated_frame is a DataFrame" in sentence
    assert "not_there is not defined" in sentence


def test_what_cannot_be_determined_is_not_cached_and_says_so(kernels: Kernels) -> None:
    differs, said = kernels.first[13].split(" ", 1)
    assert differs == "True"
    assert said.startswith("Not cached:")
    assert "LOCK" in said


def test_the_stub_of_tests_passes_where_it_lies(kernels: Kernels) -> None:
    stub = kernels.home / "extensions" / "tests" / "test_rising_prices.py"
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(stub)],
        env=kernels.environment,
        cwd=stub.parent,
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stdout
    assert "6 passed" in outcome.stdout
    assert "PARAMETERS = {'window': 42}" in stub.read_text(encoding="utf-8")


GIVEN = ("--dataset", DATASET, "--symbols", "AAA,BBB,CCC", "--strategy", "rising_prices")


def test_the_command_line_runs_it_by_name(kernels: Kernels) -> None:
    done = kernels.command("backtest", "run", *GIVEN)
    assert done.returncode == 0, done.stderr
    assert kernels.first[5].split()[0] in done.stdout


def test_the_command_line_sweeps_it_on_ray(kernels: Kernels) -> None:
    done = kernels.command("backtest", "sweep", *GIVEN, "--grid", "window=15,30", "--executor", "ray", "--json")
    assert done.returncode == 0, done.stderr
    swept = json.loads(done.stdout)[0]
    assert swept["executor"] == "ray"
    again = kernels.command("reproduce", swept["run"], "--executor", "serial")
    assert again.returncode == 0, again.stdout
