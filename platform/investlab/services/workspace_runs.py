"""What a workspace does with recorded runs: finding, labelling, loading, comparing, tracing, reproducing."""

from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd

from investlab.backtest.comparison import RunComparison
from investlab.backtest.purged_result import CrossValidationResult
from investlab.backtest.result import BacktestResult
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.walk_forward_result import WalkForwardResult
from investlab.ml.trained import TrainedModel
from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunKind, RunQuery
from investlab.schemas.trace import Trace
from investlab.services import runs
from investlab.services.reproduction import Reproduction, reproduce_run
from investlab.services.run_comparison import compare_runs
from investlab.services.run_labels import archive_run, label_run, parse_labels
from investlab.services.run_listing import runs_frame
from investlab.services.run_queries import parse_query, parse_since
from investlab.services.tracing import trace_record
from investlab.services.training import TRAINING_PREFIX, load_training
from investlab.services.workspace_base import WorkspaceBase
from investlab.store.repositories import backtests


class RunMethods(WorkspaceBase):
    """The methods of a workspace about recorded runs."""

    def runs(
        self,
        query: str | RunQuery | None = None,
        *,
        tag: str | None = None,
        strategy: str | None = None,
        dataset: str | None = None,
        kind: RunKind | str | None = None,
        since: str | date | datetime | None = None,
        archived: bool | None = False,
        limit: int = 50,
    ) -> pd.DataFrame:
        """Return recorded backtests and sweeps, newest first, indexed by run id.

        `query` is text such as `momentum tag:paper sharpe > 1 max_drawdown > -20%`: words that id, name, note,
        strategy or tags contain, and conditions on metrics, all of which must hold. Archived runs are left out, listed
        alone (`archived=True`), or listed too (None).

        Raises:
            InvalidInput: The query cannot be read.
            NotFound: The dataset, a metric or a key of the query does not exist; near matches are named.
        """
        if not isinstance(query, RunQuery):
            named = {"strategy": strategy, "dataset": dataset, "kind": kind, "since": parse_since(since)}
            hidden = {} if archived is False else {"archived": archived}
            tags = () if tag is None else (tag,)
            query = parse_query(query or "", **named, **hidden, tags=tags, limit=limit)
        return runs_frame(self.list_runs(query))

    def label(
        self, run_id: str, *, name: str | None = None, tags: Sequence[str] | None = None, note: str | None = None
    ) -> None:
        """Set a run's name, tags and note; what is not given stays, an empty text or list takes away.

        Raises:
            NotFound: There is no such run; near matches are named.
            InvalidInput: A tag is no single word.
        """
        label_run(self.context, run_id, parse_labels(name, tags, note))

    def archive(self, run_id: str, *, archived: bool = True) -> None:
        """Leave a run out of listings, or list it again; it stays loadable and its trials stay counted.

        Raises:
            NotFound: There is no such run; near matches are named.
        """
        archive_run(self.context, run_id, archived=archived)

    def list_runs(self, query: RunQuery | None = None) -> list[RunSummary]:
        """Return recorded runs, newest first."""
        with self.context.database.read() as session:
            return backtests.list_runs(session, query)

    def load(
        self, run_id: str
    ) -> BacktestResult | SweepResult | WalkForwardResult | CrossValidationResult | TrainedModel:
        """Return the stored result of a run, named by its id or a unique beginning.

        Raises:
            NotFound: There is no such run.
            Conflict: The run did not complete.
        """
        if run_id.startswith(TRAINING_PREFIX):
            return load_training(self.context, run_id)
        return runs.load_run(self.context, run_id)

    def compare(self, run_ids: Sequence[str]) -> RunComparison:
        """Return recorded runs side by side: metrics, what differs, equity curves, and whether comparing is fair.

        Raises:
            NotFound: There is no such run; near matches are named.
            InvalidInput: There are fewer than two or more than eight different runs.
        """
        return compare_runs(self.context, run_ids)

    def trace(self, record_id: str) -> Trace:
        """Return what a run, a notebook run or a dataset version stands on, back to the provider.

        Raises:
            NotFound: Nothing has that id.
        """
        return trace_record(self.context, record_id)

    def reproduce(self, run_id: str, *, executor: str = "auto") -> Reproduction:
        """Build a run again and say whether it is equal to the bit, or what differs.

        Raises:
            NotFound: There is no such run.
            NotReproducible: Its strategy is not installed.
        """
        with self._progress(f"reproducing {run_id}") as progress:
            return reproduce_run(self.context, run_id, executor, progress)
