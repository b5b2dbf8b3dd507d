"""Panels out of the cache: views of one cube, equal to what is worked out on read, under the same id."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from investlab.core.errors import InvalidInput, NotFound
from investlab.market.adjustment import adjust_panel
from investlab.market.panel import PricePanel
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import ActionDraft, InstrumentDraft
from investlab.schemas.market import ActionKind, Adjust
from investlab.services.workspace import Workspace
from investlab.store.database import Session
from investlab.store.repositories import catalog
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, make_workspace, use_provider

SYMBOLS = ("CCC", "AAA", "BBB")
"""Recorded in this order, so that the order of instruments is not that of their symbols."""


@dataclass(slots=True)
class TellingProvider(ScriptedProvider):
    """A provider that tells corporate actions, and when listings ended."""

    told: tuple[ActionDraft, ...] = field(default_factory=tuple)
    ended: dict[str, date] = field(default_factory=dict)

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars with what is told."""
        whole = ScriptedProvider.fetch(self, request)
        return replace(
            whole,
            instruments=tuple(self._listed(draft) for draft in whole.instruments),
            actions=self.told,
            adjustment_rule=None,
        )

    def _listed(self, draft: InstrumentDraft) -> InstrumentDraft:
        return draft.model_copy(update={"symbol_until": self.ended.get(draft.symbol)})


def told(symbol: str, kind: ActionKind, ex_date: str, value: float) -> ActionDraft:
    return ActionDraft(
        symbol=symbol,
        kind=kind,
        ex_date=date.fromisoformat(ex_date),
        value=value,
        known_at=datetime.fromisoformat(f"{ex_date}T14:30:00+00:00"),
    )


