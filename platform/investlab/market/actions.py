"""Corporate actions laid out on the sessions and columns of a panel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput, NotFound
from investlab.market.delistings import LISTING_ENDS, moved
from investlab.market.told_actions import ToldActions, place
from investlab.schemas.market import ActionKind, CorporateAction

ACTION_COLUMNS = ("ex_date", "symbol", "kind", "value")
SHARES_CHANGE = frozenset({ActionKind.SPLIT, ActionKind.STOCK_DIVIDEND})
CASH_COMES = frozenset({ActionKind.DIVIDEND, ActionKind.SPIN_OFF})
"""What is handed out in a spin-off counts as cash of its worth, as if it were sold at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ActionTable:
    """Sparse corporate actions ordered by (session, column), at most one row for each.

    `session` and `column` index into the panel; `split_ratio` is new shares per old share (1 = none) and `dividend`
    the cash paid per share held after that split (0 = none). Both take effect before the open of the session.
    """

    session: np.ndarray
    column: np.ndarray
    split_ratio: np.ndarray
    dividend: np.ndarray

    def __len__(self) -> int:
        return len(self.session)

    @classmethod
    def empty(cls) -> "ActionTable":
        """Return a table without actions."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none.copy(), np.empty(0), np.empty(0))

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[int, int, ActionKind, float]]) -> "ActionTable":
        """Build the table from (session, column, kind, value); equal keys are combined, ends of listings left out."""
        merged: dict[tuple[int, int], tuple[float, float]] = {}
        for session, column, kind, value in rows:
            if kind in LISTING_ENDS:
                continue
            ratio, dividend = merged.get((session, column), (1.0, 0.0))
            if kind in SHARES_CHANGE:
                merged[session, column] = (ratio * value, dividend)
            else:
                merged[session, column] = (ratio, dividend + value)
        keys = sorted(merged)
        return cls(
            np.array([key[0] for key in keys], dtype=np.int64),
            np.array([key[1] for key in keys], dtype=np.int64),
            np.array([merged[key][0] for key in keys], dtype=np.float64),
            np.array([merged[key][1] for key in keys], dtype=np.float64),
        )

    def of_columns(self, columns: Sequence[int]) -> "ActionTable":
        """Return the actions of some columns, which become the columns of another panel in that order."""
        session, column, kept = moved(self.session, self.column, columns)
        return ActionTable(session, column, self.split_ratio[kept], self.dividend[kept])

    def arrays(self) -> tuple[tuple[str, np.ndarray], ...]:
        """Return the four arrays with their names, for hashing and for kernels."""
        return (
            ("action.session", self.session),
            ("action.column", self.column),
            ("action.split_ratio", self.split_ratio),
            ("action.dividend", self.dividend),
        )


def place_actions(
    actions: ToldActions | Sequence[CorporateAction], sessions: np.ndarray, instrument_ids: Sequence[int] | np.ndarray
) -> ActionTable:
    """Lay actions on a panel's sessions; an ex-date that is no session moves to the next one.

    Actions before the first session's successor cannot affect a panel that starts there and are left out, as are those
    after its last session, those of other instruments, and ends of listings, which change no earlier price.
    """
    told = actions if isinstance(actions, ToldActions) else ToldActions.of(actions)
    placed = place(told.of_kinds(SHARES_CHANGE | CASH_COMES), sessions, instrument_ids)
    if not len(placed.told):
        return ActionTable.empty()
    order = np.lexsort((placed.column, placed.session))
    session, column, values = placed.session[order], placed.column[order], placed.told.values[order]
    changes = placed.told.is_of(SHARES_CHANGE)[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(session) != 0) | (np.diff(column) != 0)])
    return ActionTable(
        session[starts],
        column[starts],
        np.multiply.reduceat(np.where(changes, values, 1.0), starts),
        np.add.reduceat(np.where(changes, 0.0, values), starts),
    )


def actions_from_frame(frame: pd.DataFrame, sessions: np.ndarray, symbols: Sequence[str]) -> ActionTable:
    """Lay a frame with columns ex_date, symbol, kind and value on a panel.

    Raises:
        InvalidInput: A column is missing, a kind is unknown or a value is not positive.
        NotFound: A symbol is not in the panel.
    """
    missing = [name for name in ACTION_COLUMNS if name not in frame.columns]
    if missing:
        raise InvalidInput(
            f"The actions frame lacks {', '.join(missing)}.", remedy=f"Give the columns {', '.join(ACTION_COLUMNS)}."
        )
    rows = []
    for ex_date, symbol, kind, value in frame[list(ACTION_COLUMNS)].itertuples(index=False):
        if symbol not in symbols:
            raise NotFound.named("symbol", str(symbol), symbols)
        if kind not in SHARES_CHANGE | CASH_COMES:
            raise InvalidInput(
                f"A panel takes no action of kind {kind!r}.",
                remedy=f"Use {', '.join(sorted(SHARES_CHANGE | CASH_COMES))}.",
            )
        if not (np.isfinite(value) and value > 0):
            raise InvalidInput(
                f"The {kind} of {symbol} on {ex_date} has value {value}.", remedy="Give a positive number."
            )
        session = int(np.searchsorted(sessions, np.datetime64(pd.Timestamp(ex_date), "D")))
        if 0 < session < len(sessions):
            rows.append((session, list(symbols).index(symbol), ActionKind(kind), float(value)))
    return ActionTable.from_rows(rows)
