"""A checker of look-ahead: what was computed up to a session must not depend on what came after it."""

from collections.abc import Callable

import numpy as np

from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import SignalStrategy, Strategy
from investlab.market.panel import PricePanel
from tests.support.panels import until, with_another_future

Run = Callable[[PricePanel], BacktestResult]


def assert_no_look_ahead(run: Run, panel: PricePanel, cut: int) -> None:
    """Check that neither another future nor no future at all changes anything up to session number `cut`."""
    whole = run(panel)
    for other in (with_another_future(panel, cut), until(panel, cut)):
        assert_same_past(whole, run(other), cut)


def assert_decisions_without_look_ahead(strategy: Strategy, panel: PricePanel, cut: int) -> None:
    """Check that what a strategy wants up to session number `cut` does not depend on what came later.

    An order decided at the cut fills after it, so only the decision itself shows a look at the next session.
    """
    whole = decisions(strategy, panel)
    for other in (with_another_future(panel, cut), until(panel, cut)):
        for one, two in zip(whole, decisions(strategy, other), strict=True):
            same = np.array_equal(one[: cut + 1].astype(float), two[: cut + 1].astype(float), equal_nan=True)
            assert same, f"decisions up to session {cut} depend on what came later"


def decisions(strategy: Strategy, panel: PricePanel) -> tuple[np.ndarray, ...]:
    """Return what a strategy wants: entries and exits, or weights."""
    if isinstance(strategy, SignalStrategy):
        return strategy.signals(panel)
    return (strategy.weights(panel),)


def assert_same_past(one: BacktestResult, two: BacktestResult, cut: int) -> None:
    """Check that two results are the same to the bit up to session number `cut`."""
    last = one.nav.index[cut]
    for name in ("nav", "cash", "positions", "prices", "income"):
        before = [getattr(result, name).iloc[: cut + 1].to_numpy() for result in (one, two)]
        assert np.array_equal(*before, equal_nan=True), f"{name} up to session {cut} depends on what came later"
    fills = [result.fills[result.fills["session"] <= last].reset_index(drop=True) for result in (one, two)]
    assert fills[0].equals(fills[1]), f"fills up to session {cut} depend on what came later"
