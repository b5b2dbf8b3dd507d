"""Predictions as rows, one for each score: their Arrow form, the frame people read, and the records back."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import pandas as pd
import pyarrow as pa

from investlab.schemas.serving import PredictionRecord, PredictionScore

_MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("at", _MOMENT, nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("pass_id", pa.string()),
        pa.field("session", pa.date32()),
        pa.field("as_of", _MOMENT),
        pa.field("dataset", pa.string()),
        pa.field("dataset_version", pa.int64()),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.int64(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("horizon_sessions", pa.int64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("instrument_id", pa.int64()),
        pa.field("symbol", pa.string()),
        pa.field("score", pa.float64(), nullable=False),
    ]
)
KEYS = ["prediction_id", "row"]
_OWN = tuple(name for name in SCHEMA.names if name not in PredictionScore.model_fields)
_COUNTS = {field.name: "int64" for field in SCHEMA if field.type == pa.int64() and not field.nullable}


def rows_of(records: Iterable[PredictionRecord]) -> pa.Table:
    """Return predictions as rows in their order."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for record in records:
        for name in _OWN:
            columns[name].extend([getattr(record, name)] * len(record.scores))
        for name in PredictionScore.model_fields:
            columns[name].extend(getattr(score, name) for score in record.scores)
    return pa.table(columns, schema=SCHEMA)


def frame_of(rows: pa.Table) -> pd.DataFrame:
    """Return rows as a frame ordered by `at`, prediction and row, each once.

    `session` is datetime64, `at` and `as_of` are aware UTC; `dataset_version` and `instrument_id` are nullable Int64.
    """
    frame: pd.DataFrame = rows.to_pandas(
        date_as_object=False, types_mapper={pa.int64(): pd.Int64Dtype()}.get, ignore_metadata=True
    )
    frame = frame.astype({"session": "datetime64[s]", **_COUNTS})
    ordered = frame.sort_values(["at", *KEYS], kind="stable")
    return ordered.drop_duplicates(KEYS, keep="first").reset_index(drop=True)


def records_of(rows: pa.Table) -> list[PredictionRecord]:
    """Return the predictions that rows belong to, ordered by id, each once."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows.to_pylist():
        found.setdefault((row["prediction_id"], row["row"]), row)
    ordered = [found[key] for key in sorted(found)]
    return [_record(list(group)) for _, group in groupby(ordered, key=lambda row: row["prediction_id"])]


def _record(rows: Sequence[dict[str, Any]]) -> PredictionRecord:
    scores = tuple(PredictionScore(**{name: row[name] for name in PredictionScore.model_fields}) for row in rows)
    return PredictionRecord(**{name: rows[0][name] for name in _OWN}, scores=scores)
