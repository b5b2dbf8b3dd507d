"""The market page's state, read from the stores alone; what is not there yet becomes advice."""

from datetime import date

import pandas as pd

from investlab.core.errors import EmptyUniverse, ModelUnavailable, NotFound
from investlab.market.panel import PricePanel
from investlab.schemas.live import PaperPortfolio, ReplayPass
from investlab.schemas.registry import ModelVersionInfo
from investlab.services import prices, registry
from investlab.services.context import Context
from investlab.services.replay_history import History, open_history
from investlab.services.replay_paper import PaperBook
from investlab.services.replay_scoring import require_unseen
from investlab.services.replay_walk import ReplayTerms, ReplayView, Walk, open_walk
from investlab.services.session_clock import session_before
from investlab.store.repositories import replays
from investlab.views.maturing import monitor_line
from investlab.views.quoting import candles_of, watch_lines
from investlab.views.state import (
    Advice,
    Candles,
    MarketState,
    ModelLine,
    MonitorLine,
    PortfolioLine,
    PortfolioPoint,
    WatchLine,
)

TERMS = ReplayTerms()
BASELINE_LEARNER = "momentum_12_1"
EXECUTIONS = {"next_open": "at the next session's open", "next_close": "at the next session's close"}


def read_market(context: Context, terms: ReplayTerms = TERMS) -> MarketState:
    """Return everything the market page shows, as of the replay's session, or of the day before the replay begins.

    Raises:
        Corrupt: Stored bars, predictions or versions are damaged.
        StorageUnavailable: The disk or the database gives nothing.
    """
    model = context.settings.model
    replayed = _running_pass(context, terms.dataset)
    walk = open_walk(context, replayed, terms) if replayed is not None else None
    shown = walk.clock.session if walk is not None else None
    begun = walk if shown is not None else None
    bars_panel = _known(context, begun.bars if begun else None, terms.bars_dataset, shown)
    panel = _known(context, begun.closes if begun else None, terms.dataset, shown)
    candles = candles_of(bars_panel) if bars_panel is not None else None
    closes = watch_lines(panel) if panel is not None else ()
    champion = registry.champion(context, model)
    view = walk.view(panel, terms) if begun and walk and panel is not None else None
    bars = _bars_line(candles)
    scored = _scored((*closes, *bars), walk, terms)
    return MarketState(
        model=model,
        session=shown or _last_session((*closes, *bars)),
        made_at=context.clock.now(),
        replay=walk.clock.state() if walk is not None else None,
        candles=candles,
        watch=scored,
        predicted_by=walk.latest.model_version if walk is not None and walk.latest is not None else None,
        prediction_id=walk.latest.prediction_id if walk is not None and walk.latest is not None else None,
        champion=_model_line(champion),
        baseline=_model_line(_baseline(context, model)),
        portfolio=_portfolio(view.portfolio, view.book, terms) if view is not None else None,
        monitor=_monitor(begun, panel, terms),
        advice=(*_advice(terms, candles, closes, champion, view), *_ahead(champion, walk)),
    )


def _running_pass(context: Context, dataset: str) -> ReplayPass | None:
    try:
        with context.database.read() as session:
            return replays.current_pass(session, dataset)
    except NotFound:
        return None


def _known(context: Context, history: History | None, dataset: str, last: date | None) -> PricePanel | None:
    """Return a dataset as it was known at a session's close, or at the close before the replay begins."""
    try:
        if history is None:
            info, _ = prices.dataset_version(context, dataset)
            history = open_history(context, dataset, session_before(info.calendar, context.settings.replay_from))
        seen = [session for session in history.sessions if last is None or session <= last]
        return history.panel(seen[-1]) if seen else None
    except (NotFound, EmptyUniverse):
        return None


def _bars_line(candles: Candles | None) -> tuple[WatchLine, ...]:
    """Return the instrument of the candles as a line of the watchlist."""
    if candles is None:
        return ()
    closes = tuple(bar[4] for bar in candles.bars[-30:])
    told = candles.model_dump(exclude={"bars"})
    return (WatchLine(**told, session=candles.bars[-1][0], closes=closes),)


def _last_session(lines: tuple[WatchLine, ...]) -> date | None:
    return max((line.session for line in lines), default=None)


def _scored(lines: tuple[WatchLine, ...], walk: Walk | None, terms: ReplayTerms) -> tuple[WatchLine, ...]:
    """Return the lines with score and rank of the pass's last prediction."""
    if walk is None or walk.latest is None:
        return lines
    ordered = sorted(walk.latest.scores, key=lambda score: -score.score)
    found = {score.instrument_id: (score.score, rank) for rank, score in enumerate(ordered, start=1)}
    return tuple(
        line.model_copy(update=dict(zip(("score", "rank"), found[line.instrument_id], strict=True)))
        if line.dataset == terms.dataset and line.instrument_id in found
        else line
        for line in lines
    )


