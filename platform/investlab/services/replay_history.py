"""Price panels as they were known at the close of each replayed session."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import numpy as np

from investlab.core.errors import NotFound
from investlab.market.calendars import close_times
from investlab.market.panel import PricePanel, read_only
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.services import prices
from investlab.services.context import Context
from investlab.services.session_clock import close_of
from investlab.store.bar_tables import BarQuery


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A dataset version up to a last session, read as of the close of any session before.

    `panel(t)` is the panel that `prices.build_panel` gives as of t's close (and the provider's stated lag after it),
    to the bit. Where nothing was corrected up to the last session, what was known at t is exactly the base bars whose
    `known_at` is not later, so the panel is cut from the whole one by `known_at`; otherwise it is built from the store.
    """

    context: Context
    version: DatasetVersionInfo
    whole: PricePanel
    closes: np.ndarray
    known_at: np.ndarray | None

    @property
    def sessions(self) -> list[date]:
        """Return every session that has a close, in order."""
        days: list[date] = self.whole.sessions.tolist()
        return days

    @property
    def is_cut(self) -> bool:
        """Say whether panels are cut from the whole one rather than built one by one."""
        return self.known_at is not None

    def as_of(self, session: date) -> datetime:
        """Return when the bars of a session of this history were known.

        Raises:
            NotFound: The history has no such session.
        """
        row = int(np.searchsorted(self.whole.sessions, np.datetime64(session, "D")))
        if row == len(self.whole.sessions) or self.whole.sessions[row].item() != session:
            raise NotFound(f"{self.version.label} has no session {session}.")
        return _aware(self.closes[row])

    def panel(self, session: date) -> PricePanel:
        """Return the panel of every instrument as known at a session's close.

        Raises:
            NotFound: The history has no such session.
            EmptyUniverse: Nothing was known by then.
        """
        as_of = self.as_of(session)
        return self._built(as_of) if self.known_at is None else self._cut(as_of, self.known_at)

    def _cut(self, as_of: datetime, known_at: np.ndarray) -> PricePanel:
        known = known_at <= np.datetime64(as_of.replace(tzinfo=None), "us")
        present = known & ~np.isnan(self.whole.values("close"))
        rows, columns = np.flatnonzero(present.any(axis=1)), np.flatnonzero(present.any(axis=0))
        if not len(rows):
            return self._built(as_of)  # raises, naming what is missing
        span = slice(int(rows[0]), int(rows[-1]) + 1)
        fields = {
            name: read_only(np.where(known[span], values[span], np.nan)[:, columns])
            for name, values in self.whole.fields.items()
        }
        return replace(
            self.whole,
            sessions=self.whole.sessions[span],
            listing=tuple(self.whole.listing[column] for column in columns),
            fields=fields,
            source=replace(self.whole.source, as_of=as_of),
            id="",
        )

    def _built(self, as_of: datetime) -> PricePanel:
        context = replace(self.context, as_of=as_of)
        listed = prices.dataset_instruments(context, self.version.dataset, self.version.number)
        request = PanelRequest(
            dataset=self.version.dataset,
            symbols=tuple(ref.symbol for ref in listed),
            fields=(),
            as_of=as_of,
            dataset_version=self.version.number,
        )
        return prices.build_panel(context, request)


def open_history(context: Context, dataset: str, last_session: date) -> History:
    """Open the latest version of a dataset up to a session.

    Raises:
        NotFound: There is no such dataset, or it has no bars yet.
        Corrupt: The stored bars are damaged.
    """
    info, version = prices.dataset_version(context, dataset)
    as_of = close_of(info.calendar, last_session, info.lag_seconds)
    reading = replace(context, as_of=as_of)
    symbols = tuple(ref.symbol for ref in prices.dataset_instruments(reading, dataset, version.number))
    request = PanelRequest(dataset=dataset, symbols=symbols, fields=(), dataset_version=version.number)
    whole = prices.build_panel(reading, request)
    closes = close_times(info.calendar, whole.sessions, info.lag_seconds)
    moments = closes.tz_convert(None).to_numpy("datetime64[us]")
    return History(context, version, whole, moments, _known_at(context, version, whole, as_of))


def _known_at(context: Context, version: DatasetVersionInfo, whole: PricePanel, as_of: datetime) -> np.ndarray | None:
    """Return when each bar of the panel was known (sessions × instruments); None where panels cannot be cut by it."""
    bars = context.market.read(version.dataset, prices.version_pin(version), BarQuery(as_of=as_of))
    if len(whole.actions) or len(whole.delistings) or (bars["revision"] >= 0).any():
        return None
    identifiers = np.array([ref.instrument_id for ref in whole.listing])
    order = np.argsort(identifiers)
    days = bars["session"].to_numpy("datetime64[D]")
    inside = (days >= whole.sessions[0]) & (days <= whole.sessions[-1])
    rows = np.searchsorted(whole.sessions, days[inside])
    columns = order[np.searchsorted(identifiers[order], bars["instrument_id"].to_numpy()[inside])]
    found = np.full(whole.shape, np.datetime64("9999-01-01", "us"))
    found[rows, columns] = bars["known_at"].dt.tz_convert(None).to_numpy("datetime64[us]")[inside]
    return found


def _aware(moment: np.datetime64) -> datetime:
    naive: datetime = moment.item()
    return naive.replace(tzinfo=UTC)
