"""Ingest: a provider's bars are checked, stored durably and recorded as a dataset version."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pandas as pd

from investlab.core.errors import InvestlabError, QualityRejected
from investlab.core.extensions import PROVIDERS, load_extension
from investlab.market.calendars import close_times, open_times, sessions_between
from investlab.market.derivation import derive_actions
from investlab.market.quality import check_bars
from investlab.providers.protocol import BarBatch, Provider
from investlab.schemas.catalog import DatasetVersionInfo, IngestStart, RowCounts, Venue, VersionDraft
from investlab.schemas.market import CorporateAction, InstrumentRef
from investlab.schemas.quality import QualityReport
from investlab.schemas.receipts import IngestReceipt
from investlab.services.context import Context
from investlab.services.prices import version_pin
from investlab.store.database import Session
from investlab.store.market import AppendReceipt, Extent
from investlab.store.repositories import actions, audit, catalog, datasets, ingests, outbox

Say = Callable[[str], None]
VENUES = {
    "XNYS": Venue(mic="XNYS", name="New York Stock Exchange", timezone="America/New_York", calendar="XNYS"),
    "XNAS": Venue(mic="XNAS", name="NASDAQ", timezone="America/New_York", calendar="XNYS"),
}


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to ingest; `rebuild` sets the stored bars aside first and writes them anew."""

    provider: str
    dataset: str
    symbols: tuple[str, ...] | None = None
    rebuild: bool = False


@dataclass(frozen=True, slots=True)
class _Checked:
    """A batch that passed its checks, with our instruments and the derived actions."""

    batch: BarBatch
    instruments: dict[str, InstrumentRef]
    bars: pd.DataFrame
    actions: list[CorporateAction]
    quality: QualityReport
    run_id: str


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the market store did, the version recorded before, and the moment that counts as `ingested_at`."""

    appended: AppendReceipt
    extent: Extent
    last: DatasetVersionInfo | None
    rebuild: bool
    at: datetime

    @property
    def is_restored(self) -> bool:
        """Say whether a rebuild gave back just what the last version held."""
        return self.rebuild and self.last is not None and self.appended.content_hash == self.last.content_hash


def load_provider(name: str) -> Provider:
    """Return a provider by its extension name.

    Raises:
        NotFound: There is no such provider; near matches are named.
    """
    provider = cast("Callable[[], Provider]", load_extension(PROVIDERS, name))
    return provider()


def ingest(context: Context, request: IngestRequest, say: Say) -> IngestReceipt:
    """Fetch, check, store and record bars; ingesting the same bars again records the run and changes nothing.

    Raises:
        NotFound: Provider, dataset or symbol is unknown.
        QualityRejected: The bars failed their checks; nothing was stored.
        Busy: Another process is writing the dataset.
        Corrupt: The stored bars are damaged.
        StorageUnavailable: The disk or database cannot be written; nothing was changed.
    """
    say(f"{request.dataset}: reading from {request.provider}")
    batch = load_provider(request.provider).fetch(request.dataset, request.symbols)
    run_id = context.new_id("in", request.provider, request.dataset)
    instruments = context.database.write(lambda session: _register(session, context, batch, run_id))
    try:
        checked = _check(batch, instruments, run_id, say)
        say(f"{request.dataset}: storing {len(batch.bars):,} bars")
        return _store(context, checked, request.rebuild)
    except QualityRejected as error:
        quality, reason = error.details, error.sentence
        context.database.write(
            lambda session: ingests.reject_ingest(
                session, run_id, quality=quality, error=reason, at=context.clock.now()
            )
        )
        raise
    except BaseException as error:
        _record_failure(context, run_id, error)
        raise


def _record_failure(context: Context, run_id: str, error: BaseException) -> None:
    reason = error.sentence if isinstance(error, InvestlabError) else type(error).__name__
    try:
        context.database.write(
            lambda session: ingests.fail_ingest(session, run_id, error=reason, at=context.clock.now())
        )
    except InvestlabError as second:
        error.add_note(f"The failure could not be recorded either: {second.sentence}")


def _register(session: Session, context: Context, batch: BarBatch, run_id: str) -> dict[str, InstrumentRef]:
    """Record venues, dataset, instruments and the beginning of the run; return the instruments by symbol."""
    now = context.clock.now()
    for mic in sorted({item.venue for item in batch.instruments}):
        catalog.ensure_venue(session, VENUES.get(mic, Venue(mic=mic, name=mic, timezone="UTC", calendar="XNYS")))
    datasets.ensure_dataset(session, batch.description, at=now)
    found = {item.symbol: catalog.ensure_instrument(session, item) for item in batch.instruments}
    start = IngestStart(
        ingest_run_id=run_id,
        dataset=batch.description.name,
        provider=batch.description.provider,
        started_at=now,
        pipeline_step=context.settings.pipeline_step,
    )
    ingests.start_ingest(session, start)
    return found


def _check(batch: BarBatch, instruments: dict[str, InstrumentRef], run_id: str, say: Say) -> _Checked:
    say(f"{batch.description.name}: checking {len(batch.bars):,} bars of {len(instruments)} instruments")
    days = batch.bars["session"]
    sessions = sessions_between(batch.description.calendar, days.min().date(), days.max().date())
    report = check_bars(batch.bars, sessions)
    if not report.is_acceptable:
        first = report.errors[0]
        raise QualityRejected(
            f"The bars of {batch.description.name!r} failed the check {first.check}: {first.count} × {first.sentence} "
            f"({', '.join(first.examples)}).",
            remedy="Nothing was stored. Correct the source or leave those bars out.",
            details=report.model_dump(mode="json"),
        )
    known = pd.Series(close_times(batch.description.calendar, sessions, batch.description.lag_seconds), index=sessions)
    bars = batch.bars.assign(
        instrument_id=batch.bars["symbol"].map({symbol: ref.instrument_id for symbol, ref in instruments.items()}),
        known_at=known.reindex(days.to_numpy("datetime64[D]")).array,
    ).drop(columns="symbol")
    return _Checked(batch, instruments, bars, _derive(batch, instruments), report, run_id)


def _derive(batch: BarBatch, instruments: dict[str, InstrumentRef]) -> list[CorporateAction]:
    """Return the actions explained by the vendor's adjusted closes, known at the open of their ex-date (assumed)."""
    rule = batch.adjustment_rule
    if rule is None:
        return []
    found = []
    for symbol, bars in batch.bars.groupby("symbol", sort=True):
        raw, adjusted = bars["close"].to_numpy(), bars["adjusted_close"].to_numpy()
        derived = derive_actions(raw, adjusted, rule, str(symbol))
        days = bars["session"].to_numpy("datetime64[D]")[[action.position for action in derived]]
        if not derived:
            continue
        for action, day, opened in zip(derived, days, open_times(batch.description.calendar, days), strict=True):
            found.append(
                CorporateAction(
                    instrument_id=instruments[str(symbol)].instrument_id,
                    kind=action.kind,
                    ex_date=day.item(),
                    value=action.value,
                    known_at=opened.to_pydatetime(),
                    assumed=True,
                    source=f"derived from the adjusted closes of {batch.description.name} ({rule})",
                )
            )
    return found


