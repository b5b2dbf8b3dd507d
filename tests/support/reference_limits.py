"""A slow backtest of target weights with short positions, borrowing, caps, rates, volume and delistings.

It follows docs/conventions.md step by step, one dictionary per portfolio, and shares no code with the engine.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from investlab.backtest.costs import Costs
from investlab.backtest.limits import Limits
from investlab.backtest.rates import Rates
from investlab.market.panel import PricePanel
from tests.support.reference_backtest import Market, commission, most_affordable, round_down, ties_by_column

Fill = tuple[int, int, int, float, float, float, float, str]
"""Session, column, decided, quantity, reference price, fill price, commission, reason."""


@dataclass
class Margin:
    """Cash, positions and pending targets by column."""

    cash: float
    held: dict[int, float] = field(default_factory=dict)
    targets: dict[int, float] = field(default_factory=dict)
    decided: int | None = None
    gone: set[int] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    interest: float = 0.0


@dataclass
class Path:
    """NAV, cash, income and what accrued by session, quantities (sessions × columns), and all fills."""

    nav: list[float]
    cash: list[float]
    accrued: list[float]
    quantities: np.ndarray
    fills: list[Fill]


class SlowWeights:
    """Trades one panel."""

    def __init__(self, panel: PricePanel, weights: np.ndarray, **terms: Any) -> None:
        self.panel, self.weights = panel, weights
        self.execution: str = terms["execution"]
        self.costs: Costs = terms["costs"]
        self.whole: bool = terms.get("whole_shares", False)
        self.limits: Limits = terms.get("limits", Limits())
        self.rates: Rates = terms.get("rates", Rates())
        self.market = Market(panel, self.execution)
        self.own = Margin(terms["initial_cash"])
        self.ends = {
            (int(s), int(c)): 0.0 if math.isnan(r) else float(r)
            for s, c, r in zip(*(array for array in vars_of(panel)), strict=True)
        }
        self.borrows = self.limits.short or (self.limits.gross or 0) > 1

    def run(self) -> Path:
        sessions, columns = self.panel.shape
        found = Path([], [], [], np.zeros(self.panel.shape), self.own.fills)
        ruined = False
        for t in range(sessions):
            accrued = 0.0
            if not ruined:
                accrued = self.accrue(t)
                self.events(t)
                decides = not np.isnan(self.weights[t]).all()
                if self.own.decided is not None and not (self.execution == "same_close" and decides):
                    self.fill(t)
                if decides and self.worth(t) > 0:
                    self.decide(t)
                    if self.execution == "same_close":
                        self.fill(t)
                if self.worth(t) <= 0:
                    ruined = True
                    for column in range(columns):
                        self.leave(t, column, self.market.known(t, column), "ruin")
            found.nav.append(self.worth(t))
            found.cash.append(self.own.cash)
            found.accrued.append(accrued)
            found.quantities[t] = [self.own.held.get(column, 0.0) for column in range(columns)]
        return found

    def worth(self, t: int) -> float:
        total = 0.0
        for column in range(self.market.columns):
            held = self.own.held.get(column, 0.0)
            if held:
                price = self.market.known(t, column)
                assert price is not None
                total += held * price
        return self.own.cash + total

    def accrue(self, t: int) -> float:
        if t == 0:
            return 0.0
        years = int((self.panel.sessions[t] - self.panel.sessions[t - 1]).astype(int)) / 365
        cash = self.own.cash
        assert isinstance(self.rates.cash, float)
        got = self.rates.cash * years * cash if cash >= 0 else self.rates.financing * years * cash
        short = 0.0
        for column in range(self.market.columns):
            held = self.own.held.get(column, 0.0)
            if held < 0:
                price = self.market.known(t - 1, column)
                assert price is not None
                short += held * price
        got += self.rates.borrow * years * short
        self.own.cash += got
        return got

    def leave(self, t: int, column: int, price: float | None, reason: str) -> None:
        held = self.own.held.get(column, 0.0)
        if held:
            assert price is not None
            self.own.cash += held * price
            self.own.held[column] = 0.0
            self.own.fills.append((t, column, t, -held, price, price, 0.0, reason))

    def events(self, t: int) -> None:
        for column in range(self.market.columns):
            if t > 0 and (t, column) in self.ends:
                last = self.market.known(t - 1, column)
                self.leave(t, column, None if last is None else last * (1 + self.ends[t, column]), "delisting")
                self.own.gone.add(column)
            ratio = self.market.splits.get((t, column), 1.0)
            self.own.targets[column] = self.trim(self.own.targets.get(column, 0.0) * ratio)
            held = self.own.held.get(column, 0.0) * ratio
            if not held:
                continue
            if self.whole and ratio != 1:
                before = self.market.known(t - 1, column)
                assert before is not None
                self.own.cash += (held - self.trim(held)) * (before / ratio)
                held = self.trim(held)
            self.own.held[column] = held
            self.own.cash += held * self.market.dividends.get((t, column), 0.0)

    def trim(self, quantity: float) -> float:
        return math.copysign(round_down(abs(quantity)), quantity) if self.whole else quantity

    def decide(self, t: int) -> None:
        worth = self.worth(t)
        weights = self.capped([float(weight) for weight in self.weights[t]])
        for column, weight in enumerate(weights):
            target = 0.0
            if weight:
                price, held = self.market.known(t, column), self.own.held.get(column, 0.0)
                assert price is not None
                target = self.trim(weight * worth / price)
                if self.limits.band and held and abs(held * price / worth - weight) <= self.limits.band * (1 + 1e-9):
                    target = held
            self.own.targets[column] = target
        self.own.decided = t

    def capped(self, weights: list[float]) -> list[float]:
        limits = self.limits
        if limits.weight is not None:
            weights = [max(-limits.weight, min(limits.weight, weight)) for weight in weights]
        long, short = sum(w for w in weights if w > 0), -sum(w for w in weights if w < 0)
        if limits.net is not None and abs(long - short) > limits.net * (1 + 1e-9) + 1e-9:
            if long > short:
                weights = [w * (short + limits.net) / long if w > 0 else w for w in weights]
            else:
                weights = [w * (long + limits.net) / short if w < 0 else w for w in weights]
        gross = sum(abs(w) for w in weights)
        if limits.gross is not None and gross > limits.gross * (1 + 1e-9):
            weights = [w * limits.gross / gross for w in weights]
        return weights

    def allowed(self, t: int, column: int) -> float:
        """Return how much of an instrument the volume lets through."""
        if self.limits.participation is None:
            return math.inf
        day = t if self.execution == "same_close" else t - 1
        volume = float(self.panel.values("volume")[day, column])
        shares = 0.0 if math.isnan(volume) else volume * self.limits.participation
        if self.execution != "same_close":
            shares *= self.market.splits.get((t, column), 1.0)
        return shares

    def fill(self, t: int) -> None:
        decided = self.own.decided
        assert decided is not None
        cut = False
        buys = []
        for column in range(self.market.columns):
            held, target = self.own.held.get(column, 0.0), self.own.targets[column]
            if abs(target - held) <= 1e-9 * max(abs(target), abs(held)):
                continue
            price = self.market.fill_price(t, column)
            if price is None or column in self.own.gone:
                self.own.targets[column] = held
                continue
            wanted, most = abs(target - held), self.allowed(t, column)
            if wanted > most:
                cut, wanted = True, round_down(most) if self.whole else most
            if wanted <= 0:
                continue
            if target < held:
                self.sell(t, column, decided, wanted, price)
            else:
                buys.append((-1.0 if held < 0 else wanted * price, column, wanted))
        power = self.power(t)
        amounts = {column: wanted for _, column, wanted in buys}
        for _, column, _ in ties_by_column(sorted(buys)):
            power = self.buy(t, column, decided, amounts[column], power)
        self.own.decided = decided if cut else None

    def sell(self, t: int, column: int, decided: int, quantity: float, reference: float) -> None:
        price = reference * (1 - self.costs.slippage_bps / 10_000)
        fee = commission(quantity * price, self.costs)
        cash = self.own.cash + quantity * price - fee
        if not self.borrows and cash < -1e-9 * quantity * price:
            return
        self.own.cash = cash if self.borrows else max(cash, 0.0)
        left = self.own.held.get(column, 0.0) - quantity
        self.own.held[column] = 0.0 if abs(left) <= 1e-12 * quantity else left
        self.own.fills.append((t, column, decided, -quantity, reference, price, fee, "target"))

    def power(self, t: int) -> float:
        """Return gross cap × NAV − gross exposure, at fill prices or else the last known ones."""
        if not self.limits.short and self.limits.gross is None:
            return self.own.cash
        gross, worth = 0.0, self.own.cash
        for column in range(self.market.columns):
            held = self.own.held.get(column, 0.0)
            if held:
                price = self.market.fill_price(t, column)
                if price is None and self.execution == "same_close":
                    price = self.market.known(t, column)
                elif price is None:
                    before = self.market.known(t - 1, column)
                    assert before is not None
                    price = before / self.market.splits.get((t, column), 1.0)
                assert price is not None
                gross += abs(held) * price
                worth += held * price
        return (1.0 if self.limits.gross is None else self.limits.gross) * worth - gross

    def buy(self, t: int, column: int, decided: int, wanted: float, power: float) -> float:
        """Buy what the buying power allows and return what is left of it."""
        reference = self.market.fill_price(t, column)
        assert reference is not None
        price = reference * (1 + self.costs.slippage_bps / 10_000)
        held = self.own.held.get(column, 0.0)
        cover = min(wanted, max(-held, 0.0))
        power += 2 * cover * price
        quantity = min(wanted, most_affordable(power, price, self.costs))
        if self.whole:
            quantity = round_down(quantity) if quantity > 0 else 0.0
        quantity = max(quantity, cover)
        if quantity <= 0:
            return power
        fee = commission(quantity * price, self.costs)
        cash = self.own.cash - quantity * price - fee
        self.own.cash = cash if self.borrows else max(cash, 0.0)
        left = held + quantity
        self.own.held[column] = 0.0 if abs(left) <= 1e-12 * quantity else left
        self.own.fills.append((t, column, decided, quantity, reference, price, fee, "target"))
        left_power = power - quantity * price - fee
        return left_power if self.borrows else max(left_power, 0.0)


def vars_of(panel: PricePanel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = panel.delistings
    return table.session, table.column, table.returns
