"""What the quality checks found in an ingest, and the bars that wait in quarantine."""

from typing import Any

import pandas as pd

from investlab.core.errors import NotFound
from investlab.market.ingest_quality import IngestQuality
from investlab.schemas.catalog import IngestInfo
from investlab.schemas.quality import QualityReport
from investlab.services.context import Context
from investlab.store.repositories import ingests

INGESTS_SEARCHED = 200


def quality_report(context: Context, dataset: str, ingest_run: str | None = None) -> IngestQuality:
    """Return what was found in an ingest of a dataset: the latest one that was checked unless a run is named.

    Raises:
        NotFound: Dataset or run is unknown, the run is of another dataset, or none was checked yet.
        Conflict: Several runs begin like that.
    """
    run = _latest(context, dataset) if ingest_run is None else _named(context, dataset, ingest_run)
    return IngestQuality(
        dataset=dataset,
        ingest_run_id=run.ingest_run_id,
        provider=run.provider,
        status=str(run.status),
        at=run.ended_at or run.started_at,
        found=QualityReport.model_validate(run.quality),
    )


def quality_rows(context: Context, dataset: str, ingest_run: str | None = None) -> list[dict[str, Any]]:
    """Return the findings of an ingest as rows of a table, the gravest first."""
    return quality_report(context, dataset, ingest_run).rows()


def quarantined_bars(context: Context, dataset: str, ingest_run: str | None = None) -> pd.DataFrame:
    """Return a dataset's bars in quarantine with reason and ingest run, of one run or all.

    Raises:
        NotFound: Dataset or run is unknown, or the run is of another dataset.
        Corrupt: A file of theirs cannot be read.
    """
    if ingest_run is not None:
        ingest_run = _named(context, dataset, ingest_run, checked=False).ingest_run_id
    else:
        _runs(context, dataset, limit=1)
    return context.quarantine.read(dataset, ingest_run)


def _latest(context: Context, dataset: str) -> IngestInfo:
    found = next((run for run in _runs(context, dataset, INGESTS_SEARCHED) if _was_checked(run)), None)
    if found is None:
        raise NotFound(f"No bars of dataset {dataset!r} were checked yet.", remedy="Ingest the dataset first.")
    return found


def _named(context: Context, dataset: str, ingest_run: str, *, checked: bool = True) -> IngestInfo:
    with context.database.read() as session:
        run = ingests.ingest(session, ingest_run)
    if run.dataset != dataset:
        raise NotFound(
            f"Ingest run {run.ingest_run_id!r} is of dataset {run.dataset!r}, not of {dataset!r}.",
            remedy=f"Ask for the quality of {run.dataset!r}.",
        )
    if checked and not _was_checked(run):
        raise NotFound(
            f"Ingest run {run.ingest_run_id!r} ended as {run.status} before its bars were checked.",
            remedy="Name another run, or none for the latest that was checked.",
        )
    return run


def _runs(context: Context, dataset: str, limit: int) -> list[IngestInfo]:
    with context.database.read() as session:
        return ingests.list_ingests(session, dataset, limit=limit)


def _was_checked(run: IngestInfo) -> bool:
    return "bars" in run.quality
