"""Price panels: what is refused, what the id depends on, and selecting columns."""

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from investlab.core.errors import EmptyUniverse, InvalidInput, MixedData, NotFound
from investlab.market.panel import PricePanel, require_same_source
from tests.support.panels import make_panel, random_panel, session_index

CLOSE = pd.DataFrame({"AAPL": [10.0, 11.0, 12.0], "MSFT": [20.0, np.nan, 22.0]}, index=session_index(3))


def build(close: object = CLOSE, **keywords: object) -> PricePanel:
    return PricePanel.from_frames(close=close, **{"basis": "raw", **keywords})  # type: ignore[arg-type]


def test_a_panel_shows_what_it_was_given() -> None:
    panel = build(open=CLOSE - 1)
    pd.testing.assert_frame_equal(panel.close, CLOSE, check_names=False, check_freq=False, check_index_type=False)
    pd.testing.assert_frame_equal(panel.open, CLOSE - 1, check_names=False, check_freq=False, check_index_type=False)
    assert panel.symbols == ["AAPL", "MSFT"]
    assert panel.shape == (3, 2)
    assert (str(panel.first_session), str(panel.last_session)) == ("2020-01-01", "2020-01-03")
    assert panel.instruments["instrument_id"].tolist() == [1, 2]
    assert panel.source.label == "frames"
    assert panel.source.sessions_per_year == 252


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(lambda: build([1, 2]), InvalidInput, "no DataFrame", id="list"),
        pytest.param(lambda: build(CLOSE[[]]), EmptyUniverse, "no columns", id="no-columns"),
        pytest.param(lambda: build(CLOSE.iloc[:0]), InvalidInput, "no sessions", id="no-rows"),
        pytest.param(lambda: build(CLOSE.reset_index(drop=True)), InvalidInput, "holds no dates", id="no-dates"),
        pytest.param(lambda: build(CLOSE.tz_localize("UTC")), InvalidInput, "time zone", id="time-zone"),
        pytest.param(lambda: build(CLOSE.iloc[::-1]), InvalidInput, "strictly increasing", id="backwards"),
        pytest.param(lambda: build(CLOSE.iloc[[0, 0, 1]]), InvalidInput, "strictly increasing", id="twice"),
        pytest.param(
            lambda: build(CLOSE.set_axis(pd.date_range("2020-01-01", periods=3, freq="h"))),
            InvalidInput,
            "daily bars only",
            id="intraday",
        ),
        pytest.param(lambda: build(CLOSE.set_axis(["A", "A"], axis=1)), InvalidInput, "two columns", id="same-symbol"),
        pytest.param(lambda: build(CLOSE - 10), InvalidInput, "1 values that are not positive", id="zero-price"),
        pytest.param(lambda: build(CLOSE * np.inf), InvalidInput, "not positive and finite", id="infinite"),
        pytest.param(lambda: build(CLOSE.astype(object).fillna("none")), InvalidInput, "no numbers", id="text"),
        pytest.param(lambda: build(open=CLOSE.iloc[1:]), InvalidInput, "open frame has other rows", id="other-rows"),
        pytest.param(lambda: build(open=CLOSE[["MSFT", "AAPL"]]), InvalidInput, "other rows or columns", id="order"),
        pytest.param(lambda: build(basis="adjusted"), InvalidInput, "raw, split_adjusted, total_return", id="basis"),
        pytest.param(lambda: build(calendar="XNYX"), NotFound, "XNYS", id="calendar"),
        pytest.param(lambda: build().values("volume"), NotFound, "field 'volume'", id="field"),
    ],
)
def test_what_is_refused(change: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        change()


def test_zero_volume_is_a_volume() -> None:
    assert build(volume=CLOSE * 0).values("volume")[0].tolist() == [0.0, 0.0]


def test_values_cannot_be_changed_and_do_not_follow_the_callers_frame() -> None:
    frame = CLOSE.copy()
    panel = build(frame)
    frame.iloc[0, 0] = 99.0
    assert panel.values("close")[0, 0] == 10.0
    with pytest.raises(ValueError, match="read-only"):
        panel.values("close")[0, 0] = 99.0


def test_the_id_depends_on_content_alone() -> None:
    assert build().id == build(CLOSE.copy()).id
    others = [
        build(CLOSE + 1e-9),
        build(open=CLOSE),
        build(basis="total_return"),
        build(CLOSE.rename(columns={"AAPL": "IBM"})),
        build(CLOSE.set_axis(session_index(3, "2020-02-03"))),
        build(calendar="24/7"),
        make_panel({"AAPL": [10, 11, 12], "MSFT": [20, 21, 22]}, actions=[(1, "AAPL", "split", 2.0)]),
    ]
    assert len({panel.id for panel in [build(), *others]}) == len(others) + 1


def test_a_panel_survives_pickling() -> None:
    panel = random_panel(0, sessions=20, actions=3)
    copy = pickle.loads(pickle.dumps(panel))
    assert copy.id == panel.id
    assert np.array_equal(copy.values("close"), panel.values("close"))


def test_selecting_keeps_order_prices_and_actions() -> None:
    panel = make_panel(
        {"A": [1, 2, 3], "B": [4, 5, 6], "C": [7, 8, 9]},
        actions=[(1, "A", "split", 2.0), (1, "C", "dividend", 0.5), (2, "B", "split", 3.0)],
    )
    chosen = panel.select(["C", "A"])
    assert chosen.symbols == ["C", "A"]
    assert chosen.close.to_numpy().tolist() == [[7, 1], [8, 2], [9, 3]]
    assert chosen.instruments["instrument_id"].tolist() == [3, 1]
    table = chosen.actions
    assert table.session.tolist() == [1, 1]
    assert table.column.tolist() == [0, 1]
    assert table.split_ratio.tolist() == [1.0, 2.0]
    assert table.dividend.tolist() == [0.5, 0.0]
    assert panel.select(panel.symbols).id == panel.id


@pytest.mark.parametrize(
    ("symbols", "error", "message"),
    [
        ([], EmptyUniverse, "No symbol"),
        (["AAPL", "MSTF"], NotFound, "Did you mean MSFT"),
        (["AAPL", "AAPL"], InvalidInput, "twice"),
    ],
)
def test_a_selection_that_cannot_be_made(symbols: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build().select(symbols)


def test_panels_of_other_sources_or_bases_are_not_mixed() -> None:
    panel = build()
    require_same_source([panel, build(CLOSE + 1)])
    other = replace(panel, source=replace(panel.source, dataset="us", dataset_version=3))
    with pytest.raises(MixedData, match=r"frames \(raw\) and us@3 \(raw\)"):
        require_same_source([panel, other])
    with pytest.raises(MixedData):
        require_same_source([panel, build(basis="total_return")])
