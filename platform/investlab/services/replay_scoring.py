"""Predictions of a replay pass: one for each session, made from what was known at its close, recorded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import numpy as np
import pandas as pd

from investlab.core.errors import ModelUnavailable
from investlab.core.hashing import hash_json
from investlab.features.definitions import lookback_of
from investlab.features.matrix import build_features
from investlab.market.panel import PricePanel
from investlab.schemas.registry import ModelVersionInfo
from investlab.schemas.serving import PredictionRecord, PredictionScore
from investlab.services.model_host import LoadedModel
from investlab.services.panel_tails import tail

SCORE_COLUMNS = ["session", "instrument_id", "symbol", "score", "horizon_sessions", "model_version"]
SCORE_TYPES = {
    "session": "datetime64[s]",
    "instrument_id": "int64",
    "score": "float64",
    "horizon_sessions": "int64",
    "model_version": "int64",
}


class ChampionHost(Protocol):
    """Gives the model that is served now."""

    def current(self) -> LoadedModel:
        """Return the loaded champion.

        Raises:
            ModelUnavailable: No version is champion, or none could be loaded yet.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """Where in a replay a prediction is made: the pass, its session, and when that session's closes were known."""

    pass_id: str
    session: date
    as_of: datetime


def prediction_id(pass_id: str, session: date, version_id: str) -> str:
    """Return the id of a pass's prediction of a session; making it again after a crash gives the same record."""
    return f"pd-{hash_json([pass_id, session, version_id])[:24]}"


def require_unseen(version: ModelVersionInfo, session: date) -> None:
    """Refuse a model whose training panel reaches beyond a session: its predictions would know what came after.

    Raises:
        ModelUnavailable: It was trained on later sessions.
    """
    if version.lineage.has_seen_after(session):
        raise ModelUnavailable(
            f"{version.label} was trained on sessions through {version.lineage.trained_through}, which this replay "
            "has not reached, so it makes no prediction.",
            remedy="Promote a version trained as of an earlier day, or replay later sessions.",
        )


def score_session(model: LoadedModel, panel: PricePanel, scene: Scene, at: datetime) -> PredictionRecord | None:
    """Return the prediction for every instrument of the model's universe whose features are all known.

    None when there is none. Features are built for the whole universe the model was trained on, because some compare
    its instruments. `panel` ends with the scene's session and holds nothing that was not known at its close.
    """
    info = model.info
    names = info.signature.features
    present = set(panel.symbols)
    universe = [symbol for symbol in info.lineage.symbols if symbol in present]
    if not universe:
        return None
    seen = tail(panel, max(0, len(panel.sessions) - lookback_of(names) - 1)).select(universe)
    rows = build_features(seen, names).row(scene.session)
    usable = np.flatnonzero(np.isfinite(rows).all(axis=1) & ~np.isnan(seen.values("close")[-1]))
    if not len(usable):
        return None
    scores = model.predictor.scores(np.ascontiguousarray(rows[usable]))
    listed = [seen.listing[column] for column in usable]
    return PredictionRecord(
        prediction_id=prediction_id(scene.pass_id, scene.session, info.version_id),
        source="replay",
        at=at,
        request_id=f"{scene.pass_id}/{scene.session}",
        pass_id=scene.pass_id,
        session=scene.session,
        as_of=scene.as_of,
        dataset=panel.source.dataset,
        dataset_version=panel.source.dataset_version,
        model=info.model,
        model_version=info.number,
        version_id=info.version_id,
        run_id=info.lineage.training_run,
        horizon_sessions=info.signature.horizon_sessions,
        scores=tuple(
            PredictionScore(row=row, instrument_id=ref.instrument_id, symbol=ref.symbol, score=float(score))
            for row, (ref, score) in enumerate(zip(listed, scores, strict=True))
        ),
    )


def scores_of(records: Sequence[PredictionRecord]) -> pd.DataFrame:
    """Return the scores of predictions, a row for each instrument and session, in their order."""
    rows = [
        (
            record.session,
            score.instrument_id,
            score.symbol,
            score.score,
            record.horizon_sessions,
            record.model_version,
        )
        for record in records
        for score in record.scores
    ]
    frame = pd.DataFrame(rows, columns=SCORE_COLUMNS)
    return frame.astype(SCORE_TYPES)


def wide_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores as sessions × symbols."""
    return scores.pivot(index="session", columns="symbol", values="score")
