"""What callers hand to a simulation, checked and laid out on the panel."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from investlab.backtest.kernels import TOLERANCE
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.weight_checks import RowFacts, row_facts
from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel import PricePanel

SIGNALS = ("entries", "exits", "short_entries", "short_exits")


def signal_array(panel: PricePanel, given: pd.DataFrame | np.ndarray, name: str) -> np.ndarray:
    """Return signals as a bool array (sessions × instruments) in the panel's order.

    Raises:
        InvalidInput: Sessions or symbols are missing, or a value is neither true nor false.
        NotFound: A symbol is not in the panel.
    """
    if isinstance(given, pd.DataFrame):
        columns = _columns(panel, given, name)
        missing = [symbol for symbol, place in zip(panel.symbols, columns, strict=True) if place < 0]
        if missing:
            raise InvalidInput(
                f"The {name} lack {', '.join(missing[:6])}, which would keep its part of the cash idle.",
                remedy="Add the columns, or trade on panel.select([...]).",
            )
        if not np.array_equal(_sessions(given, name), panel.sessions):
            raise InvalidInput(
                f"The {name} have other sessions than the panel.",
                remedy=f"Align them first: {name}.reindex(panel.index, fill_value=False).",
            )
        values = given.iloc[:, list(columns)].to_numpy()
    else:
        values = np.asarray(given)
        if values.shape != panel.shape:
            raise InvalidInput(
                f"The {name} have shape {values.shape}, the panel {panel.shape}.",
                remedy="Give one row for each session and one column for each instrument.",
            )
    if values.dtype == object and all(isinstance(value, (bool, np.bool_)) for value in values.flat):
        values = values.astype(np.bool_)
    if values.dtype != np.bool_:
        raise InvalidInput(
            f"The {name} hold values that are neither true nor false.",
            remedy=f"Fill the missing ones and convert: {name}.fillna(False).astype(bool).",
        )
    return values


def signal_arrays(panel: PricePanel, given: Sequence[pd.DataFrame | np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return (entries, exits), or these and (short entries, short exits), as bool arrays in the panel's order.

    Raises:
        InvalidInput: There are neither two nor four, or one of them does not fit the panel.
        NotFound: A symbol is not in the panel.
    """
    if len(given) not in (2, len(SIGNALS)):
        raise InvalidInput(
            f"There are {len(given)} arrays of signals.",
            remedy=f"Give {SIGNALS[0]} and {SIGNALS[1]}, or {', '.join(SIGNALS)}.",
        )
    return tuple(signal_array(panel, each, name) for each, name in zip(given, SIGNALS, strict=False))


def weight_rows(
    panel: PricePanel, given: pd.DataFrame | np.ndarray, limits: Limits = UNLIMITED
) -> tuple[np.ndarray, np.ndarray]:
    """Return (weights of the sessions that rebalance × instruments, row of each session or -1 where it holds).

    Raises:
        InvalidInput: A session is not in the panel or appears twice, or a row has an infinite weight, is NaN in part,
            has a negative one though the limits allow no short positions, or sums to more than 1 without a gross cap.
        NotFound: A symbol is not in the panel.
    """
    if isinstance(given, pd.DataFrame):
        rows, places = _weight_frame(panel, given)
    else:
        rows = np.asarray(given, dtype=np.float64)
        if rows.shape != panel.shape:
            raise InvalidInput(
                f"The weights have shape {rows.shape}, the panel {panel.shape}.",
                remedy="Give one row for each session, NaN where it holds, or a frame of rebalance sessions.",
            )
        places = np.arange(len(rows))
    facts = row_facts(_plain(rows))
    acts = facts.missing < rows.shape[1]
    if not acts.all():
        rows, places, facts = rows[acts], places[acts], RowFacts(*(fact[acts] for fact in facts))
    _check_weights(panel, places, facts, limits)
    row_of_session = np.full(len(panel.sessions), -1, dtype=np.int64)
    row_of_session[places] = np.arange(len(places))
    return _plain(rows), row_of_session


def _weight_frame(panel: PricePanel, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    columns = _columns(panel, frame, "weights")
    days = _sessions(frame, "weights")
    places = np.searchsorted(panel.sessions, days)
    known = np.isin(days, panel.sessions)
    if not known.all():
        raise InvalidInput(
            f"The weights have a row for {days[~known][0]}, which is no session of the panel "
            f"({panel.first_session} to {panel.last_session}).",
            remedy="Use sessions of panel.index only.",
        )
    if len(np.unique(days)) != len(days):
        raise InvalidInput("The weights have two rows for one session.", remedy="Keep one row for each session.")
    try:
        given = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InvalidInput("The weights hold values that are no numbers.", remedy="Convert them first.") from error
    rows = np.zeros((len(frame), len(panel.symbols)))
    for column, place in enumerate(columns):
        if place >= 0:
            rows[:, column] = given[:, place]
    rows[np.isnan(given).all(axis=1)] = np.nan
    return rows, places


def _check_weights(panel: PricePanel, places: np.ndarray, facts: RowFacts, limits: Limits) -> None:
    short, gross = limits.short, limits.gross is not None
    several = "Scale them, or give a cap that they are scaled to: Limits(gross=…)."
    checks = (
        (facts.missing > 0, "are missing in part", "Write 0 for none, or leave the whole row NaN to hold."),
        (facts.infinite, "are infinite", "Give weights between 0 and 1."),
        (
            facts.negative & (not short),
            "are negative",
            "Give weights of at least 0: positions are long only without Limits(short=True).",
        ),
        (
            (facts.gross > 1.0 + TOLERANCE) & (not gross),
            "have sizes that sum to more than 1" if short else "sum to more than 1",
            several if short else "Scale them: nothing can be borrowed without Limits(gross=…).",
        ),
    )
    for bad, what, remedy in checks:
        if bad.any():
            session = panel.sessions[places[int(np.flatnonzero(bad)[0])]]
            raise InvalidInput(f"The weights of {session} {what}.", remedy=remedy)


def _columns(panel: PricePanel, frame: pd.DataFrame, name: str) -> Sequence[int]:
    """Return for each instrument its column in the frame, or -1."""
    given = [str(column) for column in frame.columns]
    for symbol in given:
        if symbol not in panel.symbols:
            raise NotFound.named("symbol", symbol, panel.symbols, remedy=f"It is a column of the {name}.")
    if len(set(given)) != len(given):
        raise InvalidInput(f"A symbol has two columns in the {name}.", remedy="Keep one column for each symbol.")
    place = {symbol: column for column, symbol in enumerate(given)}
    return [place.get(symbol, -1) for symbol in panel.symbols]


def _sessions(frame: pd.DataFrame, name: str) -> np.ndarray:
    if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is not None:
        raise InvalidInput(f"The index of the {name} holds no sessions.", remedy="Use sessions of panel.index.")
    days: np.ndarray = frame.index.values.astype("datetime64[D]")
    return days


def _plain(rows: np.ndarray) -> np.ndarray:
    """Return a contiguous read-only view, so that kernels meet one type of array."""
    values = np.ascontiguousarray(rows, dtype=np.float64).view(np.ndarray)
    values.flags.writeable = False
    return values
