"""The replay engine: point in time, exactly once, equal to the engine's backtest, and alive through trouble."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_weights
from investlab.backtest.strategies import BuyAndHold
from investlab.core.errors import InvestlabError, StorageUnavailable
from investlab.ml.portfolio import score_weights
from investlab.schemas.live import ReplayStatus
from investlab.services.replay import LONGEST_PAUSE_SECONDS, ReplayCondition
from investlab.services.replay_scoring import wide_scores
from investlab.services.replay_walk import read_replay
from investlab.store.predictions import PredictionStore
from investlab.store.repositories import replays
from tests.support.replays import (
    SYMBOLS,
    TERMS,
    Champion,
    Replayed,
    loaded_model,
    open_home,
    replay,
    total_return,
)
from tests.support.workspaces import make_prices, make_workspace, use_provider

FIRST, LAST = date(2020, 11, 2), date(2020, 12, 31)
SESSIONS = 42
BOUNDS = ("2020-11-02", "2020-12-31")


def _play(home: Path, scenario: Callable[[Replayed], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        replayed = await Replayed(open_home(home, **options.pop("settings", {})), **options).start()
        try:
            await scenario(replayed)
        finally:
            replayed.close()

    asyncio.run(run())


def _scores(predictions: pd.DataFrame) -> pd.DataFrame:
    return wide_scores(predictions)


def test_a_step_quotes_predicts_and_moves_the_clock(home: Path) -> None:
    replayed = replay(home, 1)
    assert len([m for m in replayed.messages if m.topic.startswith("quote.us-close.")]) == len(SYMBOLS)
    assert [state["session"] for state in replayed.on("replay")] == [None, "2020-11-02"]
    (prediction,) = replayed.on("prediction.us-ranker")
    assert (prediction["session"], prediction["source"]) == ("2020-11-02", "replay")
    assert {score["symbol"] for score in prediction["scores"]} == set(SYMBOLS)
    assert len(replayed.on("portfolio.paper")) == len(replayed.on("monitor.ic")) == 1


def test_what_follows_from_a_session_is_published_after_its_quotes(home: Path) -> None:
    topics = [message.topic for message in replay(home, 1).messages]
    last_quote = max(place for place, topic in enumerate(topics) if topic.startswith("quote."))
    assert topics[last_quote + 1 :] == ["system", "prediction.us-ranker", "replay", "monitor.ic", "portfolio.paper"]


def test_bar_quotes_are_synthetic_and_inside_the_bar(home: Path) -> None:
    replayed = replay(home, 3)
    bars = make_prices(("AAA",)).set_index("session")
    quotes = [m.payload for m in replayed.messages if m.topic.startswith("quote.us-ohlcv-recent.")]
    assert len(quotes) == 3 * TERMS.quotes_per_bar
    for quote in quotes:
        bar = bars.loc[quote["session"]]
        assert bar["low"] <= quote["price"] <= bar["high"]
        assert quote["synthetic"]
        assert quote["basis"] == "split_adjusted"


def test_quotes_are_spread_over_the_session(home: Path) -> None:
    waits: list[float] = []

    async def wait(fraction: float) -> None:
        waits.append(fraction)

    async def scenario(replayed: Replayed) -> None:
        await replayed.engine.step(wait)

    _play(home, scenario)
    assert waits == sorted(waits)
    assert waits[0] == 0.0
    assert waits[-1] == 1.0
    assert len(set(waits)) > TERMS.quotes_per_bar


def test_later_data_is_not_seen(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same data with another future after the fifth session gives the same first five sessions, to the bit."""
    count = 5
    cut = pd.Timestamp("2020-11-06")
    bars = make_prices(SYMBOLS)
    later = bars["session"] > cut
    bars.loc[later, "close"] *= np.random.default_rng(0).uniform(0.5, 2.0, int(later.sum()))
    other = make_workspace(tmp_path / "other")
    use_provider(monkeypatch, total_return(bars))
    other.ingest("scripted", "us-close")
    other.close()
    seen, changed = replay(home, count), replay(tmp_path / "other", count)
    assert seen.engine.state() is not None
    assert seen.engine.state().session == cut.date()  # type: ignore[union-attr]
    pd.testing.assert_frame_equal(_scores(seen.predictions()), _scores(changed.predictions()), check_exact=True)
    pd.testing.assert_frame_equal(seen.engine.equity(), changed.engine.equity(), check_exact=True)
    further = replay(home, 1), replay(tmp_path / "other", 1)
    assert not _scores(further[0].predictions()).equals(_scores(further[1].predictions()))