def _store(context: Context, checked: _Checked, rebuild: bool) -> IngestReceipt:
    """Append and record under the dataset's lock, so that the pin read is the pin built upon."""
    name = checked.batch.description.name
    with context.market.writing(name):
        with context.database.read() as session:
            last = datasets.latest_version(session, name)
        now = context.clock.now()
        if rebuild:
            context.market.set_aside(name, f"{now:%Y%m%dT%H%M%S}")
        base = None if rebuild else last
        appended = context.market.append(
            name,
            checked.bars,
            acknowledged=version_pin(base) if base else None,
            ingested_at=now,
        )
        stored = _Stored(appended, context.market.extent(name, appended.pin), last, rebuild, now)
        return context.database.write(lambda session: _record(session, context.owner, checked, stored))


def _record(session: Session, owner: str, checked: _Checked, stored: _Stored) -> IngestReceipt:
    name, appended = checked.batch.description.name, stored.appended
    counts = RowCounts(new=appended.new_rows, changed=appended.changed_rows, same=appended.same_rows)
    told = actions.add_actions(session, name, checked.actions, ingest_run_id=checked.run_id, at=stored.at)
    version = _recorded_version(session, checked, stored, has_news=told.new > 0)
    quality = checked.quality.model_dump(mode="json")
    ingests.complete_ingest(session, checked.run_id, counts, quality=quality, at=stored.at)
    details = {"version": version.number, "content_hash": version.content_hash, **counts.model_dump()}
    audit.append_event(session, owner, "dataset.ingested", version.label, details, at=stored.at)
    outbox.enqueue(session, "dataset.version", {"dataset": name, **details}, at=stored.at)
    return IngestReceipt(
        dataset=name,
        provider=checked.batch.description.provider,
        basis=checked.batch.description.price_basis,
        version=version.number,
        content_hash=version.content_hash,
        counts=counts,
        actions=told,
        instruments=version.instruments,
        rows=version.rows,
        quality=checked.quality,
        ingest_run_id=checked.run_id,
        is_restored=stored.is_restored,
    )


def _recorded_version(session: Session, checked: _Checked, stored: _Stored, *, has_news: bool) -> DatasetVersionInfo:
    """Return the version that holds the bars: the last one where nothing changed, else a new one."""
    name, appended, last = checked.batch.description.name, stored.appended, stored.last
    if last is not None and stored.is_restored:
        return datasets.repin_version(
            session, name, last.number, appended.pin.base_version, appended.pin.corrections_version
        )
    if last is not None and not stored.rebuild and appended.is_unchanged and not has_news:
        return last
    extent = stored.extent
    draft = VersionDraft(
        dataset=name,
        base_version=appended.pin.base_version,
        corrections_version=appended.pin.corrections_version,
        content_hash=appended.content_hash,
        rows=extent.rows,
        instruments=extent.instruments,
        first_session=extent.first_session,
        last_session=extent.last_session,
        ingested_at=stored.at,
        ingest_run_id=checked.run_id,
    )
    return datasets.record_version(session, draft, expected_last=last.number if last else None)
