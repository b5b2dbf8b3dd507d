"""What the market page shows, as one value: it makes the page, and a page that was away gets it again."""

from datetime import date, datetime

from pydantic import computed_field

from investlab.schemas.live import ReplayState
from investlab.schemas.market import Frozen, PriceBasis

BarRow = tuple[date, float, float, float, float, float | None]
"""Session, open, high, low, close and volume."""


class Candles(Frozen):
    """Complete bars of one instrument, oldest first; none is later than the page's session."""

    dataset: str
    dataset_version: int
    instrument_id: int
    symbol: str
    name: str
    currency: str
    basis: PriceBasis
    bars: tuple[BarRow, ...]


class WatchLine(Frozen):
    """One instrument of the watchlist: its last close, the one before, and what the champion makes of it."""

    dataset: str
    dataset_version: int
    instrument_id: int
    symbol: str
    name: str
    currency: str
    basis: PriceBasis
    session: date
    closes: tuple[float, ...]
    score: float | None = None
    rank: int | None = None


class ModelLine(Frozen):
    """A model version and its information coefficient out of sample."""

    model: str
    number: int
    learner: str
    version_id: str
    run_id: str
    information_coefficient: float
    interval_low: float
    interval_high: float
    confidence: float
    observations: int
    first_session: date | None
    last_session: date | None


class PortfolioPoint(Frozen):
    """The paper portfolio at a session's close."""

    session: date
    nav: float
    drawdown: float
    benchmark: float | None = None


class PortfolioLine(Frozen):
    """The paper portfolio of this pass, and the terms it is kept on."""

    points: tuple[PortfolioPoint, ...]
    initial_cash: float
    currency: str
    basis: PriceBasis
    dataset: str
    dataset_version: int
    terms: str
    run_id: str
    weights: dict[str, float]


class MonitorPoint(Frozen):
    """The mean IC of the sessions that matured up to this one, over the last few."""

    session: date
    ic: float | None


class MonitorLine(Frozen):
    """How the predictions of this pass came true, each over its own horizon; `horizons` are those in the pass."""

    points: tuple[MonitorPoint, ...]
    matured_sessions: int
    mean_ic: float | None
    rolling_sessions: int
    horizons: tuple[int, ...] = ()


class Advice(Frozen):
    """What is not there yet, and the command that brings it."""

    about: str
    sentence: str
    command: str


class MarketState(Frozen):
    """Everything on the market page at one moment; parts that do not exist yet are None and `advice` says why."""

    model: str
    session: date | None
    made_at: datetime
    replay: ReplayState | None = None
    candles: Candles | None = None
    watch: tuple[WatchLine, ...] = ()
    predicted_by: int | None = None
    prediction_id: str | None = None
    champion: ModelLine | None = None
    baseline: ModelLine | None = None
    portfolio: PortfolioLine | None = None
    monitor: MonitorLine | None = None
    advice: tuple[Advice, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def shape(self) -> str:
        """Return what decides which parts the page has; a page of another shape must be made anew."""
        parts = [line.number if line else 0 for line in (self.champion, self.baseline)]
        there = [part is not None for part in (self.candles, self.portfolio, self.monitor, self.replay)]
        return repr((parts, there, [(line.dataset, line.instrument_id) for line in self.watch]))