ACTIONS = (
    told("AAA", ActionKind.SPLIT, "2019-07-01", 2.0),
    told("AAA", ActionKind.DIVIDEND, "2019-10-01", 0.5),
    told("CCC", ActionKind.STOCK_DIVIDEND, "2019-08-01", 1.05),
    told("CCC", ActionKind.SPIN_OFF, "2020-02-03", 3.0),
    told("BBB", ActionKind.DELISTING, "2020-09-01", -0.3),
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    bars = make_prices(SYMBOLS)
    bars = bars[(bars["symbol"] != "BBB") | (bars["session"] < "2020-09-01")].reset_index(drop=True)
    use_provider(monkeypatch, TellingProvider(bars, told=ACTIONS, ended={"BBB": date(2020, 9, 1)}))
    workspace = make_workspace(tmp_path / "home")
    for symbol in SYMBOLS:
        workspace.ingest("scripted", DATASET, [symbol])
    return workspace


def whole(lab: Workspace, fields: Sequence[str] | None = None, adjust: str = "none") -> PricePanel:
    return lab.panel(lab.universe(DATASET), fields, adjust=adjust)


def mapped(values: np.ndarray) -> np.memmap | None:
    """Return the file that an array is a view of."""
    base: object = values
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.filename:
            return base
        base = base.base
    return None


def rebuilt(panel: PricePanel) -> PricePanel:
    """Return the panel out of copies of its arrays, with its id worked out from them."""
    return replace(panel, fields={name: values.copy() for name, values in panel.fields.items()}, id="")


@pytest.mark.parametrize("adjust", list(Adjust))
def test_a_wide_panel_is_a_view_and_has_the_id_of_its_content(lab: Workspace, adjust: str) -> None:
    panel = whole(lab, adjust=adjust)
    assert panel.symbols == ["AAA", "BBB", "CCC"]
    for values in panel.fields.values():
        assert mapped(values) is not None
        assert not values.flags.owndata
        assert not values.flags.writeable
    assert panel.id == rebuilt(panel).id
    again = whole(lab, adjust=adjust)
    assert again.id == panel.id
    assert np.shares_memory(whole(lab, adjust=adjust).values("close"), again.values("close"))


@pytest.mark.parametrize("adjust", [Adjust.SPLITS, Adjust.ALL])
def test_cached_adjusted_panels_equal_those_adjusted_on_read(lab: Workspace, adjust: Adjust) -> None:
    cached, on_read = whole(lab, adjust=adjust), adjust_panel(whole(lab), adjust)
    for name, values in on_read.fields.items():
        np.testing.assert_array_equal(cached.fields[name], values)
    assert (cached.id, cached.basis, cached.source) == (on_read.id, on_read.basis, on_read.source)
    some = lab.panel(["CCC", "AAA"], dataset=DATASET, start="2019-06-03", end="2020-03-31", adjust=adjust)
    raw = lab.panel(["CCC", "AAA"], dataset=DATASET, start="2019-06-03", end="2020-03-31")
    assert some.id == adjust_panel(raw, adjust).id


def test_a_cache_deleted_between_gives_the_same_panel(lab: Workspace) -> None:
    before = [whole(lab, adjust=adjust) for adjust in Adjust]
    lab.context.panels.clear()
    assert [whole(lab, adjust=adjust).id for adjust in Adjust] == [panel.id for panel in before]
    assert lab.context.panels.verify() > 0


def test_a_panel_in_another_order_is_the_same_prices(lab: Workspace) -> None:
    panel = lab.panel(["CCC", "AAA"], dataset=DATASET)
    assert panel.id == whole(lab).select(["CCC", "AAA"]).id


def test_shares_and_worth_handed_out_are_in_the_adjusted_prices(lab: Workspace) -> None:
    raw, total = lab.panel(["CCC"], dataset=DATASET), lab.panel(["CCC"], dataset=DATASET, adjust="all")
    close, adjusted = raw.close["CCC"], total.close["CCC"]
    before, day = close.index.get_loc("2020-02-03") - 1, close.index.get_loc("2020-02-03")
    kept = 1 - 3.0 / close.iloc[before]
    assert adjusted.iloc[before] / adjusted.iloc[day] == pytest.approx(close.iloc[before] / close.iloc[day] * kept)
    assert adjusted.iloc[0] == pytest.approx(close.iloc[0] * kept / 1.05)


def test_an_ended_listing_is_kept_beside_the_prices(lab: Workspace) -> None:
    panel = whole(lab, ["close"])
    (row,), (column,) = panel.delistings.session, panel.delistings.column
    assert (panel.index[row], panel.symbols[column]) == (pd.Timestamp("2020-09-01"), "BBB")
    assert panel.delistings.returns.tolist() == [-0.3]
    assert np.isnan(panel.values("close")[row:, column]).all()
    assert len(lab.as_of("2020-08-01").panel(["AAA", "BBB"], dataset=DATASET).delistings) == 0


def test_two_instruments_of_one_symbol_are_told_apart_by_the_day(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = lab.panel(["BBB"], ["close"], dataset=DATASET)
    heir = make_prices(["BBB"], first="2020-10-01")
    use_provider(monkeypatch, ScriptedProvider(heir))
    lab.ingest("scripted", DATASET)
    assert lab.universe(DATASET).symbols == ("AAA", "BBB", "BBB@2020-08-31", "CCC")
    panel = whole(lab, ["close"])
    assert panel.close["BBB"].first_valid_index() == pd.Timestamp("2020-10-01")
    np.testing.assert_array_equal(panel.close["BBB@2020-08-31"].dropna(), ended.close["BBB"])
    assert mapped(panel.values("close")) is not None
    assert lab.as_of("2020-08-01").universe(DATASET).symbols == ("AAA", "BBB", "CCC")
    with pytest.raises(NotFound, match="It must hold on 2020-09-15"):
        lab.panel(["BBB@2020-09-15"], dataset=DATASET)


def test_symbols_mean_who_bears_them_at_the_time_of_reading(lab: Workspace) -> None:
    before = whole(lab, ["close"])
    assert lab.panel(["AAA"], dataset=DATASET).listing[0].instrument_id == before.listing[0].instrument_id

    def rename(session: Session) -> None:
        for old, new, day in (("AAA", "ZZZ", 30), ("CCC", "AAA", 31)):
            (ref,) = catalog.resolve_symbols(session, [old])
            catalog.rename_instrument(session, ref.instrument_id, new, on=date(2020, 12, day), source="test")

    lab.context.database.write(rename)
    after = whole(lab, ["close"])
    assert after.symbols == ["AAA", "BBB", "ZZZ"]
    np.testing.assert_array_equal(after.close["ZZZ"], before.close["AAA"])
    np.testing.assert_array_equal(lab.panel(["AAA"], dataset=DATASET).close["AAA"], before.close["CCC"])
    then = lab.as_of("2020-12-15").panel(["AAA"], dataset=DATASET).close["AAA"]
    np.testing.assert_array_equal(then, before.close["AAA"].loc[:"2020-12-15"])


def test_actions_told_later_are_in_the_next_version(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = whole(lab, ["close"], "all")
    later = told("AAA", ActionKind.DIVIDEND, "2020-05-04", 1.0).model_copy(
        update={"known_at": datetime(2024, 1, 2, tzinfo=UTC)}
    )
    use_provider(monkeypatch, TellingProvider(make_prices(SYMBOLS), told=(later,)))
    lab.ingest("scripted", DATASET, ["AAA"])
    assert whole(lab, ["close"], "all").id != before.id
    version = before.source.dataset_version
    assert lab.panel(lab.universe(DATASET), ["close"], adjust="all", version=version).id == before.id


@pytest.mark.parametrize("start", ["2020-12-01", "2019-12-25"])
def test_sessions_without_any_close_at_either_end_are_left_out(lab: Workspace, start: str) -> None:
    panel = lab.panel(["AAA", "BBB"], ["close"], start, "2020-12-25", dataset=DATASET)
    assert str(panel.last_session) == "2020-12-24"
    assert panel.first_session >= date.fromisoformat(start)
    alone = lab.panel(["BBB"], ["close"], dataset=DATASET)
    assert str(alone.last_session) == "2020-08-31"


def test_a_symbol_named_twice_is_refused(lab: Workspace) -> None:
    with pytest.raises(InvalidInput, match="AAA is named more than once"):
        lab.panel(["AAA", "CCC", "AAA"], dataset=DATASET)
