"""The tear sheet of a backtest: its numbers and pictures, section by section."""

from math import isfinite

import numpy as np
import pandas as pd

from investlab.analytics.attribution import COSTS, INCOME, OTHER, Attribution
from investlab.backtest.result import BacktestResult
from investlab.backtest.tear_sheet import Luck, TearSheet, tear_sheet
from investlab.charts import facts, sheet_tables
from investlab.charts.figures import is_logarithmic
from investlab.charts.fills import last_fills
from investlab.charts.markup import Html, element, join
from investlab.charts.sheet_figures import distribution_chart, growth_chart, rolling_chart, trading_chart
from investlab.charts.sheets import Picture, Section, Sheet
from investlab.charts.trade_marks import Marked, trades_chart
from investlab.charts.units import count, day, likelihood, money, number, percent

MOST_INSTRUMENTS = 6
"""Instruments whose trades are drawn: those that moved the result most."""

MOST_BARS = 15
MOST_COSTS = 10
CASH_PARTS = (COSTS, INCOME, OTHER)
NEGLIGIBLE = 1e-9
LINEAR, LOG = "Linear", "Log"


def tear_sheet_of(result: BacktestResult) -> Sheet:
    """Return a result's tear sheet; all its numbers are those of `tear_sheet(result)`."""
    sheet = tear_sheet(result)
    currency = result.source.currency
    sections = (
        _growth(sheet, currency),
        Section("Returns by month", above=sheet_tables.monthly_table(sheet.monthly, sheet.benchmark_years)),
        _numbers(sheet),
        _rolling(sheet),
        _distribution(sheet),
        Section(
            "Exposure, turnover and costs",
            pictures=(_picture_of_trading(sheet, currency),),
            below=_costs(sheet, currency),
        ),
        _trades(result, sheet),
        _attribution(sheet.attribution, currency),
        Section("Fills", above=last_fills(result)),
    )
    return Sheet(str(result.strategy), _top(result, sheet), tuple(each for each in sections if each), _foot(result))


def headline(result: BacktestResult) -> Html:
    """Return the title of a result's card: strategy, what it does, over which sessions and instruments."""
    sessions = result.nav.index
    extent = (
        f"{day(sessions[0])} to {day(sessions[-1])}",
        count(len(sessions), "session"),
        count(len(result.instruments), "instrument"),
        f"{money(result.initial_cash, result.source.currency)} at the start",
    )
    under = (result.strategy.description.replace("`", ""), " · ".join(extent))
    return facts.headline(str(result.strategy), under, result.source, replayed=facts.is_replayed(result.notes))


def terms(result: BacktestResult) -> Html:
    """Return what a result stands on: its terms and lineage, then its notes."""
    costs = result.costs.describe()
    rows = [
        ("Costs", facts.costs_text(costs)),
        ("Execution", facts.EXECUTION[result.execution]),
        ("Basis", facts.BASIS[result.basis]),
        ("Fills", f"{len(result.fills):,}"),
        *facts.lineage(result.source, result.panel_id, result.run_id, result.code_identity),
        ("Result", facts.code(result.hash)),
    ]
    return join((facts.facts(rows), facts.remarks(result.notes, without=[costs])))


def luck_sentence(luck: Luck | None) -> str:
    """Return how far luck explains this Sharpe ratio, in one sentence; other trials are not counted in it."""
    if luck is None:
        return ""
    found = (
        f"Sharpe ratio {number(luck.sharpe)} over {number(luck.years, 1)} years: the true one is above 0 with "
        f"probability {likelihood(luck.probabilistic_sharpe)} (probabilistic Sharpe ratio)"
    )
    if not isfinite(luck.minimum_years):
        return f"{found}; no record is long enough to show at 95% that a Sharpe ratio like this is above 0."
    enough = "long enough" if luck.years >= luck.minimum_years else "too short"
    return (
        f"{found}; to say so at 95% takes {number(luck.minimum_years, 1)} years, so the record is {enough}. How many "
        "other trials there were is not counted in it; the verdict of a sweep counts them."
    )


def _top(result: BacktestResult, sheet: TearSheet) -> Html:
    said = [line for line in (luck_sentence(sheet.luck), *sheet.remarks) if line]
    return join(
        (
            headline(result),
            facts.metric_tiles(result.metrics, result.source.currency),
            facts.warnings(result.notes, result.execution),
            sheet_tables.said(said),
        )
    )


def _foot(result: BacktestResult) -> Html:
    source = result.source
    stands = [("Licence", source.licence), ("Origin", source.origin)]
    title = element("p", "What it stands on", class_="il-heading", role="heading", aria_level="3")
    return element("section", title, terms(result), facts.facts(stands), class_="il-section")


def _growth(sheet: TearSheet, currency: str) -> Section:
    label = "Equity curve, its benchmark where there is one, and the drawdown below them"
    values = [sheet.nav] if sheet.benchmark is None else [sheet.nav, sheet.benchmark]
    positive = all(bool((series.to_numpy() > 0.0).all()) for series in values)
    scales = {LINEAR: False, LOG: True} if positive else {LINEAR: False}
    if positive and is_logarithmic(np.concatenate([series.to_numpy() for series in values])):
        scales = {LOG: True, LINEAR: False}
    pictures = [
        Picture(name, f"{label}, {name.lower()} scale", growth_chart(sheet, currency, logarithmic=logarithmic))
        for name, logarithmic in scales.items()
    ]
    return Section(
        "Growth and drawdown",
        pictures=tuple(pictures),
        question="Scale",
        below=sheet_tables.drawdowns_table(sheet.drawdowns),
    )


