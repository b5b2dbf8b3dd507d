"""Our numbers beside those of empyrical-reloaded, quantstats and ffn on the same returns; differences have a name.

peers.json says which versions wrote it and how. Where we differ on purpose, the test turns our number into theirs by
the stated rule, so that the rule is tested too.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.analytics import performance as measures
from investlab.analytics.calendar_returns import monthly_returns
from investlab.analytics.drawdown_table import drawdown_table
from investlab.analytics.relative import relative_performance
from investlab.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from investlab.analytics.series import growth_of_one, return_per_session
from investlab.analytics.tail_risk import conditional_value_at_risk, value_at_risk

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text(encoding="utf-8"))
YEAR, WINDOW = float(PEERS["sessions_per_year"]), PEERS["window_sessions"]
RATE = return_per_session(PEERS["annual_risk_free"], YEAR)
THINNED = 25

type Case = Mapping[str, Any]


@pytest.fixture(params=sorted(PEERS["cases"]))
def case(request: pytest.FixtureRequest) -> Case:
    return PEERS["cases"][request.param]


def _series(case: Case, name: str = "returns") -> pd.Series:
    return pd.Series(case[name], index=pd.DatetimeIndex(case["sessions"]))


def _same(actual: object, expected: object) -> None:
    np.testing.assert_allclose(np.array(actual, dtype=float), np.array(expected, dtype=float), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "peer", "theirs"),
    [
        ("total_return", "empyrical", "total_return"),
        ("cagr", "empyrical", "annual_return"),
        ("cagr", "quantstats", "cagr"),
        ("volatility", "empyrical", "annual_volatility"),
        ("volatility", "quantstats", "volatility"),
        ("sharpe", "empyrical", "sharpe_ratio"),
        ("sharpe", "quantstats", "sharpe"),
        ("sharpe", "ffn", "sharpe"),
        ("sortino", "empyrical", "sortino_ratio"),
        ("sortino", "quantstats", "sortino"),
        ("sortino", "ffn", "sortino"),
        ("calmar", "empyrical", "calmar_ratio"),
        ("calmar", "quantstats", "calmar"),
        ("omega", "empyrical", "omega_ratio"),
        ("omega", "quantstats", "omega"),
        ("max_drawdown", "empyrical", "max_drawdown"),
        ("max_drawdown", "ffn", "max_drawdown"),
        ("skewness", "quantstats", "skew"),
        ("excess_kurtosis", "quantstats", "kurtosis"),
        ("tail_ratio", "empyrical", "tail_ratio"),
        ("tail_ratio", "quantstats", "tail_ratio"),
        ("hit_rate", "quantstats", "win_rate"),
        ("best", "quantstats", "best"),
        ("worst", "quantstats", "worst"),
    ],
)
def test_performance(case: Case, ours: str, peer: str, theirs: str) -> None:
    _same(getattr(measures.performance(_series(case), YEAR), ours), case[peer][theirs])


@pytest.mark.parametrize(
    ("ours", "peer", "theirs"),
    [
        ("sharpe", "empyrical", "sharpe_ratio_risk_free"),
        ("sharpe", "quantstats", "sharpe_risk_free"),
        ("sharpe", "ffn", "sharpe_risk_free"),
        ("sortino", "empyrical", "sortino_ratio_risk_free"),
        ("omega", "empyrical", "omega_ratio_risk_free"),
    ],
)
def test_performance_above_a_risk_free_rate(case: Case, ours: str, peer: str, theirs: str) -> None:
    """Quantstats and ffn take the annual rate and turn it into one per session as `return_per_session` does."""
    series = _series(case)
    rates = pd.Series(RATE, index=series.index)
    _same(getattr(measures.performance(series, YEAR, rates), ours), case[peer][theirs])
    assert measures.performance(series, YEAR, RATE) == measures.performance(series, YEAR, rates)


def test_ulcer_index_divides_by_the_count(case: Case) -> None:
    """Martin's definition: ours is the root of the mean square. Quantstats divides the sum by n − 1.

    Ffn counts the value before the first return as one more session without a drawdown, in per cent.
    """
    count, ours = len(case["returns"]), measures.performance(_series(case), YEAR).ulcer_index
    _same(ours * np.sqrt(count / (count - 1)), case["quantstats"]["ulcer_index_of_n_minus_1"])
    _same(100.0 * ours * np.sqrt(count / (count + 1)), case["ffn"]["ulcer_index_pct"])


def test_growth_a_year_counts_sessions_not_days(case: Case) -> None:
    """Ffn annualises by calendar days ÷ 365.25, ours by sessions ÷ sessions per year."""
    years = case["ffn"]["calendar_days"] / 365.25
    total = measures.performance(_series(case), YEAR).total_return
    _same((1.0 + total) ** (1.0 / years) - 1.0, case["ffn"]["cagr_by_days"])


def test_relative_performance(case: Case) -> None:
    relative = relative_performance(_series(case), _series(case, "benchmark"), YEAR)
    _same(relative.beta, case["quantstats"]["beta"])
    _same(relative.alpha, case["quantstats"]["alpha"])


def test_beta_of_excess_returns(case: Case) -> None:
    relative = relative_performance(_series(case), _series(case, "benchmark"), YEAR, RATE)
    _same(relative.beta, case["empyrical"]["beta"])


def test_alpha_is_annualised_by_multiplication(case: Case) -> None:
    """Jensen's alpha is an intercept, so ours is mean × sessions; empyrical compounds it."""
    alpha = relative_performance(_series(case), _series(case, "benchmark"), YEAR, RATE).alpha
    _same((1.0 + alpha / YEAR) ** YEAR - 1.0, case["empyrical"]["alpha_compounded"])


