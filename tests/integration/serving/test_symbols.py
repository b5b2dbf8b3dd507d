"""Features for symbols: the session clock decides what is seen, and the bits are those of training."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from investlab.core.errors import EmptyUniverse, InvalidInput, NotFound
from investlab.features.matrix import build_features
from investlab.schemas.serving import ClockState
from investlab.services.symbol_features import SymbolFeatures
from investlab.services.workspace import Workspace
from investlab.store.repositories import replays
from tests.support.serving import version_of
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, make_workspace, use_provider

FEATURES = ("momentum_6_1", "return_21", "volatility_63", "return_21_rank")
VERSION = version_of(b"", features=FEATURES, symbols=("BBB", "AAA", "CCC"), dataset=DATASET)
LATEST = date(2020, 12, 31)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    young = make_prices(("YNG",), first="2020-11-02")
    use_provider(monkeypatch, ScriptedProvider(pd.concat([make_prices(), young], ignore_index=True)))
    opened = make_workspace(tmp_path)
    opened.ingest("scripted", DATASET)
    yield opened
    opened.close()


def begin_replay(workspace: Workspace, first: date, reached: date | None) -> str:
    database, now = workspace.context.database, workspace.context.clock.now()
    begun = database.write(
        lambda s: replays.start_pass(s, dataset=DATASET, first_session=first, last_session=LATEST, at=now)
    )
    if reached is not None:
        database.write(lambda s: replays.advance_pass(s, begun.pass_id, expected=None, to=reached, at=now))
    return begun.pass_id


def offline(workspace: Workspace, session: date) -> np.ndarray:
    """Return what training sees: the whole panel's features, at one session."""
    panel = workspace.panel(VERSION.lineage.symbols, ["close"], dataset=DATASET)
    return build_features(panel, FEATURES).row(session)


@pytest.mark.parametrize("session", [LATEST, date(2020, 3, 13), date(2019, 8, 1)])
def test_online_features_are_those_of_training_to_the_bit(workspace: Workspace, session: date) -> None:
    rows = SymbolFeatures(workspace.context).rows(VERSION, ("CCC", "AAA"), session)
    expected = offline(workspace, session)
    assert rows.session == session
    assert rows.values.tobytes() == expected[[2, 1]].tobytes()
    assert [ref.symbol for ref in rows.listing] == ["CCC", "AAA"]


def test_asked_alone_or_together_a_symbol_has_the_same_features(workspace: Workspace) -> None:
    features = SymbolFeatures(workspace.context)
    alone, together = (features.rows(VERSION, symbols, None) for symbols in (("CCC",), ("AAA", "BBB", "CCC")))
    assert alone.values[0].tobytes() == together.values[2].tobytes()


def test_without_a_replay_the_latest_data_are_used_and_called_stale(workspace: Workspace) -> None:
    rows = SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), None)
    assert (rows.session, rows.pass_id, rows.dataset, rows.dataset_version) == (LATEST, None, DATASET, 1)
    assert rows.as_of == datetime(2020, 12, 31, 21, tzinfo=UTC)
    assert (rows.fresh.state, rows.fresh.clock_session) == (ClockState.STALE, date(2023, 12, 29))
    assert rows.fresh.age_sessions == 753


def test_a_replay_is_the_present(workspace: Workspace) -> None:
    reached = date(2020, 7, 2)
    pass_id = begin_replay(workspace, date(2020, 6, 1), reached)
    rows = SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), None)
    assert (rows.session, rows.pass_id, rows.fresh.state, rows.fresh.age_sessions) == (
        reached,
        pass_id,
        ClockState.REPLAY,
        0,
    )


def test_before_its_first_session_a_replay_stands_at_the_session_before(workspace: Workspace) -> None:
    begin_replay(workspace, date(2020, 6, 1), None)
    rows = SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), None)
    assert (rows.session, rows.fresh.clock_session) == (date(2020, 5, 29), date(2020, 5, 29))


def test_the_replay_moving_on_is_seen_at_the_next_request(workspace: Workspace) -> None:
    features = SymbolFeatures(workspace.context)
    pass_id = begin_replay(workspace, date(2020, 6, 1), date(2020, 7, 2))
    features.rows(VERSION, ("AAA",), None)
    now = workspace.context.clock.now()
    workspace.context.database.write(
        lambda s: replays.advance_pass(s, pass_id, expected=date(2020, 7, 2), to=date(2020, 7, 6), at=now)
    )
    assert features.rows(VERSION, ("AAA",), None).session == date(2020, 7, 6)


@pytest.mark.parametrize(
    "as_of",
    [
        pytest.param(date(2020, 7, 3), id="the-day-after"),
        pytest.param(datetime(2020, 7, 6, 21, tzinfo=UTC), id="the-next-close"),
        pytest.param(date(2024, 1, 1), id="after-the-data"),
    ],
)
def test_nothing_later_than_the_session_clock_is_told(workspace: Workspace, as_of: date) -> None:
    begin_replay(workspace, date(2020, 6, 1), date(2020, 7, 2))
    with pytest.raises(InvalidInput, match=r"later than the session clock, which stands at 2020-07-02"):
        SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), as_of)


def test_without_a_replay_tomorrow_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match="look ahead"):
        SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), date(2024, 1, 3))


