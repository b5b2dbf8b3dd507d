"""The tables of a tear sheet: the usual numbers, returns by month, drawdowns, round trips, contributions."""

from calendar import month_abbr
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from math import isfinite, isinf

import pandas as pd

from investlab.analytics.trades import TradeStatistics
from investlab.backtest.summary import BENCHMARK, STRATEGY
from investlab.charts.facts import judged
from investlab.charts.figures import BENCHMARK as BENCHMARK_NAME
from investlab.charts.markup import Html, definitions, element, join, table
from investlab.charts.units import MISSING, count, day, money, number, percent

Shown = Callable[[float | None], str]

GROWTH: dict[str, tuple[str, Shown]] = {
    "total_return": ("Total return", partial(percent, signed=True)),
    "cagr": ("CAGR", partial(percent, signed=True)),
    "volatility": ("Volatility a year", percent),
    "sharpe": ("Sharpe ratio", partial(number, signed=True)),
    "sortino": ("Sortino ratio", partial(number, signed=True)),
    "calmar": ("Calmar ratio", partial(number, signed=True)),
    "omega": ("Omega ratio", number),
    "max_drawdown": ("Max. drawdown", percent),
    "ulcer_index": ("Ulcer index", percent),
    "ulcer_performance_index": ("Ulcer performance index", partial(number, signed=True)),
    "pain_index": ("Pain index", percent),
    "pain_ratio": ("Pain ratio", partial(number, signed=True)),
}
"""What was gained and what it cost to bear, for strategy and benchmark: name and how a value reads."""

SPREAD: dict[str, tuple[str, Shown]] = {
    "best": ("Best session", partial(percent, digits=2, signed=True)),
    "worst": ("Worst session", partial(percent, digits=2, signed=True)),
    "hit_rate": ("Sessions that gain", percent),
    "skewness": ("Skewness", partial(number, signed=True)),
    "excess_kurtosis": ("Excess kurtosis", partial(number, signed=True)),
    "tail_ratio": ("Tail ratio", number),
    "value_at_risk_95": ("Value at risk 95%, a session", partial(percent, digits=2)),
    "conditional_value_at_risk_95": ("Conditional value at risk 95%", partial(percent, digits=2)),
    "value_at_risk_95_cornish_fisher": ("Value at risk 95%, Cornish–Fisher", partial(percent, digits=2)),
}
"""How the returns of single sessions are spread, for strategy and benchmark."""

RELATIVE: dict[str, tuple[str, Shown]] = {
    "beta": ("Beta", number),
    "alpha": ("Alpha a year", partial(percent, signed=True)),
    "correlation": ("Correlation", number),
    "tracking_error": ("Tracking error a year", percent),
    "information_ratio": ("Information ratio", partial(number, signed=True)),
    "active_return": ("Active return a year", partial(percent, signed=True)),
    "up_capture": ("Up capture", percent),
    "down_capture": ("Down capture", percent),
}
"""The numbers of the strategy against its benchmark."""

STRONGEST = 0.6
"""How opaque a cell of the heat map is at the end of its scale; text stays readable on it in both themes."""


def growth_table(summary: pd.DataFrame) -> Html:
    """Return what was gained and what it cost to bear, the strategy beside its benchmark."""
    return _both(summary, GROWTH, "Gain and pain, net of costs")


def spread_table(summary: pd.DataFrame) -> Html:
    """Return how the returns of single sessions are spread, the strategy beside its benchmark."""
    return _both(summary, SPREAD, "Returns of single sessions")


def _both(summary: pd.DataFrame, shown: dict[str, tuple[str, Shown]], caption: str) -> Html:
    columns = {STRATEGY: "Strategy", BENCHMARK: BENCHMARK_NAME}
    present = [column for column in columns if column in summary]
    rows = [
        [label, *(reads(float(summary[column][name])) for column in present)] for name, (label, reads) in shown.items()
    ]
    return table(["", *(columns[column] for column in present)], rows, caption)


def relative_table(summary: pd.DataFrame) -> Html:
    """Return the numbers of the strategy against its benchmark; nothing where there is none."""
    if BENCHMARK not in summary:
        return Html("")
    rows = [[label, shown(float(summary[STRATEGY][name]))] for name, (label, shown) in RELATIVE.items()]
    return table(["", "Strategy"], rows, f"Against {BENCHMARK_NAME.lower()}")


def monthly_table(monthly: pd.DataFrame, benchmark_years: pd.Series | None) -> Html:
    """Return returns by year and month as a heat map: blue and + for gains, orange and − for losses.

    Months share one scale of colour; its end is the largest return of a month, and the caption says it. The columns of
    whole years are not coloured.
    """
    months = monthly[[column for column in monthly.columns if column != "year"]]
    reach = float(months.abs().max().max()) if len(months) else 0.0
    beside = {} if benchmark_years is None else benchmark_years.to_dict()
    rows = []
    for year, row in monthly.iterrows():
        cells = [_cell(float(row[column]), reach) for column in months.columns]
        cells.append(element("td", judged(row["year"], percent(row["year"], signed=True)), class_="il-total"))
        if benchmark_years is not None:
            other = beside.get(year)
            cells.append(element("td", judged(other, percent(other, signed=True))))
        rows.append(element("tr", element("th", str(year), scope="row"), *cells))
    header = ["", *month_abbr[1:], "Year", *([BENCHMARK_NAME] if benchmark_years is not None else [])]
    caption = (
        "Returns by month in per cent, blue gains and orange losses, full colour at "
        f"±{number(100 * reach, 1)}%; the first and the last month may be incomplete"
    )
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in header)))
    drawn = element("table", element("caption", caption), head, element("tbody", *rows), class_="il-heat")
    return element("div", drawn, class_="il-scroll")


