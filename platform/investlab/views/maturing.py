"""How the predictions of a pass came true, session by session."""

import pandas as pd

from investlab.market.panel import PricePanel
from investlab.ml.monitoring import ic_by_maturity, match_own_outcomes, rolling_ic
from investlab.views.state import MonitorLine, MonitorPoint


def monitor_line(scores: pd.DataFrame, panel: PricePanel, rolling_sessions: int) -> MonitorLine:
    """Return the rolling IC at each session on which a prediction of the pass matured, each over its own horizon.

    `panel` ends with the session shown: what matures later is not known yet. A point stands at the session on which
    its newest prediction matured, as topic `monitor.ic` tells it.
    """
    outcomes = match_own_outcomes(scores, panel)
    by_session = ic_by_maturity(outcomes)
    matured_on = outcomes.groupby("session")["matured_on"].max().reindex(by_session.index)
    # Where two horizons mature on one session, the point that knows both stands there.
    rolling = pd.Series(rolling_ic(by_session, rolling_sessions).to_numpy(), index=matured_on.to_numpy())
    rolling = rolling[~rolling.index.duplicated(keep="last")]
    return MonitorLine(
        points=tuple(
            MonitorPoint(session=pd.Timestamp(day).date(), ic=float(value))
            for day, value in zip(rolling.index, rolling, strict=True)
        ),
        matured_sessions=len(by_session),
        mean_ic=float(by_session.mean()) if len(by_session) else None,
        rolling_sessions=rolling_sessions,
        horizons=tuple(sorted({int(each) for each in scores["horizon_sessions"]})),
    )
