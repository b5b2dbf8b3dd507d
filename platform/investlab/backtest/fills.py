"""Fills as people see them, made from a kernel's log when they are first asked for."""

from collections.abc import Callable
from typing import Any, overload

import numpy as np
import pandas as pd

from investlab.analytics.trades import signed_by_session
from investlab.backtest.kernels import REASONS
from investlab.market.panel import PricePanel

SIGNAL_CAUSE, TARGET_CAUSE = "signal", "target"
"""Why a fill was made that nothing but a signal or a target weight gave the order for."""


def with_opening(fills: pd.DataFrame, positions: pd.DataFrame, opening: pd.Series) -> pd.DataFrame:
    """Return fills after those that positions taken over stand for: bought at their value, before the first session.

    `positions` are quantities after each session's fills, `opening` the market values taken over, by symbol.
    """
    traded = signed_by_session(fills, positions, fills["quantity"])[0]
    before = positions.to_numpy(dtype=np.float64)[0] - traded
    held = np.flatnonzero(opening.to_numpy() != 0.0)
    identifiers = dict(zip(fills["symbol"], fills["instrument_id"], strict=True))
    symbols = [str(positions.columns[int(column)]) for column in held]
    quantity, price = np.abs(before[held]), opening.to_numpy()[held] / before[held]
    taken = pd.DataFrame(
        {
            "session": positions.index[0],
            "symbol": pd.Series(symbols, dtype=str),
            "instrument_id": np.array([identifiers.get(symbol, 0) for symbol in symbols], dtype=np.int64),
            "side": pd.Series(np.where(before[held] > 0.0, "buy", "sell"), dtype=str),
            "quantity": quantity,
            "fill_price": price,
            "commission": 0.0,
            "slippage_cost": 0.0,
        }
    )
    return pd.concat([taken, fills[taken.columns]], ignore_index=True) if len(taken) else fills


class FrameOnDemand:
    """A field that is given as a frame or as what makes it, and is a frame whenever it is read."""

    def __set_name__(self, kind: type, name: str) -> None:
        self._place = f"_{name}_frame"

    @overload
    def __get__(self, owner: None, kind: type) -> "FrameOnDemand": ...
    @overload
    def __get__(self, owner: object, kind: type) -> pd.DataFrame: ...
    def __get__(self, owner: object | None, kind: type) -> Any:
        """Return the frame, making it the first time."""
        if owner is None:
            raise AttributeError(self._place)  # so that the field has no default
        given = owner.__dict__[self._place]
        if callable(given):
            given = owner.__dict__[self._place] = given()
        return given

    def __set__(self, owner: object, given: pd.DataFrame | Callable[[], pd.DataFrame]) -> None:
        """Keep the frame or what makes it."""
        owner.__dict__[self._place] = given


class FillLog:
    """A kernel's fill log with the sessions and names it needs to be read.

    `cause` is the reason of fills that the log gives no other.
    """

    def __init__(self, panel: PricePanel, log: np.ndarray, cause: str = SIGNAL_CAUSE) -> None:
        self._log = log
        self._reasons = (cause, *REASONS[1:])
        self._sessions = panel.index
        self._symbols = panel.symbols
        self._identifiers = np.array([instrument.instrument_id for instrument in panel.listing], dtype=np.int64)

    def __call__(self) -> pd.DataFrame:
        """Return the fills, one a row, in the order of the log."""
        log = self._log
        column = log[:, 1].astype(np.int64)
        quantity = np.abs(log[:, 3])
        return pd.DataFrame(
            {
                "session": self._sessions[log[:, 0].astype(np.int64)],
                "symbol": pd.Index(self._symbols, dtype=str)[column],
                "instrument_id": self._identifiers[column],
                "side": pd.Index(["sell", "buy"], dtype=str)[(log[:, 3] > 0).astype(np.int64)],
                "quantity": quantity,
                "reference_price": log[:, 4],
                "fill_price": log[:, 5],
                "commission": log[:, 6],
                "slippage_cost": quantity * np.abs(log[:, 5] - log[:, 4]),
                "value": quantity * log[:, 5],
                "decided": self._sessions[log[:, 2].astype(np.int64)],
                "reason": pd.Index(self._reasons, dtype=str)[log[:, 7].astype(np.int64)],
            }
        )
