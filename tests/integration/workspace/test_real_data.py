"""The sample data through the whole spine: splits and dividends of real stocks leave no mark where none belongs."""

from pathlib import Path

import numpy as np
import pytest

import investlab as il
from investlab.services.workspace import Workspace
from tests.support.workspaces import make_workspace


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home: Path = tmp_path_factory.mktemp("home")
    workspace = make_workspace(home)
    workspace.ingest("sample", "us-ohlcv")
    return workspace


def held(lab: Workspace, symbol: str) -> il.BacktestResult:
    panel = lab.panel([symbol], ["open", "close", "adjusted_close"], dataset="us-ohlcv")
    entries = np.zeros(panel.shape, dtype=bool)
    entries[0] = True
    return il.simulate_signals(panel, entries, np.zeros_like(entries), execution="next_close")


@pytest.mark.parametrize("ex_date", ["2000-06-21", "2005-02-28"])
def test_a_real_split_is_no_jump_of_the_nav(lab: Workspace, ex_date: str) -> None:
    result = held(lab, "AAPL")
    at = result.nav.index.get_loc(ex_date)
    raw = lab.panel(["AAPL"], dataset="us-ohlcv").close["AAPL"]
    assert raw.iloc[at] / raw.iloc[at - 1] < 0.6
    assert result.nav.iloc[at] / result.nav.iloc[at - 1] == pytest.approx(
        2 * raw.iloc[at] / raw.iloc[at - 1], rel=1e-12
    )
    assert result.positions["AAPL"].iloc[at] == pytest.approx(2 * result.positions["AAPL"].iloc[at - 1], rel=1e-12)


def test_without_dividends_the_nav_is_the_vendors_adjusted_close(lab: Workspace) -> None:
    """Until its first dividend in August 2012 Apple's total return is its price return."""
    result = held(lab, "AAPL")
    adjusted = lab.panel(["AAPL"], ["adjusted_close"], dataset="us-ohlcv").frame("adjusted_close")["AAPL"]
    span = slice("2000-03-02", "2012-08-08")
    nav, vendor = result.nav.loc[span], adjusted.loc[span]
    assert np.allclose(nav / nav.iloc[0], vendor / vendor.iloc[0], rtol=1e-9, atol=0)


def test_real_dividends_are_credited_as_declared(lab: Workspace) -> None:
    result = held(lab, "IBM")
    quantity = result.positions["IBM"].iloc[-1]
    assert result.income.sum() == pytest.approx(19.84 * quantity, rel=1e-12)
    assert (result.income > 0).sum() == 52
