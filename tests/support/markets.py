"""Market states for tests and pictures of the page: every part there, or some of them missing."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from investlab.schemas.live import ReplayState
from investlab.schemas.market import PriceBasis
from investlab.views.state import (
    Advice,
    Candles,
    MarketState,
    ModelLine,
    MonitorLine,
    MonitorPoint,
    PortfolioLine,
    PortfolioPoint,
    WatchLine,
)

SYMBOLS = {
    "AAPL": "Apple", "AMD": "Advanced Micro Devices", "BAC": "Bank of America", "BBY": "Best Buy", "CVX": "Chevron",
    "GE": "General Electric", "HD": "Home Depot", "JNJ": "Johnson & Johnson", "JPM": "JPMorgan Chase",
    "KO": "Coca-Cola", "LLY": "Eli Lilly", "MRK": "Merck", "MSFT": "Microsoft", "PEP": "PepsiCo", "PFE": "Pfizer",
    "PG": "Procter & Gamble", "RRC": "Range Resources", "UNH": "UnitedHealth", "WMT": "Walmart", "XOM": "Exxon Mobil",
}  # fmt: skip
CLOSES, BARS, MODEL = "us-close", "us-ohlcv-recent", "us-ranker"
PASS_ID = "rp-0123456789ab"
FIRST, LAST = date(2022, 1, 3), date(2022, 12, 28)


def sessions(count: int, last: str = "2022-03-14") -> list[date]:
    return [day.date() for day in pd.bdate_range(end=last, periods=count)]


def make_replay(session: date | None = date(2022, 3, 14), **changes: Any) -> ReplayState:
    values: dict[str, Any] = {
        "pass_id": PASS_ID,
        "pass_number": 3,
        "session": session,
        "first_session": FIRST,
        "last_session": LAST,
        "sessions_done": 51 if session else 0,
        "sessions_total": 249,
        "seconds_per_session": 2.0,
    }
    return ReplayState(**{**values, **changes})


def make_candles(count: int = 120, *, symbol: str = "AAPL", name: str = "Apple") -> Candles:
    chance = np.random.default_rng(7)
    close = 150 * np.cumprod(1 + chance.normal(2e-4, 0.016, count))
    opened = np.r_[close[0], close[:-1]] * (1 + chance.normal(0, 0.004, count))
    high = np.maximum(opened, close) * (1 + np.abs(chance.normal(0, 0.006, count)))
    low = np.minimum(opened, close) * (1 - np.abs(chance.normal(0, 0.006, count)))
    volume = chance.lognormal(18.2, 0.3, count).round()
    bars = zip(sessions(count), opened.round(2), high.round(2), low.round(2), close.round(2), volume, strict=True)
    return Candles(
        dataset=BARS,
        dataset_version=1,
        instrument_id=1,
        symbol=symbol,
        name=name,
        currency="USD",
        basis=PriceBasis.SPLIT_ADJUSTED,
        bars=tuple(bars),
    )


def make_watch(candles: Candles, names: dict[str, str] | None = None) -> tuple[WatchLine, ...]:
    chance = np.random.default_rng(11)
    found = names or SYMBOLS
    scores = chance.normal(0, 0.02, len(found))
    ranks = np.argsort(np.argsort(-scores)) + 1
    lines = []
    for number, (symbol, name) in enumerate(found.items(), start=1):
        closes = 20 * number * np.cumprod(1 + chance.normal(0, 0.015, 30))
        lines.append(
            WatchLine(
                dataset=CLOSES,
                dataset_version=1,
                instrument_id=number,
                symbol=symbol,
                name=name,
                currency="USD",
                basis=PriceBasis.TOTAL_RETURN,
                session=date(2022, 3, 14),
                closes=tuple(closes.round(3)),
                score=float(scores[number - 1]),
                rank=int(ranks[number - 1]),
            )
        )
    bars = candles.bars[-30:]
    last = WatchLine(**candles.model_dump(exclude={"bars"}), session=bars[-1][0], closes=tuple(bar[4] for bar in bars))
    return (*lines, last)


def make_model(number: int, learner: str, mean: float) -> ModelLine:
    return ModelLine(
        model=MODEL,
        number=number,
        learner=learner,
        version_id=f"mv-{number:012x}",
        run_id=f"tr-{number:012x}",
        information_coefficient=mean,
        interval_low=mean - 0.024,
        interval_high=mean + 0.026,
        confidence=0.95,
        observations=2968,
        first_session=date(2010, 1, 4),
        last_session=date(2021, 12, 31),
    )


def make_portfolio(count: int = 51) -> PortfolioLine:
    chance = np.random.default_rng(5)
    nav = 100_000 * np.cumprod(1 + chance.normal(6e-4, 0.009, count))
    benchmark = 100_000 * np.cumprod(1 + chance.normal(0, 0.009, count))
    drawdown = nav / np.maximum.accumulate(nav) - 1
    points = tuple(
        PortfolioPoint(session=day, nav=float(n), drawdown=float(d), benchmark=float(b))
        for day, n, d, b in zip(sessions(count), nav, drawdown, benchmark, strict=True)
    )
    return PortfolioLine(
        points=points,
        initial_cash=100_000.0,
        currency="USD",
        basis=PriceBasis.TOTAL_RETURN,
        dataset=CLOSES,
        dataset_version=1,
        terms="Top 5 by the champion's score, equal weight, monthly, at the next session's close; "
        "5 bps commission and 5 bps slippage.",
        run_id="tr-000000000002",
        weights={"AAPL": 0.2, "LLY": 0.21, "MSFT": 0.19, "UNH": 0.2, "XOM": 0.2},
    )


def make_monitor(count: int = 30) -> MonitorLine:
    values = np.random.default_rng(9).normal(0.03, 0.03, count)
    points = tuple(MonitorPoint(session=day, ic=float(ic)) for day, ic in zip(sessions(count), values, strict=True))
    return MonitorLine(
        points=points, matured_sessions=count, mean_ic=float(values.mean()), rolling_sessions=63, horizons=(21,)
    )


def make_state(**changes: Any) -> MarketState:
    candles = make_candles()
    values: dict[str, Any] = {
        "model": MODEL,
        "session": date(2022, 3, 14),
        "made_at": datetime(2026, 11, 24, 9, tzinfo=UTC),
        "replay": make_replay(),
        "candles": candles,
        "watch": make_watch(candles),
        "predicted_by": 2,
        "prediction_id": "pd-0123456789abcdef01234567",
        "champion": make_model(2, "lightgbm_ranker", 0.041),
        "baseline": make_model(1, "momentum_12_1", 0.018),
        "portfolio": make_portfolio(),
        "monitor": make_monitor(),
    }
    return MarketState(**{**values, **changes})


def make_empty_state() -> MarketState:
    names = {
        "candles": ("There are no bars for candles yet.", "investlab data ingest sample --dataset us-ohlcv-recent"),
        "watch": ("There are no closes for the watchlist yet.", "investlab data ingest sample --dataset us-close"),
        "portfolio": ("The replay has not begun.", "investlab up"),
        "monitor": ("No model is champion yet.", "investlab demo"),
    }
    advice = tuple(Advice(about=about, sentence=said, command=command) for about, (said, command) in names.items())
    return MarketState(model=MODEL, session=None, made_at=datetime(2026, 11, 24, 9, tzinfo=UTC), advice=advice)
