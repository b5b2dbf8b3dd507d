"""A slow backtest that is easy to check by eye: one dictionary per portfolio, one step per line of the conventions."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from investlab.backtest.costs import Costs
from investlab.market.panel import PricePanel


@dataclass
class Portfolio:
    """Cash and quantities by column, with the fills (session, column, decided, quantity, reference, price, fee)."""

    cash: float
    quantities: dict[int, float] = field(default_factory=dict)
    fills: list[tuple[int, int, int, float, float, float, float]] = field(default_factory=list)
    income: float = 0.0

    def held(self, column: int) -> float:
        return self.quantities.get(column, 0.0)


@dataclass
class Reference:
    """What the slow backtest found: per session NAV, cash and quantities (sessions × columns), and all fills."""

    nav: np.ndarray
    cash: np.ndarray
    quantities: np.ndarray
    fills: list[tuple[int, int, int, float, float, float, float]]


class Market:
    """Prices and actions of a panel, asked for one at a time."""

    def __init__(self, panel: PricePanel, execution: str) -> None:
        self.sessions, self.columns = panel.shape
        self.closes = panel.values("close")
        self.fill_prices = panel.values("open") if execution == "next_open" else self.closes
        self.splits: dict[tuple[int, int], float] = {}
        self.dividends: dict[tuple[int, int], float] = {}
        table = panel.actions
        for row in range(len(table)):
            key = int(table.session[row]), int(table.column[row])
            self.splits[key] = float(table.split_ratio[row])
            self.dividends[key] = float(table.dividend[row])

    def fill_price(self, session: int, column: int) -> float | None:
        price = float(self.fill_prices[session, column])
        return None if math.isnan(price) else price

    def known(self, session: int, column: int) -> float | None:
        """Return the close, else the fill price, else the price before it after a split since."""
        if session < 0:
            return None
        for price in (float(self.closes[session, column]), float(self.fill_prices[session, column])):
            if not math.isnan(price):
                return price
        before = self.known(session - 1, column)
        return None if before is None else before / self.splits.get((session, column), 1.0)

    def split(self, target: float, session: int, column: int, terms: "Terms") -> float:
        """Return a target quantity after the split of a session."""
        target *= self.splits.get((session, column), 1.0)
        return round_down(target) if terms.whole_shares else target


def commission(value: float, costs: Costs) -> float:
    return max(costs.minimum, costs.fixed + costs.commission_bps / 10_000 * value)


def most_affordable(cash: float, price: float, costs: Costs) -> float:
    """Return the largest quantity such that value plus commission is at most cash."""
    return min(cash - costs.minimum, (cash - costs.fixed) / (1 + costs.commission_bps / 10_000)) / price


def round_down(quantity: float) -> float:
    return float(math.floor(quantity * (1 + 1e-12)))


def apply_actions(portfolio: Portfolio, market: Market, session: int, column: int, whole: bool) -> None:
    held = portfolio.held(column)
    if held == 0:
        return
    ratio = market.splits.get((session, column), 1.0)
    if ratio != 1.0:
        before = market.known(session - 1, column)
        assert before is not None
        held *= ratio
        if whole:
            fraction = max(held - round_down(held), 0.0)
            held = round_down(held)
            portfolio.cash += fraction * (before / ratio)
        portfolio.quantities[column] = held
    portfolio.cash += held * market.dividends.get((session, column), 0.0)


def buy(
    portfolio: Portfolio, wanted: float, at: tuple[int, int, int], reference: float, costs: Costs, whole: bool
) -> None:
    price = reference * (1 + costs.slippage_bps / 10_000)
    quantity = min(wanted, most_affordable(portfolio.cash, price, costs))
    if whole:
        quantity = round_down(quantity)
    if quantity <= 0:
        return
    fee = commission(quantity * price, costs)
    portfolio.cash = max(portfolio.cash - quantity * price - fee, 0.0)
    portfolio.quantities[at[1]] = portfolio.held(at[1]) + quantity
    portfolio.fills.append((*at, quantity, reference, price, fee))


def sell(portfolio: Portfolio, quantity: float, at: tuple[int, int, int], reference: float, costs: Costs) -> None:
    price = reference * (1 - costs.slippage_bps / 10_000)
    fee = commission(quantity * price, costs)
    if quantity <= 0 or portfolio.cash + quantity * price - fee < -1e-9 * quantity * price:
        return
    portfolio.cash = max(portfolio.cash + quantity * price - fee, 0.0)
    portfolio.quantities[at[1]] = portfolio.held(at[1]) - quantity
    portfolio.fills.append((*at, -quantity, reference, price, fee))


def value_of(portfolio: Portfolio, market: Market, session: int) -> float:
    total = 0.0
    for column in range(market.columns):
        price = market.known(session, column)
        if portfolio.held(column) > 0:
            assert price is not None
            total += portfolio.held(column) * price
    return total


@dataclass(frozen=True)
class Terms:
    """The terms that both kinds of simulation share."""

    costs: Costs
    execution: str
    initial_cash: float
    whole_shares: bool = False


@dataclass(frozen=True)
class Order:
    """An order to buy with all cash or to sell all."""

    side: str
    decided: int


def decide(order: Order | None, in_position: bool, entry: bool, leave: bool, session: int) -> Order | None:
    """Return the order that stands after a session's signals."""
    if in_position and leave:
        wanted = "sell"
    elif not in_position and entry:
        wanted = "buy"
    elif entry or leave:
        return None
    else:
        return order
    return order if order is not None and order.side == wanted else Order(wanted, session)


