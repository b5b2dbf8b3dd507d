"""Universes: the symbols to look at, named and dated, so that a past day sees the members it had then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.schemas.screens import Rhythm, Screen
from investlab.schemas.universes import UniverseDraft, UniverseInfo
from investlab.services.context import Context
from investlab.services.prices import dataset_instruments, dataset_version
from investlab.services.screening import screened, screening_days
from investlab.store.database import Session
from investlab.store.repositories import audit, catalog, datasets, universes


@dataclass(frozen=True, slots=True)
class Universe:
    """The symbols to look at, all of one dataset; `name` is that of a recorded universe, empty for none."""

    dataset: str
    symbols: tuple[str, ...]
    name: str = ""

    def __len__(self) -> int:
        return len(self.symbols)


@dataclass(frozen=True, slots=True)
class UniverseRequest:
    """A universe to define: members named, or chosen by a screen from `start` on and anew as often as `every` says."""

    name: str
    dataset: str
    symbols: tuple[str, ...] | None = None
    screen: Screen | None = None
    every: Rhythm = Rhythm.ONCE
    start: date | None = None


def whole_dataset(context: Context, dataset: str) -> Universe:
    """Return every symbol that has bars in a dataset as of the workspace's time.

    Raises:
        NotFound: The dataset is unknown or has no bars yet.
    """
    return Universe(dataset, tuple(ref.symbol for ref in dataset_instruments(context, dataset)))


def recorded_universe(context: Context, name: str) -> Universe:
    """Return a recorded universe's members on the workspace's day, under the symbols they had then, by symbol.

    Instruments delisted since are among them.

    Raises:
        NotFound: There is no universe of that name, or it has no members on that day.
    """
    on = _day(context)
    with context.database.read() as session:
        info = universes.universe(session, name)
        ids = universes.members(session, name, on=on)
        found = catalog.named_instruments(session, ids, on=on)
    if not found:
        raise NotFound(
            f"The universe {name!r} has no members on {on}.",
            remedy="Define it from an earlier day, or read a later one.",
        )
    return Universe(info.dataset, tuple(sorted(ref.symbol for ref in found)), name)


def define_universe(context: Context, request: UniverseRequest) -> Universe:
    """Record a universe's members from a day on and return those of the workspace's day.

    Named members hold from `start` on (the dataset's beginning unless given). A screen is applied on `start` and on
    the first session of each later period up to the workspace's day, each time with what was known on that day.
    Defining it again replaces the members from `start` on; earlier periods stay.

    Raises:
        InvalidInput: Both or none of symbols and screen are given, or the dataset has no volume to screen by.
        NotFound: Dataset or symbol is unknown.
    """
    if (request.symbols is None) == (request.screen is None):
        raise InvalidInput(
            f"The universe {request.name!r} needs either symbols or a screen.", remedy="Give one of the two."
        )
    _, version = dataset_version(context, request.dataset)
    periods = _named(context, request, version) if request.symbols is not None else _chosen(context, request, version)

    def unit(session: Session) -> UniverseInfo:
        now = context.clock.now()
        definition = {
            "symbols": list(request.symbols) if request.symbols is not None else None,
            "screen": request.screen.model_dump(mode="json") if request.screen else None,
            "every": str(request.every),
            "as_of": None if context.as_of is None else context.as_of.isoformat(),
            "dataset_version": version.number,
        }
        draft = UniverseDraft(name=request.name, dataset=request.dataset, definition=definition, owner=context.owner)
        info = universes.define_universe(session, draft, at=now)
        for on, ids in periods:
            universes.set_members(session, request.name, ids, on=on)
        details = {"dataset": request.dataset, "days": len(periods), "members": len(periods[-1][1])}
        audit.append_event(session, context.owner, "universe.defined", request.name, details, at=now)
        return info

    context.database.write(unit)
    return recorded_universe(context, request.name)


def universes_frame(context: Context) -> pd.DataFrame:
    """Return the recorded universes ordered by name: dataset, members on the workspace's day, owner, last change."""
    on = _day(context)
    with context.database.read() as session:
        rows = [
            {
                "universe": info.name,
                "dataset": info.dataset,
                "members": len(universes.members(session, info.name, on=on)),
                "owner": info.owner,
                "changed": info.changed_at.replace(microsecond=0),
            }
            for info in universes.list_universes(session)
        ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["universe"]).set_index("universe")


def parse_rhythm(every: Rhythm | str) -> Rhythm:
    """Return the rhythm of that name.

    Raises:
        InvalidInput: There is none.
    """
    try:
        return Rhythm(every)
    except ValueError as error:
        raise InvalidInput(f"Unknown rhythm {every!r}.", remedy=f"Use {', '.join(Rhythm)}.") from error


def is_dataset(context: Context, name: str) -> bool:
    """Say whether a name is that of a dataset."""
    with context.database.read() as session:
        return any(info.name == name for info in datasets.list_datasets(session))


def _named(context: Context, request: UniverseRequest, version: DatasetVersionInfo) -> list[tuple[date, Sequence[int]]]:
    on = request.start or version.first_session or _day(context)
    among = {ref.instrument_id for ref in dataset_instruments(context, request.dataset)}
    with context.database.read() as session:
        found = catalog.resolve_symbols_as_of(session, request.symbols or (), day=_day(context), among=among)
    return [(on, [ref.instrument_id for ref in found])]


def _chosen(
    context: Context, request: UniverseRequest, version: DatasetVersionInfo
) -> list[tuple[date, Sequence[int]]]:
    info, _ = dataset_version(context, request.dataset)
    screen = request.screen or Screen()
    last = min(_day(context), version.last_session or _day(context))
    days = screening_days(info.calendar, request.start or last, last, request.every)
    if not days:
        raise InvalidInput(
            f"There is no session from {request.start} to {last} to choose members on.", remedy="Give an earlier start."
        )
    return [(day, screened(context, info, version, screen, day)) for day in days]


def _as_of_day(context: Context) -> date | None:
    """Return the day a workspace reads as of, None when it reads the latest."""
    return None if context.as_of is None else context.as_of.date()


def _day(context: Context) -> date:
    return _as_of_day(context) or context.clock.now().date()
