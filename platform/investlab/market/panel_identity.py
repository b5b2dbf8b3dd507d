"""The identity of a panel: a hash of all its content, put together from hashes of its parts that may be kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from investlab.core.hashing import hash_arrays, hash_json
from investlab.schemas.market import InstrumentRef, PriceBasis


class Source(Protocol):
    """What the identity takes from where a panel comes from.

    The dataset's version is left out: what a later version does not change has one identity in both.
    """

    @property
    def dataset(self) -> str:
        """Return the name of the dataset."""
        ...

    @property
    def as_of(self) -> datetime | None:
        """Return the time by which everything in the panel was known, None for the latest."""
        ...

    @property
    def calendar(self) -> str:
        """Return the calendar of the sessions."""
        ...


@dataclass(frozen=True, slots=True)
class PanelDigests:
    """Hashes of a panel's parts: of each field, of its listing, and of what befalls its instruments."""

    fields: Mapping[str, str]
    listing: str
    events: str


def field_digest(values: np.ndarray) -> str:
    """Return the hash of one field of a panel (sessions × instruments)."""
    return hash_arrays([("field", values)])


def listing_digest(listing: Iterable[InstrumentRef]) -> str:
    """Return the hash of the instruments of a panel in their order."""
    return hash_json([(each.instrument_id, each.symbol, each.currency) for each in listing])


def events_digest(*tables: Iterable[tuple[str, np.ndarray]]) -> str:
    """Return the hash of a panel's tables of actions and delistings, given as named arrays."""
    return hash_arrays(part for table in tables for part in table)


def panel_id(sessions: np.ndarray, basis: PriceBasis, source: Source, digests: PanelDigests) -> str:
    """Return the id of a panel: equal content has equal ids on every machine."""
    header = {
        "listing": digests.listing,
        "basis": basis,
        "dataset": source.dataset,
        "as_of": source.as_of,
        "calendar": source.calendar,
        "sessions": hash_arrays([("sessions", sessions)]),
        "fields": dict(digests.fields),
        "events": digests.events,
    }
    return "pn-" + hash_json(header)[:24]
