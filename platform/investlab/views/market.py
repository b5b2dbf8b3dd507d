"""The market page: candles, watchlist, paper portfolio and model, drawn once and moved by the stream."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn

from investlab.charts.candles import candle_chart
from investlab.charts.coefficients import ExpectedIC, ic_chart
from investlab.charts.embed import figure_json
from investlab.charts.markup import Html, element, join
from investlab.charts.portfolio import portfolio_chart
from investlab.live.topics import MONITOR, PAPER_PORTFOLIO, REPLAY, SYSTEM, prediction_topic
from investlab.market.panel import PricePanel
from investlab.views import assets, sections, watchlist
from investlab.views.shell import page_template
from investlab.views.state import Advice, Candles, MarketState, MonitorLine, PortfolioLine

TITLE = "Market"
STATE_ADDRESS = "/state/market"
CANDLES, PORTFOLIO, MONITORED, WATCH = "candles", "portfolio", "monitor", "watch"


class MarketView(pn.viewable.Viewer):  # type: ignore[misc]  # Panel is read without its annotations
    """Shows one market state: in a notebook's cell, or as the whole page, which then moves with the stream.

    The page's figures stand alone in it: opening one costs the server no figure, and nothing that moves goes through
    it.
    """

    def __init__(self, state: MarketState, gateway_url: str | None = None, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.state = state
        self.gateway_url = gateway_url

    def figures(self) -> dict[str, hv.core.Dimensioned]:
        """Return the charts that there is data for, by name."""
        found: dict[str, hv.core.Dimensioned] = {}
        if self.state.candles is not None:
            found[CANDLES] = _candles(self.state.candles)
        if self.state.portfolio is not None:
            found[PORTFOLIO] = _portfolio(self.state.portfolio)
        if self.state.monitor is not None:
            found[MONITORED] = _monitor(self.state.monitor, self._expected())
        return found

    def page(self, frames: Mapping[str, str] | None = None) -> pn.Template:
        """Return the whole page; `frames` are its figures as JSON where they were drawn before."""
        drawn = self.frames() if frames is None else frames
        content = (
            sections.header(self.state),
            sections.key_figures(self.state),
            element("main", *self._cards()),
            sections.footer(self.state),
        )
        told = [
            _json_script("il-config", json.dumps(self._config())),
            _json_script("il-state", self.state.model_dump_json()),
            *(_json_script(f"il-figure-{name}", text) for name, text in drawn.items()),
        ]
        return page_template(TITLE, join(content), join(told), script=assets.SCRIPTS[0])

    def frames(self) -> dict[str, str]:
        """Return the figures as Bokeh's JSON; their data is that of this state, and the page feeds them its own."""
        return {name: figure_json(figure) for name, figure in self.figures().items()}

    def __panel__(self) -> pn.viewable.Viewable:
        told = pn.pane.HTML(sections.cell_card(self.state))
        return pn.Column(told, *self.figures().values(), sizing_mode="stretch_width")

    def _cards(self) -> list[Html]:
        return [
            sections.candles_card(self.state, self._advice(CANDLES)),
            watchlist.watch_card(self.state, self._advice(WATCH)),
            sections.portfolio_card(self.state, self._advice(PORTFOLIO)),
            sections.model_card(self.state, self._advice(MONITORED)),
        ]

    def _advice(self, about: str) -> list[Advice]:
        return [advice for advice in self.state.advice if advice.about == about]

    def _config(self) -> dict[str, object]:
        topics = [REPLAY, PAPER_PORTFOLIO, MONITOR, SYSTEM, prediction_topic(self.state.model)]
        topics += [f"quote.{line.dataset}.{line.instrument_id}" for line in self.state.watch]
        return {"gateway": self.gateway_url, "state": STATE_ADDRESS, "topics": topics}

    def _expected(self) -> ExpectedIC | None:
        line = self.state.champion
        return ExpectedIC(line.information_coefficient, line.interval_low, line.interval_high) if line else None


@dataclass(frozen=True, slots=True)
class DrawnMarket:
    """A market state with the page's figures as JSON."""

    state: MarketState
    frames: Mapping[str, str]

    def page(self, gateway_url: str | None) -> pn.Template:
        """Return the whole page for one visitor."""
        return MarketView(self.state, gateway_url).page(self.frames)


class MarketDrawer:
    """Reads the market and draws its figures, anew only where the page has other parts than before.

    Drawing takes most of a second; a page brings its own data to figures that were drawn before.
    """

    def __init__(self, read: Callable[[], MarketState]) -> None:
        self._read = read
        self._shape = ""
        self._frames: Mapping[str, str] = {}

    def __call__(self) -> DrawnMarket:
        """Return the market as it stands."""
        state = self._read()
        if state.shape != self._shape:
            self._frames, self._shape = MarketView(state).frames(), state.shape
        return DrawnMarket(state, self._frames)


def _candles(found: Candles) -> hv.Layout:
    return candle_chart(_panel(found), found.symbol, sessions=len(found.bars))


def _panel(found: Candles) -> PricePanel:
    index = pd.DatetimeIndex([bar[0] for bar in found.bars], name="session")
    fields = {
        name: pd.DataFrame({found.symbol: [np.nan if bar[at] is None else bar[at] for bar in found.bars]}, index=index)
        for at, name in enumerate(("open", "high", "low", "close", "volume"), start=1)
    }
    return PricePanel.from_frames(
        close=fields["close"],
        open=fields["open"],
        high=fields["high"],
        low=fields["low"],
        volume=fields["volume"],
        basis=found.basis,
        currency=found.currency,
    )


def _portfolio(line: PortfolioLine) -> hv.Layout:
    points = pd.DataFrame([point.model_dump() for point in line.points]).set_index("session")
    points.index = pd.DatetimeIndex(points.index)
    benchmark = points["benchmark"].astype("float64")
    return portfolio_chart(points["nav"], points["drawdown"], benchmark, currency=line.currency)


def _monitor(line: MonitorLine, expected: ExpectedIC | None) -> hv.Overlay:
    index = pd.DatetimeIndex([point.session for point in line.points], name="session")
    realised = pd.Series([point.ic for point in line.points], index=index, dtype="float64")
    return ic_chart(realised, expected, rolling_sessions=line.rolling_sessions)


def _json_script(name: str, text: str) -> Html:
    """Return JSON as an element that runs nothing, whatever its text says."""
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return element("script", Html(safe), id=name, type="application/json")
