"""The predictions that were made and recorded."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

import pandas as pd
from fastapi import FastAPI, Query

from investlab.api.declarations import GUARDED, Limit, Name, RecordId, errors
from investlab.api.services import GatewayServices
from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.schemas.serving import PredictionRecord, PredictionScore

Session = Annotated[date | None, Query(description="Session whose close the features knew last; any when left out.")]
_OWN = tuple(name for name in PredictionRecord.model_fields if name != "scores")
_SCORE = tuple(PredictionScore.model_fields)


def add_predictions(app: FastAPI, services: GatewayServices) -> None:
    """Add the routes of recorded predictions."""
    store = services.context.predictions

    @app.get("/v1/predictions", responses=errors(*GUARDED, InvalidInput), tags=["predictions"])
    def list_predictions(
        pass_id: Name = None, session: Session = None, model: Name = None, limit: Limit = 50
    ) -> tuple[PredictionRecord, ...]:
        """List recorded predictions, newest first."""
        return tuple(newest_records(store.read(pass_id=pass_id, model=model, session=session, newest=limit)))

    @app.get(
        "/v1/predictions/{prediction_id}",
        responses=errors(*GUARDED, NotFound, Conflict, InvalidInput),
        tags=["predictions"],
    )
    def show_prediction(prediction_id: RecordId) -> PredictionRecord:
        """Return one recorded prediction with its scores."""
        return store.find(prediction_id)


def newest_records(scores: pd.DataFrame) -> Iterator[PredictionRecord]:
    """Give the predictions of a frame with a row for each score, newest first."""
    plain = scores.astype(object).where(scores.notna(), None)
    for _, rows in sorted(plain.groupby("prediction_id", sort=False).groups.items(), key=lambda item: -item[1][0]):
        yield _record(plain.loc[rows].to_dict(orient="records"))


def _record(rows: list[dict[Any, Any]]) -> PredictionRecord:
    first = {name: rows[0][name] for name in _OWN}
    if first["session"] is not None:
        first["session"] = pd.Timestamp(first["session"]).date()
    scores = tuple(PredictionScore(**{name: row[name] for name in _SCORE}) for row in rows)
    return PredictionRecord.model_validate({**first, "scores": scores})
