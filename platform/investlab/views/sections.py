"""The parts of the market page as HTML: text is escaped, and numbers are marked for the script that moves them."""

from collections.abc import Iterable

from investlab.charts.embed import card
from investlab.charts.facts import BASIS, heading, judged
from investlab.charts.markup import Html, definitions, element, join
from investlab.charts.units import MISSING, day, money, number, percent, short_hash
from investlab.views.state import Advice, Candles, MarketState, ModelLine, MonitorLine, PortfolioLine


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
        return section("candles", "Candles", "", advices(advice))
    note = element(
        "p",
        "The last candle is running: synthetic quotes inside the session's real bar, replaced when the session closes.",
        id="il-running",
        class_="il-note",
        data_shown="false",
    )
    return section("candles", found.name, _candles_line(found), _figure("candles", f"Candles of {found.symbol}"), note)


def portfolio_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the place of the portfolio's chart with its terms, or what to do to get them."""
    found = state.portfolio
    if found is None:
        return section("portfolio", "Paper portfolio", "", advices(advice))
    under = element("p", found.terms, class_="il-note", data_shown="true")
    label = "Value of the paper portfolio beside its benchmark, and its drawdown"
    line = join(
        (
            f"{BASIS[found.basis]} · ",
            version_link(found.dataset, found.dataset_version),
            " · run ",
            _trace(found.run_id),
        )
    )
    return section("portfolio", "Paper portfolio", line, _figure("portfolio", label), under)


def model_card(state: MarketState, advice: Iterable[Advice]) -> Html:
    """Return the champion beside its baseline and how its predictions come true, or what to do to get one."""
    if state.champion is None:
        return section("model", "Model", "", advices(advice))
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
    told = list(advice)
    parts = [_figure("monitor", "Realised information coefficient of this pass")] if state.monitor else []
    parts += [element("p", _judged_over(state.monitor), class_="il-note")] if state.monitor else []
    parts += [advices(told)] if told or not parts else []
    halves = element("div", element("div", table), element("div", *parts), class_="il-halves")
    sub = f"{state.champion.model}@{state.champion.number}, trained by {state.champion.learner}"
    return section("model", "Champion", sub, halves)


def _judged_over(line: MonitorLine) -> str:
    if len(line.horizons) < 2:
        return f"Judged over {line.horizons[0]} sessions." if line.horizons else ""
    horizons = " or ".join(str(each) for each in line.horizons)
    return f"Models of several horizons predicted here; each prediction is judged over its own, {horizons} sessions."


def footer(state: MarketState) -> Html:
    """Return what the whole page stands on."""
    notes = [
        "Prices are real closes that ship inside public Python packages; the stocks are survivors, so levels flatter.",
        "Comparison with the equal-weight benchmark is what counts.",
    ]
    if state.replay is not None:
        notes.insert(0, "REPLAY: a past year is walked through again, session by session; nothing here is today's.")
    return element("footer", *(element("p", note) for note in notes))


def cell_card(state: MarketState) -> Html:
    """Return the key figures as a notebook's cell shows them: without links, which lead nowhere there."""
    shown = state.replay.session if state.replay else state.session
    rows: list[tuple[str, object]] = [("Replay at" if state.replay else "Session", day(shown) if shown else MISSING)]
    if state.portfolio is not None and state.portfolio.points:
        line, point = state.portfolio, state.portfolio.points[-1]
        gained = point.nav / line.initial_cash - 1
        rows += [
            ("Paper NAV", money(point.nav, line.currency)),
            ("Return", judged(gained, percent(gained, signed=True))),
        ]
    if state.champion is not None:
        champion = state.champion
        rows += [
            ("Champion", f"{champion.model}@{champion.number}"),
            ("IC out of sample", _ic(champion.information_coefficient)),
        ]
    missing = advices(state.advice) if state.advice else ""
    return card(element("header", heading("Market")), definitions(rows, "il-metrics"), missing)


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
            _marked("return", percent(gained, signed=True), tone_of(gained)),
            element("span", against, data_field="return-benchmark"),
        ),
        _tile(
            "Drawdown",
            _marked("drawdown", percent(point.drawdown), tone_of(point.drawdown)),
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
        _tile("Realised IC", _marked("ic", _ic(realised), tone_of(realised or 0.0)), under),
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


def tone_of(value: float) -> str:
    """Return whether a number is up, down or neither, which colours it."""
    return "up" if value > 0 else "down" if value < 0 else "flat"


def _ic(value: float | None) -> str:
    return number(value, 3, signed=True)


def _trace(record_id: str, shown: object | None = None) -> Html:
    return element(
        "a", short_hash(record_id, 8) if shown is None else shown, href=f"/trace/{record_id}", title=record_id
    )


def version_link(dataset: str, number_of_version: int) -> Html:
    """Return a dataset version's label, leading to where it comes from."""
    label = f"{dataset}@{number_of_version}"
    return _trace(label, label)


def _candles_line(found: Candles) -> Html:
    parts = (
        f"{found.symbol} · {BASIS[found.basis]}, {found.currency} · ",
        version_link(found.dataset, found.dataset_version),
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


def _figure(name: str, label: str) -> Html:
    return element("div", id=f"il-chart-{name}", class_=f"il-figure il-figure-{name}", role="img", aria_label=label)


def section(name: str, title: str, under: object, *content: object) -> Html:
    """Return one card of the page."""
    head = element("div", element("h2", title), element("p", under), class_="il-head")
    return element("section", head, *content, class_=f"il-block il-block-{name}", aria_label=title)