@pytest.mark.parametrize(
    ("as_of", "session"),
    [
        pytest.param(date(2020, 7, 4), date(2020, 7, 2), id="a-holiday"),
        pytest.param(datetime(2020, 7, 2, 15, tzinfo=UTC), date(2020, 7, 1), id="before-the-close"),
        pytest.param(datetime(2020, 7, 2, 20, 0, tzinfo=UTC), date(2020, 7, 2), id="at-the-close"),
    ],
)
def test_a_session_counts_from_its_close(workspace: Workspace, as_of: date, session: date) -> None:
    assert SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), as_of).session == session


def test_a_correction_is_seen_from_when_it_was_known(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), date(2020, 7, 2)).values
    corrected = make_prices()
    corrected.loc[
        (corrected["symbol"] == "AAA") & (corrected["session"] == "2020-06-30"), ["close", "adjusted_close"]
    ] *= 1.001
    use_provider(monkeypatch, ScriptedProvider(corrected))
    workspace.ingest("scripted", DATASET)
    features = SymbolFeatures(workspace.context)
    then = features.rows(VERSION, ("AAA",), date(2020, 7, 2))
    assert then.dataset_version == 2
    assert then.values.tobytes() == before.tobytes()
    now = features.rows(VERSION, ("AAA",), None)
    assert now.values.tobytes() == offline(workspace, now.session)[[1]].tobytes()
    begin_replay(workspace, date(2020, 6, 1), date(2020, 7, 2))
    assert features.rows(VERSION, ("AAA",), None).values.tobytes() == before.tobytes()


def test_unknown_symbols_are_told_with_near_matches(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match=r"Unknown symbol 'AAB'. Did you mean AAA") as caught:
        SymbolFeatures(workspace.context).rows(VERSION, ("BBB", "AAB"), None)
    assert caught.value.details["near"] == ["AAA"]


def test_a_symbol_named_twice_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match="named twice"):
        SymbolFeatures(workspace.context).rows(VERSION, ("AAA", "AAA"), None)


def test_too_little_history_names_the_symbol_and_what_is_missing(workspace: Workspace) -> None:
    version = version_of(b"", features=FEATURES, symbols=("AAA", "BBB", "YNG"), dataset=DATASET)
    features = SymbolFeatures(workspace.context)
    with pytest.raises(InvalidInput, match=r"YNG has not enough history at 2020-12-31 for momentum_6_1") as caught:
        features.rows(version, ("AAA", "YNG"), None)
    assert caught.value.details["symbol"] == "YNG"
    assert features.rows(version, ("AAA", "BBB"), None).session == LATEST


@pytest.fixture
def corrected(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A dataset with a correction, which is read as of a time and so lacks what was not listed yet."""
    bars = make_prices()
    bars.loc[(bars["symbol"] == "AAA") & (bars["session"] == "2020-06-30"), ["close", "adjusted_close"]] *= 1.001
    use_provider(monkeypatch, ScriptedProvider(bars))
    workspace.ingest("scripted", DATASET)
    return workspace


WITH_YOUNG = version_of(b"", features=FEATURES, symbols=("BBB", "YNG", "AAA", "CCC"), dataset=DATASET)


def test_an_instrument_that_was_not_listed_yet_keeps_no_other_from_being_scored(corrected: Workspace) -> None:
    day = date(2020, 7, 2)
    rows = SymbolFeatures(corrected.context).rows(WITH_YOUNG, ("CCC", "AAA"), day)
    others = SymbolFeatures(corrected.context).rows(VERSION, ("CCC", "AAA"), day)
    assert rows.values.tobytes() == others.values.tobytes()
    assert [ref.symbol for ref in rows.listing] == ["CCC", "AAA"]


def test_a_notebook_of_the_past_scores_what_was_listed_then(workspace: Workspace) -> None:
    day = date(2020, 7, 2)
    rows = SymbolFeatures(workspace.as_of(day).context).rows(WITH_YOUNG, ("AAA",), day)
    assert rows.values.tobytes() == offline(workspace, day)[[1]].tobytes()


def test_not_listed_yet_is_told_apart_from_unknown(corrected: Workspace) -> None:
    features = SymbolFeatures(corrected.context)
    with pytest.raises(InvalidInput, match=r"YNG was not listed yet at 2020-07-02") as caught:
        features.rows(WITH_YOUNG, ("AAA", "YNG"), date(2020, 7, 2))
    assert caught.value.details["symbol"] == "YNG"
    with pytest.raises(NotFound, match="Unknown symbol 'YMG'"):
        features.rows(WITH_YOUNG, ("AAA", "YMG"), date(2020, 7, 2))


def test_without_corrections_an_instrument_without_any_price_yet_is_said_to_have_none(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match=r"YNG has no price as far back from 2020-07-02 .* not listed yet"):
        SymbolFeatures(workspace.context).rows(WITH_YOUNG, ("YNG",), date(2020, 7, 2))


def test_where_nothing_was_listed_yet_that_is_said(corrected: Workspace) -> None:
    young = version_of(b"", features=FEATURES, symbols=("YNG",), dataset=DATASET)
    with pytest.raises(EmptyUniverse, match="none was listed yet"):
        SymbolFeatures(corrected.context).rows(young, ("YNG",), date(2020, 7, 2))


def test_a_time_before_the_data_is_refused(workspace: Workspace) -> None:
    with pytest.raises(EmptyUniverse, match="no bars"):
        SymbolFeatures(workspace.context).rows(VERSION, ("AAA",), date(2018, 1, 2))
