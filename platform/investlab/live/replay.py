"""The replay clock, and the quotes of a past session as a feed gives them."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.core.hashing import hash_json
from investlab.live.feeds import TimedQuote
from investlab.live.paths import NOTE, bar_path
from investlab.market.panel import PricePanel
from investlab.schemas.live import Quote, ReplayPass, ReplayState

CLOSE_AT = 0.85
"""The fraction of a replayed session at which its closes are quoted; the rest is left for what follows from them."""

BAR_FIELDS = ("open", "high", "low", "close")


class ReplayClock:
    """Walks through the sessions of a pass; the session it shows is the last one completed."""

    def __init__(self, replayed: ReplayPass, sessions: Sequence[date], seconds_per_session: float) -> None:
        inside = [day for day in sessions if replayed.first_session <= day <= replayed.last_session]
        if not inside:
            raise InvalidInput(
                f"There is no session from {replayed.first_session} to {replayed.last_session}.",
                remedy="Set INVESTLAB_REPLAY_FROM to a session that the data has.",
            )
        self._sessions = inside
        self._pass = replayed
        self._seconds = seconds_per_session

    @property
    def replayed(self) -> ReplayPass:
        """Return the pass as it stands."""
        return self._pass

    @property
    def session(self) -> date | None:
        """Return the last session completed, None before the first."""
        return self._pass.session

    @property
    def done(self) -> int:
        """Return how many sessions are completed."""
        return 0 if self.session is None else sum(day <= self.session for day in self._sessions)

    @property
    def following(self) -> date | None:
        """Return the session that comes next, None at the end."""
        return next((day for day in self._sessions if self.session is None or day > self.session), None)

    def moved(self, replayed: ReplayPass) -> None:
        """Show the pass after it moved on."""
        self._pass = replayed

    def state(self) -> ReplayState:
        """Return where the clock stands, as topic `replay` shows it."""
        return ReplayState(
            pass_id=self._pass.pass_id,
            pass_number=self._pass.number,
            session=self.session,
            first_session=self._pass.first_session,
            last_session=self._pass.last_session,
            sessions_done=self.done,
            sessions_total=len(self._sessions),
            seconds_per_session=self._seconds,
        )


def closing_quotes(panel: PricePanel) -> list[TimedQuote]:
    """Return the closes of a panel's last session, instruments without one left out; a panel ends with its session."""
    close = panel.values("close")
    present = np.flatnonzero(~np.isnan(close[-1]))
    return [TimedQuote(CLOSE_AT, _quote(panel, int(column), float(close[-1, column]))) for column in present]


def bar_quotes(panel: PricePanel, points: int) -> list[TimedQuote]:
    """Return synthetic quotes inside the last session's bars, and their closes, ordered by time.

    A bar that lacks a price is left out. The path's seed comes from instrument and session, so that a replayed session
    looks the same each time.
    """
    bars = np.stack([panel.values(name)[-1] for name in BAR_FIELDS], axis=1)
    found = []
    for column in np.flatnonzero(~np.isnan(bars).any(axis=1)):
        seed = int(hash_json([panel.listing[column].instrument_id, panel.last_session])[:12], 16)
        opened, high, low, close = (float(price) for price in bars[column])
        path = bar_path((opened, high, low, close), points, seed)
        for number, price in enumerate(path):
            is_close = number == points - 1
            quote = _quote(panel, int(column), float(price), "" if is_close else NOTE)
            found.append(TimedQuote(CLOSE_AT * number / (points - 1), quote))
    return sorted(found, key=lambda timed: timed.at)


def _quote(panel: PricePanel, column: int, price: float, note: str = "") -> Quote:
    known = panel.values("close")[:-1, column]
    known = known[~np.isnan(known)]
    previous = float(known[-1]) if len(known) else None
    listed = panel.listing[column]
    return Quote(
        dataset=panel.source.dataset,
        instrument_id=listed.instrument_id,
        symbol=listed.symbol,
        session=panel.last_session,
        price=price,
        previous_close=previous,
        change_pct=None if previous is None else (price / previous - 1.0) * 100.0,
        basis=panel.basis,
        currency=listed.currency,
        synthetic=panel.source.synthetic or bool(note),
        note=note,
    )
