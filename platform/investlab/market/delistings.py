"""What holders of a panel's instruments got when the listings ended."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from investlab.market.told_actions import NONE, Placed, ToldActions, place
from investlab.schemas.market import ActionKind

LISTING_ENDS = frozenset({ActionKind.MERGER, ActionKind.DELISTING})
"""Kinds that no adjustment of earlier prices takes in: the prices simply end."""


@dataclass(frozen=True, slots=True, eq=False)
class DelistingTable:
    """Ends of listings ordered by (session, column), at most one row for each.

    `session` and `column` index into the panel: the session is the first on which the instrument no longer trades.
    `returns` is the simple return from its last close to what a holder got, −1 when nothing; NaN where that cannot be
    told from the panel.
    """

    session: np.ndarray
    column: np.ndarray
    returns: np.ndarray

    def __len__(self) -> int:
        return len(self.session)

    @classmethod
    def empty(cls) -> "DelistingTable":
        """Return a table without delistings."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none.copy(), np.empty(0))

    def arrays(self) -> tuple[tuple[str, np.ndarray], ...]:
        """Return the three arrays with their names, none when the table is empty."""
        if not len(self):
            return ()
        return (
            ("delisting.session", self.session),
            ("delisting.column", self.column),
            ("delisting.returns", self.returns),
        )

    def after(self, row: int) -> "DelistingTable":
        """Return the delistings after a session, which becomes the first of another panel."""
        kept = self.session > row
        return DelistingTable(self.session[kept] - row, self.column[kept], self.returns[kept])

    def of_columns(self, columns: Sequence[int]) -> "DelistingTable":
        """Return the delistings of some columns, which become the columns of another panel in that order."""
        session, column, kept = moved(self.session, self.column, columns)
        return DelistingTable(session, column, self.returns[kept])


def moved(session: np.ndarray, column: np.ndarray, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sessions, new columns and positions of the rows of some columns, ordered by session and new column."""
    place_of = {old: new for new, old in enumerate(columns)}
    kept = np.flatnonzero(np.isin(column, np.asarray(columns, np.int64)))
    new = np.array([place_of[old] for old in column[kept].tolist()], dtype=np.int64)
    order = np.lexsort((new, session[kept]))
    return session[kept][order], new[order], kept[order]


def place_delistings(
    told: ToldActions, sessions: np.ndarray, instrument_ids: Sequence[int] | np.ndarray, raw_close: np.ndarray | None
) -> DelistingTable:
    """Lay the ends of listings on a panel's sessions.

    A delisting says its return. A merger's is worked out from the last closes before it: cash, and shares of the
    counterpart at its last close, against the instrument's own last close; NaN where one of them is not in the panel
    or its prices are not raw (`raw_close` is None). Where both were told, the delisting counts.
    """
    placed = place(told.of_kinds(LISTING_ENDS), sessions, instrument_ids)
    found: dict[tuple[int, int], float] = {}
    merged = placed.told.kinds == str(ActionKind.MERGER)
    ids = np.asarray(instrument_ids, np.int64)
    for row in np.argsort(~merged, kind="stable"):
        value = _merger_return(placed, int(row), ids, raw_close) if merged[row] else float(placed.told.values[row])
        found[int(placed.session[row]), int(placed.column[row])] = value
    keys = sorted(found)
    return DelistingTable(
        np.array([session for session, _ in keys], np.int64),
        np.array([column for _, column in keys], np.int64),
        np.array([found[key] for key in keys], np.float64),
    )


def _merger_return(placed: Placed, row: int, instrument_ids: np.ndarray, raw_close: np.ndarray | None) -> float:
    if raw_close is None:
        return float("nan")
    session, told = int(placed.session[row]), placed.told
    got = float(told.values[row])
    if told.counterpart_ids[row] != NONE:
        others = np.flatnonzero(instrument_ids == told.counterpart_ids[row])
        shares = float(told.counterpart_ratios[row])
        got += shares * (_last_close(raw_close, session, int(others[0])) if len(others) else np.nan)
    elif got == 0:
        return float("nan")
    return got / _last_close(raw_close, session, int(placed.column[row])) - 1.0


def _last_close(close: np.ndarray, session: int, column: int) -> float:
    """Return the last close before a session, NaN when there is none."""
    known = np.flatnonzero(~np.isnan(close[:session, column]))
    return float(close[known[-1], column]) if len(known) else float("nan")
