"""A slow backtest that is easy to check by eye: one dictionary per portfolio, one step per line of the conventions."""

import math
from dataclasses import dataclass, field

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


def reference_signals(
    panel: PricePanel,
    entries: np.ndarray,
    exits: np.ndarray,
    *,
    costs: Costs,
    execution: str,
    initial_cash: float,
    whole_shares: bool = False,
) -> Reference:
    """Trade each instrument with its own portfolio and add them up."""
    market = Market(panel, execution)
    nav, cash = np.zeros(market.sessions), np.zeros(market.sessions)
    quantities = np.zeros(panel.shape)
    fills = []
    for column in range(market.columns):
        own = Portfolio(initial_cash / market.columns)
        order: str | None = None
        decided = -1

        def try_to_fill(session: int, column: int = column, own: Portfolio = own) -> None:
            nonlocal order
            reference = market.fill_price(session, column)
            if order is None or reference is None:
                return
            if order == "buy":
                buy(own, math.inf, (session, column, decided), reference, costs, whole_shares)
            else:
                sell(own, own.held(column), (session, column, decided), reference, costs)
            order = None

        for session in range(market.sessions):
            apply_actions(own, market, session, column, whole_shares)
            if execution != "same_close":
                try_to_fill(session)
            before = order
            in_position = own.held(column) > 0
            entry, leave = bool(entries[session, column]), bool(exits[session, column])
            if in_position and leave:
                order = "sell"
            elif in_position and entry:
                order = None
            elif not in_position and entry:
                order = "buy"
            elif not in_position and leave:
                order = None
            if order != before:
                decided = session
            if execution == "same_close":
                try_to_fill(session)
            nav[session] += own.cash + value_of(own, market, session)
            cash[session] += own.cash
            quantities[session, column] = own.held(column)
        fills += own.fills
    return Reference(nav, cash, quantities, sorted(fills, key=lambda fill: fill[0]))


def reference_weights(
    panel: PricePanel,
    weights: np.ndarray,
    *,
    costs: Costs,
    execution: str,
    initial_cash: float,
    whole_shares: bool = False,
) -> Reference:
    """Trade all instruments with one portfolio."""
    market = Market(panel, execution)
    portfolio = Portfolio(initial_cash)
    nav, cash = np.zeros(market.sessions), np.zeros(market.sessions)
    quantities = np.zeros(panel.shape)
    targets: dict[int, float] | None = None

    def move_to_targets(session: int, decided: int) -> None:
        assert targets is not None
        purchases = []
        for column in range(market.columns):
            held, target = portfolio.held(column), targets[column]
            reference = market.fill_price(session, column)
            if reference is None or abs(target - held) <= 1e-9 * max(target, held):
                continue
            if target < held:
                sell(portfolio, held - target, (session, column, decided), reference, costs)
            else:
                purchases.append(((target - held) * reference, column, reference))
        for _, column, reference in sorted(purchases):
            wanted = targets[column] - portfolio.held(column)
            buy(portfolio, wanted, (session, column, decided), reference, costs, whole_shares)

    for session in range(market.sessions):
        for column in range(market.columns):
            apply_actions(portfolio, market, session, column, whole_shares)
            if targets is not None:
                targets[column] *= market.splits.get((session, column), 1.0)
                targets[column] = round_down(targets[column]) if whole_shares else targets[column]
        if targets is not None:
            move_to_targets(session, session - 1)
            targets = None
        if not np.isnan(weights[session]).all():
            worth = portfolio.cash + value_of(portfolio, market, session)
            targets = {}
            for column in range(market.columns):
                price, weight = market.known(session, column), float(weights[session, column])
                targets[column] = 0.0
                if weight > 0:
                    assert price is not None
                    targets[column] = weight * worth / price
                    if whole_shares:
                        targets[column] = round_down(targets[column])
            if execution == "same_close":
                move_to_targets(session, session)
                targets = None
        nav[session] = portfolio.cash + value_of(portfolio, market, session)
        cash[session] = portfolio.cash
        quantities[session] = [portfolio.held(column) for column in range(market.columns)]
    return Reference(nav, cash, quantities, portfolio.fills)
