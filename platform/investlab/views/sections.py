"""The parts of the market page as HTML: text is escaped, and numbers are marked for the script that moves them."""

from collections.abc import Iterable

from investlab.charts.facts import BASIS
from investlab.charts.markup import Html, element, join, text
from investlab.charts.units import MISSING, day, money, number, percent, short_hash
from investlab.views.state import Advice, Candles, MarketState, ModelLine, MonitorLine, PortfolioLine, WatchLine

TREND = {"up": "▲", "down": "▼", "flat": "■"}
WATCH_COLUMNS = (
    ("symbol", "Symbol", "Sort by symbol"),
    ("price", "Last", "Sort by last price"),
    ("change", "Change", "Sort by change"),
    ("score", "Score", "Sort by the champion's score"),
    ("rank", "Rank", "Sort by the champion's rank"),
)
SPARK_TITLE = "Last 30 sessions"


def header(state: MarketState) -> Html:
    """Return the bar on top: where one is, the session shown, the badge and the switch of the theme."""
    shown = state.replay.session or state.replay.first_session if state.replay else state.session
    clock = element("span", day(shown) if shown else "no data yet", data_field="session", class_="il-session")
    progress = Html("")
    if state.replay is not None:
        said = f"Pass {state.replay.pass_number}, session {state.replay.sessions_done} of {state.replay.sessions_total}"
        done = state.replay.sessions_done / max(1, state.replay.sessions_total)
        progress = element(
            "span",
            element("span", said, data_field="progress"),
            element("i", id="il-progress", style=f"--done:{done:.4f}", aria_hidden="true"),
            class_="il-progress",
        )
    badge = element(
        "p",
        element("i", aria_hidden="true"),
        element("b", f"REPLAY {day(shown)}" if state.replay and shown else "CONNECTING", data_field="badge"),
        element("span", "connecting", data_field="age"),
        id="il-badge",
        data_state="connecting",
        role="status",
    )
    theme = element("button", element("span", "Theme"), id="il-theme", type="button", title="Light or dark")
    return element(
        "header",
        element("a", "investlab", href="/", class_="il-brand"),
        element("h1", "Market"),
        element("p", "Session ", clock, progress, class_="il-clock"),
        badge,
        theme,
        class_="il-top",
    )


def key_figures(state: MarketState) -> Html:
    """Return the row of key figures; each says as of when and leads to the run behind it."""
    return element("dl", *_portfolio_tiles(state.portfolio), *_model_tiles(state), class_="il-tiles")


def candles_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the place of the candles, or what to do to get them."""
    found = state.candles
    if found is None:
        return _card("candles", "Candles", "", advices(advice))
    note = element(
        "p",
        "The last candle is running: synthetic quotes inside the session's real bar, replaced when the session closes.",
        id="il-running",
        class_="il-note",
        data_shown="false",
    )
    return _card("candles", found.name, _candles_line(found), _figure("candles", f"Candles of {found.symbol}"), note)


def portfolio_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the place of the portfolio's chart with its terms, or what to do to get them."""
    found = state.portfolio
    if found is None:
        return _card("portfolio", "Paper portfolio", "", advices(advice))
    under = element("p", found.terms, class_="il-note", data_shown="true")
    label = "Value of the paper portfolio beside its benchmark, and its drawdown"
    line = join(
        (
            f"{BASIS[found.basis]} · ",
            _version(found.dataset, found.dataset_version),
            " · run ",
            _trace(found.run_id),
        )
    )
    return _card("portfolio", "Paper portfolio", line, _figure("portfolio", label), under)


def model_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the champion beside its baseline and how its predictions come true, or what to do to get one."""
    if state.champion is None:
        return _card("model", "Model", "", advices(advice))
    lines = [_model_row("Champion", state.champion)]
    if state.baseline is not None and state.baseline.version_id != state.champion.version_id:
        lines.append(_model_row("Baseline", state.baseline))
    table = element(
        "table",
        element("caption", "Information coefficient out of sample, with its confidence interval"),
        element("thead", element("tr", *(element("th", name, scope="col") for name in ("", "Version", "IC", "95%")))),
        element("tbody", *lines),
        class_="il-models",
    )
    chart = _figure("monitor", "Realised information coefficient of this pass") if state.monitor else advices(advice)
    halves = element("div", element("div", table), element("div", chart), class_="il-halves")
    sub = f"{state.champion.model}@{state.champion.number}, trained by {state.champion.learner}"
    return _card("model", "Champion", sub, halves)


def watch_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the watchlist, grouped by dataset, or what to do to get it."""
    if not state.watch:
        return _card("watch", "Watchlist", "", advices(advice))
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
    return _card("watch", "Watchlist", by, element("div", table, class_="il-scroll", tabindex="0", role="region"))


def footer(state: MarketState) -> Html:
    """Return what the whole page stands on."""
    notes = [
        "Prices are real closes that ship inside public Python packages; the stocks are survivors, so levels flatter.",
        "Comparison with the equal-weight benchmark is what counts.",
    ]
    if state.replay is not None:
        notes.insert(0, "REPLAY: a past year is walked through again, session by session; nothing here is today's.")
    return element("footer", *(element("p", note) for note in notes))


