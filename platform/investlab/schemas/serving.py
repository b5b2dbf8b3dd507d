"""Predictions at the edge: requests, the answer envelope, health, and the record each prediction leaves."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from investlab.schemas.market import Frozen
from investlab.schemas.tables import fact_table, row_table

MAX_ROWS = 1000
SymbolText = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9.^=_-]+$")]


class PredictRequest(Frozen):
    """Score rows of features, or symbols whose features the platform builds; exactly one of the two.

    Each row of `features` has every feature of the model's signature and nothing else. `as_of` goes with `symbols`.
    """

    features: tuple[dict[str, FiniteFloat], ...] | None = Field(None, min_length=1, max_length=MAX_ROWS)
    symbols: tuple[SymbolText, ...] | None = Field(None, min_length=1, max_length=MAX_ROWS)
    as_of: date | datetime | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "PredictRequest":
        if (self.features is None) == (self.symbols is None):
            raise ValueError("give either features or symbols")
        if self.features is not None and self.as_of is not None:
            raise ValueError("as_of goes with symbols only")
        return self


class ClockState(StrEnum):
    """What the session clock shows: the present, the past walked through again, or data older than it should be."""

    LIVE = "live"
    REPLAY = "replay"
    STALE = "stale"


class Freshness(Frozen):
    """The age of the data behind an answer against the session clock; None where the caller brought the data."""

    state: ClockState
    clock_session: date | None
    data_session: date | None
    age_sessions: int | None


class Score(Frozen):
    """A model's output for one instrument or row, its rank (1 is best), and what each feature contributed.

    Contributions and `baseline` sum to the score.
    """

    row: int
    symbol: str | None = None
    instrument_id: int | None = None
    score: float
    rank: int
    baseline: float
    contributions: dict[str, float]


class PredictResponse(Frozen):
    """Scores in the answer envelope: the values, and everything they stand on.

    `trained_through` is the last session the model was trained on. `in_sample` says whether the data end before it, so
    that the model may have learned from what came after: such scores show how well it remembers, not how well it
    predicts. None where the caller brought the data, or the training's end is not recorded.
    """

    values: tuple[Score, ...]
    as_of: datetime | None
    dataset_version: str | None
    model: str
    model_version: int
    run_id: str
    fresh: Freshness | None
    request_id: str
    prediction_id: str
    pass_id: str | None = None
    horizon_sessions: int
    trained_through: date | None = None
    in_sample: bool | None = None

    def _repr_html_(self) -> str:
        scores = row_table(
            ("symbol", "rank", "score"),
            [
                (score.symbol or f"row {score.row}", str(score.rank), f"{score.score:+.4f}")
                for score in sorted(self.values, key=lambda each: each.rank)
            ],
        )
        envelope = fact_table(
            f"prediction {self.prediction_id}",
            (
                ("model", f"{self.model}@{self.model_version}, training run {self.run_id}"),
                ("data", self.dataset_version or "features given"),
                ("as of", f"{self.as_of:%Y-%m-%d %H:%M} UTC" if self.as_of else "as sent"),
                ("horizon", f"{self.horizon_sessions} sessions"),
                ("trained through", self._trained()),
            ),
        )
        return f"{envelope}{scores}"

    def _trained(self) -> str:
        if self.in_sample:
            return f"▼ {self.trained_through}: IN SAMPLE, the model may have learned from what came after these data"
        return str(self.trained_through or "not recorded")


class Health(Frozen):
    """Whether a service can answer, and with what."""

    status: Literal["ok", "degraded", "unavailable"]
    model: str
    model_version: int | None
    artifact_sha256: str | None
    detail: str = ""
    platform_version: str


PredictionSource = Literal["api", "notebook", "replay"]
"""Who asked: an app, a researcher, or the replay clock."""


class PredictionScore(Frozen):
    """One score of a prediction as it is kept."""

    row: int
    instrument_id: int | None
    symbol: str | None
    score: float


class PredictionRecord(Frozen):
    """A logged prediction; `session` is the last session whose close the features knew, None for features given.

    `pass_id` names the walk of the replay clock it belongs to; predictions of different passes never mix.
    """

    prediction_id: str
    source: PredictionSource
    at: datetime
    request_id: str
    pass_id: str | None
    session: date | None
    as_of: datetime | None
    dataset: str | None
    dataset_version: int | None
    model: str
    model_version: int
    version_id: str
    run_id: str
    horizon_sessions: int
    scores: tuple[PredictionScore, ...]
