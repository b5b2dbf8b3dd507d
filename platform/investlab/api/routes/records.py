"""What is recorded: datasets, instruments, runs, and what each record stands on."""

from typing import Annotated

from fastapi import FastAPI, Query

from investlab.api.declarations import GUARDED, Limit, Name, RecordId, Words, errors
from investlab.api.services import GatewayServices
from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.schemas.backtest import RunSummary
from investlab.schemas.catalog import DatasetInfo
from investlab.schemas.ledger import RunQuery, RunStatus
from investlab.schemas.market import InstrumentRef
from investlab.schemas.trace import Trace
from investlab.services.tracing import trace_record
from investlab.store.repositories import backtests, catalog, datasets

SEARCH = errors(*GUARDED, InvalidInput)
Status = Annotated[RunStatus | None, Query(description="State of the runs; any when left out.")]


def add_records(app: FastAPI, services: GatewayServices) -> None:
    """Add the routes of datasets, instruments, runs and traces."""
    database = services.context.database

    @app.get("/v1/datasets", responses=errors(*GUARDED), tags=["records"])
    def list_datasets() -> tuple[DatasetInfo, ...]:
        """List the datasets, ordered by name."""
        with database.read() as session:
            return tuple(datasets.list_datasets(session))

    @app.get("/v1/instruments", responses=SEARCH, tags=["records"])
    def find_instruments(query: Words = "", limit: Limit = 50) -> tuple[InstrumentRef, ...]:
        """List the instruments whose name or identifiers contain the query, ordered by symbol."""
        with database.read() as session:
            return tuple(catalog.find_instruments(session, query, limit=limit))

    @app.get("/v1/runs", responses=SEARCH, tags=["records"])
    def list_runs(
        strategy: Name = None, dataset: Name = None, status: Status = None, limit: Limit = 50
    ) -> tuple[RunSummary, ...]:
        """List the backtest runs, newest first."""
        with database.read() as session:
            query = RunQuery(strategy=strategy, dataset=dataset, status=status, limit=limit)
            return tuple(backtests.list_runs(session, query))

    @app.get("/v1/trace/{record_id}", responses=errors(*GUARDED, NotFound, Conflict, InvalidInput), tags=["records"])
    def trace(record_id: RecordId) -> Trace:
        """Return what a record stands on, back to the provider of its data."""
        return trace_record(services.context, record_id)
