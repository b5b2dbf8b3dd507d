"""Names, tags, notes and the archive of runs, and finding runs by them and by their metrics."""

import math
from typing import Any

import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import NotFound
from investlab.schemas.ledger import RunKind, RunQuery
from investlab.schemas.run_labels import Comparison, MetricCondition, RunLabels
from investlab.store.database import Database
from investlab.store.repositories import backtests, run_labels
from tests.support.records import add_dataset, at, run_outcome, run_start

RUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "run-0001": ({"name": "Base case", "tags": ("paper", "us")}, {"metrics": {"sharpe": 0.5, "cagr": 0.1}}),
    "run-0002": ({"note": "dear costs", "kind": RunKind.BACKTEST}, {"metrics": {"sharpe": 1.5, "cagr": 0.1}}),
    "run-0003": ({"strategy": "macd", "tags": ("paper",)}, {"metrics": {"sharpe": math.nan}}),
    "run-0004": ({"strategy": "macd"}, {"metrics": {"sharpe": 2.0}}),
}


@pytest.fixture
def stored(database: Database) -> Database:
    """Four runs, a second apart, the last one archived."""

    def unit(session: Session) -> None:
        add_dataset(session)
        for number, (run_id, (started, ended)) in enumerate(RUNS.items()):
            start = run_start(run_id=run_id, key=f"key-{number}", started_at=at(number), **started)
            backtests.start_run(session, start)
            backtests.complete_run(session, run_id, run_outcome(**ended))
        run_labels.archive_run(session, "run-0004", at=at(9))

    database.write(unit)
    return database


def found(stored: Database, **query: Any) -> list[str]:
    with stored.read() as session:
        return [run.run_id for run in backtests.list_runs(session, RunQuery(**query))]


def above(metric: str, value: float) -> dict[str, Any]:
    return {"conditions": (MetricCondition(metric=metric, comparison=Comparison.ABOVE, value=value),)}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, ["run-0003", "run-0002", "run-0001"], id="newest-first-without-the-archived"),
        pytest.param({"archived": True}, ["run-0004"], id="archived-alone"),
        pytest.param({"archived": None, "strategy": "macd"}, ["run-0004", "run-0003"], id="archived-too"),
        pytest.param({"tags": ("paper",)}, ["run-0003", "run-0001"], id="tag"),
        pytest.param({"tags": ("paper", "us")}, ["run-0001"], id="both-tags"),
        pytest.param({"text": ("BASE",)}, ["run-0001"], id="name-in-any-case"),
        pytest.param({"text": ("dear",)}, ["run-0002"], id="note"),
        pytest.param({"text": ("0002", "sma")}, ["run-0002"], id="id-and-strategy"),
        pytest.param({"kind": RunKind.BACKTEST}, ["run-0002"], id="kind"),
        pytest.param({"since": at(1)}, ["run-0003", "run-0002"], id="since"),
        pytest.param(above("sharpe", 0.4), ["run-0002", "run-0001"], id="undefined-metrics-meet-nothing"),
        pytest.param({**above("cagr", 0.0), "limit": 1}, ["run-0002"], id="limit-counts-matches"),
    ],
)
def test_what_is_found(stored: Database, query: dict[str, Any], expected: list[str]) -> None:
    assert found(stored, **query) == expected


def test_a_metric_that_no_run_has_names_near_ones(stored: Database) -> None:
    with pytest.raises(NotFound, match="Unknown metric 'sharp'. Did you mean sharpe"):
        found(stored, **above("sharp", 0.0))


def test_labels_set_what_is_given_and_take_away_what_is_empty(stored: Database) -> None:
    def labelled(**labels: Any) -> tuple[str | None, tuple[str, ...], str | None]:
        stored.write(lambda session: run_labels.label_run(session, "run-0001", RunLabels(**labels)))
        with stored.read() as session:
            run = backtests.run(session, "run-0001")
        return run.name, run.tags, run.note

    assert labelled(note="kept") == ("Base case", ("paper", "us"), "kept")
    assert labelled(tags=("z", "a", "a")) == ("Base case", ("a", "z"), "kept")
    assert labelled(name="", tags=()) == (None, (), "kept")


def test_archiving_again_keeps_the_first_moment(stored: Database) -> None:
    stored.write(lambda session: run_labels.archive_run(session, "run-0004", at=at(20)))
    with stored.read() as session:
        assert backtests.run(session, "run-0004").archived_at == at(9)


def test_an_archived_run_is_listed_again_and_its_trials_were_always_counted(stored: Database) -> None:
    with stored.read() as session:
        assert backtests.cumulative_trials(session, "system", "sma_cross", "us").trials == 8
    stored.write(lambda session: run_labels.archive_run(session, "run-0004", at=None))
    assert found(stored)[0] == "run-0004"
