"""Predictions: a request becomes scores in the answer envelope, and a record of them is kept before they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from investlab.core.clock import Clock
from investlab.core.errors import ModelUnavailable, StorageUnavailable
from investlab.core.hashing import hash_json
from investlab.ml.signatures import rows_from_request
from investlab.schemas.market import InstrumentRef
from investlab.schemas.registry import ModelVersionInfo
from investlab.schemas.serving import (
    Health,
    PredictionRecord,
    PredictionScore,
    PredictionSource,
    PredictRequest,
    PredictResponse,
    Score,
)
from investlab.services.model_host import LoadedModel, ModelHost
from investlab.services.row_scores import RowScores, ScoredRow
from investlab.services.symbol_features import SymbolRows

QUICK_ROWS = 4
"""Requests of so many rows of features are scored and explained in about a millisecond: not worth a thread."""


class PredictionLog(Protocol):
    """Keeps the record of each prediction, for several threads; a prediction store's spool is one."""

    def append(self, record: PredictionRecord) -> None:
        """Keep a record, or raise."""
        ...


class SymbolSource(Protocol):
    """Builds features for symbols; `SymbolFeatures` does, where there is a store of prices."""

    def rows(self, version: ModelVersionInfo, symbols: Sequence[str], as_of: date | datetime | None) -> SymbolRows:
        """Return the features of these symbols at the last session known as of a time."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """What the model makes of some rows, as it goes into answer and record."""

    values: tuple[Score, ...]
    kept: tuple[PredictionScore, ...]


class PredictionService:
    """Answers prediction requests with the model that a host serves; safe to call from several threads.

    `symbols` is None where no store of prices can be reached, as in a built bento: only features are scored then.
    """

    def __init__(
        self,
        host: ModelHost,
        log: PredictionLog,
        clock: Clock,
        symbols: SymbolSource | None,
        source: PredictionSource = "api",
    ) -> None:
        self.host = host
        self._source: PredictionSource = source
        self._log = log
        self._clock = clock
        self._symbols = symbols
        self._scores = RowScores()

    def health(self) -> Health:
        """Say whether predictions can be made, and with which version."""
        return self.host.health()

    def is_quick(self, request: PredictRequest) -> bool:
        """Say whether answering takes so little time that it need not leave the event loop."""
        return request.features is not None and len(request.features) <= QUICK_ROWS

    def predict(self, request: PredictRequest, request_id: str) -> PredictResponse:
        """Return the scores, whose record is kept by then; the same request id and request give the same prediction id.

        Raises:
            InvalidInput: Names or values do not fit the model's signature, history is too short, or `as_of` lies ahead.
            NotFound: A symbol is not in the model's universe; near matches are named.
            ModelUnavailable: No model can answer, or symbols were sent where no prices are.
            StorageUnavailable: The record cannot be kept, so no answer is given.
        """
        model = self.host.current()
        found = None if request.features is not None else self._symbol_rows(model, request)
        rows = rows_from_request(model.info.signature, request.features or ()) if found is None else found.values
        scored = scored_values(model, self._scores.of(model, rows), found.listing if found else None)
        content = [request_id, model.info.version_id, request.model_dump_json(), found.session if found else None]
        prediction_id = f"pd-{hash_json(content)[:24]}"
        record = self._record(model, found, request_id, prediction_id, scored.kept)
        self._keep(record)
        return PredictResponse(
            values=scored.values,
            as_of=record.as_of,
            dataset_version=f"{found.dataset}@{found.dataset_version}" if found else None,
            model=record.model,
            model_version=record.model_version,
            run_id=record.run_id,
            fresh=found.fresh if found else None,
            request_id=request_id,
            prediction_id=prediction_id,
            pass_id=record.pass_id,
            horizon_sessions=record.horizon_sessions,
            trained_through=model.info.lineage.trained_through,
            in_sample=_in_sample(model.info, record.session),
        )

    def _symbol_rows(self, model: LoadedModel, request: PredictRequest) -> SymbolRows:
        if self._symbols is None:
            raise ModelUnavailable(
                "This service has no store of prices, so it cannot build features for symbols.",
                remedy="Send `features`, or ask a gateway that runs beside a store.",
            )
        return self._symbols.rows(model.info, request.symbols or (), request.as_of)

    def _record(
        self,
        model: LoadedModel,
        found: SymbolRows | None,
        request_id: str,
        prediction_id: str,
        kept: tuple[PredictionScore, ...],
    ) -> PredictionRecord:
        return PredictionRecord(
            prediction_id=prediction_id,
            source=self._source,
            at=self._clock.now(),
            request_id=request_id,
            pass_id=found.pass_id if found else None,
            session=found.session if found else None,
            as_of=found.as_of if found else None,
            dataset=found.dataset if found else None,
            dataset_version=found.dataset_version if found else None,
            model=model.info.model,
            model_version=model.info.number,
            version_id=model.info.version_id,
            run_id=model.info.lineage.training_run,
            horizon_sessions=model.info.signature.horizon_sessions,
            scores=kept,
        )

    def _keep(self, record: PredictionRecord) -> None:
        try:
            self._log.append(record)
        except OSError as error:
            raise StorageUnavailable(
                f"The prediction could not be recorded: {error.strerror or error}.",
                remedy="No answer is given without a record. Free space, then ask again.",
            ) from error


def _in_sample(version: ModelVersionInfo, session: date | None) -> bool | None:
    known = session is not None and version.lineage.trained_through is not None
    return version.lineage.has_seen_after(session) if known and session is not None else None


def scored_values(model: LoadedModel, scored: Sequence[ScoredRow], listing: Sequence[InstrumentRef] | None) -> _Scored:
    """Return scored rows as answer and record hold them, ranked from 1, the best; equal scores rank by row."""
    names = model.info.signature.features
    named = [(ref.symbol, ref.instrument_id) for ref in listing] if listing else [(None, None)] * len(scored)
    order = sorted(range(len(scored)), key=lambda row: -scored[row].score)
    ranks = {row: rank for rank, row in enumerate(order, start=1)}
    values = tuple(
        Score(
            row=row,
            symbol=symbol,
            instrument_id=instrument_id,
            score=scored[row].score,
            rank=ranks[row],
            baseline=scored[row].baseline,
            contributions=dict(zip(names, scored[row].contributions, strict=True)),
        )
        for row, (symbol, instrument_id) in enumerate(named)
    )
    kept = tuple(
        PredictionScore(row=row, instrument_id=instrument_id, symbol=symbol, score=scored[row].score)
        for row, (symbol, instrument_id) in enumerate(named)
    )
    return _Scored(values, kept)
