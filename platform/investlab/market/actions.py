"""Corporate actions laid out on the sessions and columns of a panel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.market import ActionKind, CorporateAction

ACTION_COLUMNS = ("ex_date", "symbol", "kind", "value")
SHARES_CHANGE = frozenset({ActionKind.SPLIT, ActionKind.STOCK_DIVIDEND})
CASH_COMES = frozenset({ActionKind.DIVIDEND, ActionKind.SPIN_OFF})
"""What is handed out in a spin-off counts as cash of its worth, as if it were sold at once."""

LISTING_ENDS = frozenset({ActionKind.MERGER, ActionKind.DELISTING})
"""Kinds that no adjustment of earlier prices takes in: the prices simply end."""


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

    def arrays(self) -> tuple[tuple[str, np.ndarray], ...]:
        """Return the four arrays with their names, for hashing and for kernels."""
        return (
            ("action.session", self.session),
            ("action.column", self.column),
            ("action.split_ratio", self.split_ratio),
            ("action.dividend", self.dividend),
        )


def place_actions(
    actions: Sequence[CorporateAction], sessions: np.ndarray, instrument_ids: Sequence[int]
) -> ActionTable:
    """Lay actions on a panel's sessions; an ex-date that is no session moves to the next one.

    Actions before the first session's successor cannot affect a panel that starts there and are left out, as are those
    after its last session and those of other instruments.
    """
    columns = {instrument: column for column, instrument in enumerate(instrument_ids)}
    rows = []
    for action in actions:
        column = columns.get(action.instrument_id)
        session = int(np.searchsorted(sessions, np.datetime64(action.ex_date, "D")))
        if column is not None and 0 < session < len(sessions):
            rows.append((session, column, action.kind, action.value))
    return ActionTable.from_rows(rows)


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
