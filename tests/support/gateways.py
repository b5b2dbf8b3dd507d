"""What the REST app stands on in tests: a model host and a replay that say what they are told, and a prediction."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from investlab.schemas.live import ModelMonitor, PaperPortfolio, ReplayState
from investlab.schemas.market import PriceBasis
from investlab.schemas.serving import Health, PredictionRecord, PredictionScore
from tests.support.asgi import AT

STATE = ReplayState(
    pass_id="rp-1",
    pass_number=1,
    session=date(2022, 1, 3),
    first_session=date(2022, 1, 3),
    last_session=date(2022, 12, 28),
    sessions_done=1,
    sessions_total=249,
    seconds_per_session=2.0,
)
PORTFOLIO = PaperPortfolio(
    pass_id="rp-1",
    session=date(2022, 1, 3),
    dataset="us-close",
    dataset_version=1,
    basis=PriceBasis.TOTAL_RETURN,
    currency="USD",
    execution="next_close",
    commission_bps=1.0,
    slippage_bps=2.0,
    initial_cash=100_000.0,
    nav=100_100.0,
    total_return=0.001,
    drawdown=0.0,
    benchmark_nav=None,
    weights={"AAPL": 0.2},
    model="us-ranker",
    model_version=1,
    run_id="tr-1",
)
MONITOR = ModelMonitor(
    pass_id="rp-1",
    session=date(2022, 1, 3),
    model="us-ranker",
    matured_sessions=0,
    mean_ic=None,
    rolling_ic=None,
    rolling_sessions=63,
    horizon_sessions=21,
)


@dataclass(slots=True)
class FakeHost:
    """A model host whose state is set."""

    status: str = "ok"
    detail: str = ""

    def health(self) -> Health:
        """Return the state that was set."""
        return Health.model_validate(
            {
                "status": self.status,
                "model": "us-ranker",
                "model_version": 1,
                "artifact_sha256": "0" * 64,
                "detail": self.detail,
                "platform_version": "0",
            }
        )


@dataclass(slots=True)
class FakeReplay:
    """A replay that shows what it is given."""

    shown_state: ReplayState | None = STATE
    shown_portfolio: PaperPortfolio | None = PORTFOLIO
    shown_monitor: ModelMonitor | None = MONITOR

    def state(self) -> ReplayState | None:
        """Return the state."""
        return self.shown_state

    def portfolio(self) -> PaperPortfolio | None:
        """Return the portfolio."""
        return self.shown_portfolio

    def monitor(self) -> ModelMonitor | None:
        """Return the monitor."""
        return self.shown_monitor


def prediction(prediction_id: str = "pd-aaaa1", **fields: Any) -> PredictionRecord:
    """Return a prediction of two instruments."""
    own: dict[str, Any] = {
        "prediction_id": prediction_id,
        "source": "replay",
        "at": AT,
        "request_id": "r-1",
        "pass_id": "rp-1",
        "session": date(2022, 1, 3),
        "as_of": AT,
        "dataset": "us-close",
        "dataset_version": 1,
        "model": "us-ranker",
        "model_version": 1,
        "version_id": "mv-1",
        "run_id": "tr-1",
        "horizon_sessions": 21,
        "scores": (
            PredictionScore(row=0, instrument_id=1, symbol="AAPL", score=0.5),
            PredictionScore(row=1, instrument_id=None, symbol=None, score=-0.25),
        ),
    }
    return PredictionRecord(**own | fields)
