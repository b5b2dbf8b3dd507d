"""Drawdowns as a table: when each began, how deep it went and when it was made good."""

import numpy as np
import pandas as pd

from investlab.analytics.drawdowns import drawdowns
from investlab.core.errors import InvalidInput

COLUMNS = ("peak", "start", "trough", "recovery", "depth", "sessions_to_trough", "sessions_under_water")


def drawdown_table(nav: pd.Series, peak: float = -np.inf, *, deepest: int | None = None) -> pd.DataFrame:
    """Return a row for every drawdown, the deepest first, equal ones in order of time.

    `peak` is the last session at the peak (NaT if it lies before the first), `start` the first session below it,
    `trough` the first session at the lowest point, `recovery` the first session back at the peak or above (NaT for a
    drawdown that is still open). `depth` is a fraction < 0; `sessions_under_water` counts the sessions below the peak,
    `sessions_to_trough` those up to the trough. The argument `peak` is one from before the first session, and `deepest`
    keeps that many rows.

    Raises:
        InvalidInput: A value is missing or infinite.
    """
    values = nav.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise InvalidInput("The values have gaps.", remedy="Give a finite value for every session.")
    below = drawdowns(values, peak)
    wet = np.concatenate(([False], below < 0.0, [False]))
    starts = np.flatnonzero(wet[1:] & ~wet[:-1])
    ends = np.flatnonzero(wet[:-1] & ~wet[1:])
    troughs = np.array([a + int(np.argmin(below[a:b])) for a, b in zip(starts, ends, strict=True)], dtype=np.int64)
    rows = np.argsort(below[troughs], kind="stable")[:deepest]
    starts, troughs, ends = starts[rows], troughs[rows], ends[rows]
    return pd.DataFrame(
        {
            "peak": _sessions(nav.index, starts - 1),
            "start": _sessions(nav.index, starts),
            "trough": _sessions(nav.index, troughs),
            "recovery": _sessions(nav.index, np.where(ends < len(values), ends, -1)),
            "depth": below[troughs],
            "sessions_to_trough": troughs - starts + 1,
            "sessions_under_water": ends - starts,
        },
        columns=list(COLUMNS),
    )


def _sessions(index: pd.Index, rows: np.ndarray) -> pd.Index:
    """Return the sessions at these positions; missing for −1."""
    return index.take(rows, allow_fill=True, fill_value=None)
