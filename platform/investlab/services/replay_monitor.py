"""How the predictions of a replay pass came true, from the outcomes known at its session."""

import pandas as pd

from investlab.market.panel import PricePanel
from investlab.ml.monitoring import monitor
from investlab.schemas.live import ModelMonitor
from investlab.schemas.serving import PredictionRecord


def watch_predictions(
    scores: pd.DataFrame, panel: PricePanel, latest: PredictionRecord, rolling_sessions: int
) -> ModelMonitor:
    """Return how the predictions of a pass (session, instrument_id, score) came true by a panel's last session.

    Each is measured over its own horizon, a column of `scores`: a champion that looks further ahead takes back nothing
    that came true before it. `latest` is the last one made; its model and horizon are named.
    """
    report = monitor(scores, panel, rolling_sessions=rolling_sessions)
    return ModelMonitor(
        pass_id=latest.pass_id or "",
        session=panel.last_session,
        model=latest.model,
        matured_sessions=report.matured_sessions,
        mean_ic=report.mean_ic,
        rolling_ic=report.rolling_ic,
        rolling_sessions=rolling_sessions,
        horizon_sessions=latest.horizon_sessions,
    )
