"""A workspace end to end on small stores: ingest, panels as of a time, recorded runs, traces, reproduction."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import investlab as il
from investlab.core.errors import (
    Conflict,
    InvalidInput,
    InvalidSettings,
    MixedData,
    NotFound,
    NotReproducible,
    QualityRejected,
)
from investlab.market.panel import require_same_source
from investlab.schemas.ledger import RunQuery
from investlab.schemas.market import PriceBasis
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from investlab.store.repositories import audit, ingests, outbox
from tests.support.workspaces import (
    DATASET,
    ScriptedProvider,
    make_prices,
    make_workspace,
    open_with_bars,
    use_provider,
)

COSTS = il.Costs(commission_bps=5, slippage_bps=5)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    return open_with_bars(monkeypatch, tmp_path / "home")


def test_ingesting_again_changes_nothing(lab: Workspace) -> None:
    again = lab.ingest("scripted", DATASET)
    assert (again.version, again.counts.new, again.counts.same) == (1, 0, 505 * 3)
    assert lab.datasets().loc[DATASET, "version"] == 1


def test_changed_bars_make_a_new_version_and_the_old_one_stays_readable(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = make_prices()
    prices.loc[3, ["open", "high", "low", "close", "adjusted_close"]] += 1.0
    use_provider(monkeypatch, ScriptedProvider(prices))
    before = lab.panel(lab.universe(DATASET))
    receipt = lab.ingest("scripted", DATASET)
    assert (receipt.version, receipt.counts.changed) == (2, 1)
    after = lab.panel(lab.universe(DATASET))
    assert after.close.iloc[3, 0] == before.close.iloc[3, 0] + 1.0
    assert lab.panel(lab.universe(DATASET), version=1).id == before.id
    assert lab.as_of("2023-12-31").panel(["AAA"], dataset=DATASET).close.iloc[3, 0] == before.close.iloc[3, 0]


def test_an_instrument_added_later_joins_the_dataset(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider(monkeypatch, ScriptedProvider(make_prices(["ZZZ"])))
    receipt = lab.ingest("scripted", DATASET)
    assert (receipt.version, receipt.instruments, receipt.rows) == (2, 4, 505 * 4)
    assert lab.universe(DATASET).symbols == ("AAA", "BBB", "CCC", "ZZZ")


def test_bars_that_fail_their_checks_are_not_stored(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = make_prices()
    contradiction = prices.iloc[[5]].assign(close=prices["close"].iloc[5] + 0.1)
    use_provider(monkeypatch, ScriptedProvider(pd.concat([prices, contradiction], ignore_index=True)))
    with pytest.raises(QualityRejected, match="conflicting_bars"):
        lab.ingest("scripted", DATASET)
    assert lab.datasets().loc[DATASET, "version"] == 1
    with lab.context.database.read() as session:
        assert ingests.list_ingests(session, DATASET)[0].status == "rejected"


def test_another_basis_for_a_dataset_is_refused(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider(monkeypatch, ScriptedProvider(make_prices(), basis=PriceBasis.TOTAL_RETURN, rule=None))
    with pytest.raises(MixedData, match="price_basis raw"):
        lab.ingest("scripted", DATASET)


def test_panels_of_two_versions_or_bases_are_not_mixed(lab: Workspace) -> None:
    raw = lab.panel(lab.universe(DATASET))
    require_same_source([raw, lab.panel(["AAA"], dataset=DATASET)])
    with pytest.raises(MixedData, match="cannot be mixed"):
        require_same_source([raw, lab.panel(["AAA"], dataset=DATASET, adjust="all")])
    with pytest.raises(MixedData, match="cannot be mixed"):
        require_same_source([raw, lab.panel(["AAA"], dataset=DATASET, as_of="2020-06-30")])


def test_a_panel_as_of_a_time_ends_there(lab: Workspace) -> None:
    panel = lab.as_of("2019-12-31").panel(lab.universe(DATASET))
    assert panel.last_session == date(2019, 12, 31)
    assert panel.source.as_of is not None
    assert lab.as_of("2019-12-30T20:59:00Z").panel(lab.universe(DATASET)).last_session == date(2019, 12, 27)


def test_a_panel_narrows_symbols_fields_and_sessions(lab: Workspace) -> None:
    panel = lab.panel(["CCC", "AAA"], ["open"], "2020-01-01", "2020-01-31", dataset=DATASET)
    assert panel.symbols == ["CCC", "AAA"]
    assert set(panel.fields) == {"open", "close"}
    assert (panel.first_session, panel.last_session) == (date(2020, 1, 2), date(2020, 1, 31))


def test_a_split_and_a_dividend_reach_the_panel_when_they_were_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prices = make_prices(["AAA"])
    for name in ("open", "high", "low", "close"):
        prices.loc[100:, name] /= 2.0
    factor = np.where(prices.index < 100, 0.5, 1.0) * np.where(
        prices.index < 200, 1.0 / (1.0 + 0.5 / prices.loc[200, "close"]), 1.0
    )
    prices["adjusted_close"] = prices["close"] * factor
    use_provider(monkeypatch, ScriptedProvider(prices))
    lab = make_workspace(tmp_path / "home")
    receipt = lab.ingest("scripted", DATASET)
    assert receipt.actions.new == 2
    assert lab.actions(DATASET)[["kind", "value"]].to_numpy().tolist() == [["split", 2.0], ["dividend", 0.5]]
    assert len(lab.panel(["AAA"], dataset=DATASET).actions) == 2
    assert len(lab.as_of("2019-06-28").panel(["AAA"], dataset=DATASET).actions) == 1
    held = lab.backtest(il.SmaCross(2, 3), lab.panel(["AAA"], dataset=DATASET))
    assert held.nav.pct_change().abs().max() < 0.2


def test_the_same_backtest_comes_from_its_record(lab: Workspace) -> None:
    panel = lab.panel(lab.universe(DATASET))
    first = lab.backtest(il.SmaCross(5, 20), panel, costs=COSTS)
    second = lab.backtest(il.SmaCross(5, 20), panel, costs=COSTS)
    other = lab.backtest(il.SmaCross(5, 20), panel)
    assert (second.run_id, second.hash) == (first.run_id, first.hash)
    assert other.run_id != first.run_id
    assert len(lab.runs()) == 2


def test_a_loaded_result_equals_the_computed_one(lab: Workspace) -> None:
    result = lab.backtest(il.SmaCross(5, 20), lab.panel(lab.universe(DATASET)), costs=COSTS)
    loaded = lab.load(result.run_id[:8]) if result.run_id else None
    assert isinstance(loaded, il.BacktestResult)
    assert loaded.hash == result.hash
    assert dict(loaded.metrics) == dict(result.metrics)
    assert loaded.source == result.source
    pd.testing.assert_frame_equal(loaded.fills, result.fills, check_dtype=False)
    pd.testing.assert_series_equal(loaded.drawdown, result.drawdown)
    assert loaded.benchmark is not None
    assert loaded.notes == result.notes


def test_trials_are_counted_across_runs_and_only_once(lab: Workspace) -> None:
    panel = lab.panel(lab.universe(DATASET))
    grid = {"fast": [2, 3, 4], "slow": [10, 20]}
    first = lab.sweep(il.SmaCross, grid, panel, costs=COSTS)
    again = lab.sweep(il.SmaCross, grid, panel, costs=COSTS)
    more = lab.sweep(il.SmaCross, {"fast": [5], "slow": [30, 40]}, panel, costs=COSTS)
    assert (first.trials, first.cumulative_trials, first.counted) == (6, 6, True)
    assert (again.run_id, again.cumulative_trials, again.hash) == (first.run_id, 6, first.hash)
    assert (more.trials, more.cumulative_trials) == (2, 8)
    assert more.deflated_sharpe < more.deflated_sharpe_of_sweep
    assert not [note for note in more.notes if "counted nowhere" in note]
    single = lab.backtest(il.MonthlyMomentum(k=1, lookback_sessions=20, skip_sessions=2), panel)
    assert lab.list_runs(RunQuery(strategy="monthly_momentum"))[0].cumulative_trials == 1
    assert single.run_id


def test_a_short_sweep_chooses_serial_and_says_so(lab: Workspace) -> None:
    panel = lab.panel(lab.universe(DATASET))
    sweep = lab.sweep(il.SmaCross, {"fast": [2, 3], "slow": [10, 20]}, panel)
    assert sweep.executor == "serial"
    assert sweep.reason.startswith("auto: about 0.0 s of work, less than")


def test_the_environment_overrides_the_executor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = open_with_bars(monkeypatch, tmp_path / "home", executor="serial")
    panel = lab.panel(lab.universe(DATASET))
    sweep = lab.sweep(il.SmaCross, {"fast": [2], "slow": [10, 20]}, panel, executor="ray")
    assert (sweep.executor, sweep.reason) == ("serial", "INVESTLAB_EXECUTOR=serial")


def test_a_failed_run_is_recorded_and_may_be_tried_again(lab: Workspace) -> None:
    class Broken:
        name = "broken"
        family = "broken"

        def weights(self, panel: il.PricePanel) -> np.ndarray:
            raise InvalidInput("No weights today.")

    with pytest.raises(InvalidInput, match="No weights today"):
        lab.backtest(Broken(), lab.panel(lab.universe(DATASET)))
    run = lab.list_runs()[0]
    assert (run.status, run.error) == ("failed", "No weights today.")
    with pytest.raises(Conflict, match="has no result"):
        lab.load(run.run_id)


def test_a_panel_from_frames_cannot_be_recorded(lab: Workspace) -> None:
    frame = lab.panel(lab.universe(DATASET)).close
    panel = il.PricePanel.from_frames(close=frame, basis="total_return")
    with pytest.raises(InvalidInput, match="made from frames"):
        lab.backtest(il.BacktestResult, panel)  # type: ignore[arg-type]


def test_a_trace_goes_back_to_the_provider(lab: Workspace) -> None:
    result = lab.backtest(il.SmaCross(5, 20), lab.panel(lab.universe(DATASET)), costs=COSTS)
    assert result.run_id is not None
    trace = lab.trace(result.run_id)
    kinds = [link.kind for link in trace.links]
    assert kinds == ["backtest", "code", "panel", "dataset version", "ingest run", "provider"]
    assert result.panel_id in str(trace)
    assert f"{DATASET}@1" in trace._repr_html_()
    assert [link.kind for link in lab.trace(f"{DATASET}@1").links] == ["dataset version", "ingest run", "provider"]
    assert lab.trace(DATASET) == lab.trace(f"{DATASET}@1")
    assert lab.trace(result.panel_id).links == trace.links[2:]
    with pytest.raises(NotFound):
        lab.trace("bt-ffffffffffff")


def test_a_run_reproduces_to_the_bit(lab: Workspace) -> None:
    panel = lab.panel(lab.universe(DATASET), adjust="all", start="2019-06-01")
    single = lab.backtest(il.SmaCross(5, 20), panel, costs=COSTS, execution="next_close")
    sweep = lab.sweep(il.SmaCross, {"fast": [2, 3], "slow": [10, 20]}, panel, costs=COSTS, execution="next_close")
    for run_id in (single.run_id, sweep.run_id):
        assert run_id is not None
        outcome = lab.reproduce(run_id)
        assert outcome.is_equal, outcome.sentence
        assert outcome.differences == ()
    assert lab.list_runs()[0].cumulative_trials == 5


def test_what_differs_is_named_when_the_data_do(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    result = lab.backtest(il.SmaCross(5, 20), lab.panel(lab.universe(DATASET)))
    assert result.run_id is not None
    monkeypatch.setattr("investlab.services.reproduction.lock_hash", lambda: "other")
    outcome = lab.reproduce(result.run_id)
    assert outcome.is_equal
    assert outcome.differences == ("the installed packages differ",)


def test_a_strategy_that_is_not_installed_cannot_be_reproduced(lab: Workspace) -> None:
    class Mine:
        name = "mine"
        family = "mine"

        def weights(self, panel: il.PricePanel) -> np.ndarray:
            return np.full(panel.shape, 1.0 / 3.0)

    result = lab.backtest(Mine(), lab.panel(lab.universe(DATASET)))
    assert result.run_id is not None
    with pytest.raises(NotReproducible, match="'mine', which is not installed"):
        lab.reproduce(result.run_id)


def test_two_strategies_of_one_class_with_other_state_are_two_runs(lab: Workspace) -> None:
    class Fixed:
        name = "fixed"
        family = "fixed"

        def __init__(self, weight: float) -> None:
            self.weight = weight

        def weights(self, panel: il.PricePanel) -> np.ndarray:
            return np.full(panel.shape, self.weight)

    panel = lab.panel(lab.universe(DATASET))
    small, large = lab.backtest(Fixed(0.1), panel), lab.backtest(Fixed(0.3), panel)
    assert small.run_id != large.run_id
    assert small.hash != large.hash
    assert lab.backtest(Fixed(0.1), panel).run_id == small.run_id


def test_a_parameter_that_cannot_be_recorded_is_named(lab: Workspace) -> None:
    @dataclass(frozen=True)
    class Odd:
        name: ClassVar[str] = "odd"
        family: ClassVar[str] = "odd"
        how: object = print

        def weights(self, panel: il.PricePanel) -> np.ndarray:
            return np.full(panel.shape, 0.1)

    with pytest.raises(InvalidInput, match="parameter how is a builtin_function_or_method"):
        lab.backtest(Odd(), lab.panel(lab.universe(DATASET)))


def test_what_cannot_be_determined_is_not_cached_and_said(lab: Workspace, tmp_path: Path) -> None:
    stream = (tmp_path / "log").open("w")

    class Logging:
        name = "logging"
        family = "logging"

        def weights(self, panel: il.PricePanel) -> np.ndarray:
            stream.write("called")
            return np.full(panel.shape, 1.0 / 3.0)

    panel = lab.panel(lab.universe(DATASET))
    first, second = lab.backtest(Logging(), panel), lab.backtest(Logging(), panel)
    stream.close()
    assert first.run_id != second.run_id
    assert "Not cached" in first.notes[-1]


def test_every_ingest_and_run_is_audited_and_announced(lab: Workspace) -> None:
    lab.backtest(il.SmaCross(5, 20), lab.panel(lab.universe(DATASET)))
    with lab.context.database.read() as session:
        assert audit.verify_chain(session).intact
        assert [event.action for event in audit.list_events(session)] == ["run.completed", "dataset.ingested"]
        assert [message.topic for message in outbox.pending(session)] == ["dataset.version", "run.completed"]


def test_damage_is_found_and_a_rebuild_gives_back_the_same_version(lab: Workspace) -> None:
    before = lab.panel(lab.universe(DATASET))
    commit = next((lab.context.market.root / DATASET / "bars" / "_delta_log").glob("*.json"))
    commit.write_bytes(commit.read_bytes()[:100])
    lab.context.panels.clear()
    with pytest.raises(il.InvestlabError, match=f"investlab data rebuild {DATASET}"):
        lab.verify()
    receipt = lab.ingest("scripted", DATASET, rebuild=True)
    assert (receipt.version, receipt.is_restored) == (1, True)
    assert lab.panel(lab.universe(DATASET)).id == before.id
    assert lab.verify(deep=True) == {DATASET: 1}
    assert len(list(lab.context.market.root.glob(f"{DATASET}.set-aside-*"))) == 1


def test_a_version_from_before_a_rebuild_is_not_read_from_the_new_tables(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(monkeypatch, ScriptedProvider(make_prices(["ZZZ"])))
    lab.ingest("scripted", DATASET)
    use_provider(monkeypatch, ScriptedProvider(make_prices(["AAA", "ZZZ"])))
    receipt = lab.ingest("scripted", DATASET, rebuild=True)
    assert (receipt.version, receipt.is_restored) == (3, False)
    lab.context.panels.clear()
    for version in (1, 2):
        with pytest.raises(il.InvestlabError, match="built anew|is missing"):
            lab.panel(["AAA"], dataset=DATASET, version=version)
    assert lab.panel(["AAA"], dataset=DATASET).source.dataset_version == 3


def test_a_crash_between_store_and_record_leaves_no_trace(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars that were written but never acknowledged are set aside by the next ingest."""
    use_provider(monkeypatch, ScriptedProvider(make_prices(["ZZZ"])))
    with monkeypatch.context() as patch:
        patch.setattr("investlab.services.ingest.record_ingest", _crash)
        with pytest.raises(KeyboardInterrupt):
            lab.ingest("scripted", DATASET)
    assert lab.universe(DATASET).symbols == ("AAA", "BBB", "CCC")
    receipt = lab.ingest("scripted", DATASET)
    assert (receipt.version, receipt.counts.new) == (2, 505)
    assert lab.verify(deep=True) == {DATASET: 2}


def _crash(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_workspace_describes_itself(lab: Workspace) -> None:
    assert "reading latest" in repr(lab)
    assert "as of 2019-12-31" in repr(lab.as_of("2019-12-31"))
    assert lab.as_of("2019-12-31").today() == date(2019, 12, 31)
    assert DATASET in lab._repr_html_()
    assert lab.instruments("BBB").index.tolist() == ["BBB"]


def test_a_home_that_the_tables_library_cannot_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"cannot be used: the tables' library takes %20 for a character\."):
        open_workspace(tmp_path / "a%20home", progress=silent_progress)
    assert not list(tmp_path.iterdir())
    open_workspace(tmp_path / "100% of it", progress=silent_progress).close()