def test_the_paper_portfolio_is_the_engines_backtest_of_the_recorded_scores(home: Path) -> None:
    """Also across restarts: the book kept in pieces equals one backtest at the end, to the bit."""
    for count in (5, 17, 20):
        replayed = replay(home, count)
    workspace = open_home(home)
    scores = _scores(workspace.context.predictions.read(source="replay"))
    panel = workspace.panel(workspace.universe("us-close"), start=BOUNDS[0], end=BOUNDS[1])
    terms: dict[str, Any] = {
        "costs": Costs.bps(commission=5, slippage=5),
        "execution": "next_close",
        "initial_cash": 100_000.0,
    }
    expected = simulate_weights(panel, score_weights(scores, 5), **terms)
    held = run_strategy(BuyAndHold(), panel, **terms)
    equity = replayed.engine.equity()
    assert len(equity) == SESSIONS
    np.testing.assert_array_equal(equity["nav"], expected.nav)
    np.testing.assert_array_equal(equity["drawdown"], expected.drawdown)
    np.testing.assert_array_equal(equity["benchmark"], held.nav)
    told = replayed.engine.portfolio()
    assert told is not None
    assert (told.nav, told.drawdown) == (expected.nav.iloc[-1], expected.drawdown.iloc[-1])
    assert told.benchmark_nav == held.nav.iloc[-1]
    assert sum(told.weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert len(told.weights) == 5


def test_each_published_portfolio_is_the_books_value_of_that_session(home: Path) -> None:
    replayed = replay(home, SESSIONS)
    equity = replayed.engine.equity()
    for payload in replayed.on("portfolio.paper"):
        assert payload["nav"] == equity.loc[payload["session"], "nav"]
        assert payload["drawdown"] == equity.loc[payload["session"], "drawdown"]


def test_a_restart_goes_on_without_gap_or_repetition(home: Path) -> None:
    passes = {replay(home, count).engine.state().pass_id for count in (3, 4, 5)}  # type: ignore[union-attr]
    predictions = replay(home, 1).predictions()
    assert len(passes) == 1
    assert predictions.groupby("session")["prediction_id"].nunique().tolist() == [1] * 13
    assert len(predictions) == 13 * len(SYMBOLS)


def test_a_restart_publishes_where_it_stands_before_it_goes_on(home: Path) -> None:
    before = replay(home, 12)
    after = replay(home, 1)
    for topic in ("replay", "portfolio.paper", "monitor.ic"):
        assert after.on(topic)[0] == before.on(topic)[-1]
    assert after.messages[0].epoch != before.messages[0].epoch


def test_another_process_reads_the_same_from_the_stores(home: Path) -> None:
    replayed = replay(home, 12)
    workspace = open_home(home)
    view = read_replay(workspace.context, TERMS)
    assert view is not None
    assert view.book is not None
    assert (view.state, view.portfolio, view.monitor) == (
        replayed.engine.state(),
        replayed.engine.portfolio(),
        replayed.engine.monitor(),
    )
    pd.testing.assert_frame_equal(view.book.equity(), replayed.engine.equity(), check_exact=True)


def test_without_a_pass_there_is_nothing_to_read(home: Path) -> None:
    assert read_replay(open_home(home).context, TERMS) is None


def test_the_end_of_the_data_ends_the_pass_and_begins_another(home: Path) -> None:
    replayed = replay(home, SESSIONS + 2)
    with open_home(home).context.database.read() as session:
        second, first = replays.passes(session)
    assert (first.status, first.session) == (ReplayStatus.COMPLETED, LAST)
    assert (second.status, second.number, second.session) == (ReplayStatus.RUNNING, 2, date(2020, 11, 3))
    predictions = replayed.predictions()
    assert predictions.groupby("pass_id")["session"].nunique().to_dict() == {first.pass_id: 42, second.pass_id: 2}
    assert len(replayed.engine.equity()) == 2
    epochs = dict.fromkeys(message.epoch for message in replayed.messages)
    assert [epoch.partition(".")[0] for epoch in epochs] == [first.pass_id, second.pass_id]


def test_a_champion_that_changes_in_mid_pass_is_named_by_later_predictions(home: Path) -> None:
    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(3)
        replayed.champion.model = loaded_model(2)
        await replayed.steps(3)
        versions = [payload["model_version"] for payload in replayed.on("prediction.us-ranker")]
        assert versions == [1, 1, 1, 2, 2, 2]
        assert replayed.on("portfolio.paper")[-1]["model_version"] == 2
        assert replayed.on("portfolio.paper")[-1]["run_id"] == "tr-0002"

    _play(home, scenario)


def test_each_prediction_is_judged_over_its_own_horizon(home: Path) -> None:
    """Promoting a model that looks further ahead rewrites nothing that came true before."""

    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(12)
        before = replayed.engine.monitor()
        assert before is not None
        replayed.champion.model = loaded_model(3, horizon_sessions=21)
        await replayed.steps(1)
        after = replayed.engine.monitor()
        assert after is not None
        assert (before.matured_sessions, after.matured_sessions, after.horizon_sessions) == (7, 8, 21)
        told = [payload["rolling_ic"] for payload in replayed.on("monitor.ic")]
        scores = replayed.predictions()
        closes = replayed.workspace.panel(replayed.workspace.universe("us-close")).close
        forward = (closes.shift(-5) / closes - 1).loc["2020-11-02":"2020-11-11"]
        wide = _scores(scores).loc["2020-11-02":"2020-11-11"]
        expected = [wide.loc[day].corr(forward.loc[day], method="spearman") for day in wide.index]
        assert after.mean_ic == pytest.approx(np.mean(expected), abs=1e-12)
        assert told[-1] == after.rolling_ic
        shown = read_replay(open_home(home).context, TERMS)
        assert shown is not None
        assert shown.monitor == after

    _play(home, scenario)


def test_without_a_champion_quotes_go_on_and_what_is_missing_is_said(home: Path) -> None:
    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(2)
        assert replayed.engine.condition is ReplayCondition.WITHOUT_MODEL
        assert "No version of us-ranker is champion" in replayed.engine.detail
        assert replayed.events().count("replay.without_model") == 1
        assert replayed.engine.portfolio() is replayed.engine.monitor() is None
        assert replayed.engine.equity().empty
        assert replayed.on("replay")[-1]["session"] == "2020-11-03"
        replayed.champion.model = loaded_model()
        await replayed.steps(1)
        assert replayed.engine.condition is ReplayCondition.RUNNING
        assert [payload["session"] for payload in replayed.on("prediction.us-ranker")] == ["2020-11-04"]
        assert replayed.engine.portfolio() is not None

    _play(home, scenario, champion=Champion(None))


def test_a_champion_that_was_trained_on_later_sessions_predicts_from_its_last_one_on(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it was trained on it knows the outcomes of, so until then there is no prediction, and that is said."""

    async def scenario(replayed: Replayed) -> None:
        replayed.champion.model = loaded_model(trained_through=date(2020, 11, 4))
        await replayed.steps(2)
        assert replayed.engine.condition is ReplayCondition.WITHOUT_MODEL
        said = "us-ranker@1 was trained on sessions through 2020-11-04, which this replay has not reached"
        assert said in replayed.engine.detail
        assert capfd.readouterr().err.count(said) == 1
        assert replayed.events().count("replay.without_model") == 1
        assert replayed.engine.portfolio() is None
        await replayed.steps(2)
        assert replayed.engine.condition is ReplayCondition.RUNNING
        sessions = [payload["session"] for payload in replayed.on("prediction.us-ranker")]
        assert sessions == ["2020-11-04", "2020-11-05"]

    _play(home, scenario)


def test_without_data_the_engine_waits_and_begins_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(replayed: Replayed) -> None:
        assert await replayed.engine.attempt() > 0
        assert replayed.engine.condition is ReplayCondition.RETRYING
        assert "us-close" in replayed.engine.detail
        assert replayed.engine.state() is None
        use_provider(monkeypatch, total_return(make_prices(SYMBOLS)))
        replayed.workspace.ingest("scripted", "us-close")
        assert await replayed.engine.attempt() == 0.0
        assert replayed.engine.condition is ReplayCondition.RUNNING

    _play(tmp_path / "empty", scenario)


def test_nothing_to_replay_names_the_setting(home: Path) -> None:
    async def scenario(replayed: Replayed) -> None:
        await replayed.engine.attempt()
        assert "INVESTLAB_REPLAY_FROM" in replayed.engine.detail

    _play(home, scenario, settings={"replay_from": "2031-01-01"})


def test_without_bars_only_their_quotes_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider(monkeypatch, total_return(make_prices(SYMBOLS)))
    workspace = make_workspace(tmp_path / "home")
    workspace.ingest("scripted", "us-close")
    workspace.close()
    replayed = replay(tmp_path / "home", 1)
    assert not [m for m in replayed.messages if m.topic.startswith("quote.us-ohlcv-recent.")]
    assert len(replayed.on("portfolio.paper")) == 1


class _Killed(BaseException):
    """Stands for the death of the process."""


@pytest.mark.parametrize("moment", ["append", "sync", "advance", "after"])
def test_a_process_that_dies_anywhere_leaves_one_prediction_a_session(
    home: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Dies in the fourth session just before a step of recording it, or just after the last; another goes on."""
    targets = {
        "append": "investlab.store.predictions.PredictionSpool.append",
        "sync": "investlab.store.predictions.PredictionSpool.sync",
        "advance": "investlab.store.repositories.replays.advance_pass",
        "after": "investlab.services.replay_walk.Walk.view",
    }

    def die(*_: object, **__: object) -> None:
        raise _Killed

    async def killed() -> None:
        replayed = await Replayed(open_home(home)).start()
        await replayed.steps(3)
        monkeypatch.setattr(targets[moment], die)
        with pytest.raises(_Killed):
            await replayed.engine.step()

    with monkeypatch.context() as monkeypatch:
        asyncio.run(killed())
    replayed = replay(home, 2, Champion(2))
    predictions = replayed.predictions()
    done = 5 if moment != "after" else 6
    assert replayed.on("replay")[-1]["sessions_done"] == done
    assert predictions["session"].nunique() == done
    assert len(predictions) == done * len(SYMBOLS)
    was_recorded = moment != "append"
    fourth = predictions[predictions["session"] == "2020-11-05"]
    assert set(fourth["model_version"]) == {1 if was_recorded else 2}


def test_trouble_with_the_store_is_told_retried_and_healed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageUnavailable("The disk is full.", remedy="Free space.")

    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(2)
        with monkeypatch.context() as broken:
            broken.setattr("investlab.store.predictions.PredictionSpool.append", fail)
            pauses = [await replayed.engine.attempt() for _ in range(8)]
            assert replayed.engine.condition is ReplayCondition.RETRYING
            assert replayed.engine.detail == "The disk is full. Free space."
        assert pauses == sorted(pauses)
        assert pauses[-1] == LONGEST_PAUSE_SECONDS
        assert replayed.events().count("replay.retrying") == 1
        assert await replayed.engine.attempt() == 0.0
        assert replayed.engine.condition is ReplayCondition.RUNNING
        assert replayed.predictions()["session"].nunique() == 3

    _play(home, scenario)


def test_what_nobody_foresaw_is_told_without_its_inside(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    async def scenario(replayed: Replayed) -> None:
        monkeypatch.setattr(replayed.champion, "current", fail)
        assert await replayed.engine.attempt() > 0
        assert replayed.engine.detail == "The replay failed: ZeroDivisionError."
        assert "a secret" not in str(replayed.messages)

    _play(home, scenario)


def test_another_process_that_walks_the_pass_is_noticed(home: Path) -> None:
    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(2)
        other = await Replayed(open_home(home)).start()
        await other.steps(2)
        other.close()
        await replayed.steps(1)
        assert replayed.on("replay")[-1]["sessions_done"] == 5
        assert replayed.predictions().groupby("session")["prediction_id"].nunique().tolist() == [1] * 5

    _play(home, scenario)


def test_a_session_lost_to_another_process_is_no_gap(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both replay the same session; the one that comes second changes nothing and goes on from there."""

    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(2)

        async def overtake(fraction: float) -> None:
            if fraction == 0.0:
                other = await Replayed(open_home(home)).start()
                await other.steps(1)
                other.close()

        with pytest.raises(InvestlabError, match="Another process walks it"):
            await replayed.engine.step(overtake)
        assert await replayed.engine.attempt() == 0.0
        predictions = replayed.predictions()
        assert predictions.groupby("session")["prediction_id"].nunique().tolist() == [1] * 4

    _play(home, scenario)


def test_predictions_are_compacted_at_their_cadence_and_at_the_end_of_a_pass(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    compact = PredictionStore.compact

    def noted(store: PredictionStore) -> int:
        done.append(compact(store))
        return done[-1]

    monkeypatch.setattr(PredictionStore, "compact", noted)
    replayed = replay(home, SESSIONS + 1)
    assert done == [7] * 6 + [0]
    assert len(replayed.predictions()) == (SESSIONS + 1) * len(SYMBOLS)


def test_a_compaction_that_fails_does_not_stop_the_replay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(store: PredictionStore) -> int:
        raise StorageUnavailable("The disk is full.")

    monkeypatch.setattr(PredictionStore, "compact", fail)
    assert replay(home, 8).on("replay")[-1]["sessions_done"] == 8


def test_new_data_is_taken_up_in_mid_pass(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(replayed: Replayed) -> None:
        await replayed.steps(2)
        use_provider(monkeypatch, total_return(make_prices((*SYMBOLS, "ZZZ"))))
        replayed.workspace.ingest("scripted", "us-close")
        await replayed.steps(1)
        last = replayed.on("prediction.us-ranker")[-1]
        assert last["dataset_version"] == 2
        assert {score["symbol"] for score in last["scores"]} == set(SYMBOLS)  # the model knows no other
        assert any(payload["symbol"] == "ZZZ" for payload in replayed.on("quote.us-close.8"))

    _play(home, scenario)


def test_heavy_work_leaves_the_event_loops_thread(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    champion = Champion()
    current = champion.current

    def noted() -> Any:
        threads.add(threading.get_ident())
        return current()

    monkeypatch.setattr(champion, "current", noted)
    replay(home, 2, champion)
    assert threads
    assert threading.get_ident() not in threads


def test_the_loop_paces_sessions_and_ends_when_cancelled(home: Path) -> None:
    async def scenario(replayed: Replayed) -> None:
        running = asyncio.create_task(replayed.engine.run())
        while (state := replayed.engine.state()) is None or state.sessions_done < 3:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert replayed.engine.condition is ReplayCondition.RUNNING

    _play(home, scenario)
