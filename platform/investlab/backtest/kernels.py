"""Compiled parts that every simulation shares: the arithmetic of a fill, corporate actions, and the metrics."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.analytics.drawdowns import max_drawdown
from investlab.analytics.ratios import cagr, fourfold_sum, volatility_and_sharpe
from investlab.analytics.returns import peak_before, returns_since

TOLERANCE = 1e-9
"""Computed numbers that differ by less than this, relative to their size, count as equal."""

WHOLE = 1.0 + 1e-12
"""Lifts a quantity that rounding left just under a whole number of shares."""

METRICS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown", "turnover", "costs", "exposure")

FILL_COLUMNS = 8
"""Columns of the fill log: session, column, decided, signed quantity, reference and fill price, commission, reason."""

REASONS = ("order", "stop_loss", "take_profit", "trailing", "time", "ruin", "delisting")
"""Why a fill was made, by the number in the last column of the fill log."""

ORDER, STOP_LOSS, TAKE_PROFIT, TRAILING, TIME, RUINED, DELISTED = range(len(REASONS))


class FillTerms(NamedTuple):
    """How orders fill, in the form kernels take: fractions, currency per fill, and two switches."""

    commission: float
    slippage: float
    fixed: float
    minimum: float
    same_close: bool
    whole_shares: bool


class Actions(NamedTuple):
    """Corporate actions as parallel arrays; `session` is ascending, `column` names the instrument.

    `settlement` is the return of a delisting, which comes alone in its row and before what else befalls the instrument
    at its session; NaN in other rows.
    """

    session: np.ndarray
    column: np.ndarray
    ratio: np.ndarray
    dividend: np.ndarray
    settlement: np.ndarray


class Book(NamedTuple):
    """What happened to the money at each session.

    `invested` is the value of all positions, `traded` the reference value of all fills, `income` dividends and cash
    paid for fractions of a share.
    """

    nav: np.ndarray
    cash: np.ndarray
    invested: np.ndarray
    traded: np.ndarray
    income: np.ndarray


@compiled
def commission_of(value: float, terms: FillTerms) -> float:
    """Return the commission on a fill of this value."""
    return max(terms.minimum, terms.fixed + terms.commission * value)


@compiled
def affordable_value(cash: float, terms: FillTerms) -> float:
    """Return the largest value that can be bought so that value and commission together cost at most `cash`."""
    return min(cash - terms.minimum, (cash - terms.fixed) / (1.0 + terms.commission))


@compiled
def buy(wanted: float, reference: float, cash: float, terms: FillTerms) -> tuple[float, float, float]:
    """Return (quantity, fill price, commission) of buying up to `wanted` with `cash`; quantity 0 is no fill."""
    price = reference * (1.0 + terms.slippage)
    quantity = min(wanted, affordable_value(cash, terms) / price)
    if terms.whole_shares:
        quantity = np.floor(quantity * WHOLE)
    if not quantity > 0.0:
        return 0.0, price, 0.0
    return quantity, price, commission_of(quantity * price, terms)


@compiled
def sell(quantity: float, reference: float, cash: float, terms: FillTerms) -> tuple[float, float, float]:
    """Return (quantity, fill price, commission) of a sale; quantity 0 if not even the proceeds pay its commission."""
    price = reference * (1.0 - terms.slippage)
    value = quantity * price
    commission = commission_of(value, terms)
    if cash + value - commission < -TOLERANCE * value:
        return 0.0, price, 0.0
    return quantity, price, commission


@compiled
def known_prices(close: np.ndarray, reference: np.ndarray, actions: Actions) -> np.ndarray:
    """Return each session's last known price (sessions × instruments).

    It is the session's close, else its fill reference price, else the one before divided by the ratio of a split
    since. `actions` are ordered by session.
    """
    known = np.empty(close.shape)
    before = np.full(close.shape[1], np.nan)
    ahead = 0
    for t in range(len(close)):
        while ahead < len(actions.session) and actions.session[ahead] == t:
            before[actions.column[ahead]] /= actions.ratio[ahead]
            ahead += 1
        for column in range(close.shape[1]):
            price = close[t, column]
            if np.isnan(price):
                price = reference[t, column]
            if not np.isnan(price):
                before[column] = price
        known[t] = before
    return known


@compiled
def take_action(quantity: float, last: float, ratio: float, dividend: float, whole_shares: bool) -> tuple[float, float]:
    """Return (quantity, cash received) after a split and then a dividend; `last` is the price before the split.

    A short position pays what a long one receives.
    """
    if quantity == 0.0:
        return quantity, 0.0
    received = 0.0
    quantity *= ratio
    if whole_shares and ratio != 1.0:
        sign = 1.0 if quantity > 0.0 else -1.0
        kept = np.floor(abs(quantity) * WHOLE)
        received = sign * max(abs(quantity) - kept, 0.0) * (last / ratio)
        quantity = sign * kept
    return quantity, received + quantity * dividend


@compiled
def settle(quantity: float, last: float, settlement: float) -> tuple[float, float]:
    """Return (price, proceeds) of a position whose listing ended; `settlement` is the return from the last price."""
    price = last * (1.0 + settlement)
    return price, quantity * price


@compiled
def write_fill(
    log: np.ndarray,
    used: int,
    when: tuple[int, int, int],
    quantity: float,
    prices: tuple[float, float],
    commission: float,
    reason: int = ORDER,
) -> int:
    """Write one fill and return how many the log holds; a log without rows records nothing.

    `when` is (session, column, decided), `prices` (reference, fill); `quantity` is negative for a sale. The reason is a
    place in `REASONS`.
    """
    if len(log) == 0:
        return used
    log[used, 0] = when[0]
    log[used, 1] = when[1]
    log[used, 2] = when[2]
    log[used, 3] = quantity
    log[used, 4] = prices[0]
    log[used, 5] = prices[1]
    log[used, 6] = commission
    log[used, 7] = reason
    return used + 1


@compiled
def mean_exposure(invested: np.ndarray, nav: np.ndarray) -> float:
    """Return the mean over sessions of the invested share of the NAV; a session without a NAV above 0 counts as 0."""
    share = np.empty(len(nav))
    for t in range(len(nav)):
        share[t] = invested[t] / nav[t] if nav[t] > 0.0 else 0.0
    return fourfold_sum(share) / len(nav)


@compiled
def measure(book: Book, paid: float, initial_cash: float, sessions_per_year: float, metrics: np.ndarray) -> np.ndarray:
    """Write the metrics in the order of `METRICS` and return the NAV's returns; `paid` is commission and slippage."""
    nav = book.nav
    years = (len(nav) - 1) / sessions_per_year
    growth = nav[-1] / initial_cash
    returns = returns_since(nav, initial_cash)
    turned = 0.0
    for t in range(len(nav)):
        if book.traded[t] != 0.0 and nav[t] > 0.0:
            turned += book.traded[t] / nav[t]
    metrics[0] = growth - 1.0
    metrics[1] = cagr(growth, years)
    metrics[2], metrics[3] = volatility_and_sharpe(returns, sessions_per_year)
    metrics[4] = max_drawdown(nav, peak_before(nav, initial_cash))
    metrics[5] = 0.5 * turned / years if years > 0.0 else 0.0
    metrics[6] = paid
    metrics[7] = mean_exposure(book.invested, nav)
    return returns
