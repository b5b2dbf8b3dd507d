"""Optimised weights: minimum variance, risk parity and mean-variance, solved by skfolio.

This module alone of the package imports skfolio, which takes seconds to load; it is reached by extension name only.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from skfolio import RiskMeasure
from skfolio.exceptions import SkfolioError
from skfolio.optimization import MeanRisk, ObjectiveFunction, RiskBudgeting
from threadpoolctl import threadpool_limits

from investlab.backtest.parameters import Between, Whole, checked
from investlab.backtest.rebalancing import PastReturns
from investlab.backtest.weight_strategies import monthly_weights, scaled_to_one
from investlab.market.panel import PricePanel

NEGLIGIBLE = 1e-6
"""Weights under this are what a solver leaves of 0, and become 0."""

PERCENT = 100.0
"""Returns go to the solver in percent: its tolerances are made for variances near 1, not near 0.0001."""


@dataclass(frozen=True, slots=True)
@checked(Whole("lookback_sessions", 2))
class MinimumVariance:
    """The long-only portfolio, fully invested, that would have varied least over the lookback.

    It solves min w'Σw with w ≥ 0 and Σw = 1 at the close of each month's first session, where Σ is the sample
    covariance of the last `lookback_sessions` returns of adjusted closes. Instruments without that history, or that do
    not move, are left out (`past_returns`). Where the solver fails the last weights are held, with a warning. Source:
    Markowitz, "Portfolio Selection", Journal of Finance 7(1), 1952; its variant without expected returns in Clarke,
    de Silva and Thorley, Journal of Portfolio Management 33(1), 2006.

    Raises:
        InvalidInput: `lookback_sessions` is no whole number of at least 2.
    """

    name: ClassVar[str] = "minimum_variance"
    family: ClassVar[str] = "minimum_variance"

    lookback_sessions: int = 252

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the weights at each month's first session with enough history (sessions × instruments).

        Warns:
            UserWarning: The solver failed; the sentence names why.
        """
        return optimised(panel, self.lookback_sessions, lambda: MeanRisk(risk_measure=RiskMeasure.VARIANCE))


@dataclass(frozen=True, slots=True)
@checked(Whole("lookback_sessions", 2))
class RiskParity:
    """The long-only portfolio, fully invested, in which every instrument contributes the same to the variance.

    It equalises wᵢ(Σw)ᵢ at the close of each month's first session, where Σ is the sample covariance of the last
    `lookback_sessions` returns of adjusted closes. Instruments without that history, or that do not move, are left out
    (`past_returns`). Where the solver fails the last weights are held, with a warning. Source: Maillard, Roncalli and
    Teïletche, "The Properties of Equally Weighted Risk Contribution Portfolios", Journal of Portfolio Management 36(4),
    2010.

    Raises:
        InvalidInput: `lookback_sessions` is no whole number of at least 2.
    """

    name: ClassVar[str] = "risk_parity"
    family: ClassVar[str] = "risk_parity"

    lookback_sessions: int = 252

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the weights at each month's first session with enough history (sessions × instruments).

        Warns:
            UserWarning: The solver failed; the sentence names why.
        """
        return optimised(panel, self.lookback_sessions, lambda: RiskBudgeting(risk_measure=RiskMeasure.VARIANCE))


@dataclass(frozen=True, slots=True)
@checked(Whole("lookback_sessions", 2), Between("risk_aversion", 0.0))
class MeanVariance:
    """The long-only portfolio, fully invested, with the best trade of mean return against variance.

    It solves max w'μ − λ w'Σw with w ≥ 0 and Σw = 1 at the close of each month's first session, where λ is
    `risk_aversion`, and μ and Σ are the sample mean and covariance of the last `lookback_sessions` returns of adjusted
    closes, by session. Instruments without that history, or that do not move, are left out (`past_returns`). Where the
    solver fails the last weights are held, with a warning. Source: Markowitz, "Portfolio Selection", Journal of Finance
    7(1), 1952.

    Raises:
        InvalidInput: `lookback_sessions` is no whole number of at least 2 or `risk_aversion` no positive number.
    """

    name: ClassVar[str] = "mean_variance"
    family: ClassVar[str] = "mean_variance"

    lookback_sessions: int = 252
    risk_aversion: float = 5.0

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the weights at each month's first session with enough history (sessions × instruments).

        Warns:
            UserWarning: The solver failed; the sentence names why.
        """
        return optimised(
            panel,
            self.lookback_sessions,
            lambda: MeanRisk(
                objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
                risk_measure=RiskMeasure.VARIANCE,
                risk_aversion=self.risk_aversion / PERCENT,
            ),
        )


def optimised(panel: PricePanel, lookback: int, build: Callable[[], Any]) -> np.ndarray:
    """Return weights (sessions × instruments) fitted by an skfolio optimiser at each month's first session.

    Weights under 1e-6 become 0 and the others are scaled to sum to 1; a single instrument takes all. Where the
    optimiser fails the row is NaN: it holds. Linear algebra runs on one thread, so any machine's settings give the same
    bits. The optimiser gets returns in percent; where there are fewer of them than
    instruments, skfolio takes the nearest positive definite covariance, with a warning of its own.

    Warns:
        UserWarning: The optimiser failed; the sentence names why.
    """

    def share(past: PastReturns) -> np.ndarray | None:
        if len(past.columns) == 1:
            return np.ones(1)
        try:
            with threadpool_limits(1):  # sums of linear algebra depend on the number of threads
                found = build().fit(PERCENT * past.returns.T).weights_
        except SkfolioError as error:
            warnings.warn(f"The optimiser failed, so the last weights are held: {error}", stacklevel=3)
            return None
        return scaled_to_one(np.where(found < NEGLIGIBLE, 0.0, found))

    return monthly_weights(panel, lookback, share)
