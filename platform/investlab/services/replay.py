"""The replay: walks the session clock through past sessions, predicts, and keeps the paper portfolio."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import pandas as pd

from investlab.core.errors import Conflict, InvestlabError, ModelUnavailable, NotFound
from investlab.live.feeds import SessionFeed, TimedQuote, Wait
from investlab.live.hub import Hub
from investlab.live.pacing import Pacer, Sleep, at_once
from investlab.live.replay import bar_quotes, closing_quotes
from investlab.live.topics import MONITOR, PAPER_PORTFOLIO, REPLAY, SYSTEM, prediction_topic, quote_topic
from investlab.market.panel import PricePanel
from investlab.schemas.live import ModelMonitor, PaperPortfolio, Quote, ReplayPass, ReplayState
from investlab.schemas.serving import PredictionRecord
from investlab.services import prices
from investlab.services.context import Context
from investlab.services.replay_scoring import ChampionHost, Scene, require_unseen, score_session
from investlab.services.replay_walk import ReplayTerms, ReplayView, Walk, begin_pass, open_walk
from investlab.store.prediction_spools import PredictionSpool
from investlab.store.repositories import replays

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

logger = logging.getLogger(__name__)


class ReplayCondition(StrEnum):
    """How the replay is doing."""

    STARTING = "starting"
    RUNNING = "running"
    WITHOUT_MODEL = "without_model"
    RETRYING = "retrying"


@dataclass(frozen=True, slots=True, eq=False)
class _Day:
    """A session about to be replayed: what was known at its close, and its quotes."""

    session: date
    panel: PricePanel
    quotes: Sequence[TimedQuote]


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """What a session brought: its prediction, what the pass shows now, and why there is no prediction."""

    record: PredictionRecord | None
    view: ReplayView
    missing: ModelUnavailable | None


class ReplayEngine:
    """Walks a pass session by session and starts another at its end.

    `step` does one session: quotes are given, the champion scores what was known at the session's close, the
    prediction is made durable, and only then the stored pass moves on, by compare-and-set. A process that dies anywhere
    goes on at the stored session; what it had recorded already is found again, so every session of a pass has one
    prediction. Everything heavy happens off the event loop; the rest belongs to it.
    """

    def __init__(self, context: Context, host: ChampionHost, hub: Hub, *, terms: ReplayTerms | None = None) -> None:
        self._context = context
        self._host = host
        self._hub = hub
        self._terms = terms or ReplayTerms()
        self._walk: Walk | None = None
        self._shown_pass: str | None = None
        self._view: ReplayView | None = None
        self._spool: PredictionSpool | None = None
        self._failures = 0
        self._condition = ReplayCondition.STARTING
        self._detail = ""

    @property
    def condition(self) -> ReplayCondition:
        """Return how the replay is doing."""
        return self._condition

    @property
    def detail(self) -> str:
        """Return what is missing or wrong, with its remedy; empty when nothing is."""
        return self._detail

    def state(self) -> ReplayState | None:
        """Return where the session clock stands, None before the replay began."""
        return self._view.state if self._view else None

    def portfolio(self) -> PaperPortfolio | None:
        """Return the paper portfolio at the last completed session, None before the pass's first prediction."""
        return self._view.portfolio if self._view else None

    def monitor(self) -> ModelMonitor | None:
        """Return how predictions came true so far, None before the pass's first prediction."""
        return self._view.monitor if self._view else None

    def equity(self) -> pd.DataFrame:
        """Return nav, drawdown (≤ 0) and benchmark by session of the pass so far; empty before any prediction."""
        book = self._view.book if self._view else None
        return book.equity() if book else pd.DataFrame(columns=["nav", "drawdown", "benchmark"], dtype=float)

    async def step(self, wait: Wait | None = None) -> ReplayState:
        """Replay one session and return where the clock stands then; `wait` paces its quotes, at once without.

        Raises:
            InvestlabError: The session could not be completed; the next step tries it again.
        """
        pace = wait or at_once
        walk = await asyncio.to_thread(self._ready_walk)
        if walk is not self._walk:
            await self._show_walk(walk)
        day = await asyncio.to_thread(self._look, walk)
        await SessionFeed(REPLAY, day.quotes, pace).run(self._emit)
        outcome = await asyncio.to_thread(self._settle, walk, day)
        await self._show(outcome)
        await pace(1.0)
        return outcome.view.state

    async def run(self, sleep: Sleep = asyncio.sleep) -> None:
        """Replay until cancelled, at the pace of the settings; trouble is told on topic `system` and waited out."""
        while True:
            pacer = Pacer(60.0 / self._context.settings.replay_sessions_per_minute, sleep)
            await sleep(await self.attempt(pacer.wait))

    async def attempt(self, wait: Wait | None = None) -> float:
        """Replay one session, or tell what is in the way; return how many seconds to wait before the next."""
        try:
            await self.step(wait)
        except InvestlabError as error:
            await self._trouble(error)
        except Exception as error:  # the gateway outlives whatever goes wrong in here
            logger.exception("The replay failed.")
            await self._trouble(InvestlabError(f"The replay failed: {type(error).__name__}."))
        else:
            self._failures = 0
            return 0.0
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10))

    def close(self) -> None:
        """Close the spool of predictions."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _ready_walk(self) -> Walk:
        """Return the walk of the running pass, with a session still to come."""
        replayed = self._running_pass()
        walk = self._walk
        if walk is None or walk.replayed != replayed or self._has_new_data(walk):
            walk = open_walk(self._context, replayed, self._terms)
        if walk.clock.following is None:
            self._finish(walk)
            walk = open_walk(self._context, begin_pass(self._context, self._terms), self._terms)
        return walk

    def _running_pass(self) -> ReplayPass:
        with self._context.database.read() as session:
            replayed = replays.current_pass(session, self._terms.dataset)
        return replayed or begin_pass(self._context, self._terms)

    def _has_new_data(self, walk: Walk) -> bool:
        _, version = prices.dataset_version(self._context, self._terms.dataset)
        return version.number != walk.closes.version.number

    def _finish(self, walk: Walk) -> None:
        now = self._context.clock.now()
        pass_id = walk.replayed.pass_id
        self._context.database.write(lambda session: replays.complete_pass(session, pass_id, at=now))
        self._compact()

    def _look(self, walk: Walk) -> _Day:
        session = walk.clock.following
        if session is None:
            raise Conflict("The pass has no session left.", remedy="The next step starts another pass.")
        panel = walk.closes.panel(session)
        quotes = [*self._bar_quotes(walk, session), *closing_quotes(panel)]
        return _Day(session, panel, quotes)

    def _bar_quotes(self, walk: Walk, session: date) -> list[TimedQuote]:
        if walk.bars is None:
            return []
        with suppress(NotFound):
            panel = walk.bars.panel(session)
            if panel.last_session == session:
                return bar_quotes(panel, self._terms.quotes_per_bar)
        return []

    def _settle(self, walk: Walk, day: _Day) -> _Outcome:
        """Predict, make it durable, move the stored pass on, and work out what follows."""
        record, missing = self._predict(walk, day)
        replayed = walk.replayed
        now = self._context.clock.now()
        moved = self._context.database.write(
            lambda session: replays.advance_pass(
                session, replayed.pass_id, expected=replayed.session, to=day.session, at=now
            )
        )
        walk.clock.moved(moved)
        if record is not None:
            walk.add(record)
        if walk.clock.done % self._terms.compact_every_sessions == 0:
            self._compact()
        return _Outcome(record, walk.view(day.panel, self._terms), missing)

    def _predict(self, walk: Walk, day: _Day) -> tuple[PredictionRecord | None, ModelUnavailable | None]:
        """Return the session's prediction, durable by now; the one from before a crash where there is one."""
        known = walk.predicted.get(day.session)
        if known is not None:
            return self._context.predictions.find(known), None
        try:
            model = self._host.current()
            require_unseen(model.info, day.session)
        except ModelUnavailable as error:
            return None, error
        scene = Scene(walk.replayed.pass_id, day.session, walk.closes.as_of(day.session))
        record = score_session(model, day.panel, scene, self._context.clock.now())
        if record is not None:
            if self._spool is None:
                self._spool = self._context.predictions.spool()
            self._spool.append(record)
            self._spool.sync()
        return record, None

    def _compact(self) -> None:
        try:
            self._context.predictions.compact()
        except InvestlabError as error:  # predictions stay readable in their spools; the next time tries again
            logger.warning("Predictions could not be compacted: %s", error.sentence)

    async def _show_walk(self, walk: Walk) -> None:
        """Take up a walk: another pass begins an epoch, and what it shows so far is published."""
        replayed = walk.replayed
        if replayed.pass_id != self._shown_pass:
            self._hub.begin_epoch(replayed.pass_id)
            self._shown_pass = replayed.pass_id
            await self._say(
                "replay.pass", f"Pass {replayed.number} walks {replayed.first_session} to {replayed.last_session}."
            )
        view = await asyncio.to_thread(self._standing, walk)
        self._walk = walk
        await self._publish_view(view)

    def _standing(self, walk: Walk) -> ReplayView:
        session = walk.clock.session
        return ReplayView(walk.clock.state()) if session is None else walk.view(walk.closes.panel(session), self._terms)

    async def _show(self, outcome: _Outcome) -> None:
        if outcome.missing is not None:
            await self._change(ReplayCondition.WITHOUT_MODEL, outcome.missing.sentence)
        else:
            await self._change(ReplayCondition.RUNNING, "")
        if outcome.record is not None:
            await self._hub.publish(prediction_topic(outcome.record.model), outcome.record.model_dump(mode="json"))
        await self._publish_view(outcome.view)

    async def _publish_view(self, view: ReplayView) -> None:
        self._view = view
        await self._hub.publish(REPLAY, view.state.model_dump(mode="json"))
        if view.monitor is not None:
            await self._hub.publish(MONITOR, view.monitor.model_dump(mode="json"))
        if view.portfolio is not None:
            await self._hub.publish(PAPER_PORTFOLIO, view.portfolio.model_dump(mode="json"))

    async def _emit(self, quote: Quote) -> None:
        await self._hub.publish(quote_topic(quote), quote.model_dump(mode="json"))

    async def _trouble(self, error: InvestlabError) -> None:
        """Tell what is in the way and forget what may be out of date, so that the next step reads it again."""
        self._failures += 1
        self._walk = None
        await asyncio.to_thread(self._drop_spool)
        await self._change(ReplayCondition.RETRYING, error.sentence)

    def _drop_spool(self) -> None:
        with suppress(InvestlabError, OSError):
            self.close()

    async def _change(self, condition: ReplayCondition, detail: str) -> None:
        """Show a condition, telling topic `system` when it is another one."""
        if (condition, detail) != (self._condition, self._detail):
            if condition is ReplayCondition.WITHOUT_MODEL:
                logger.warning("No prediction is made: %s", detail)
            self._condition, self._detail = condition, detail
            await self._say(f"replay.{condition}", detail)

    async def _say(self, event: str, detail: str) -> None:
        payload: dict[str, Any] = {"event": event, "detail": detail, "pass_id": self._shown_pass}
        await self._hub.publish(SYSTEM, payload)
