"""The parts of a card that every result shows alike: headline, metrics, and what the numbers stand on."""

import math
from collections.abc import Iterable, Mapping, Sequence

from investlab.charts.markup import Html, definitions, element, join, text
from investlab.charts.units import MISSING, moment, money, number, percent, short_hash, times
from investlab.market.panel import PanelSource
from investlab.schemas.backtest import Execution
from investlab.schemas.market import PriceBasis

METRICS = {
    "total_return": "Total return",
    "cagr": "CAGR",
    "volatility": "Volatility",
    "sharpe": "Sharpe ratio",
    "max_drawdown": "Max. drawdown",
    "turnover": "Turnover a year",
    "costs": "Costs paid",
    "exposure": "Exposure",
}
"""The metrics of a backtest with the names people read, in the order they are shown."""

BASIS = {
    PriceBasis.RAW: "Raw prices",
    PriceBasis.SPLIT_ADJUSTED: "Split-adjusted prices",
    PriceBasis.TOTAL_RETURN: "Total-return prices",
}
EXECUTION = {
    Execution.NEXT_OPEN: "At the next session's open",
    Execution.NEXT_CLOSE: "At the next session's close",
    Execution.SAME_CLOSE: "At the close that gave the signal",
}
SAME_CLOSE_WARNING = "Warning: same_close assumes trading on the very close that produced the signal."
SYNTHETIC = "SYNTHETIC DATA"
REPLAY = "REPLAY"

Rows = Iterable[tuple[str, object]]
"""Terms with their values, as `facts` shows them."""


def headline(title: str, under: Sequence[str], source: PanelSource, *, replayed: bool = False) -> Html:
    """Return a card's title, badges when its data is synthetic or its sessions are replayed, and lines under it."""
    told = [name for name, told in ((SYNTHETIC, source.synthetic), (REPLAY, replayed)) if told]
    badge = join(join((" ", element("span", name, class_="il-badge"))) for name in told)
    lines = (element("p", line, class_="il-under") for line in under if line)
    return element("header", heading(title, badge), *lines)


def heading(*title: object) -> Html:
    """Return a card's title; it is no `h2`, which Jupyter would number and list in the notebook's contents."""
    return element("p", element("strong", *title), class_="il-title", role="heading", aria_level="2")


def metric_tiles(metrics: Mapping[str, float], currency: str) -> Html:
    """Return the eight metrics of a backtest with their units; gains and losses differ by sign and colour."""
    value = {name: metrics.get(name) for name in METRICS}
    return definitions(
        [
            ("Total return", judged(value["total_return"], percent(value["total_return"], signed=True))),
            ("CAGR", judged(value["cagr"], percent(value["cagr"], signed=True))),
            ("Volatility", _with_unit(percent(value["volatility"]), "a year")),
            ("Sharpe ratio", judged(value["sharpe"], number(value["sharpe"], signed=True))),
            ("Max. drawdown", judged(value["max_drawdown"], percent(value["max_drawdown"]))),
            ("Turnover", _with_unit(times(value["turnover"]), "a year")),
            ("Costs paid", money(value["costs"], currency)),
            ("Exposure", percent(value["exposure"])),
        ],
        "il-metrics",
    )


def metric_text(name: str, value: float | None, currency: str) -> str:
    """Return one metric as text with its unit."""
    if name == "sharpe":
        return number(value)
    if name == "turnover":
        return times(value)
    if name == "costs":
        return money(value, currency)
    return percent(value)


def judged(value: float | None, shown: str) -> Html:
    """Return a number coloured by its sign, plain when it shows as zero or is missing."""
    if value is None or math.isnan(value) or not any(digit in shown for digit in "123456789"):
        return text(shown)
    return element("span", shown, class_="il-good" if value > 0 else "il-bad")


def warnings(notes: Sequence[str], execution: Execution | str) -> Html:
    """Return the warnings among the notes, and the one that same-close execution must carry."""
    found = [note for note in notes if is_warning(note)]
    if Execution(execution) is Execution.SAME_CLOSE and not any("same_close" in note for note in found):
        found.append(SAME_CLOSE_WARNING)
    return join(element("p", note, class_="il-warning", role="note") for note in found)


def remarks(notes: Sequence[str], *, without: Iterable[str] = ()) -> Html:
    """Return the notes that are no warnings as a list, leaving out what the card says elsewhere."""
    said = set(without)
    shown = [element("li", note) for note in notes if note not in said and not is_warning(note)]
    return element("ul", *shown, class_="il-notes") if shown else Html("")


def is_replayed(notes: Sequence[str]) -> bool:
    """Say whether the notes tell that a past year was walked through again."""
    return any(note.startswith(REPLAY) for note in notes)


def is_warning(note: str) -> bool:
    """Say whether a note is a warning."""
    return note.startswith("Warning")


def costs_text(sentence: str) -> str:
    """Return the sentence of costs without the word that heads it."""
    bare = sentence.removeprefix("Costs: ").removesuffix(".")
    return bare[:1].upper() + bare[1:]


def data_text(source: PanelSource) -> str:
    """Return the data version and its as-of time."""
    known = f"as of {moment(source.as_of)}" if source.as_of else "as known at its latest version"
    return source.origin if source.dataset_version is None else f"{source.label}, {known}"


def code(identity: str | None) -> Html:
    """Return an identifier shortened, the whole of it on hover."""
    return element("code", short_hash(identity), title=identity) if identity else text(MISSING)


def lineage(source: PanelSource, panel_id: str, run_id: str | None, code_identity: str | None) -> Rows:
    """Return the rows that say which data, code and run numbers come from."""
    return [
        ("Data", data_text(source)),
        ("Data hash", code(source.dataset_hash) if source.dataset_hash else ""),
        ("Panel", code(panel_id)),
        ("Run", code(run_id) if run_id else "Not recorded"),
        ("Code", code(code_identity) if code_identity else ""),
    ]


def facts(rows: Rows) -> Html:
    """Return what a result stands on, term by term; terms without a value are left out."""
    return definitions(rows, "il-facts")


def _with_unit(shown: str, unit: str) -> Html:
    return text(shown) if shown == MISSING else join((shown, " ", element("small", unit)))
