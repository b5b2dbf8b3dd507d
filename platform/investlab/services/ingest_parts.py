"""One part of a delivery on its way into the store: fetched once, checked, joined with our keys and times."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd

from investlab.core.errors import QualityRejected
from investlab.market.calendars import close_times, open_times, sessions_between
from investlab.market.derivation import derive_actions
from investlab.market.quality import CheckedBars, check_bars
from investlab.market.quality_settings import Known
from investlab.providers.protocol import Delivery
from investlab.schemas.catalog import ActionDraft
from investlab.schemas.market import CorporateAction, InstrumentRef
from investlab.schemas.quality import QualityReport
from investlab.services.context import Context
from investlab.store.staging import StagedRequest

Say = Callable[[str], None]

GATHERED_BARS = 50_000
"""So many bars at least are checked and stored together, where there are as many."""


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """Bars that may be stored, those that may not with their reasons, the derived actions, and what was found."""

    bars: pd.DataFrame
    quarantined: pd.DataFrame
    actions: tuple[CorporateAction, ...]
    report: QualityReport


def stage_parts(context: Context, delivery: Delivery, staged: StagedRequest, say: Say) -> None:
    """Fetch every part of a remote delivery that is not kept from an earlier attempt.

    Raises:
        StorageUnavailable: The source does not answer, or the disk is full; what was fetched is kept.
    """
    for number, part in enumerate(delivery.parts, start=1):
        if staged.find(part) is None:
            say(f"{delivery.description.name}: fetching part {number} of {len(delivery.parts)}")
            staged.keep(part, delivery.read(part))


def read_parts(delivery: Delivery, staged: StagedRequest) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the bars in the order of the parts, each time with the number of the last part among them.

    Small parts that follow each other come together, for checking and storing cost most of their time for each call.
    Parts of a remote source come from where they were kept.
    """
    gathered: list[pd.DataFrame] = []
    for number, part in enumerate(delivery.parts, start=1):
        kept = staged.find(part) if delivery.is_remote else None
        gathered.append(delivery.read(part) if kept is None else kept)
        if number == len(delivery.parts) or sum(map(len, gathered)) >= GATHERED_BARS:
            filled = [bars for bars in gathered if len(bars)] or gathered[:1]
            yield number, filled[0] if len(filled) == 1 else pd.concat(filled, ignore_index=True)
            gathered.clear()


def check_part(delivery: Delivery, instruments: dict[str, InstrumentRef], bars: pd.DataFrame) -> CheckedPart:
    """Return a part checked and joined with instrument ids and the times its bars were known.

    Raises:
        QualityRejected: A check says that the delivery as a whole is wrong.
    """
    described = delivery.description
    if bars.empty:
        return CheckedPart(bars, bars, (), QualityReport(bars=0))
    days = bars["session"].to_numpy("datetime64[D]")
    days = days[~np.isnat(days)]
    sessions = sessions_between(described.calendar, days.min().item(), days.max().item())
    told = [(draft.symbol, draft.ex_date) for draft in delivery.actions]
    checked = _accepted(bars, sessions, told, described.name)
    kept = bars if checked.keep.all() else bars[checked.keep]
    derived = _derived(delivery, instruments, kept)
    if derived:
        symbols = {ref.instrument_id: symbol for symbol, ref in instruments.items()}
        told += [(symbols[action.instrument_id], action.ex_date) for action in derived]
        checked = _accepted(bars, sessions, told, described.name)
    quarantined = checked.quarantined
    refused = bars[quarantined].assign(reason=checked.reasons[quarantined])
    known = close_times(described.calendar, sessions, described.lag_seconds).to_numpy("datetime64[us]")
    places = np.searchsorted(sessions, kept["session"].to_numpy("datetime64[D]"))
    moments = pd.DatetimeIndex(known[places], tz="UTC")
    return CheckedPart(_keyed(kept, instruments).assign(known_at=moments), refused, derived, checked.report)


def _accepted(bars: pd.DataFrame, sessions: np.ndarray, told: list[tuple[str, date]], name: str) -> CheckedBars:
    """Return bars checked in the light of the actions told, which explain the jumps of their days."""
    checked = check_bars(bars, sessions, known=Known(actions=pd.DataFrame(told, columns=["symbol", "ex_date"])))
    if not checked.report.is_acceptable:
        first = checked.report.rejections[0]
        raise QualityRejected(
            f"The bars of {name!r} failed the check {first.check}: {first.count} × {first.sentence} "
            f"({', '.join(first.examples)}).",
            remedy="Nothing was stored. Correct the source or leave those bars out.",
            details=checked.report.model_dump(mode="json"),
        )
    return checked


def told_actions(delivery: Delivery, instruments: dict[str, InstrumentRef]) -> list[CorporateAction]:
    """Return the actions the provider tells, by our keys; without a time they count as known at their ex-date's open.

    Those of instruments that were not asked for are left out.
    """
    return [_told(delivery, instruments, draft) for draft in delivery.actions if draft.symbol in instruments]


def _told(delivery: Delivery, instruments: dict[str, InstrumentRef], draft: ActionDraft) -> CorporateAction:
    counterpart = instruments.get(draft.counterpart_symbol or "")
    known_at = draft.known_at or _opening(delivery.description.calendar, np.datetime64(draft.ex_date, "D"))
    return CorporateAction(
        instrument_id=instruments[draft.symbol].instrument_id,
        kind=draft.kind,
        ex_date=draft.ex_date,
        value=draft.value,
        known_at=known_at,
        assumed=draft.known_at is None,
        source=delivery.description.source,
        counterpart_id=counterpart.instrument_id if counterpart else None,
        counterpart_ratio=draft.counterpart_ratio,
    )


def _opening(calendar: str, day: np.datetime64) -> datetime:
    """Return when the market opens on a day, or on the first session after it."""
    following = sessions_between(calendar, day.item(), (day + np.timedelta64(14, "D")).item())
    opened: datetime = open_times(calendar, following[:1])[0].to_pydatetime()
    return opened


def _keyed(bars: pd.DataFrame, instruments: dict[str, InstrumentRef]) -> pd.DataFrame:
    codes, symbols = pd.factorize(bars["symbol"])
    ids = np.array([instruments[str(symbol)].instrument_id for symbol in symbols], dtype=np.int64)
    return bars.drop(columns="symbol").assign(instrument_id=ids[codes])


def _derived(
    delivery: Delivery, instruments: dict[str, InstrumentRef], bars: pd.DataFrame
) -> tuple[CorporateAction, ...]:
    """Return the actions explained by the vendor's adjusted closes, known at the open of their ex-date (assumed)."""
    rule, described = delivery.adjustment_rule, delivery.description
    if rule is None:
        return ()
    found = []
    for symbol, own in bars.groupby("symbol", sort=True, observed=True):
        derived = derive_actions(own["close"].to_numpy(), own["adjusted_close"].to_numpy(), rule, str(symbol))
        if not derived:
            continue
        days = own["session"].to_numpy("datetime64[D]")[[action.position for action in derived]]
        for action, day, opened in zip(derived, days, open_times(described.calendar, days), strict=True):
            found.append(
                CorporateAction(
                    instrument_id=instruments[str(symbol)].instrument_id,
                    kind=action.kind,
                    ex_date=day.item(),
                    value=action.value,
                    known_at=opened.to_pydatetime(),
                    assumed=True,
                    source=f"derived from the adjusted closes of {described.name} ({rule})",
                    uncertainty=action.uncertainty,
                )
            )
    return tuple(found)