def advices(given: Iterable[Advice]) -> Html:
    """Return friendly sentences about what is not there yet, each with the command that brings it."""
    return element(
        "div",
        *(element("p", each.sentence, " ", element("code", each.command)) for each in given),
        class_="il-advice",
    )


def _portfolio_tiles(line: PortfolioLine | None) -> list[Html]:
    if line is None or not line.points:
        names = ("Paper NAV", "Return", "Drawdown")
        return [_tile(name, MISSING, "waiting for the replay") for name in names]
    point = line.points[-1]
    gained = point.nav / line.initial_cash - 1
    against = (
        f"benchmark {percent(point.benchmark / line.initial_cash - 1, signed=True)}" if point.benchmark else MISSING
    )
    deepest = min(each.drawdown for each in line.points)
    as_of = element("time", day(point.session), data_asof="portfolio")
    nav = _marked("nav", money(point.nav, line.currency))
    return [
        _tile("Paper NAV", _trace(line.run_id, nav), join(("as of ", as_of))),
        _tile(
            "Return",
            _marked("return", percent(gained, signed=True), _tone(gained)),
            element("span", against, data_field="return-benchmark"),
        ),
        _tile(
            "Drawdown",
            _marked("drawdown", percent(point.drawdown), _tone(point.drawdown)),
            element("span", f"deepest {percent(deepest)}", data_field="drawdown-deepest"),
        ),
    ]


def _model_tiles(state: MarketState) -> list[Html]:
    champion, line = state.champion, state.monitor
    if champion is None:
        return [_tile(name, MISSING, "no champion yet") for name in ("Realised IC", "IC out of sample", "Champion")]
    realised = line.points[-1].ic if line and line.points else None
    under = element("span", _matured(line), data_field="ic-mean")
    interval = f"{champion.confidence:.0%}: {_ic(champion.interval_low)} to {_ic(champion.interval_high)}"
    return [
        _tile("Realised IC", _marked("ic", _ic(realised), _tone(realised or 0.0)), under),
        _tile("IC out of sample", _trace(champion.run_id, _ic(champion.information_coefficient)), interval),
        _tile("Champion", _trace(champion.version_id, f"{champion.model}@{champion.number}"), champion.learner),
    ]


def _matured(line: MonitorLine | None) -> str:
    if line is None or line.mean_ic is None:
        return "no prediction matured yet"
    return f"mean {_ic(line.mean_ic)}, {line.matured_sessions:,} matured"


def _tile(label: str, value: object, under: object) -> Html:
    return element("div", element("dt", label), element("dd", value), element("dd", under, class_="il-under"))


def _marked(field: str, shown: str, tone: str = "plain") -> Html:
    return element("span", shown, data_field=field, data_tone=tone)


def _tone(value: float) -> str:
    return "up" if value > 0 else "down" if value < 0 else "flat"


def _ic(value: float | None) -> str:
    return number(value, 3, signed=True)


def _trace(record_id: str, shown: object | None = None) -> Html:
    return element(
        "a", short_hash(record_id, 8) if shown is None else shown, href=f"/trace/{record_id}", title=record_id
    )


def _version(dataset: str, number_of_version: int) -> Html:
    label = f"{dataset}@{number_of_version}"
    return _trace(label, label)


def _candles_line(found: Candles) -> Html:
    parts = (
        f"{found.symbol} · {BASIS[found.basis]}, {found.currency} · ",
        _version(found.dataset, found.dataset_version),
    )
    return join(parts)


def _model_row(role: str, line: ModelLine) -> Html:
    return element(
        "tr",
        element("th", role, scope="row"),
        element("td", _trace(line.version_id, f"{line.model}@{line.number}"), " ", element("small", line.learner)),
        element("td", _trace(line.run_id, _ic(line.information_coefficient))),
        element("td", f"{_ic(line.interval_low)} to {_ic(line.interval_high)}"),
    )


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
            _version(dataset, first.dataset_version),
            f" · {BASIS[first.basis]}, {first.currency}",
        )
    )
    head = element(
        "tr", element("th", title, colspan="5", scope="rowgroup"), element("td", class_="il-spark"), class_="il-group"
    )
    return element("tbody", head, *(_watch_row(line, held) for line in lines))


def _watch_row(line: WatchLine, held: dict[str, float]) -> Html:
    change = line.closes[-1] / line.closes[-2] - 1 if len(line.closes) > 1 else None
    trend = "flat" if change is None else _tone(round(change, 4))
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


def _figure(name: str, label: str) -> Html:
    return element("div", id=f"il-chart-{name}", class_=f"il-figure il-figure-{name}", role="img", aria_label=label)


def _card(name: str, title: str, under: object, *content: object) -> Html:
    head = element("div", element("h2", title), element("p", under), class_="il-head")
    return element("section", head, *content, class_=f"il-block il-block-{name}", aria_label=title)
