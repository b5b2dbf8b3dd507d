"""How predictions came true: scores beside the forward returns that followed, from what is known so far."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from investlab.analytics.information import rank_ic
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.ml.training_sets import forward_returns

PREDICTED = ("session", "instrument_id", "score")
OUTCOMES = (*PREDICTED, "forward_return", "matured_on")


@dataclass(frozen=True, slots=True, eq=False)
class MonitorReport:
    """How predictions came true so far.

    `horizon_sessions` is None where each prediction was judged over its own. `by_session` holds the information
    coefficient of each matured session, in the order they became known; `mean_ic` is their mean and `rolling_ic`
    that of the last `rolling_sessions` of them (of fewer, while there are fewer), both None until any matured.
    `pending_sessions` counts predicted sessions whose outcome is not known yet.
    """

    horizon_sessions: int | None
    rolling_sessions: int
    by_session: pd.Series
    predicted_sessions: int
    matured_sessions: int
    pending_sessions: int
    mean_ic: float | None
    rolling_ic: float | None


def match_outcomes(predictions: pd.DataFrame, panel: PricePanel, horizon_sessions: int) -> pd.DataFrame:
    """Return the matured ones of predictions (session, instrument_id, score) with what came after them.

    A prediction has matured when the session `horizon_sessions` after its own is in the panel: `matured_on`. So the
    panel of a moment shows what was known then. Predictions of sessions or instruments that the panel lacks, and those
    whose close was missing at either end, are left out; of several for one session and instrument the last counts.
    Rows are ordered by session, then by the panel's columns.

    Raises:
        InvalidInput: A column is missing, or the horizon is not positive.
    """
    outcomes = forward_returns(panel, horizon_sessions)
    rows, columns, scores = _placed(predictions, panel)
    order = np.lexsort((columns, rows))
    rows, columns, scores = rows[order], columns[order], scores[order]
    realised = outcomes[rows, columns]
    known = ~np.isnan(realised) & ~np.isnan(scores)
    known[:-1] &= (np.diff(rows) != 0) | (np.diff(columns) != 0)
    rows, columns = rows[known], columns[known]
    identifiers = np.array([each.instrument_id for each in panel.listing], dtype=np.int64)
    days = panel.sessions.astype("datetime64[s]")
    return pd.DataFrame(
        {
            "session": days[rows],
            "instrument_id": identifiers[columns],
            "score": scores[known],
            "forward_return": realised[known],
            "matured_on": days[rows + horizon_sessions],
        },
        columns=list(OUTCOMES),
    )


def match_own_outcomes(predictions: pd.DataFrame, panel: PricePanel) -> pd.DataFrame:
    """Return the matured ones of predictions, each judged over its own `horizon_sessions`, a column of them.

    Rows are in the order in which they matured, then by session: what matures later is added at the end.

    Raises:
        InvalidInput: A column is missing, or a horizon is not positive.
    """
    if "horizon_sessions" not in predictions.columns:
        raise InvalidInput("The predictions lack horizon_sessions.", remedy="Give the horizon of each.")
    groups = predictions.groupby("horizon_sessions", sort=True)
    found = [match_outcomes(own, panel, int(str(horizon))) for horizon, own in groups]
    if not found:
        return match_outcomes(predictions, panel, 1)
    return pd.concat(found, ignore_index=True).sort_values(["matured_on", "session"], kind="stable", ignore_index=True)


def ic_by_maturity(outcomes: pd.DataFrame) -> pd.Series:
    """Return the information coefficients of matched outcomes as `ic_by_session`, in the order they became known."""
    by_session = ic_by_session(outcomes)
    known = outcomes.groupby("session")["matured_on"].max().reindex(by_session.index)
    return by_session.iloc[np.lexsort((by_session.index.to_numpy(), known.to_numpy()))]


def ic_by_session(outcomes: pd.DataFrame) -> pd.Series:
    """Return the information coefficient of each session of matched outcomes; sessions that have none are left out."""
    wide = {
        name: outcomes.pivot(index="session", columns="instrument_id", values=name)
        for name in ("score", "forward_return")
    }
    found = pd.Series(
        rank_ic(wide["score"].to_numpy(np.float64), wide["forward_return"].to_numpy(np.float64)),
        index=pd.DatetimeIndex(wide["score"].index, name="session"),
        name="information_coefficient",
        dtype=np.float64,
    )
    return found.dropna()


def rolling_ic(by_session: pd.Series, rolling_sessions: int = 21) -> pd.Series:
    """Return the mean of the last `rolling_sessions` coefficients at each session, of fewer at the beginning.

    Each mean is taken anew, so that it does not depend on how far back the series goes.

    Raises:
        InvalidInput: The window is not positive.
    """
    if rolling_sessions < 1:
        raise InvalidInput(f"rolling_sessions is {rolling_sessions}.", remedy="Give at least one session.")
    values = by_session.to_numpy(np.float64)
    means = [float(np.mean(values[max(end - rolling_sessions, 0) : end])) for end in range(1, len(values) + 1)]
    return pd.Series(means, index=by_session.index, name="rolling_ic", dtype=np.float64)


def monitor(
    predictions: pd.DataFrame, panel: PricePanel, horizon_sessions: int | None = None, rolling_sessions: int = 21
) -> MonitorReport:
    """Return how predictions (session, instrument_id, score) came true, as far as the panel knows.

    Without `horizon_sessions` each is judged over its own, a column of the predictions, so that a model with another
    horizon changes nothing about the predictions before it.

    Raises:
        InvalidInput: A column is missing, or a number of sessions is not positive.
    """
    if horizon_sessions is None:
        by_session = ic_by_maturity(match_own_outcomes(predictions, panel))
        pending = sum(
            _pending(own, panel, int(str(horizon))) for horizon, own in predictions.groupby("horizon_sessions")
        )
    else:
        by_session = ic_by_session(match_outcomes(predictions, panel, horizon_sessions))
        pending = _pending(predictions, panel, horizon_sessions)
    rolling = rolling_ic(by_session, rolling_sessions)
    predicted = predictions["session"].nunique()
    known = len(by_session) > 0
    return MonitorReport(
        horizon_sessions=horizon_sessions,
        rolling_sessions=rolling_sessions,
        by_session=by_session,
        predicted_sessions=predicted,
        matured_sessions=len(by_session),
        pending_sessions=pending,
        mean_ic=float(np.mean(by_session)) if known else None,
        rolling_ic=float(rolling.iloc[-1]) if known else None,
    )


def _placed(predictions: pd.DataFrame, panel: PricePanel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return panel row, panel column and score of the predictions whose session and instrument the panel has."""
    missing = [name for name in PREDICTED if name not in predictions.columns]
    if missing:
        raise InvalidInput(
            f"The predictions lack {', '.join(missing)}.", remedy=f"Give a frame with {', '.join(PREDICTED)}."
        )
    days = _days(predictions)
    rows = np.searchsorted(panel.sessions, days)
    held = panel.sessions[np.minimum(rows, len(panel.sessions) - 1)] == days
    places = {each.instrument_id: column for column, each in enumerate(panel.listing)}
    columns = np.array([places.get(each, -1) for each in predictions["instrument_id"]], dtype=np.int64)
    held &= columns >= 0
    scores = predictions["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    return rows[held], columns[held], scores[held]


def _days(predictions: pd.DataFrame) -> np.ndarray:
    days: np.ndarray = pd.to_datetime(predictions["session"]).to_numpy().astype("datetime64[D]")
    return days


def _pending(predictions: pd.DataFrame, panel: PricePanel, horizon_sessions: int) -> int:
    """Count the predicted sessions whose outcome lies beyond the panel's end."""
    last_matured = len(panel.sessions) - horizon_sessions
    days = _days(predictions)
    days = np.unique(days[~np.isnat(days)])
    return int(np.sum(days >= panel.sessions[last_matured])) if last_matured > 0 else len(days)
