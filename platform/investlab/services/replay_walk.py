"""A replay pass as it stands: its clock, what was known, what was predicted, and what follows from both."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pandas as pd

from investlab.backtest.warm import warm_kernels
from investlab.core.errors import InvestlabError, NotFound
from investlab.live.replay import ReplayClock
from investlab.market.panel import PricePanel
from investlab.schemas.live import ModelMonitor, PaperPortfolio, ReplayPass, ReplayState
from investlab.schemas.serving import PredictionRecord
from investlab.services import prices
from investlab.services.context import Context
from investlab.services.replay_history import History, open_history
from investlab.services.replay_monitor import watch_predictions
from investlab.services.replay_paper import PaperBook, PaperTerms, keep_paper_book, show_portfolio
from investlab.services.replay_scoring import SCORE_COLUMNS, SCORE_TYPES, scores_of, wide_scores
from investlab.store.repositories import replays

WARM_SESSIONS = 30
SOURCE: Literal["replay"] = "replay"


@dataclass(frozen=True, slots=True)
class ReplayTerms:
    """What is replayed, and how."""

    dataset: str = "us-close"
    bars_dataset: str = "us-ohlcv-recent"
    quotes_per_bar: int = 8
    compact_every_sessions: int = 20
    rolling_sessions: int = 21
    paper: PaperTerms = PaperTerms()  # noqa: RUF009 - frozen, so that sharing it is harmless


@dataclass(frozen=True, slots=True, eq=False)
class ReplayView:
    """What a pass shows at its last completed session; portfolio, book and monitor are None before any prediction."""

    state: ReplayState
    portfolio: PaperPortfolio | None = None
    book: PaperBook | None = None
    monitor: ModelMonitor | None = None


@dataclass(slots=True, eq=False)
class Walk:
    """A pass being walked. `predicted` maps sessions to prediction ids; `scores` has their rows in session order."""

    clock: ReplayClock
    closes: History
    bars: History | None
    scores: pd.DataFrame
    predicted: dict[date, str]
    latest: PredictionRecord | None

    @property
    def replayed(self) -> ReplayPass:
        """Return the pass as it stands."""
        return self.clock.replayed

    def add(self, record: PredictionRecord) -> None:
        """Count a prediction of the pass as made; the same one again changes nothing."""
        self.latest = record
        if record.session is not None and record.session not in self.predicted:
            self.predicted[record.session] = record.prediction_id
            self.scores = pd.concat([self.scores, scores_of([record])], ignore_index=True)

    def view(self, panel: PricePanel, terms: ReplayTerms) -> ReplayView:
        """Return what the pass shows at the last session of a panel that was known then."""
        if self.latest is None:
            return ReplayView(self.clock.state())
        told = self.scores[self.scores["session"] <= pd.Timestamp(panel.last_session)]
        if told.empty:
            return ReplayView(self.clock.state())
        replayed = self.replayed
        book = keep_paper_book(panel, replayed.first_session, wide_scores(told), terms.paper)
        return ReplayView(
            state=self.clock.state(),
            portfolio=show_portfolio(book, replayed.pass_id, self.latest, terms.paper),
            book=book,
            monitor=watch_predictions(told, panel, self.latest, terms.rolling_sessions),
        )


def open_walk(context: Context, replayed: ReplayPass, terms: ReplayTerms) -> Walk:
    """Return a pass with everything it predicted so far, also what was recorded just before a crash.

    Raises:
        NotFound: The dataset has no bars.
        InvalidInput: The dataset has no session of the pass.
        Corrupt: Stored bars or predictions are damaged.
    """
    closes = open_history(context, replayed.dataset, replayed.last_session)
    clock = ReplayClock(replayed, closes.sessions, 60.0 / context.settings.replay_sessions_per_minute)
    told = context.predictions.read(pass_id=replayed.pass_id, model=context.settings.model, source=SOURCE)
    told = told.sort_values("session", kind="stable").drop_duplicates(["session", "instrument_id"])
    first = told.drop_duplicates("session")
    predicted = {
        pd.Timestamp(day).date(): str(key) for day, key in zip(first["session"], first["prediction_id"], strict=True)
    }
    return Walk(
        clock=clock,
        closes=closes,
        bars=_open_bars(context, replayed, terms),
        scores=told[SCORE_COLUMNS].astype(SCORE_TYPES),
        predicted=predicted,
        latest=context.predictions.find(predicted[max(predicted)]) if predicted else None,
    )


def read_replay(context: Context, terms: ReplayTerms | None = None) -> ReplayView | None:
    """Return what the running pass shows at its last completed session, from the stores alone; None without a pass.

    Any process may ask: it is the same as what the process that walks the pass publishes.

    Raises:
        NotFound: The dataset is unknown or has no bars yet.
    """
    chosen = terms or ReplayTerms()
    with context.database.read() as session:
        replayed = replays.current_pass(session, chosen.dataset)
    if replayed is None:
        return None
    walk = open_walk(context, replayed, chosen)
    if replayed.session is None:
        return ReplayView(walk.clock.state())
    return walk.view(walk.closes.panel(replayed.session), chosen)


def begin_pass(context: Context, terms: ReplayTerms) -> ReplayPass:
    """Start a pass from the first replayed session to the data's last.

    Raises:
        NotFound: The dataset is unknown, has no bars, or none from the first replayed session on.
        Conflict: A pass is running already.
    """
    start = context.settings.replay_from
    _, version = prices.dataset_version(context, terms.dataset)
    last = version.last_session
    if last is None or last < start:
        raise NotFound(
            f"{version.label} ends at {last}, so there is nothing to replay from {start} on.",
            remedy="Set INVESTLAB_REPLAY_FROM to an earlier session.",
        )
    first = next(day for day in open_history(context, terms.dataset, last).sessions if day >= start)
    now = context.clock.now()
    return context.database.write(
        lambda session: replays.start_pass(
            session, dataset=terms.dataset, first_session=first, last_session=last, at=now
        )
    )


def warm_replay(context: Context, terms: ReplayTerms | None = None) -> None:
    """Do once what the first replayed session would wait for: load kernels, calendar and bars.

    It takes a second or two and belongs before a server's event loop starts. Without data there is nothing to warm.
    """
    chosen = terms or ReplayTerms()
    warm_kernels()
    with suppress(InvestlabError):
        _, version = prices.dataset_version(context, chosen.dataset)
        if version.last_session is not None:
            panel = open_history(context, chosen.dataset, version.last_session).panel(version.last_session)
            scores = panel.close.iloc[-WARM_SESSIONS:]
            keep_paper_book(panel, scores.index[0].date(), scores, chosen.paper)


def _open_bars(context: Context, replayed: ReplayPass, terms: ReplayTerms) -> History | None:
    try:
        return open_history(context, terms.bars_dataset, replayed.last_session)
    except NotFound:
        return None