def _numbers(sheet: TearSheet) -> Section | None:
    if sheet.summary.empty:
        return None
    spread = join((sheet_tables.spread_table(sheet.summary), sheet_tables.relative_table(sheet.summary)))
    halves = element("div", sheet_tables.growth_table(sheet.summary), element("div", spread), class_="il-halves")
    return Section("The usual numbers", above=halves)


def _rolling(sheet: TearSheet) -> Section | None:
    figure = rolling_chart(sheet)
    if figure is None:
        return None
    label = f"Rolling Sharpe ratio, volatility and beta over {sheet.window_sessions} sessions"
    return Section("Rolling measures", pictures=(Picture("Rolling", label, figure),))


def _distribution(sheet: TearSheet) -> Section | None:
    if sheet.tail is None:
        return None
    lost, beyond = percent(sheet.tail.value_at_risk, 2), percent(sheet.tail.conditional_value_at_risk, 2)
    label = f"Distribution of returns: value at risk {lost}, conditional {beyond}"
    under = (
        f"In one session of twenty the return was {lost} or less (VaR 95%, historical); the mean of those was {beyond} "
        "(CVaR 95%)."
    )
    picture = Picture("Returns", label, distribution_chart(sheet.tail))
    return Section("Distribution of returns", above=sheet_tables.said([under]), pictures=(picture,))


def _picture_of_trading(sheet: TearSheet, currency: str) -> Picture:
    return Picture(
        "Trading", "Gross and net exposure, turnover by month and costs paid so far", trading_chart(sheet, currency)
    )


def _costs(sheet: TearSheet, currency: str) -> Html:
    if len(sheet.cost_table) < 2:
        return Html("")
    return sheet_tables.costs_table(sheet.cost_table, currency, MOST_COSTS)


def _trades(result: BacktestResult, sheet: TearSheet) -> Section:
    currency = result.source.currency
    chosen = _most_moved(result, sheet.attribution)
    pictures = [
        Picture(
            symbol,
            f"Trades of {symbol} on its price",
            trades_chart(Marked.of(symbol, result.prices[symbol], result.fills), currency),
        )
        for symbol in chosen
    ]
    statistics = sheet_tables.trade_facts(sheet.trades.statistics, currency)
    traded = result.fills["symbol"].nunique()
    left = f"Drawn are the {len(chosen)} of {traded} traded instruments that moved the result most."
    return Section(
        "Trades",
        above=join((statistics, sheet_tables.said([left] if len(chosen) < traded else []))),
        pictures=tuple(pictures),
        question="Instrument",
    )


def _most_moved(result: BacktestResult, attribution: Attribution | None) -> list[str]:
    """Return the traded symbols to draw, the one that moved the result most first."""
    traded = [str(symbol) for symbol in result.fills["symbol"].unique() if symbol in result.prices]
    if attribution is None:
        return traded[:MOST_INSTRUMENTS]
    moved = attribution.by_instrument["contribution"].abs()
    return sorted(traded, key=lambda symbol: -float(moved.get(symbol, 0.0)))[:MOST_INSTRUMENTS]


def _attribution(attribution: Attribution | None, currency: str) -> Section | None:
    if attribution is None:
        return None
    linked = {
        "carino": (
            "linked by Cariño's logarithms, in which all sessions weigh alike: what gained while little was at stake "
            "may have contributed though it lost money in all"
        ),
        "frongello": "profit and loss over the initial cash",
    }
    under = (
        f"The parts sum to the total return of {percent(attribution.total_return, signed=True)}; contributions are "
        f"{linked[attribution.method.value]}."
    )
    tables = [
        _bars(attribution.by_instrument, "Instrument", currency),
        _bars(attribution.by_sector, "Sector", currency),
    ]
    return Section(
        "Where the return came from",
        above=join((sheet_tables.said([under]), element("div", *tables, class_="il-halves"))),
    )


def capitalised(name: str) -> str:
    """Return a name with a capital first letter, the rest as it is."""
    return name[:1].upper() + name[1:]


def _bars(parts: pd.DataFrame, first: str, currency: str) -> Html:
    cash = parts.loc[[name for name in CASH_PARTS if name in parts.index]]
    own = parts.drop(index=cash.index).sort_values("contribution", ascending=False, kind="stable")
    largest = own["contribution"].abs().nlargest(MOST_BARS).index
    kept = own.loc[[name for name in own.index if name in set(largest)]]
    moved = cash[cash["contribution"].abs().to_numpy() > NEGLIGIBLE * np.abs(parts["contribution"]).max()]
    shown = pd.concat([kept, moved])
    shown.index = [
        str(name) if first == "Instrument" and name in kept.index else capitalised(str(name)) for name in shown.index
    ]
    left = f", the {len(kept)} largest of {len(own)}" if len(kept) < len(own) else ""
    return sheet_tables.bars_table(shown, first, currency, f"By {first.lower()}{left}")
