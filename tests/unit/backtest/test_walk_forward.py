"""Walk-forward: choices see nothing later, numbers are those of plain backtests, and the joined account adds up."""

from typing import Any

import numpy as np
import pytest

from investlab.analytics.performance import performance
from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.parameter_stability import choice_steps, mean_grid_steps, share_kept, share_of_most_frequent
from investlab.backtest.strategies import MonthlyMomentum, SmaCross
from investlab.backtest.verdict import VerdictKind
from investlab.backtest.walk_forward import walk_forward
from investlab.core.errors import InvalidInput
from tests.support.panels import make_panel, random_panel, until, with_another_future
from tests.support.walking import AllOrNothing, Echo, InOrOut, echo_panel

SMA = {"fast": [2, 3, 5, 8], "slow": [5, 13, 21]}
MOMENTUM = {"k": [1, 2], "lookback_sessions": [10, 25], "skip_sessions": [0, 3]}
CASES = [pytest.param(SmaCross, SMA, id="signals"), pytest.param(MonthlyMomentum, MOMENTUM, id="weights")]


@pytest.mark.parametrize(("strategy", "grid"), CASES)
def test_training_numbers_are_those_of_a_backtest_that_ends_with_the_training(
    strategy: type[Any], grid: dict[str, list[int]]
) -> None:
    panel = random_panel(3, sessions=160, missing=0.02, actions=6)
    costs = Costs.bps(5, 2)
    result = walk_forward(strategy, grid, panel, train=60, test=25, purge=4, costs=costs)
    days = panel.index
    assert len(result.windows) == 3
    for window in result.windows.itertuples():
        first, last = days.get_loc(window.train_start), days.get_loc(window.train_end)
        ratios = []
        for one in result.trials[list(result.parameters)].to_dict("records"):
            single = run_strategy(strategy(**one), until(panel, last), costs=costs)
            returns = single.returns.loc[days[max(first, 1)] :]
            ratios.append((performance(returns, 252.0), one))
        best = max(ratios, key=lambda pair: pair[0].sharpe)
        assert {name: getattr(window, name) for name in result.parameters} == best[1]
        assert window.train_sharpe == best[0].sharpe
        assert window.train_total_return == pytest.approx(best[0].total_return, abs=1e-12)
        assert window.train_max_drawdown == pytest.approx(best[0].max_drawdown, abs=1e-12)


@pytest.mark.parametrize("criterion", ["sharpe", "sortino", "calmar", "total_return"])
def test_every_criterion_is_the_number_of_that_name(criterion: str) -> None:
    panel = random_panel(4, sessions=120)
    result = walk_forward(SmaCross, SMA, panel, train=50, test=30, criterion=criterion)
    window = result.windows.iloc[0]
    single = run_strategy(SmaCross(int(window["fast"]), int(window["slow"])), panel)
    expected = performance(single.returns.loc[: window["train_end"]], 252.0)
    assert window[f"train_{criterion}"] == pytest.approx(getattr(expected, criterion), rel=1e-12)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize(("strategy", "grid"), CASES)
def test_another_future_changes_no_choice_before_it(
    strategy: type[Any], grid: dict[str, list[int]], anchored: bool
) -> None:
    panel = random_panel(5, sessions=220)
    plan: dict[str, Any] = {"train": 60, "test": 30, "anchored": anchored, "purge": 5}
    whole = walk_forward(strategy, grid, panel, **plan)
    names = list(result_names(whole))
    changed = 0
    for window, row in whole.windows.iterrows():
        start = int(panel.index.get_loc(row["test_start"]))
        other = walk_forward(strategy, grid, with_another_future(panel, start - plan["purge"] - 1), **plan)
        assert other.windows.loc[:window, names].equals(whole.windows.loc[:window, names])
        changed += not other.windows[names].equals(whole.windows[names])
    assert changed, "the other futures change no later choice either, so this test shows nothing"


def result_names(result: Any) -> tuple[str, ...]:
    return (*result.parameters, "train_sharpe", "train_total_return")


def test_another_future_changes_nothing_of_the_account_before_it() -> None:
    panel = random_panel(6, sessions=200)
    whole = walk_forward(SmaCross, SMA, panel, train=60, test=30)
    other = walk_forward(SmaCross, SMA, with_another_future(panel, 119), train=60, test=30)
    last = panel.index[119]
    assert whole.out_of_sample.nav.loc[:last].equals(other.out_of_sample.nav.loc[:last])
    assert not whole.out_of_sample.nav.equals(other.out_of_sample.nav)


