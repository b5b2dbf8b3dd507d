"""Charts that a page feeds: their data sources have names and the columns that the page's script knows."""

import numpy as np
import pandas as pd
import pytest
from bokeh.models import ColumnDataSource, FixedTicker
from bokeh.plotting import figure as BokehFigure  # noqa: N812  (a class with a function's name)

from investlab.charts.candles import bar_frame, candle_chart, candle_columns
from investlab.charts.coefficients import ExpectedIC, ic_chart, yearly_ic_chart
from investlab.charts.embed import bokeh_model, figure_json
from investlab.charts.portfolio import portfolio_chart
from investlab.core.errors import NotFound
from investlab.market.panel import PricePanel
from tests.unit.charts.values import HOSTILE, make_nav, make_panel

pytestmark = pytest.mark.slow


def make_bars(sessions: int = 60, symbol: str = "AAPL") -> PricePanel:
    days = pd.bdate_range("2021-11-15", periods=sessions, name="session")
    close = pd.DataFrame({symbol: 100 + np.arange(sessions, dtype=float)}, index=days)
    return PricePanel.from_frames(
        close=close, open=close - 1, high=close + 2, low=close - 2, volume=close * 1e6, basis="split_adjusted"
    )


def sources(figure: object) -> dict[str, set[str]]:
    found = bokeh_model(figure).select({"type": ColumnDataSource})  # type: ignore[arg-type]
    return {source.name: set(source.data) for source in found}


def test_candles_have_named_sources_for_bodies_wicks_and_volume() -> None:
    found = sources(candle_chart(make_bars(), "AAPL"))
    assert {"left", "right", "bottom", "top", "direction", "session", "open", "close"} <= found["candles-0"]
    assert {"at", "low", "high"} <= found["candles-1"]
    assert {"left", "right", "bottom", "top"} <= found["volume-0"]


def test_candles_and_volume_share_one_axis() -> None:
    prices, volume = bokeh_model(candle_chart(make_bars(), "AAPL")).select({"type": BokehFigure})
    assert prices.x_range is volume.x_range
    assert prices.y_range is not volume.y_range


def test_months_are_named_where_they_begin() -> None:
    figures = bokeh_model(candle_chart(make_bars(), "AAPL")).select({"type": BokehFigure})
    volume = next(figure for figure in figures if figure.name == "volume")
    assert isinstance(volume.xaxis[0].ticker, FixedTicker)
    assert list(volume.xaxis[0].major_label_overrides.values()) == ["Dec 2021", "Jan 2022", "Feb"]


def test_only_the_last_sessions_are_drawn() -> None:
    found = bokeh_model(candle_chart(make_bars(60), "AAPL", sessions=25)).select_one({"name": "candles-0"})
    assert len(found.data["close"]) == 25
    assert found.data["close"][-1] == 159.0


def test_a_body_spans_open_and_close_and_an_unchanged_bar_is_seen() -> None:
    bars = pd.DataFrame(
        {"open": [10.0, 12.0, 10.0], "high": 13.0, "low": 9.0, "close": [12.0, 10.0, 10.0], "volume": 1.0},
        index=pd.bdate_range("2022-01-03", periods=3),
    )
    columns = candle_columns(bars)
    assert list(columns["direction"]) == ["up", "down", "up"]
    assert list(columns["bottom"]) == [10.0, 10.0, 10.0]
    assert list(columns["top"][:2]) == [12.0, 12.0]
    assert columns["top"][2] > 10.0


def test_bars_with_a_missing_price_are_left_out() -> None:
    panel = make_bars(5)
    close = panel.frame("close")
    close.iloc[2] = np.nan
    gaps = PricePanel.from_frames(close=close, open=close, high=close, low=close, volume=close, basis="raw")
    assert len(bar_frame(gaps, "AAPL")) == 4


def test_an_unknown_symbol_names_its_near_matches() -> None:
    with pytest.raises(NotFound, match="AAPL"):
        candle_chart(make_bars(), "AAPPL")


def test_a_panel_of_closes_makes_no_candles() -> None:
    with pytest.raises(NotFound, match="open, high, low"):
        candle_chart(make_panel(), "S00")


def test_a_portfolio_has_named_sources() -> None:
    nav = make_nav(40)
    found = sources(portfolio_chart(nav, nav / nav.cummax() - 1, nav * 0.9))
    assert found["equity-1"] == {"session", "nav", "benchmark", "drawdown"}
    assert {"equity-0", "drawdown-0", "drawdown-1"} <= set(found)


def test_a_portfolio_needs_no_benchmark() -> None:
    nav = make_nav(40)
    assert "equity-1" in sources(portfolio_chart(nav, nav / nav.cummax() - 1))


@pytest.mark.parametrize("matured", [0, 1, 40])
def test_realised_coefficients_are_drawn_however_few_there_are(matured: int) -> None:
    realised = pd.Series(0.05, index=pd.bdate_range("2022-02-01", periods=matured), dtype="float64")
    model = bokeh_model(ic_chart(realised, ExpectedIC(0.03, -0.01, 0.07)))
    assert len(model.select_one({"name": "ic-0"}).data["ic"]) == matured


@pytest.mark.parametrize(("expected", "said"), [(ExpectedIC(0.03, -0.01, 0.07), True), (None, False)])
def test_the_band_says_that_it_is_the_long_run_means(expected: ExpectedIC | None, said: bool) -> None:
    """The mean of 21 sessions leaves it most of the time, which must not look like an alarm."""
    realised = pd.Series(0.05, index=pd.bdate_range("2022-02-01", periods=40))
    title = bokeh_model(ic_chart(realised, expected)).select_one({"type": BokehFigure}).title.text
    assert title.startswith("IC, mean of 21 sessions")
    assert ("band: interval of the long-run mean" in title) is said


def test_years_are_means_of_their_sessions() -> None:
    by_session = pd.Series([0.1, 0.3, -0.2], index=pd.to_datetime(["2020-01-02", "2020-06-01", "2021-03-01"]))
    model = bokeh_model(yearly_ic_chart(by_session, by_session / 2))
    drawn = [list(s.data["ic"]) for s in model.select({"type": ColumnDataSource}) if len(s.data.get("ic", ())) == 2]
    assert sorted(drawn) == [pytest.approx([0.1, -0.1]), pytest.approx([0.2, -0.2])]


def test_equal_figures_are_equal_json() -> None:
    assert figure_json(candle_chart(make_bars(), "AAPL")) == figure_json(candle_chart(make_bars(), "AAPL"))


def test_a_hostile_symbol_ends_no_script() -> None:
    assert "</script" not in figure_json(candle_chart(make_bars(symbol=HOSTILE), HOSTILE))
