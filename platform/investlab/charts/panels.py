"""How a price panel shows itself: what it holds, where it comes from, and a small chart."""

import holoviews as hv
import numpy as np

from investlab.charts import facts
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.figures import MAX_LINES, field_name, main_field, price_chart, price_chart_step
from investlab.charts.markup import Html, join, table
from investlab.charts.pages import page
from investlab.charts.units import count, listed, moment, number
from investlab.market.panel import PricePanel
from investlab.schemas.market import Adjust

SYMBOLS_SHOWN = 12
ADJUSTED = {Adjust.NONE: "", Adjust.SPLITS: "For splits", Adjust.ALL: "For splits and dividends"}


class PanelRenderer:
    """Renders a `PricePanel`."""

    @staticmethod
    def html(panel: PricePanel) -> str:
        """Return the panel's data version, size, gaps and licence over a chart of its prices."""
        return card(_headline(panel), _body(panel), figure=price_chart(panel))

    @staticmethod
    def plot(panel: PricePanel) -> hv.Overlay:
        """Return closing prices scaled to a common start."""
        return show_in_jupyter(price_chart(panel))

    @staticmethod
    def report(panel: PricePanel) -> str:
        """Return a page with the cell's content and a table of the instruments."""
        content = join((_body(panel), _instruments(panel)))
        return page(_title(panel), card(_headline(panel), content, figure=price_chart(panel)))


def _title(panel: PricePanel) -> str:
    return "Price panel" if panel.source.dataset_version is None else f"Price panel {panel.source.label}"


def _headline(panel: PricePanel) -> Html:
    sessions, instruments = panel.shape
    under = (
        f"{count(sessions, 'session')} × {count(instruments, 'instrument')}",
        f"{panel.first_session} to {panel.last_session}",
        facts.BASIS[panel.basis],
    )
    return facts.headline(_title(panel), [" · ".join(under)], panel.source)


def _body(panel: PricePanel) -> Html:
    source = panel.source
    return join(
        (
            chart(f"{field_name(panel)} by session, scaled to 100 at each instrument's first price"),
            facts.facts(
                [
                    ("As of", moment(source.as_of) if source.as_of else "Latest known"),
                    ("Fields", listed(list(panel.fields))),
                    ("Symbols", _symbols(panel)),
                    ("Missing", _missing(panel)),
                    ("Adjusted", ADJUSTED[source.adjust]),
                    ("Actions", count(len(panel.actions), "corporate action") if len(panel.actions) else "None"),
                    ("Calendar", f"{source.calendar}, prices in {source.currency}"),
                    ("Origin", source.origin),
                    ("Licence", source.licence),
                    ("Biases", "; ".join(source.biases)),
                    ("Data hash", facts.code(source.dataset_hash) if source.dataset_hash else ""),
                    ("Panel", facts.code(panel.id)),
                ]
            ),
            facts.remarks(_chart_notes(panel)),
        )
    )


def _symbols(panel: PricePanel) -> str:
    symbols = panel.symbols
    rest = len(symbols) - SYMBOLS_SHOWN
    return ", ".join(symbols) if rest <= 0 else f"{', '.join(symbols[:SYMBOLS_SHOWN])} and {rest:,} more"


def _missing(panel: PricePanel) -> str:
    gaps = int(np.isnan(panel.values(main_field(panel))).sum())
    cells = panel.shape[0] * panel.shape[1]
    return f"{gaps:,} of {cells:,} values of {main_field(panel)} ({number(100 * gaps / cells, 2)}%)" if gaps else "None"


def _chart_notes(panel: PricePanel) -> list[str]:
    said = []
    if len(panel.listing) > MAX_LINES:
        said.append("The chart shows the median over instruments and the range from the 10th to the 90th percentile.")
    if (step := price_chart_step(panel)) > 1:
        said.append(f"The chart shows one session in {step}.")
    return said


def _instruments(panel: PricePanel) -> Html:
    prices = panel.values(main_field(panel))
    rows = []
    for column, instrument in enumerate(panel.listing):
        known = np.flatnonzero(~np.isnan(prices[:, column]))
        ends = [str(panel.sessions[place]) for place in (known[0], known[-1])] if known.size else ["–", "–"]
        last = number(float(prices[known[-1], column])) if known.size else "–"
        rows.append(
            [instrument.symbol, instrument.name, instrument.currency, *ends, f"{len(prices) - known.size:,}", last]
        )
    return table(
        ["Symbol", "Name", "Currency", "First price", "Last price on", "Missing", "Last price"], rows, "Instruments"
    )
