"""Ingest: a provider's bars are checked, stored durably and recorded as a dataset version."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from investlab.core.config import Settings
from investlab.core.errors import InvestlabError, QualityRejected
from investlab.core.extensions import PROVIDERS, load_extension
from investlab.market.calendars import calendar_zone
from investlab.providers.protocol import Delivery, FetchRequest, Provider
from investlab.schemas.catalog import IngestStart, Venue
from investlab.schemas.market import InstrumentRef
from investlab.schemas.quality import QualityReport
from investlab.schemas.receipts import IngestReceipt
from investlab.services.context import Context
from investlab.services.ingest_parts import Say, check_part, read_parts, stage_parts, told_actions
from investlab.services.ingest_recording import Checked, Stored, record_ingest
from investlab.services.prices import version_pin
from investlab.store.database import Session
from investlab.store.market import Appending
from investlab.store.repositories import catalog, datasets, ingests
from investlab.store.staging import StagedRequest

UPDATE_OVERLAP_DAYS = 14
VENUES = {
    "XNYS": Venue(mic="XNYS", name="New York Stock Exchange", timezone="America/New_York", calendar="XNYS"),
    "XNAS": Venue(mic="XNAS", name="NASDAQ", timezone="America/New_York", calendar="XNYS"),
}


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to ingest: all symbols and sessions unless narrowed.

    `update` starts two weeks before the last stored session, so that late corrections of recent bars are seen.
    `rebuild` sets the stored bars aside first and writes them anew.
    """

    provider: str
    dataset: str
    symbols: tuple[str, ...] | None = None
    start: date | None = None
    end: date | None = None
    update: bool = False
    rebuild: bool = False


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A delivery with where its parts are kept, our instruments by its symbols, and the ingest run's id."""

    delivery: Delivery
    staged: StagedRequest
    instruments: dict[str, InstrumentRef]
    run_id: str
    say: Say


def load_provider(name: str, settings: Settings) -> Provider:
    """Return a provider by its extension name, set up by the settings.

    Raises:
        NotFound: There is no such provider; near matches are named.
    """
    provider = cast("Callable[[Settings], Provider]", load_extension(PROVIDERS, name))
    return provider(settings)


def ingest(context: Context, request: IngestRequest, say: Say) -> IngestReceipt:
    """Fetch, check, store and record bars; ingesting the same bars again records the run and changes nothing.

    Parts of a remote source that were fetched before an ingest broke off are not fetched again by the next one.

    Raises:
        NotFound: Provider, dataset or symbol is unknown.
        QualityRejected: The bars failed their checks; nothing was stored.
        Busy: Another process is writing the dataset.
        Corrupt: The stored bars are damaged.
        StorageUnavailable: The source, disk or database cannot be used; nothing was changed.
    """
    say(f"{request.dataset}: reading from {request.provider}")
    wanted = _wanted(context, request)
    delivery = load_provider(request.provider, context.settings).fetch(wanted)
    staged = context.staging.request(request.provider, repr(wanted), context.clock.now().date().isoformat())
    run_id = context.new_id("in", request.provider, request.dataset)
    instruments = context.database.write(lambda session: _register(session, context, delivery, run_id))
    arrival = _Arrival(delivery, staged, instruments, run_id, say)
    try:
        if delivery.is_remote:
            stage_parts(context, delivery, staged, say)
        receipt = _store(context, arrival, request.rebuild)
    except QualityRejected as error:
        quality, reason = error.details, error.sentence
        context.quarantine.remove(run_id)
        context.database.write(
            lambda session: ingests.reject_ingest(
                session, run_id, quality=quality, error=reason, at=context.clock.now()
            )
        )
        raise
    except BaseException as error:
        context.quarantine.remove(run_id)
        _record_failure(context, run_id, error)
        raise
    staged.clear()
    return receipt


def _wanted(context: Context, request: IngestRequest) -> FetchRequest:
    start = request.start
    if request.update:
        with context.database.read() as session:
            last = datasets.latest_version(session, request.dataset)
        if last is not None and last.last_session is not None:
            start = last.last_session - timedelta(days=UPDATE_OVERLAP_DAYS)
    return FetchRequest(request.dataset, request.symbols, start, request.end)


def _record_failure(context: Context, run_id: str, error: BaseException) -> None:
    reason = error.sentence if isinstance(error, InvestlabError) else type(error).__name__
    try:
        context.database.write(
            lambda session: ingests.fail_ingest(session, run_id, error=reason, at=context.clock.now())
        )
    except InvestlabError as second:
        error.add_note(f"The failure could not be recorded either: {second.sentence}")


def _register(session: Session, context: Context, delivery: Delivery, run_id: str) -> dict[str, InstrumentRef]:
    """Record venues, dataset, instruments and the beginning of the run; return the instruments by symbol."""
    now = context.clock.now()
    for mic in sorted({item.venue for item in delivery.instruments}):
        catalog.ensure_venue(session, VENUES.get(mic) or _venue(mic, delivery.description.calendar))
    datasets.ensure_dataset(session, delivery.description, at=now)
    found = catalog.ensure_instruments(session, delivery.instruments)
    start = IngestStart(
        ingest_run_id=run_id,
        dataset=delivery.description.name,
        provider=delivery.description.provider,
        started_at=now,
        pipeline_step=context.settings.pipeline_step,
    )
    ingests.start_ingest(session, start)
    return {draft.symbol: ref for draft, ref in zip(delivery.instruments, found, strict=True)}


def _venue(mic: str, calendar: str) -> Venue:
    """Return a venue of which the data says no more than the calendar."""
    return Venue(mic=mic, name=mic, timezone=str(calendar_zone(calendar)), calendar=calendar)


def _store(context: Context, arrival: _Arrival, rebuild: bool) -> IngestReceipt:
    """Append and record under the dataset's lock, so that the pin read is the pin built upon."""
    name = arrival.delivery.description.name
    with context.market.writing(name):
        with context.database.read() as session:
            last = datasets.latest_version(session, name)
        now = context.clock.now()
        if rebuild:
            context.market.set_aside(name, f"{now:%Y%m%dT%H%M%S}")
        base = None if rebuild else last
        pin = version_pin(base) if base else None
        appending = context.market.begin(name, acknowledged=pin, ingested_at=now)
        try:
            checked = _check_all(context, arrival, appending)
            appended = appending.commit()
        except BaseException:
            appending.abort()
            raise
        stored = Stored(appended, context.market.extent(name, appended.pin), last, rebuild, now)
        return context.database.write(lambda session: record_ingest(session, context.owner, checked, stored))


def _check_all(context: Context, arrival: _Arrival, appending: Appending) -> Checked:
    """Check every part and hand its bars to the store; what is quarantined is kept before anything is acknowledged."""
    described = arrival.delivery.description
    actions = told_actions(arrival.delivery, arrival.instruments)
    reports: list[QualityReport] = []
    total = len(arrival.delivery.parts)
    for number, bars in read_parts(arrival.delivery, arrival.staged):
        arrival.say(f"{described.name}: checking and storing {len(bars):,} bars (part {number} of {total})")
        checked = check_part(arrival.delivery, arrival.instruments, bars)
        if len(checked.bars):
            appending.add(checked.bars)
        actions += checked.actions
        reports.append(checked.report)
        if len(checked.quarantined):
            context.quarantine.keep(described.name, arrival.run_id, checked.quarantined, part=number)
    report = QualityReport.merge(reports, instruments=len(arrival.instruments))
    return Checked(described, report, tuple(actions), arrival.run_id)
