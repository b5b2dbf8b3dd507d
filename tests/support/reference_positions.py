"""A slow simulation of signals with direction, size and stops, one sentence of the conventions a line."""

import math
import statistics
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from investlab.backtest.costs import Costs
from investlab.backtest.sizing import Sizing
from investlab.backtest.stops import Stops
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel
from tests.support.reference_backtest import Market, Reference, commission, most_affordable, round_down

LONG, SHORT, FLAT = "long", "short", "flat"
Fill = tuple[int, int, int, float, float, float, float]


def same(one: float, two: float) -> bool:
    """Say whether two prices are equal but for rounding."""
    return abs(one - two) <= 1e-9 * one


Flags = tuple[bool, bool, bool, bool]
"""Entry, exit, short entry, short exit."""


def wanted_side(held: str, before: str, signals: Flags) -> str:
    """Return the side that is wanted after a session's signals, with the side that is held and the one wanted before.

    Another side's entry wins over an exit, an exit over an entry for the side that is held.
    """
    entry, leave, short_entry, short_leave = signals
    if entry and short_entry:
        entry = short_entry = False
    if held == SHORT:
        flipped = {LONG: SHORT, SHORT: LONG, FLAT: FLAT}
        return flipped[wanted_side(LONG, flipped[before], (short_entry, short_leave, entry, leave))]
    if held == LONG and leave and not short_entry:
        return FLAT
    if short_entry:
        return SHORT
    if entry:
        return LONG
    gone = {LONG: leave, SHORT: short_leave, FLAT: False}[before]
    return FLAT if gone else before


@dataclass
class Part:
    """One instrument's part of the cash, and its position."""

    cash: float
    held: float = 0.0
    entry_price: float = math.nan
    extreme: float = math.nan
    entry_session: int = -1
    ruined: bool = False
    fills: list[Fill] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def side(self) -> str:
        return LONG if self.held > 0 else SHORT if self.held < 0 else FLAT


@dataclass
class Wanted:
    """An order: the side that is wanted, who wanted it when, and the share of the equity it may use."""

    side: str
    decided: int
    reason: str
    share: float | None