def drawdowns_table(drawdowns: pd.DataFrame) -> Html:
    """Return the deepest drawdowns; one that is still open says so."""
    if drawdowns.empty:
        return element("p", "There was no drawdown.")
    rows = [
        [
            str(place),
            percent(row["depth"]),
            day(row["start"]),
            day(row["trough"]),
            "still open" if pd.isna(row["recovery"]) else day(row["recovery"]),
            f"{row['sessions_to_trough']:,}",
            f"{row['sessions_under_water']:,}",
        ]
        for place, row in enumerate(drawdowns.to_dict("records"), start=1)
    ]
    header = ["", "Depth", "Start", "Trough", "Recovery", "To trough", "Under water"]
    return table(header, rows, "The deepest drawdowns; lengths in sessions")


def trade_facts(statistics: TradeStatistics, currency: str) -> Html:
    """Return what the round trips add up to."""
    found = asdict(statistics)
    cash = partial(money, currency=currency)
    factor = found["profit_factor"]
    rows = [
        ("Closed round trips", f"{found['count']:,}"),
        ("Won", percent(found["win_rate"])),
        ("Profit factor", "no loss" if isinf(factor) else number(factor)),
        ("Payoff ratio", number(found["payoff_ratio"])),
        ("Average return", percent(found["average_return"], signed=True)),
        ("Expectancy", cash(found["expectancy"])),
        ("Average win", cash(found["average_win"])),
        ("Average loss", cash(found["average_loss"])),
        ("Best", cash(found["best"])),
        ("Worst", cash(found["worst"])),
        ("Average time held", _sessions(found["average_sessions"])),
        ("Profit and loss", cash(found["total_pnl"])),
        ("Costs", cash(found["total_cost"])),
        ("Still open", f"{count(found['open_count'], 'lot')}, {cash(found['open_pnl'])}"),
    ]
    return definitions(rows, "il-pairs")


def bars_table(parts: pd.DataFrame, first: str, currency: str, caption: str) -> Html:
    """Return contributions as bars about a common zero, in the order given, each with its number and its money."""
    known = [value for value in parts["contribution"].tolist() if isfinite(value)]
    span = (min([*known, 0.0]), max([*known, 0.0]))
    rows = [
        (name, bar(row["contribution"], span), percent(row["contribution"], signed=True), money(row["pnl"], currency))
        for name, row in parts.iterrows()
    ]
    return element("div", table([first, "", "Contribution", "Profit and loss"], rows, caption), class_="il-bars")


def bar(value: float, span: tuple[float, float]) -> Html:
    """Return one bar from zero to a value on an axis that spans `span`, which holds zero."""
    low, high = span
    width = (high - low) or 1.0
    zero = -low / width
    share = abs(value) / width if isfinite(value) else 0.0
    start = zero if value >= 0 else zero - share
    drawn = element("i", class_="il-up" if value >= 0 else "il-down", style=f"--start:{start:.4f};--share:{share:.4f}")
    return element("span", drawn, class_="il-bar", style=f"--zero:{zero:.4f}", aria_hidden="true")


def costs_table(costs: pd.DataFrame, currency: str, shown: int) -> Html:
    """Return what trading cost by symbol, the costliest first, and in all."""
    total = costs.loc[["total"]]
    each = costs.drop(index="total").sort_values("cost", ascending=False, kind="stable")
    rows = [
        [
            "All" if name == "total" else str(name),
            f"{int(row['fills']):,}",
            *(number(row[column], 0) for column in ("value", "commission", "slippage", "cost")),
            number(row["cost_bps"], 1),
        ]
        for name, row in pd.concat([each.head(shown), total]).iterrows()
    ]
    left = f", the {shown} costliest of {len(each)} instruments" if len(each) > shown else ""
    header = ["", "Fills", "Traded", "Commission", "Slippage", "Costs", "Basis points"]
    return table(header, rows, f"Costs in {currency}{left}")


def said(sentences: Iterable[str]) -> Html:
    """Return sentences as paragraphs."""
    return join(element("p", sentence) for sentence in sentences)


def _cell(value: float, reach: float) -> Html:
    if not isfinite(value):
        return element("td", MISSING, class_="il-none")
    strength = STRONGEST * abs(value) / reach if reach > 0.0 else 0.0
    side = "il-up" if value >= 0 else "il-down"
    return element("td", number(100 * value, 1, signed=True), class_=side, style=f"--heat:{strength:.3f}")


def _sessions(value: float) -> str:
    return f"{number(value, 1)} sessions" if isfinite(value) else MISSING
