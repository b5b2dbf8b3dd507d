"""Write what empyrical-reloaded, quantstats and ffn say about the same returns, for the unit tests of analytics.

These libraries are not among the platform's own. Make an environment of their own and run, from the repository's root:

    python3.12 -m venv peers
    peers/bin/pip install empyrical-reloaded==0.7.1 quantstats==0.0.86 ffn==1.4.1 setuptools
    peers/bin/python benchmarks/peers/analytics_oracle.py PRICES tests/unit/analytics/peers.json

PRICES is the folder with sp500_dataset.csv.gz and sp500_index.csv.gz of skfolio (`skfolio/datasets/data`). The file
holds two pairs of returns and benchmark returns, rounded to six decimals, and the peers' numbers for each: `seeded`
(numpy's generator, seed 20240229) and `real` (Apple against the S&P 500, 2018 to 2019).
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import empyrical
import ffn
import numpy as np
import pandas as pd
import quantstats.stats as qs

YEAR, WINDOW, RATE = 252, 63, 0.02
PACKAGES = ("empyrical-reloaded", "quantstats", "ffn", "numpy", "pandas")


def main(prices: Path, target: Path) -> None:
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(20240229)
    sessions = pd.bdate_range("2020-01-01", periods=400)
    market = pd.Series(rng.standard_t(4, 400) * 0.008 + 0.0003, index=sessions)
    own = 0.7 * market + pd.Series(rng.normal(0.0002, 0.006, 400), index=sessions)
    stock = pd.read_csv(prices / "sp500_dataset.csv.gz", index_col=0, parse_dates=True)["AAPL"]
    index = pd.read_csv(prices / "sp500_index.csv.gz", index_col=0, parse_dates=True).iloc[:, 0]
    real = pd.DataFrame({"own": stock, "market": index}).loc["2017-12-29":"2019-12-31"].pct_change().iloc[1:]
    cases = {"seeded": pd.DataFrame({"own": own, "market": market}), "real": real}
    written = {
        "about": "Numbers of peers; written by benchmarks/peers/analytics_oracle.py, which says how.",
        "command": "peers/bin/python benchmarks/peers/analytics_oracle.py PRICES tests/unit/analytics/peers.json",
        "versions": {name: version(name) for name in PACKAGES},
        "sessions_per_year": YEAR,
        "window_sessions": WINDOW,
        "annual_risk_free": RATE,
        "cases": {name: case(frame.round(6)) for name, frame in cases.items()},
    }
    text = json.dumps(written, separators=(",", ":"), allow_nan=False).replace(',"', ',\n"').replace(',\n"20', ',"20')
    target.write_text(text + "\n", encoding="utf-8")


def case(frame: pd.DataFrame) -> dict[str, object]:
    own, market = frame["own"], frame["market"]
    return {
        "sessions": [str(day.date()) for day in frame.index],
        "returns": own.tolist(),
        "benchmark": market.tolist(),
        "empyrical": of_empyrical(own, market),
        "quantstats": of_quantstats(own, market),
        "ffn": of_ffn(own, market),
    }


def of_empyrical(own: pd.Series, market: pd.Series) -> dict[str, object]:
    rate = (1 + RATE) ** (1 / YEAR) - 1
    return {
        "total_return": float(empyrical.cum_returns_final(own)),
        "annual_return": float(empyrical.annual_return(own)),
        "annual_volatility": float(empyrical.annual_volatility(own)),
        "sharpe_ratio": float(empyrical.sharpe_ratio(own)),
        "sharpe_ratio_risk_free": float(empyrical.sharpe_ratio(own, risk_free=rate)),
        "sortino_ratio": float(empyrical.sortino_ratio(own)),
        "sortino_ratio_risk_free": float(empyrical.sortino_ratio(own, required_return=rate)),
        "calmar_ratio": float(empyrical.calmar_ratio(own)),
        "omega_ratio": float(empyrical.omega_ratio(own)),
        "omega_ratio_risk_free": float(empyrical.omega_ratio(own, risk_free=rate)),
        "max_drawdown": float(empyrical.max_drawdown(own)),
        "tail_ratio": float(empyrical.tail_ratio(own)),
        "value_at_risk": float(empyrical.value_at_risk(own)),
        "conditional_value_at_risk": float(empyrical.conditional_value_at_risk(own)),
        "beta": float(empyrical.beta(own, market, risk_free=rate)),
        "alpha_compounded": float(empyrical.alpha(own, market, risk_free=rate)),
        "excess_sharpe_per_session": float(empyrical.excess_sharpe(own, market)),
        "up_capture": float(empyrical.up_capture(own, market)),
        "down_capture": float(empyrical.down_capture(own, market)),
        "monthly": [float(value) for value in empyrical.aggregate_returns(own, "monthly")],
        "yearly": [float(value) for value in empyrical.aggregate_returns(own, "yearly")],
        "rolling_beta": thinned(empyrical.roll_beta(own, market, window=WINDOW)),
    }


def of_quantstats(own: pd.Series, market: pd.Series) -> dict[str, object]:
    greeks = qs.greeks(own, market, periods=YEAR)
    table = qs.drawdown_details(qs.to_drawdown_series(own))
    return {
        "cagr": float(qs.cagr(own, periods=YEAR)),
        "volatility": float(qs.volatility(own, periods=YEAR)),
        "sharpe": float(qs.sharpe(own, periods=YEAR)),
        "sharpe_risk_free": float(qs.sharpe(own, rf=RATE, periods=YEAR)),
        "sortino": float(qs.sortino(own, periods=YEAR)),
        "calmar": float(qs.calmar(own, periods=YEAR)),
        "omega": float(qs.omega(own, periods=YEAR)),
        "ulcer_index_of_n_minus_1": float(qs.ulcer_index(own)),
        "skew": float(qs.skew(own)),
        "kurtosis": float(qs.kurtosis(own)),
        "tail_ratio": float(qs.tail_ratio(own)),
        "win_rate": float(qs.win_rate(own)),
        "best": float(qs.best(own)),
        "worst": float(qs.worst(own)),
        "value_at_risk_normal": float(qs.value_at_risk(own)),
        "conditional_value_at_risk_normal": float(qs.conditional_value_at_risk(own)),
        "conditional_value_at_risk_historical": float(qs.conditional_value_at_risk(own, method="historical")),
        "beta": float(greeks["beta"]),
        "alpha": float(greeks["alpha"]),
        "information_ratio_per_session": float(qs.information_ratio(own, market)),
        "rolling_sharpe": thinned(qs.rolling_sharpe(own, rolling_period=WINDOW, periods_per_year=YEAR)),
        "rolling_volatility": thinned(qs.rolling_volatility(own, rolling_period=WINDOW, periods_per_year=YEAR)),
        "drawdowns": [
            [row["start"], row["valley"], row["max drawdown"]]
            for _, row in table.sort_values("max drawdown", kind="stable").head(5).iterrows()
        ],
    }


def of_ffn(own: pd.Series, market: pd.Series) -> dict[str, object]:
    first = own.index[0] - pd.Timedelta(days=1)
    prices = pd.concat([pd.Series([1.0], index=[first]), (1 + own).cumprod()])
    table = ffn.drawdown_details(ffn.to_drawdown_series(prices)).sort_values("drawdown", kind="stable").head(5)
    return {
        "sharpe": float(ffn.calc_sharpe(own, nperiods=YEAR)),
        "sharpe_risk_free": float(ffn.calc_sharpe(own, rf=RATE, nperiods=YEAR)),
        "sortino": float(ffn.calc_sortino_ratio(own, nperiods=YEAR)),
        "max_drawdown": float(ffn.calc_max_drawdown(prices)),
        "ulcer_index_pct": float(ffn.to_ulcer_index(prices)),
        "information_ratio_per_session": float(ffn.calc_information_ratio(own, market)),
        "cagr_by_days": float(ffn.calc_cagr(prices)),
        "calendar_days": int((prices.index[-1] - prices.index[0]).days),
        "drawdowns": [[str(row["Start"].date()), float(row["drawdown"])] for _, row in table.iterrows()],
    }


def thinned(values: pd.Series) -> list[float]:
    """Return every 25th value of those that there are."""
    return [float(value) for value in values.dropna().iloc[::25]]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