@dataclass
class Trader:
    """Everything that one instrument's simulation looks at."""

    panel: PricePanel
    market: Market
    column: int
    costs: Costs
    execution: str
    whole: bool
    sizing: Sizing
    stops: Stops
    part: Part

    def bar(self, name: str, session: int) -> float | None:
        if name not in self.panel.fields:
            return None
        price = float(self.panel.values(name)[session, self.column])
        return None if math.isnan(price) else price

    @property
    def sees_bars(self) -> bool:
        return all(name in self.panel.fields for name in ("open", "high", "low"))

    # what happens to the part

    def record(self, session: int, decided: int, quantity: float, prices: tuple[float, float], reason: str) -> None:
        reference, price = prices
        fee = commission(abs(quantity) * price, self.costs)
        self.part.fills.append((session, self.column, decided, quantity, reference, price, fee))
        self.part.reasons.append(reason)
        self.part.cash -= quantity * price + fee

    def close_position(self, session: int, decided: int, reference: float, reason: str) -> None:
        part, slip = self.part, self.costs.slippage_bps / 10_000
        if part.side == SHORT:
            self.record(session, decided, -part.held, (reference, reference * (1 + slip)), reason)
            part.ruined = part.cash <= 0
            part.held = 0.0
            return
        price = reference * (1 - slip)
        value = part.held * price
        if value == 0 or part.cash + value - commission(value, self.costs) < -1e-9 * value:
            return
        self.record(session, decided, -part.held, (reference, price), reason)
        part.cash = max(part.cash, 0.0)
        part.held = 0.0

    def open_position(self, session: int, wanted: Wanted, reference: float) -> None:
        part, slip = self.part, self.costs.slippage_bps / 10_000
        if wanted.share is None:
            return
        budget = wanted.share * part.cash
        if self.sizing.kind == "cash":
            budget = min(budget, self.sizing.amount)
        price = reference * (1 + slip if wanted.side == LONG else 1 - slip)
        quantity = most_affordable(budget, price, self.costs)
        if self.whole:
            quantity = round_down(quantity)
        if quantity <= 0:
            return
        signed = quantity if wanted.side == LONG else -quantity
        self.record(session, wanted.decided, signed, (reference, price), wanted.reason)
        part.cash = max(part.cash, 0.0)
        part.held, part.entry_price, part.extreme, part.entry_session = signed, price, price, session

    def fill(self, session: int, wanted: Wanted | None) -> Wanted | None:
        reference = self.market.fill_price(session, self.column)
        if wanted is None or reference is None:
            return wanted
        if self.part.ruined:
            return None
        if self.part.side != FLAT:
            self.close_position(session, wanted.decided, reference, wanted.reason)
        if wanted.side != FLAT and self.part.side == FLAT and not self.part.ruined:
            self.open_position(session, wanted, reference)
        return None

    def take_actions(self, session: int) -> float:
        part = self.part
        ratio = self.market.splits.get((session, self.column), 1.0)
        dividend = self.market.dividends.get((session, self.column), 0.0)
        before = self.market.known(session - 1, self.column) if session else None
        part.entry_price /= ratio
        part.extreme /= ratio
        if part.held == 0:
            return 0.0
        income = 0.0
        size, sign = abs(part.held) * ratio, math.copysign(1.0, part.held)
        if self.whole and ratio != 1.0:
            assert before is not None
            income += sign * max(size - round_down(size), 0.0) * before / ratio
            size = round_down(size)
        part.held = sign * size
        income += part.held * dividend
        part.cash += income
        return income

    # stops

    def levels(self) -> dict[str, float]:
        """Return the prices of the stops that there are."""
        part, stops = self.part, self.stops
        lower, upper = (-1, 1) if part.side == LONG else (1, -1)
        found = {}
        if stops.stop_loss is not None:
            found["stop_loss"] = part.entry_price * (1 + lower * stops.stop_loss)
        if stops.trailing is not None:
            found["trailing"] = part.extreme * (1 + lower * stops.trailing)
        if stops.take_profit is not None:
            found["take_profit"] = part.entry_price * (1 + upper * stops.take_profit)
        return found

    def is_beyond(self, name: str, price: float, level: float) -> bool:
        falls = (self.part.side == LONG) != (name == "take_profit")
        return same(price, level) or (price < level if falls else price > level)

    def first_hit(self, candidates: dict[str, float], price: float) -> tuple[str, float] | None:
        """Return the first stop that a price is beyond: losses before profits, and of losses the nearer one."""
        losses = [(name, level) for name, level in candidates.items() if name != "take_profit"]
        losses.sort(key=lambda pair: -pair[1] if self.part.side == LONG else pair[1])
        for name, level in [*losses, *((name, lv) for name, lv in candidates.items() if name == "take_profit")]:
            if self.is_beyond(name, price, level):
                return name, level
        return None

    def stop_within(self, session: int) -> bool:
        opening, high, low = (self.bar(name, session) for name in ("open", "high", "low"))
        if self.part.side == FLAT or opening is None or high is None or low is None:
            return False
        levels = self.levels()
        gap = self.first_hit(levels, opening)
        if gap is not None:
            self.close_position(session, session - 1, opening, gap[0])
            return self.part.side == FLAT
        worst, best = (low, high) if self.part.side == LONG else (high, low)
        losses = {name: level for name, level in levels.items() if name != "take_profit"}
        hit = self.first_hit(losses, worst)
        if hit is None and "take_profit" in levels:
            hit = self.first_hit({"take_profit": levels["take_profit"]}, best)
        if hit is not None:
            self.close_position(session, session - 1, hit[1], hit[0])
        return hit is not None and self.part.side == FLAT

    def held_through(self, session: int) -> bool:
        return self.part.side != FLAT and (self.part.entry_session < session or self.execution == "next_open")

    def stop_at_close(self, session: int) -> str | None:
        if self.part.side == FLAT:
            return None
        close = self.bar("close", session)
        if not self.sees_bars and close is not None and self.held_through(session):
            hit = self.first_hit(self.levels(), close)
            if hit is not None:
                return hit[0]
        waited = session - self.part.entry_session
        return "time" if self.stops.time is not None and waited >= self.stops.time else None

    # decisions

    def share(self, session: int) -> float | None:
        if self.sizing.kind == "fraction":
            return self.sizing.amount
        if self.sizing.kind != "volatility":
            return 1.0
        assert self.sizing.window is not None
        closes = point_in_time_prices(self.panel)[: session + 1, self.column]
        closes = [float(price) for price in closes if not math.isnan(price)]
        returns = [later / earlier - 1 for earlier, later in pairwise(closes)]
        if len(returns) < self.sizing.window:
            return None
        risk = statistics.stdev(returns[-self.sizing.window :]) * math.sqrt(self.panel.source.sessions_per_year)
        return 1.0 if risk == 0 else min(1.0, self.sizing.amount / risk)

    def decide(self, session: int, wanted: Wanted | None, signals: "Flags") -> Wanted | None:
        if self.part.ruined:
            return None
        before = self.part.side if wanted is None else wanted.side
        after = wanted_side(self.part.side, before, signals)
        if after != before:
            wanted = None if after == self.part.side else Wanted(after, session, "signal", self.share(session))
        reason = self.stop_at_close(session)
        if reason is not None and wanted is None:
            wanted = Wanted(FLAT, session, reason, 1.0)
        return wanted

    def run(self, signals: list["Flags"], found: Reference) -> None:
        wanted = None
        for session in range(self.market.sessions):
            self.take_actions(session)
            if self.execution == "next_open":
                wanted = self.fill(session, wanted)
            if self.sees_bars and self.stop_within(session) and wanted is not None and wanted.side == FLAT:
                wanted = None
            if self.execution == "next_close":
                wanted = self.fill(session, wanted)
            wanted = self.decide(session, wanted, signals[session])
            if self.execution == "same_close":
                wanted = self.fill(session, wanted)
            self.end(session, found)

    def end(self, session: int, found: Reference) -> None:
        part, close = self.part, self.bar("close", session)
        if part.side == SHORT and close is not None and part.cash + part.held * close <= 0:
            self.close_position(session, session, close, "ruin")
        if self.held_through(session):
            seen = close if not self.sees_bars else self.bar("high" if part.side == LONG else "low", session)
            if seen is not None:
                part.extreme = max(part.extreme, seen) if part.side == LONG else min(part.extreme, seen)
        worth = part.cash
        if part.held != 0:
            price = self.market.known(session, self.column)
            assert price is not None
            worth += part.held * price
        found.nav[session] += worth
        found.cash[session] += part.cash
        found.quantities[session, self.column] = part.held


def reference_positions(
    panel: PricePanel, arrays: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], **terms: Any
) -> tuple[Reference, list[str]]:
    """Return what the slow simulation finds for entries, exits, short entries and short exits, and why it filled."""
    market = Market(panel, terms["execution"])
    found = Reference(np.zeros(market.sessions), np.zeros(market.sessions), np.zeros(panel.shape), [])
    rows: list[tuple[Fill, str]] = []
    for column in range(market.columns):
        part = Part(terms["initial_cash"] / market.columns)
        trader = Trader(
            panel,
            market,
            column,
            terms["costs"],
            terms["execution"],
            terms["whole_shares"],
            terms["sizing"],
            terms["stops"],
            part,
        )
        signals = [
            (bool(a), bool(b), bool(c), bool(d))
            for a, b, c, d in zip(*(array[:, column] for array in arrays), strict=True)
        ]
        trader.run(signals, found)
        rows += zip(part.fills, part.reasons, strict=True)
    rows.sort(key=lambda row: row[0][0])
    found.fills.extend(fill for fill, _ in rows)
    return found, [reason for _, reason in rows]