@pytest.mark.parametrize("strategy", [InOrOut, AllOrNothing])
def test_a_switch_worked_by_hand(strategy: type[Any]) -> None:
    """Train 0–2, test 3–5: in pays, so 1,000 buys at 12 and pays 1 %. Train 3–5: in loses, so it is sold at 8.

    Bought at session 3: 1,000 / (12 × 1.01) shares, NAV 1,000 / 1.01. At session 5 they are worth two thirds of it;
    sold at session 6 at the same 8, less 1 %. Turnover of the switch is half of value over NAV: ½ / 0.99.
    """
    panel = make_panel({"A": [10, 11, 12, 12, 10, 8, 8, 9, 7]}, basis="total_return")
    result = walk_forward(
        strategy, {"inside": [0, 1]}, panel, train=3, test=3, costs=Costs.bps(100), execution="next_close",
        initial_cash=1_000.0,
    )  # fmt: skip
    assert result.windows["inside"].tolist() == [1, 0]
    held = 1_000.0 / 1.01
    sold = held * 2 / 3
    expected = [1_000.0, held, held * 10 / 12, sold, sold * 0.99, sold * 0.99, sold * 0.99]
    assert result.out_of_sample.nav.to_numpy() == pytest.approx(expected, rel=1e-12)
    assert result.windows["switch_costs"].tolist() == pytest.approx([0.0, sold * 0.01])
    assert result.windows["switch_turnover"].tolist() == pytest.approx([0.0, 0.5 / 0.99])
    assert result.windows["test_costs"].tolist() == pytest.approx([held * 0.01, sold * 0.01])
    assert result.windows["test_total_return"].tolist() == pytest.approx([sold / 1_000.0 - 1.0, -0.01])
    assert result.windows["test_turnover"].tolist() == pytest.approx([0.5 * 1.0 / (3 / 252), 0.5 / 0.99 / (3 / 252)])
    assert (result.stability["changed"].tolist(), result.stability["grid_steps"].tolist()) == ([False, True], [0, 1])
    assert result.hindsight_parameters == {"inside": 0}
    assert result.hindsight.nav.to_numpy() == pytest.approx([1_000.0] * 7)
    bought = [1_000.0, *(held * price / 12 for price in (12, 10, 8, 8, 9, 7))]
    assert result.equity["buy and hold"].to_numpy() == pytest.approx(bought, rel=1e-12)


def test_weights_that_drifted_are_carried_into_the_account() -> None:
    """Equal parts bought at session 0 drift to 2 : 1 by the border, and the account starts with just these weights."""
    panel = make_panel({"A": [10, 15, 20, 20, 20, 30], "B": [10, 10, 10, 10, 10, 10]}, basis="total_return")
    result = walk_forward(
        AllOrNothing, {"inside": [1]}, panel, train=3, test=3, execution="same_close", initial_cash=900.0
    )
    assert result.out_of_sample.values.iloc[0].tolist() == pytest.approx([600.0, 300.0])
    assert result.out_of_sample.nav.iloc[-1] == pytest.approx(1_200.0)


@pytest.mark.parametrize(("strategy", "grid"), CASES)
def test_without_costs_one_combination_earns_what_its_whole_run_earns_in_the_tests(
    strategy: type[Any], grid: dict[str, list[int]]
) -> None:
    panel = random_panel(7, sessions=150, instruments=1)
    one = {name: values[:1] for name, values in grid.items()} | ({} if strategy is SmaCross else {"k": [1]})
    result = walk_forward(strategy, one, panel, train=40, test=35, execution="same_close")
    whole = run_strategy(strategy(**{name: values[0] for name, values in one.items()}), panel, execution="same_close")
    first, last = panel.index[40], panel.index[144]
    joined = result.out_of_sample.nav.pct_change().loc[first:last]
    assert joined.to_numpy() == pytest.approx(whole.nav.pct_change().loc[first:last].to_numpy(), abs=1e-12)
    assert joined.abs().sum() > 0.0
    assert result.windows["switch_costs"].sum() == 0.0


def test_fixed_parameters_trade_nothing_at_borders() -> None:
    panel = random_panel(8, sessions=400, instruments=2)
    once = walk_forward(SmaCross, {"fast": [3], "slow": [13]}, panel, train=100, test=300, costs=Costs.bps(10))
    often = walk_forward(SmaCross, {"fast": [3], "slow": [13]}, panel, train=100, test=20, costs=Costs.bps(10))
    assert len(often.windows) == 15
    assert often.out_of_sample.hash == once.out_of_sample.hash == once.hindsight.hash


