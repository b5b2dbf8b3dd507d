"""The market page's state from real stores: never later than the session, and friendly while things are missing."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from investlab.schemas.serving import PredictionRecord, PredictionScore
from investlab.services.context import Context
from investlab.services.workspace import Workspace
from investlab.store.repositories import replays
from investlab.views.reading import read_market
from tests.support.serving import version_of
from tests.support.workspaces import make_workspace

pytestmark = pytest.mark.slow

CLOSES, BARS = "us-close", "us-ohlcv-recent"
FIRST, LAST = date(2022, 1, 3), date(2022, 12, 28)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = make_workspace(tmp_path_factory.mktemp("home"))
    for dataset in (CLOSES, BARS):
        workspace.ingest("sample", dataset)
    yield workspace
    workspace.close()


def walk_to(context: Context, session: date) -> str:
    """Bring the pass to a session, starting one when there is none, and return its id."""

    def start() -> str:
        return context.database.write(
            lambda s: replays.start_pass(s, dataset=CLOSES, first_session=FIRST, last_session=LAST, at=AT)
        ).pass_id

    with context.database.read() as reading:
        current = replays.current_pass(reading, CLOSES)
    pass_id, expected = (current.pass_id, current.session) if current else (start(), None)
    context.database.write(lambda s: replays.advance_pass(s, pass_id, expected=expected, to=session, at=AT))
    return pass_id


def predict(context: Context, pass_id: str, session: date, instruments: list[tuple[int, str]]) -> None:
    """Record a prediction that likes instruments better the later they come."""
    spool = context.predictions.spool()
    spool.append(
        PredictionRecord(
            prediction_id=f"pd-{session:%Y%m%d}-{pass_id}",
            source="replay",
            at=AT,
            request_id="rq",
            pass_id=pass_id,
            session=session,
            as_of=AT,
            dataset=CLOSES,
            dataset_version=1,
            model=context.settings.model,
            model_version=2,
            version_id="mv-1",
            run_id="tr-1",
            horizon_sessions=21,
            scores=tuple(
                PredictionScore(row=row, instrument_id=key, symbol=symbol, score=float(row))
                for row, (key, symbol) in enumerate(instruments)
            ),
        )
    )
    spool.sync()
    spool.close()


def test_a_champion_that_knows_later_sessions_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace(tmp_path)
    workspace.ingest("sample", CLOSES)
    walk_to(workspace.context, date(2022, 1, 4))
    version = version_of(b"", dataset=CLOSES, trained_through=date(2022, 6, 30))
    monkeypatch.setattr("investlab.services.registry.champion", lambda *_: version)
    said = [each.sentence for each in read_market(workspace.context).advice if each.about == "monitor"]
    assert any("trained on sessions through 2022-06-30, which this replay has not reached" in each for each in said)
    version = version_of(b"", dataset=CLOSES, trained_through=date(2022, 1, 5))
    assert not any("trained on" in each.sentence for each in read_market(workspace.context).advice)
    workspace.close()


def test_an_empty_home_says_what_to_do(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    state = read_market(workspace.context)
    workspace.close()
    assert (state.candles, state.watch, state.portfolio, state.replay) == (None, (), None, None)
    assert {advice.about for advice in state.advice} == {"candles", "watch", "monitor", "portfolio"}
    assert all(advice.command.startswith("investlab ") for advice in state.advice)


def test_before_the_replay_the_page_stands_at_the_session_before_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    workspace.ingest("sample", CLOSES)
    state = read_market(workspace.context)
    workspace.close()
    assert state.session == date(2021, 12, 31)
    assert len(state.watch) == 20
    assert {line.session for line in state.watch} == {date(2021, 12, 31)}


def test_a_pass_is_shown_up_to_its_session_and_no_further(ingested: Workspace) -> None:
    context = ingested.context
    session = date(2022, 2, 9)
    pass_id = walk_to(context, session)
    listed = [(line.instrument_id, line.symbol) for line in read_market(context).watch if line.dataset == CLOSES]
    predict(context, pass_id, date(2022, 1, 5), listed)
    predict(context, pass_id, session, listed[::-1])
    state = read_market(context)
    assert state.replay is not None
    assert state.portfolio is not None
    assert state.candles is not None
    assert (state.session, state.replay.session, state.replay.pass_id) == (session, session, pass_id)
    assert state.candles.bars[-1][0] == session
    assert len(state.candles.bars) == 120
    assert max(line.session for line in state.watch) == session
    points = state.portfolio.points
    assert (points[0].session, points[-1].session) == (FIRST, session)
    assert all(point.drawdown <= 0 for point in points)
    assert points[-1].benchmark is not None
    assert sum(state.portfolio.weights.values()) == pytest.approx(1, abs=0.05)
    ranks = {line.symbol: line.rank for line in state.watch if line.dataset == CLOSES}
    assert (ranks[listed[0][1]], ranks[listed[-1][1]]) == (1, 20)
    assert state.monitor is not None
    assert state.monitor.matured_sessions == 1
    assert [point.session for point in state.monitor.points] == [date(2022, 2, 4)]
    assert {advice.about for advice in state.advice} == {"monitor"}


def test_the_bars_beside_the_closes_have_no_rank(ingested: Workspace) -> None:
    lines = [line for line in read_market(ingested.context).watch if line.dataset == BARS]
    assert [(line.symbol, line.rank) for line in lines] == [("AAPL", None)]