def _baseline(context: Context, model: str) -> ModelVersionInfo | None:
    found = [version for version in registry.versions(context, model) if version.learner == BASELINE_LEARNER]
    return found[-1] if found else None


def _model_line(version: ModelVersionInfo | None) -> ModelLine | None:
    if version is None:
        return None
    card = version.scorecard
    return ModelLine(
        model=version.model,
        number=version.number,
        learner=version.learner,
        version_id=version.version_id,
        run_id=version.lineage.training_run,
        information_coefficient=card.information_coefficient,
        interval_low=card.interval_low,
        interval_high=card.interval_high,
        confidence=card.confidence,
        observations=card.observations,
        first_session=card.first_session,
        last_session=card.last_session,
    )


def _portfolio(shown: PaperPortfolio | None, book: PaperBook | None, terms: ReplayTerms) -> PortfolioLine | None:
    if shown is None or book is None:
        return None
    points = tuple(
        PortfolioPoint(
            session=pd.Timestamp(session).date(),  # type: ignore[arg-type]  # the index is one of sessions
            nav=float(row["nav"]),
            drawdown=float(row["drawdown"]),
            benchmark=float(row["benchmark"]) if pd.notna(row["benchmark"]) else None,
        )
        for session, row in book.equity().iterrows()
    )
    return PortfolioLine(
        points=points,
        initial_cash=shown.initial_cash,
        currency=shown.currency,
        basis=shown.basis,
        dataset=shown.dataset,
        dataset_version=shown.dataset_version,
        terms=terms_text(shown, terms),
        run_id=shown.run_id,
        weights=shown.weights,
    )


def terms_text(shown: PaperPortfolio, terms: ReplayTerms) -> str:
    """Return how the paper portfolio trades and what that costs, in one sentence."""
    when = EXECUTIONS.get(shown.execution, shown.execution)
    return (
        f"Top {terms.paper.k} by the champion's score, equal weight, monthly, {when}; "
        f"{shown.commission_bps:g} bps commission and {shown.slippage_bps:g} bps slippage are paid."
    )


def _monitor(walk: Walk | None, panel: PricePanel | None, terms: ReplayTerms) -> MonitorLine | None:
    if walk is None or walk.latest is None or panel is None:
        return None
    return monitor_line(walk.scores, panel, terms.rolling_sessions)


def _ahead(champion: ModelVersionInfo | None, walk: Walk | None) -> tuple[Advice, ...]:
    """Return what to do about a champion that has learned from sessions this replay has not reached."""
    following = walk.clock.following if walk is not None else None
    if champion is None or following is None:
        return ()
    try:
        require_unseen(champion, following)
    except ModelUnavailable as error:
        command = f"investlab model promote {champion.model} NUMBER"
        return (Advice(about="monitor", sentence=f"{error.detail} Promote an earlier one:", command=command),)
    return ()


def _advice(
    terms: ReplayTerms,
    candles: Candles | None,
    closes: tuple[WatchLine, ...],
    champion: ModelVersionInfo | None,
    view: ReplayView | None,
) -> list[Advice]:
    """Return what to do about each part of the page that is missing."""
    ingest = "investlab data ingest sample --dataset"
    found = []
    if candles is None:
        said = "There are no bars for candles yet. Bring in real ones that ship with a public package:"
        found.append(Advice(about="candles", sentence=said, command=f"{ingest} {terms.bars_dataset}"))
    if not closes:
        said = "There are no closing prices for the watchlist yet. Bring in real ones that ship with a public package:"
        found.append(Advice(about="watch", sentence=said, command=f"{ingest} {terms.dataset}"))
    if champion is None:
        said = "No model is champion yet. Train a baseline and a challenger, and let the rule promote one:"
        found.append(Advice(about="monitor", sentence=said, command="investlab demo"))
    if champion is not None and (view is None or view.monitor is None):
        said = "No prediction of this pass has been made yet; the replay makes one at each session. It runs with"
        found.append(Advice(about="monitor", sentence=said, command="investlab up"))
    if view is None or view.portfolio is None:
        said = "The paper portfolio follows the champion through the replay, and begins with its first prediction:"
        command = "investlab demo" if champion is None else "investlab up"
        found.append(Advice(about="portfolio", sentence=said, command=command))
    return found
