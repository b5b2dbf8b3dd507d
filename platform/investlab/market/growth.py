"""How corporate actions scale prices, kept where they happen: nothing of a panel's size is made for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.market.actions import ActionTable


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """Factors that scale a column's prices from a session's open on, ordered by (session, column)."""

    session: np.ndarray
    column: np.ndarray
    factor: np.ndarray
    columns: int

    def totals(self) -> np.ndarray:
        """Return the product of all factors of each column."""
        row = np.ones(self.columns)
        for _, _ in self._grown(row):
            continue
        return row

    def spans(self, sessions: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Give spans of sessions with the product of the factors so far, which is the same array each time."""
        row = np.ones(self.columns)
        start = 0
        grown = self._grown(row)
        for at in np.unique(self.session).tolist():
            yield slice(start, at), row
            next(grown)
            start = at
        yield slice(start, sessions), row

    def at_actions(self) -> np.ndarray:
        """Return, for each action, the product of its column's factors up to its own."""
        found, row = np.ones(len(self.factor)), np.ones(self.columns)
        for first, last in self._grown(row):
            found[first:last] = row[self.column[first:last]]
        return found

    def _grown(self, row: np.ndarray) -> Iterator[tuple[int, int]]:
        """Multiply the factors into a row, session by session; give the rows of each session's actions."""
        edges = np.flatnonzero(np.diff(self.session)) + 1
        for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(self.session)], strict=True):
            if last > first:
                row[self.column[first:last]] *= self.factor[first:last]
                yield first, last


def growths(
    close: np.ndarray, actions: ActionTable, *, dividends: bool, named: Callable[[int], str]
) -> tuple[Growth, Growth]:
    """Return the growth by splits alone, and that by splits and, if asked for, dividends.

    The factor of a dividend D after the last close C (in shares after the split) is 1 / (1 − D / C): the
    proportional method used by CRSP and by vendors of adjusted closes.

    Raises:
        InvalidInput: A dividend is as large as the price; `named` names the instrument of a column.
    """
    factors = actions.split_ratio.copy()
    if dividends and (actions.dividend > 0).any():
        rows = np.flatnonzero(actions.dividend > 0)
        last = _last_closes(close, actions.session[rows], actions.column[rows])
        for row, known in zip(rows[last >= 0].tolist(), last[last >= 0].tolist(), strict=True):
            factors[row] = _dividend_factor(close, actions, row, known, named)
    columns = close.shape[1]
    return (
        Growth(actions.session, actions.column, actions.split_ratio, columns),
        Growth(actions.session, actions.column, factors, columns),
    )


def _last_closes(close: np.ndarray, session: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the session of the last close before each session, −1 for none."""
    last = session - 1
    while True:
        missing = np.flatnonzero((last >= 0) & np.isnan(close[np.maximum(last, 0), column]))
        if not len(missing):
            return last
        last[missing] -= 1


def _dividend_factor(
    close: np.ndarray, actions: ActionTable, row: int, known: int, named: Callable[[int], str]
) -> float:
    session, column = int(actions.session[row]), int(actions.column[row])
    since = float(actions.split_ratio[row])
    if known + 1 < session:  # splits without a close between them and the dividend
        between = (actions.column == column) & (actions.session > known) & (actions.session <= session)
        since = float(actions.split_ratio[between].prod())
    cum, dividend = float(close[known, column]) / since, float(actions.dividend[row])
    if dividend >= cum:
        raise InvalidInput(
            f"The dividend {dividend} of {named(column)} exceeds its last close {cum}.",
            remedy="Correct the corporate action.",
        )
    return float(actions.split_ratio[row]) / (1.0 - dividend / cum)
