"""How the predictions of a pass came true, session by session."""

import pandas as pd

from investlab.market.panel import PricePanel
from investlab.ml.monitoring import ic_by_session, match_outcomes, rolling_ic
from investlab.views.state import MonitorLine, MonitorPoint


def monitor_line(scores: pd.DataFrame, panel: PricePanel, horizon_sessions: int, rolling_sessions: int) -> MonitorLine:
    """Return the rolling IC at each session on which a prediction of the pass matured.

    `panel` ends with the session shown: what matures later is not known yet. A point stands at the session on which
    its newest prediction matured, as topic `monitor.ic` tells it.
    """
    outcomes = match_outcomes(scores, panel, horizon_sessions)
    if outcomes.empty:
        return MonitorLine(
            points=(),
            matured_sessions=0,
            mean_ic=None,
            rolling_sessions=rolling_sessions,
            horizon_sessions=horizon_sessions,
        )
    by_session = ic_by_session(outcomes)
    matured_on = outcomes.groupby("session")["matured_on"].first().reindex(by_session.index)
    rolling = rolling_ic(by_session, rolling_sessions)
    return MonitorLine(
        points=tuple(
            MonitorPoint(session=pd.Timestamp(day).date(), ic=float(value))
            for day, value in zip(matured_on, rolling, strict=True)
        ),
        matured_sessions=len(by_session),
        mean_ic=float(by_session.mean()) if len(by_session) else None,
        rolling_sessions=rolling_sessions,
        horizon_sessions=horizon_sessions,
    )