def try_to_fill(
    order: Order | None, own: Portfolio, market: Market, session: int, column: int, terms: Terms
) -> Order | None:
    """Fill the order if its price exists; return the order if it does not."""
    reference = market.fill_price(session, column)
    if order is None or reference is None:
        return order
    at = (session, column, order.decided)
    if order.side == "buy":
        buy(own, math.inf, at, reference, terms.costs, terms.whole_shares)
    else:
        sell(own, own.held(column), at, reference, terms.costs)
    return None


def reference_signals(panel: PricePanel, entries: np.ndarray, exits: np.ndarray, **keywords: Any) -> Reference:
    """Trade each instrument with its own portfolio and add them up."""
    terms = Terms(**keywords)
    market = Market(panel, terms.execution)
    found = Reference(np.zeros(market.sessions), np.zeros(market.sessions), np.zeros(panel.shape), [])
    for column in range(market.columns):
        own = Portfolio(terms.initial_cash / market.columns)
        order: Order | None = None
        for session in range(market.sessions):
            apply_actions(own, market, session, column, terms.whole_shares)
            if terms.execution != "same_close":
                order = try_to_fill(order, own, market, session, column, terms)
            in_position = own.held(column) > 0
            entry, leave = bool(entries[session, column]), bool(exits[session, column])
            order = decide(order, in_position, entry, leave, session)
            if terms.execution == "same_close":
                order = try_to_fill(order, own, market, session, column, terms)
            found.nav[session] += own.cash + value_of(own, market, session)
            found.cash[session] += own.cash
            found.quantities[session, column] = own.held(column)
        found.fills.extend(own.fills)
    found.fills.sort(key=lambda fill: fill[0])
    return found


def target_quantities(
    weights: np.ndarray, portfolio: Portfolio, market: Market, session: int, terms: Terms
) -> dict[int, float]:
    """Return the quantities that the weights of a session mean at its last known prices."""
    worth = portfolio.cash + value_of(portfolio, market, session)
    targets = {}
    for column in range(market.columns):
        price, weight = market.known(session, column), float(weights[column])
        targets[column] = 0.0
        if weight > 0:
            assert price is not None
            target = weight * worth / price
            targets[column] = round_down(target) if terms.whole_shares else target
    return targets


def ties_by_column(purchases: list[tuple[float, int, float]]) -> list[tuple[float, int, float]]:
    """Return purchases, given by ascending value, with runs of values equal but for rounding ordered by column."""
    runs: list[list[tuple[float, int, float]]] = []
    for purchase in purchases:
        if runs and purchase[0] - runs[-1][-1][0] <= 1e-9 * purchase[0]:
            runs[-1].append(purchase)
        else:
            runs.append([purchase])
    return [purchase for run in runs for purchase in sorted(run, key=lambda each: each[1])]


def move_to(
    targets: dict[int, float], portfolio: Portfolio, market: Market, session: int, decided: int, terms: Terms
) -> None:
    """Sell by column, then buy ascending by value."""
    purchases = []
    for column in range(market.columns):
        held, target = portfolio.held(column), targets[column]
        reference = market.fill_price(session, column)
        if reference is None or abs(target - held) <= 1e-9 * max(target, held):
            continue
        if target < held:
            sell(portfolio, held - target, (session, column, decided), reference, terms.costs)
        else:
            purchases.append(((target - held) * reference, column, reference))
    for _, column, reference in ties_by_column(sorted(purchases)):
        wanted = targets[column] - portfolio.held(column)
        buy(portfolio, wanted, (session, column, decided), reference, terms.costs, terms.whole_shares)


def reference_weights(panel: PricePanel, weights: np.ndarray, **keywords: Any) -> Reference:
    """Trade all instruments with one portfolio."""
    terms = Terms(**keywords)
    market = Market(panel, terms.execution)
    portfolio = Portfolio(terms.initial_cash)
    found = Reference(np.zeros(market.sessions), np.zeros(market.sessions), np.zeros(panel.shape), portfolio.fills)
    pending: dict[int, float] | None = None
    for session in range(market.sessions):
        for column in range(market.columns):
            apply_actions(portfolio, market, session, column, terms.whole_shares)
        if pending is not None:
            pending = {column: market.split(target, session, column, terms) for column, target in pending.items()}
            move_to(pending, portfolio, market, session, session - 1, terms)
            pending = None
        if not np.isnan(weights[session]).all():
            pending = target_quantities(weights[session], portfolio, market, session, terms)
            if terms.execution == "same_close":
                move_to(pending, portfolio, market, session, session, terms)
                pending = None
        found.nav[session] = portfolio.cash + value_of(portfolio, market, session)
        found.cash[session] = portfolio.cash
        found.quantities[session] = [portfolio.held(column) for column in range(market.columns)]
    return found
