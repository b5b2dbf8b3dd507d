"""The paper portfolio of a replay pass: the engine's own backtest of the scores recorded so far."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import BuyAndHold
from investlab.market.panel import PricePanel
from investlab.ml.portfolio import score_weights
from investlab.schemas.backtest import Execution
from investlab.schemas.live import PaperPortfolio
from investlab.schemas.serving import PredictionRecord
from investlab.services.panel_tails import tail

REPLAYED = "REPLAY: a past year is walked through again, session by session; nothing here is today's."


@dataclass(frozen=True, slots=True)
class PaperTerms:
    """How the paper portfolio trades: the `k` best of each month's first scored session in equal parts."""

    k: int = 5
    costs: Costs = Costs.bps(commission=5, slippage=5)  # noqa: RUF009 - frozen, so that sharing it is harmless
    execution: Execution = Execution.NEXT_CLOSE
    initial_cash: float = 100_000.0


@dataclass(frozen=True, slots=True, eq=False)
class PaperBook:
    """The portfolio's backtest up to a session, and equal-weight buy-and-hold on the same terms."""

    result: BacktestResult
    benchmark: pd.Series

    def equity(self) -> pd.DataFrame:
        """Return nav, drawdown (≤ 0) and benchmark (currency) by session of the pass so far."""
        result = self.result
        return pd.DataFrame({"nav": result.nav, "drawdown": result.drawdown, "benchmark": self.benchmark})


def keep_paper_book(panel: PricePanel, first_session: date, scores: pd.DataFrame, terms: PaperTerms) -> PaperBook:
    """Return the backtest of scores (sessions × symbols) from a pass's first session to the panel's end.

    It depends on nothing but its arguments: kept session by session, after a restart or at the end, it is the same.
    """
    walked = tail(panel, int(np.searchsorted(panel.sessions, np.datetime64(first_session, "D"))))
    weights = score_weights(scores, terms.k)
    trading = {"costs": terms.costs, "execution": terms.execution, "initial_cash": terms.initial_cash}
    result = simulate_weights(walked, weights, **trading)  # type: ignore[arg-type]
    held = run_strategy(BuyAndHold(), walked, **trading)  # type: ignore[arg-type]
    return PaperBook(replace(result, notes=(REPLAYED, *result.notes)), held.nav.rename("benchmark"))


def show_portfolio(book: PaperBook, pass_id: str, latest: PredictionRecord, terms: PaperTerms) -> PaperPortfolio:
    """Return the book at its last session's close, as topic `portfolio.paper` shows it.

    `latest` is the last prediction of the pass: it names the model that is followed now.
    """
    result = book.result
    held = result.weights.iloc[-1]
    nav = float(result.nav.iloc[-1])
    return PaperPortfolio(
        pass_id=pass_id,
        session=result.nav.index[-1].date(),
        dataset=result.source.dataset,
        dataset_version=result.source.dataset_version or 0,
        basis=result.basis,
        currency=result.source.currency,
        execution=terms.execution,
        commission_bps=terms.costs.commission_bps,
        slippage_bps=terms.costs.slippage_bps,
        initial_cash=terms.initial_cash,
        nav=nav,
        total_return=nav / terms.initial_cash - 1.0,
        drawdown=float(result.drawdown.iloc[-1]),
        benchmark_nav=float(book.benchmark.iloc[-1]),
        weights={str(symbol): float(weight) for symbol, weight in held[held != 0.0].items()},
        model=latest.model,
        model_version=latest.model_version,
        run_id=latest.run_id,
    )