def test_costs_by_window_sum_to_those_of_the_account() -> None:
    panel = random_panel(9, sessions=300, missing=0.02, actions=5)
    result = walk_forward(SmaCross, SMA, panel, train=80, test=30, costs=Costs(5, 2, 1.0, 3.0))
    account = result.out_of_sample
    assert result.windows["test_costs"].sum() == pytest.approx(account.metrics["costs"], rel=1e-9)
    assert (account.cash + account.values.sum(axis=1)).to_numpy() == pytest.approx(account.nav.to_numpy(), rel=1e-12)
    assert 0.0 < result.switch_costs < account.metrics["costs"]


def test_the_hindsight_is_the_best_over_all_tests() -> None:
    result = walk_forward(SmaCross, SMA, random_panel(10, sessions=300), train=80, test=50)
    row = result.trials.loc[result.trials["sharpe"].idxmax()]
    assert {name: row[name] for name in result.parameters} == result.hindsight_parameters


def test_leftovers_refused_combinations_and_windows_are_stated() -> None:
    result = walk_forward(
        SmaCross, {"fast": [2, 8], "slow": [5, 13]}, random_panel(11, sessions=105), train=50, test=20
    )
    assert (len(result.windows), result.leftover, len(result.trials)) == (2, 15, 3)
    said = " ".join(result.notes)
    assert "2 windows train on 50 sessions and are tested on 20" in said
    assert "15 sessions at the end are too few for a window and are not tested." in said
    assert "1 of 4 combinations were left out" in said
    assert "counted nowhere" in said


def test_an_unknown_criterion_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Unknown criterion 'luck'"):
        walk_forward(SmaCross, SMA, random_panel(0, sessions=60), train=20, test=10, criterion="luck")


@pytest.mark.slow
def test_noise_earns_nothing_out_of_sample_though_training_promises_much() -> None:
    """Forty random walks: what was chosen is worth about one unit of Sharpe in training, and nothing in the tests."""
    grid = {"lag": list(range(1, 21))}
    results = [walk_forward(Echo, grid, echo_panel(seed, 3, 700, 0.0, 1), train=200, test=100) for seed in range(40)]
    promised = np.array([one.windows["train_sharpe"].mean() for one in results])
    earned = np.array([one.out_of_sample.metrics["sharpe"] for one in results])
    error = earned.std(ddof=1) / np.sqrt(len(earned))
    assert abs(earned.mean()) < 2.0 * error
    assert promised.mean() > 1.0
    assert sum(one.verdict.kind is VerdictKind.LUCK for one in results[:10]) >= 9


def test_a_planted_edge_is_found_and_kept() -> None:
    """Returns echo those three sessions before; what is decided at a close earns from the close after the next on."""
    panel = echo_panel(1, 3)
    result = walk_forward(Echo, {"lag": list(range(1, 9))}, panel, train=400, test=100, execution="next_close")
    assert result.windows["lag"].eq(2).all()
    assert (result.share_kept, result.share_of_most_frequent, result.mean_grid_steps) == (1.0, 1.0, 0.0)
    assert result.verdict.kind is VerdictKind.MORE_THAN_LUCK
    assert "the walk-forward over 11 windows of 8 trials (uncounted)" in result.verdict.sentence


def test_the_windows_table_reads_in_sessions() -> None:
    panel = random_panel(12, sessions=60)
    row = walk_forward(SmaCross, SMA, panel, train=30, test=10, purge=2).windows.iloc[0]
    ends = [panel.index[place] for place in (0, 29, 32, 41)]
    assert [row[name] for name in ("train_start", "train_end", "test_start", "test_end")] == ends


def test_a_table_of_steps_worked_by_hand() -> None:
    """On fast 5, 10, 20 and slow 50, 100: one step of fast and one of slow, then none, then two steps of fast."""
    pairs = [(5, 50), (10, 100), (10, 100), (20, 100), (5, 100)]
    steps = choice_steps([{"fast": a, "slow": b} for a, b in pairs], {"fast": [5, 10, 20], "slow": [50, 100]})
    assert steps["fast step"].tolist() == [0, 1, 1, 2, 0]
    assert steps["slow step"].tolist() == [0, 1, 1, 1, 1]
    assert steps["grid_steps"].tolist() == [0, 2, 0, 1, 2]
    assert steps["changed"].tolist() == [False, True, False, True, True]
    assert (share_kept(steps), mean_grid_steps(steps), share_of_most_frequent(steps)) == (0.25, 1.25, 0.4)


def test_one_window_has_no_choice_to_keep() -> None:
    steps = choice_steps([{"lag": 2}], {"lag": [1, 2]})
    assert np.isnan([share_kept(steps), mean_grid_steps(steps)]).all()


def test_the_panel_too_short_for_a_window_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too few for one window"):
        walk_forward(SmaCross, SMA, random_panel(0, sessions=50), train=45, test=10)