@pytest.mark.parametrize(
    ("peer", "theirs"),
    [
        ("empyrical", "excess_sharpe_per_session"),
        ("quantstats", "information_ratio_per_session"),
        ("ffn", "information_ratio_per_session"),
    ],
)
def test_information_ratio_is_annualised(case: Case, peer: str, theirs: str) -> None:
    """All three peers give it per session."""
    ratio = relative_performance(_series(case), _series(case, "benchmark"), YEAR).information_ratio
    _same(ratio / np.sqrt(YEAR), case[peer][theirs])


def test_captures(case: Case) -> None:
    relative = relative_performance(_series(case), _series(case, "benchmark"), YEAR)
    _same([relative.up_capture, relative.down_capture], [case["empyrical"][f"{way}_capture"] for way in ("up", "down")])


def test_tail_risk(case: Case) -> None:
    series, theirs = _series(case), case["quantstats"]
    _same(value_at_risk(series), case["empyrical"]["value_at_risk"])
    _same(conditional_value_at_risk(series), theirs["conditional_value_at_risk_historical"])
    _same(value_at_risk(series, method="normal"), theirs["value_at_risk_normal"])
    _same(conditional_value_at_risk(series, method="normal"), theirs["conditional_value_at_risk_normal"])


def test_the_historical_tail_ends_at_its_quantile(case: Case) -> None:
    """Empyrical averages the int(0.05 (n − 1)) + 1 worst returns, ours those at or below the interpolated quantile."""
    worst = np.sort(case["returns"])[: int((len(case["returns"]) - 1) * 0.05) + 1]
    _same(worst.mean(), case["empyrical"]["conditional_value_at_risk"])
    _same(conditional_value_at_risk(_series(case)), worst.mean())


def test_months_and_years(case: Case) -> None:
    table = monthly_returns(_series(case))
    months = table[list(range(1, 13))].to_numpy().ravel()
    _same(months[~np.isnan(months)], case["empyrical"]["monthly"])
    _same(table["year"], case["empyrical"]["yearly"])


def test_rolling_measures(case: Case) -> None:
    series, market = _series(case), _series(case, "benchmark")
    _same(rolling_sharpe(series, WINDOW, YEAR).dropna()[::THINNED], case["quantstats"]["rolling_sharpe"])
    _same(rolling_volatility(series, WINDOW, YEAR).dropna()[::THINNED], case["quantstats"]["rolling_volatility"])
    _same(rolling_beta(series, market, WINDOW).dropna()[::THINNED], case["empyrical"]["rolling_beta"])


def test_deepest_drawdowns(case: Case) -> None:
    growth = pd.Series(growth_of_one(np.array(case["returns"])), index=pd.DatetimeIndex(case["sessions"]))
    table = drawdown_table(growth, 1.0, deepest=5)
    for peer, unit in (("quantstats", 100.0), ("ffn", 1.0)):
        _same(table["depth"] * unit, [row[-1] for row in case[peer]["drawdowns"]])
        assert [str(day.date()) for day in table["start"]] == [row[0] for row in case[peer]["drawdowns"]]
    assert [str(day.date()) for day in table["trough"]] == [row[1] for row in case["quantstats"]["drawdowns"]]
