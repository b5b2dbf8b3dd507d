"""Laying signals, prices and rules out for the kernels of signals, and saying what they found."""

from typing import NamedTuple

import numpy as np

from investlab.backtest.indicators import trailing_deviation
from investlab.backtest.kernels import FILL_COLUMNS, Book
from investlab.backtest.position_kernel import trade_positions
from investlab.backtest.position_rules import PositionRules, SignalArrays
from investlab.backtest.position_state import Levels, Parts, Quotes, Wishes
from investlab.backtest.signal_kernel import Trail, trade_signals
from investlab.backtest.signal_states import parts_in_cash, parts_of
from investlab.backtest.terms import TradingTerms, by_instrument, kernel_actions, last_known_prices
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution
from investlab.schemas.positions import SizingKind

NEVER = np.iinfo(np.int64).max
NAMED = 5
"""Instruments that a note names at most."""


class SignalRun(NamedTuple):
    """What a kernel computed: positions and prices are sessions × instruments, the log is ordered by session.

    `parts` is how each instrument's part ends.
    """

    quantities: np.ndarray
    prices: np.ndarray
    log: np.ndarray
    paid: float
    unpaid: int
    notes: tuple[str, ...]
    parts: Parts


def trade_by_signals(panel: PricePanel, signals: SignalArrays, terms: TradingTerms, book: Book) -> SignalRun:
    """Simulate two or four arrays of signals and add the parts up in the book.

    Plain rules have a kernel of their own for starts in cash, which is faster and gives the same bits.

    Raises:
        InvalidInput: The arrays do not fit the direction, or the initial state is none of signals.
    """
    if is_plain(signals, terms) and terms.initial_state is None:
        return trade_plainly(panel, signals, terms, book)
    return trade_by_rules(panel, signals, terms, book)


def is_plain(signals: SignalArrays, terms: TradingTerms) -> bool:
    """Say whether signals are entries and exits that are traded long, all in and without stops."""
    return len(signals) == 2 and terms.rules.is_plain


def trade_plainly(panel: PricePanel, signals: SignalArrays, terms: TradingTerms, book: Book) -> SignalRun:
    """Simulate entries and exits, long, all in and without stops, and add the parts up in the book."""
    sessions, count = panel.shape
    entries, exits = (by_instrument(given) for given in signals)
    most_fills = int(np.count_nonzero(entries | exits)) + len(panel.delistings)
    trail = Trail(np.zeros((count, sessions)), np.empty((most_fills, FILL_COLUMNS)))
    prices, parts = last_known_prices(panel, terms), parts_in_cash(count, terms.initial_cash)
    used, paid, unpaid = trade_signals(
        entries,
        exits,
        by_instrument(terms.reference_prices(panel)),
        by_instrument(prices),
        kernel_actions(panel, by_column=True),
        terms.for_kernels(),
        parts,
        book,
        trail,
    )
    return SignalRun(trail.quantity.T, prices, in_order(trail.log[:used]), paid, unpaid, (), parts)


def trade_by_rules(panel: PricePanel, signals: SignalArrays, terms: TradingTerms, book: Book) -> SignalRun:
    """Simulate two or four arrays of signals under the terms' position rules and add the parts up in the book.

    With an initial state the sessions up to its own stay empty.

    Raises:
        InvalidInput: The arrays do not fit the direction, or the initial state is none of signals.
    """
    rules, state = terms.rules, terms.initial_state
    sessions, count = panel.shape
    entries, exits, shorts, covers = (by_instrument(given) for given in rules.sides(signals))
    intraday = rules.stops.has_levels and {"open", "high", "low"} <= set(panel.fields)
    prices = last_known_prices(panel, terms)
    parts = parts_in_cash(count, terms.initial_cash) if state is None else parts_of(panel, state, prices)
    before = parts.ruined.copy()
    events = int(np.count_nonzero(entries | exits | shorts | covers)) + (0 if state is None else 2 * count)
    trail = Trail(np.zeros((count, sessions)), np.empty((2 * events + len(panel.delistings), FILL_COLUMNS)))
    used, paid, unpaid, unsized = trade_positions(
        Wishes(entries, exits, shorts, covers, equity_shares(panel, rules)),
        _quotes(panel, terms, prices, intraday=intraday),
        kernel_actions(panel, by_column=True),
        terms.for_kernels(),
        _levels(terms, intraday=intraday),
        parts,
        book,
        trail,
    )
    rule = () if is_plain(signals, terms) else rules.describe(len(signals), intraday=intraday)
    said = (*rule, *_unsized(unsized), *_ruins(panel, parts.ruined & ~before))
    return SignalRun(trail.quantity.T, prices, in_order(trail.log[:used]), paid, unpaid, said, parts)


def in_order(log: np.ndarray) -> np.ndarray:
    """Return fills by session, those of one session as they came."""
    return log[np.argsort(log[:, 0], kind="stable")]


def equity_shares(panel: PricePanel, rules: PositionRules) -> np.ndarray:
    """Return the share of its equity that an entry decided at each session may use (instruments × sessions).

    NaN where the volatility is not known yet.
    """
    sizing = rules.sizing
    shares = np.ones(panel.shape[::-1])
    if sizing.kind is SizingKind.FRACTION:
        shares *= sizing.amount
    if sizing.kind is SizingKind.VOLATILITY:
        year = np.sqrt(float(panel.source.sessions_per_year))
        for column, closes in enumerate(by_instrument(point_in_time_prices(panel))):
            risk = trailing_deviation(closes, int(sizing.window or 0)) * year
            shares[column] = np.minimum(1.0, np.divide(sizing.amount, risk, where=risk != 0.0, out=np.ones_like(risk)))
    return shares


def _quotes(panel: PricePanel, terms: TradingTerms, known: np.ndarray, *, intraday: bool) -> Quotes:
    close = by_instrument(panel.values("close"))
    start, high, low = (by_instrument(panel.values(name)) if intraday else close for name in ("open", "high", "low"))
    return Quotes(start, high, low, close, by_instrument(terms.reference_prices(panel)), by_instrument(known))


def _levels(terms: TradingTerms, *, intraday: bool) -> Levels:
    stops, sizing = terms.rules.stops, terms.rules.sizing
    return Levels(
        stop_loss=np.inf if stops.stop_loss is None else stops.stop_loss,
        take_profit=np.inf if stops.take_profit is None else stops.take_profit,
        trailing=np.inf if stops.trailing is None else stops.trailing,
        time=NEVER if stops.time is None else stops.time,
        intraday=intraday,
        at_open=terms.execution is Execution.NEXT_OPEN,
        most=sizing.amount if sizing.kind is SizingKind.CASH else np.inf,
    )


def _unsized(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (
        f"{count} {'entry was' if count == 1 else 'entries were'} dropped: too few returns to know the volatility.",
    )


def _ruins(panel: PricePanel, ruined: np.ndarray) -> tuple[str, ...]:
    found = np.flatnonzero(ruined)
    if not len(found):
        return ()
    named = ", ".join(panel.symbols[column] for column in found[:NAMED]) + (", …" if len(found) > NAMED else "")
    return (
        f"Ruin: a short used up the equity of {len(found)} {'part' if len(found) == 1 else 'parts'} ({named}); it was "
        "covered, a debt stays in the NAV, and the part trades no more.",
    )
