"""Recorded backtests within limits, with rates and from a state: kept whole, and built again to the bit."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import investlab as il
from investlab.backtest.result import BacktestResult
from investlab.backtest.weight_strategies import EqualWeight
from investlab.schemas.market import ActionKind
from investlab.services.workspace import Workspace
from tests.integration.market.test_panels import SYMBOLS, TellingProvider, told
from tests.support.workspaces import DATASET, make_prices, make_workspace, use_provider

END = "2020-09-01"
DELISTING = told("BBB", ActionKind.DELISTING, END, -0.3)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    bars = make_prices(SYMBOLS)
    bars = bars[(bars["symbol"] != "BBB") | (bars["session"] < END)].reset_index(drop=True)
    use_provider(monkeypatch, TellingProvider(bars, told=(DELISTING,), ended={"BBB": date.fromisoformat(END)}))
    workspace = make_workspace(tmp_path / "home")
    workspace.ingest("scripted", DATASET)
    return workspace


def run(lab: Workspace, state: il.PortfolioState | None = None, end: str | None = None) -> BacktestResult:
    panel = lab.panel(["AAA", "BBB", "CCC"], dataset=DATASET, end=end)
    cash = pd.Series([0.01, 0.02], index=pd.DatetimeIndex(["2019-01-01", "2020-01-01"]))
    return lab.backtest(
        EqualWeight(rebalance="week"),
        panel,
        costs=il.Costs(commission_bps=5, slippage_bps=5),
        limits=il.Limits(gross=0.9, weight=0.4, participation=0.1, band=0.01),
        rates=il.Rates(cash=cash, financing=0.05, borrow=0.01),
        initial_state=state,
    )


def test_a_run_within_limits_reproduces_to_the_bit(lab: Workspace) -> None:
    result = run(lab)
    assert result.run_id is not None
    outcome = lab.reproduce(result.run_id)
    assert outcome.is_equal, outcome.sentence
    assert outcome.differences == ()


def test_the_record_keeps_limits_rates_what_accrued_and_the_state(lab: Workspace) -> None:
    result = run(lab)
    assert result.run_id is not None
    loaded = lab.load(result.run_id)
    assert isinstance(loaded, BacktestResult)
    assert (loaded.limits, loaded.rates) == (result.limits, result.rates)
    assert loaded.final_state == result.final_state
    assert loaded.carry is not None
    assert result.carry is not None
    pd.testing.assert_frame_equal(loaded.carry, result.carry, check_freq=False)
    assert loaded.fills["reason"].tolist() == result.fills["reason"].tolist()
    assert loaded.hash == result.hash


def test_a_run_goes_on_from_a_stored_runs_state_and_reproduces(lab: Workspace) -> None:
    whole, first = run(lab), run(lab, end="2020-03-31")
    assert first.run_id is not None
    stored = lab.load(first.run_id)
    assert isinstance(stored, BacktestResult)
    later = run(lab, stored.final_state)
    assert first.nav.tolist() + later.nav.tolist() == whole.nav.tolist()
    assert later.run_id is not None
    assert later.run_id != whole.run_id
    assert lab.reproduce(later.run_id).is_equal


def test_a_panel_knows_a_delisting_once_it_is_known_and_the_position_settles(lab: Workspace) -> None:
    assert not len(lab.as_of("2020-08-31").panel(["BBB"], dataset=DATASET).delistings)
    fills = run(lab).fills
    settled = fills[fills["reason"] == "delisting"]
    assert settled["symbol"].tolist() == ["BBB"]
    assert settled["session"].tolist() == [pd.Timestamp(END)]
    last = lab.panel(["BBB"], dataset=DATASET).close["BBB"].dropna().iloc[-1]
    assert settled["fill_price"].iloc[0] == pytest.approx(0.7 * last)
