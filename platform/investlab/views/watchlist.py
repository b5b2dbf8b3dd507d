"""The watchlist as HTML: last prices, changes, and what the champion makes of each instrument."""

from collections.abc import Iterable

from investlab.charts.facts import BASIS
from investlab.charts.markup import Html, element, join, text
from investlab.charts.units import MISSING, number, percent
from investlab.views.sections import advices, section, tone_of, version_link
from investlab.views.state import Advice, MarketState, WatchLine

TREND = {"up": "▲", "down": "▼", "flat": "■"}
WATCH_COLUMNS = (
    ("symbol", "Symbol", "Sort by symbol"),
    ("price", "Last", "Sort by last price"),
    ("change", "Change", "Sort by change"),
    ("score", "Score", "Sort by the champion's score"),
    ("rank", "Rank", "Sort by the champion's rank"),
)
SPARK_TITLE = "Last 30 sessions"


def watch_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the watchlist, grouped by dataset, or what to do to get it."""
    if not state.watch:
        return section("watch", "Watchlist", "", advices(advice))
    heads = [
        element(
            "th",
            element("button", label, type="button", data_sort=key, title=title),
            scope="col",
            **({"aria_sort": "ascending"} if key == "symbol" else {}),
            class_=f"il-{key}",
        )
        for key, label, title in WATCH_COLUMNS
    ]
    heads.insert(1, element("th", SPARK_TITLE, scope="col", class_="il-spark"))
    held = state.portfolio.weights if state.portfolio else {}
    bodies = [_group(dataset, state, held) for dataset in dict.fromkeys(line.dataset for line in state.watch)]
    table = element("table", element("thead", element("tr", *heads)), *bodies, id="il-watch")
    by = _predicted_by(state)
    return section("watch", "Watchlist", by, element("div", table, class_="il-scroll", tabindex="0", role="region"))


def _predicted_by(state: MarketState) -> Html:
    if state.predicted_by is None:
        return text("Score and rank come with the first prediction of a champion")
    shown = f"{state.model}@{state.predicted_by}"
    target = state.prediction_id or shown
    link = element("a", shown, href=f"/trace/{target}", title=target, id="il-prediction")
    return join(("Score and rank by ", link, "; a dot marks what the paper portfolio holds"))


def _group(dataset: str, state: MarketState, held: dict[str, float]) -> Html:
    lines = [line for line in state.watch if line.dataset == dataset]
    first = lines[0]
    title = join(
        (
            version_link(dataset, first.dataset_version),
            f" · {BASIS[first.basis]}, {first.currency}",
        )
    )
    head = element(
        "tr", element("th", title, colspan="5", scope="rowgroup"), element("td", class_="il-spark"), class_="il-group"
    )
    return element("tbody", head, *(_watch_row(line, held) for line in lines))


def _watch_row(line: WatchLine, held: dict[str, float]) -> Html:
    change = line.closes[-1] / line.closes[-2] - 1 if len(line.closes) > 1 else None
    trend = "flat" if change is None else tone_of(round(change, 4))
    shown = MISSING if change is None else f"{TREND[trend]} {percent(change, 2, signed=True)}"
    tone = "flat" if line.score is None else "plain"
    svg = element("svg", element("path", d=""), viewBox="0 0 72 20", aria_hidden="true")
    return element(
        "tr",
        element(
            "th",
            element("b", line.symbol, data_cell="symbol"),
            element("small", line.name),
            scope="row",
        ),
        element("td", svg, class_="il-spark"),
        element("td", number(line.closes[-1]), data_cell="price"),
        element("td", shown, data_cell="change", data_tone=trend),
        element("td", number(line.score, 3, signed=True), data_cell="score", data_tone=tone, class_="il-score"),
        element("td", MISSING if line.rank is None else str(line.rank), data_cell="rank"),
        data_line=f"{line.dataset}/{line.instrument_id}",
        data_held=str(line.symbol in held).lower(),
    )
